//! What differs from server to server among those that speak Chat Completions, as one table.
//!
//! A fact stands here only when somebody's documentation or error message says it; the rest is what
//! most imitators do. Whatever a server does not take is left out, as some refuse what they do not
//! know (Mistral) and others ignore it in silence.

use super::chat::CapField;
use crate::fault::BillingRules;

/// Whose server it is. It decides which fields are safe to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProviderKind {
    /// OpenAI's own service.
    OpenAi,
    /// OpenAI's models at Microsoft Azure.
    Azure,
    /// Mistral's own service.
    Mistral,
    /// Groq.
    Groq,
    /// DeepSeek's own service.
    DeepSeek,
    /// xAI's own service.
    XAi,
    /// Together AI.
    Together,
    /// Fireworks AI.
    Fireworks,
    /// Cerebras.
    Cerebras,
    /// OpenRouter.
    OpenRouter,
    /// Perplexity.
    Perplexity,
    /// Moonshot's own service.
    Moonshot,
    /// Z.ai's own service.
    ZAi,
    /// A vLLM server.
    Vllm,
    /// An Ollama server, by its `/v1` paths.
    Ollama,
    /// A llama.cpp server, or one that is built on it, such as llama-box.
    LlamaCpp,
    /// LM Studio.
    LmStudio,
    /// Any other server that imitates OpenAI's.
    Compatible,
}

/// How a server is told how much to think.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReasoningField {
    /// `reasoning_effort` with one of OpenAI's words.
    Effort,
    /// `reasoning: {effort | max_tokens | enabled, exclude}` (OpenRouter).
    Object,
    /// `thinking: {type: enabled | disabled}` (DeepSeek, Z.ai, Moonshot).
    Thinking,
    /// Not at all, as far as is known.
    None,
}

/// How a server is told to write on with the last message instead of answering it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PrefixForm {
    /// Not at all, as far as is known.
    None,
    /// `prefix: true` in the last message. Mistral's API reference: the answer is forced to begin
    /// with it; answers may hold it again.
    Flag,
    /// The same, below `/beta` alone (api-docs.deepseek.com/guides/chat_prefix_completion).
    FlagAtBeta,
    /// `continue_final_message: true` and `add_generation_prompt: false` in the body
    /// (docs.vllm.ai, "OpenAI-Compatible Server", extra parameters of the Chat API). llama.cpp's
    /// server takes them since ggml-org/llama.cpp#23012, and before that went on with an
    /// assistant's last message unasked (#13174, #13608); while the model thinks it answers 400.
    OpenEnd,
}

/// What a server takes and does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quirks {
    /// The field in which it obeys an output cap that counts reasoning too.
    pub cap: CapField,
    /// Takes `stream_options`. Those that do not send usage unasked.
    pub stream_options: bool,
    /// How it is told how much to think.
    pub reasoning: ReasoningField,
    /// Takes the thoughts of earlier turns back, as `reasoning_content`.
    pub takes_reasoning_back: bool,
    /// Its usage reports say what the answer cost.
    pub states_cost: bool,
    /// Chooses among sellers of a model, and takes `provider.max_price`.
    pub max_price: bool,
    /// The service tier to ask for, so that no dearer one is used.
    pub service_tier: Option<&'static str>,
    /// Which of its rejections are free.
    pub billing: BillingRules,
    /// Fetches pictures from addresses; without it only `data:` URLs can be sent.
    pub image_urls: bool,
    /// Takes PDF documents as `file` parts.
    pub documents: bool,
    /// Obeys `response_format` of type `json_schema`.
    pub json_schema: bool,
    /// Takes `top_k`.
    pub top_k: bool,
    /// The name of the seed.
    pub seed: &'static str,
    /// Takes `user`, and `name` of messages.
    pub names: bool,
    /// The most stop sequences that it takes.
    pub stops_max: usize,
    /// How it is told to write on with the last message.
    pub prefix: PrefixForm,
}

/// What most imitators do.
const COMMON: Quirks = Quirks {
    cap: CapField::MaxTokens,
    stream_options: true,
    reasoning: ReasoningField::None,
    takes_reasoning_back: false,
    states_cost: false,
    max_price: false,
    service_tier: None,
    billing: BillingRules::Compatible,
    image_urls: true,
    documents: false,
    json_schema: true,
    top_k: false,
    seed: "seed",
    names: true,
    stops_max: usize::MAX,
    prefix: PrefixForm::None,
};

/// The servers, each with what is known of it.
impl ProviderKind {
    /// All kinds.
    pub const ALL: [Self; 18] = [
        Self::OpenAi,
        Self::Azure,
        Self::Mistral,
        Self::Groq,
        Self::DeepSeek,
        Self::XAi,
        Self::Together,
        Self::Fireworks,
        Self::Cerebras,
        Self::OpenRouter,
        Self::Perplexity,
        Self::Moonshot,
        Self::ZAi,
        Self::Vllm,
        Self::Ollama,
        Self::LlamaCpp,
        Self::LmStudio,
        Self::Compatible,
    ];

    /// The name for configuration and documents.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Azure => "azure",
            Self::Mistral => "mistral",
            Self::Groq => "groq",
            Self::DeepSeek => "deepseek",
            Self::XAi => "xai",
            Self::Together => "together",
            Self::Fireworks => "fireworks",
            Self::Cerebras => "cerebras",
            Self::OpenRouter => "openrouter",
            Self::Perplexity => "perplexity",
            Self::Moonshot => "moonshot",
            Self::ZAi => "zai",
            Self::Vllm => "vllm",
            Self::Ollama => "ollama",
            Self::LlamaCpp => "llama.cpp",
            Self::LmStudio => "lmstudio",
            Self::Compatible => "openai-compatible",
        }
    }

    /// From the name in a configuration.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// By the address of its API, as its documentation gives it; local servers by the port on
    /// which they listen unless told otherwise.
    #[must_use]
    pub fn at(base_url: &str) -> Self {
        const HOSTS: [(&str, ProviderKind); 14] = [
            ("api.openai.com", ProviderKind::OpenAi),
            ("api.mistral.ai", ProviderKind::Mistral),
            ("api.groq.com", ProviderKind::Groq),
            ("api.deepseek.com", ProviderKind::DeepSeek),
            ("api.x.ai", ProviderKind::XAi),
            ("api.together.xyz", ProviderKind::Together),
            ("api.together.ai", ProviderKind::Together),
            ("api.fireworks.ai", ProviderKind::Fireworks),
            ("api.cerebras.ai", ProviderKind::Cerebras),
            ("openrouter.ai", ProviderKind::OpenRouter),
            ("api.perplexity.ai", ProviderKind::Perplexity),
            ("api.moonshot.ai", ProviderKind::Moonshot),
            ("api.moonshot.cn", ProviderKind::Moonshot),
            ("api.z.ai", ProviderKind::ZAi),
        ];
        let rest = base_url.split_once("://").map_or(base_url, |(_, rest)| rest);
        let authority = rest.split('/').next().unwrap_or_default();
        let (host, port) = authority.rsplit_once(':').unwrap_or((authority, ""));
        let known = HOSTS.into_iter().find(|(name, _)| *name == host).map(|(_, kind)| kind);
        known.unwrap_or(match port {
            "11434" => Self::Ollama,
            "1234" => Self::LmStudio,
            _ => Self::Compatible,
        })
    }

    /// What it takes and does.
    #[must_use]
    pub const fn quirks(self) -> Quirks {
        match self {
            // openai-python's types: `max_completion_tokens` counts visible and reasoning tokens;
            // `service_tier` left out means `auto`, which a project can make dearer.
            Self::OpenAi => Quirks {
                cap: CapField::MaxCompletionTokens,
                reasoning: ReasoningField::Effort,
                service_tier: Some("default"),
                billing: BillingRules::OpenAi,
                documents: true,
                stops_max: 4,
                ..COMMON
            },
            // Azure refuses fields that it does not know with 400, which costs nothing.
            Self::Azure => Quirks {
                cap: CapField::MaxCompletionTokens,
                reasoning: ReasoningField::Effort,
                billing: BillingRules::Azure,
                stops_max: 4,
                ..COMMON
            },
            // 422 `extra_forbidden` for `stream_options` (dnakov/anon-kode#53),
            // `max_completion_tokens` (editor-code-assistant/eca#231), `name` of a user's message
            // (Gage-Technologies/mistral-go#2) and `reasoning_content` (charmbracelet/crush#1590).
            // Usage comes unasked (recorded). `random_seed`: its API reference.
            Self::Mistral => {
                Quirks { stream_options: false, seed: "random_seed", names: false, prefix: PrefixForm::Flag, ..COMMON }
            }
            // groq-python's types: `max_tokens` is deprecated for `max_completion_tokens`;
            // `service_tier` `on_demand` is the default, `flex` and `performance` are others.
            Self::Groq => Quirks {
                cap: CapField::MaxCompletionTokens,
                reasoning: ReasoningField::Effort,
                service_tier: Some("on_demand"),
                stops_max: 4,
                ..COMMON
            },
            // Its API reference: `max_tokens` counts the thoughts too; `response_format` knows
            // `text` and `json_object`; `thinking` switches; thoughts of a turn that called tools
            // must come back. At most 16 stops.
            Self::DeepSeek => Quirks {
                reasoning: ReasoningField::Thinking,
                takes_reasoning_back: true,
                json_schema: false,
                stops_max: 16,
                prefix: PrefixForm::FlagAtBeta,
                ..COMMON
            },
            // Its API reference: `max_completion_tokens` bounds visible and reasoning tokens,
            // `max_tokens` is deprecated. `usage.cost_in_usd_ticks` is recorded.
            Self::XAi => Quirks {
                cap: CapField::MaxCompletionTokens,
                reasoning: ReasoningField::Effort,
                states_cost: true,
                ..COMMON
            },
            // Their API references list `top_k`.
            Self::Together | Self::Fireworks => Quirks { reasoning: ReasoningField::Effort, top_k: true, ..COMMON },
            // Its API reference lists `max_completion_tokens`, reasoning included, and not
            // `max_tokens`.
            Self::Cerebras => {
                Quirks { cap: CapField::MaxCompletionTokens, reasoning: ReasoningField::Effort, ..COMMON }
            }
            // Its API reference: `reasoning` as an object, `file` parts for PDF, `provider.max_price`
            // in USD per million tokens. `usage.cost` is recorded.
            Self::OpenRouter => Quirks {
                reasoning: ReasoningField::Object,
                states_cost: true,
                max_price: true,
                documents: true,
                top_k: true,
                ..COMMON
            },
            // `usage.cost.total_cost` is recorded; `top_k` stands in its API reference.
            Self::Perplexity => Quirks { reasoning: ReasoningField::Effort, states_cost: true, top_k: true, ..COMMON },
            Self::Moonshot | Self::ZAi => {
                Quirks { reasoning: ReasoningField::Thinking, takes_reasoning_back: true, ..COMMON }
            }
            // vLLM's protocol module: `max_tokens` and `max_completion_tokens` are both obeyed.
            Self::Vllm => Quirks { top_k: true, takes_reasoning_back: true, prefix: PrefixForm::OpenEnd, ..COMMON },
            // docs.ollama.com/api/openai-compatibility lists the fields that it takes.
            Self::Ollama => Quirks { reasoning: ReasoningField::Effort, names: false, ..COMMON },
            Self::LlamaCpp => Quirks { top_k: true, takes_reasoning_back: true, prefix: PrefixForm::OpenEnd, ..COMMON },
            // Its documentation wants pictures as base64.
            Self::LmStudio => Quirks { top_k: true, image_urls: false, ..COMMON },
            Self::Compatible => COMMON,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_name_of_its_own() {
        for kind in ProviderKind::ALL {
            assert_eq!(ProviderKind::from_name(kind.name()), Some(kind));
        }
        assert_eq!(ProviderKind::from_name("nobody"), None);
    }

    #[test]
    fn a_server_that_is_not_known_gets_the_cap_that_imitators_obey() {
        assert_eq!(ProviderKind::Compatible.quirks().cap, CapField::MaxTokens);
        assert_eq!(ProviderKind::Mistral.quirks().cap, CapField::MaxTokens);
        assert_eq!(ProviderKind::OpenAi.quirks().cap, CapField::MaxCompletionTokens);
    }
}
