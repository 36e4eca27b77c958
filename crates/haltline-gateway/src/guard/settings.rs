//! How strictly texts are looked at: modes, and the external services that are asked.

use super::output::OutputGuard;
use crate::settings::Secret;
use haltline_guard::input::{Ruleset, Threshold};
use haltline_ports::Direction;
use haltline_types::{Name, NanoUsd};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// What follows from a finding, from the most lenient to the strictest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Mode {
    /// Nothing is looked at.
    Off,
    /// It is noted for the operator; the client notices nothing.
    #[default]
    Shadow,
    /// The client is told, and the text passes.
    Flag,
    /// What was found is taken out, and the rest passes.
    Redact,
    /// The text does not pass: input is refused, an answer ends.
    Block,
}

impl Mode {
    /// All modes, the most lenient first.
    pub const ALL: [Self; 5] = [Self::Off, Self::Shadow, Self::Flag, Self::Redact, Self::Block];

    /// The word in the configuration, records and metrics.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Shadow => "shadow",
            Self::Flag => "flag",
            Self::Redact => "redact",
            Self::Block => "block",
        }
    }
}

/// What a service that has no opinion means for the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum OnError {
    /// The request goes on, and says that it was not checked.
    #[default]
    Allow,
    /// The request is refused, and may be repeated.
    Block,
}

/// The kinds of external guard service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ServiceKind {
    /// A Guardrails AI server.
    GuardrailsAi,
    /// OpenAI's moderation endpoint.
    OpenAiModeration,
    /// Azure AI Content Safety's Prompt Shields.
    AzurePromptShields,
    /// Amazon Bedrock's `ApplyGuardrail`.
    BedrockGuardrail,
    /// Lakera Guard.
    Lakera,
    /// A NeMo Guardrails server.
    Nemo,
    /// A webhook in the dialect of LiteLLM's generic guardrail API.
    WebhookLiteLlm,
    /// A webhook in the dialect of agentgateway.
    WebhookAgentgateway,
    /// A model that labels the text.
    LlmJudge,
}

impl ServiceKind {
    /// All kinds.
    pub const ALL: [Self; 9] = [
        Self::GuardrailsAi,
        Self::OpenAiModeration,
        Self::AzurePromptShields,
        Self::BedrockGuardrail,
        Self::Lakera,
        Self::Nemo,
        Self::WebhookLiteLlm,
        Self::WebhookAgentgateway,
        Self::LlmJudge,
    ];

    /// The word in the configuration, records and metrics.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::GuardrailsAi => "guardrails-ai",
            Self::OpenAiModeration => "openai-moderation",
            Self::AzurePromptShields => "azure-prompt-shields",
            Self::BedrockGuardrail => "bedrock",
            Self::Lakera => "lakera",
            Self::Nemo => "nemo",
            Self::WebhookLiteLlm => "webhook-litellm",
            Self::WebhookAgentgateway => "webhook-agentgateway",
            Self::LlmJudge => "judge",
        }
    }

    /// Is a call of it known to cost money?
    #[must_use]
    pub const fn costs_money(self) -> bool {
        matches!(self, Self::AzurePromptShields | Self::BedrockGuardrail | Self::Lakera | Self::LlmJudge)
    }
}

/// An external guard service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceSettings {
    /// Its name, unique.
    pub name: Name,
    /// What it is.
    pub kind: ServiceKind,
    /// Without a trailing slash. Empty for a judge.
    pub base_url: String,
    /// What it is reached with; none where it asks for nothing.
    pub key: Option<Secret>,
    /// What the kind needs besides: a project, a guard's name, a guardrail's id and version, a region.
    pub options: BTreeMap<String, String>,
    /// What of that must not be printed: access keys.
    pub secrets: BTreeMap<String, Secret>,
    /// Certificates to trust besides the system's, PEM.
    pub extra_ca: Option<String>,
    /// A judge's model.
    pub model: Option<Name>,
    /// Which texts it is asked about.
    pub directions: Vec<Direction>,
    /// Only what local rules have flagged already.
    pub only_if_flagged: bool,
    /// What follows from its objection.
    pub mode: Mode,
    /// How long one answer may take.
    pub deadline: Duration,
    /// What no answer means.
    pub on_error: OnError,
    /// The most that one call can cost: held before it, from the same budgets as the request. None
    /// for services that cost nothing.
    pub cost_at_most: Option<NanoUsd>,
    /// May it be called in a private network?
    pub allow_private: bool,
    /// For how long a verdict on the same text stands, for the same tenant; zero asks every time.
    pub remember_for: Duration,
}

/// Everything about guards.
#[derive(Clone, Debug, Default)]
pub struct GuardSettings {
    /// What is looked at on its way to the model.
    pub input: InputGuard,
    /// What is looked for in answers.
    pub output: OutputGuard,
    /// External services.
    pub services: Vec<ServiceSettings>,
    /// What is kept for people to look at.
    pub review: ReviewQueue,
}

impl GuardSettings {
    /// Nothing is looked at.
    #[must_use]
    pub fn off() -> Self {
        let input = InputGuard { mode: Mode::Off, secrets: Mode::Off, ..InputGuard::default() };
        Self { input, output: OutputGuard::off(), ..Self::default() }
    }
}

/// Whose texts are looked at for attempts to take over the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// What the user says.
    User,
    /// What tools gave.
    ToolResult,
    /// Documents.
    Document,
    /// Descriptions of tools, which other people's servers write.
    ToolDescription,
}

impl Part {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::User, Self::ToolResult, Self::Document, Self::ToolDescription];

    /// The word in the configuration.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::ToolResult => "tool_result",
            Self::Document => "document",
            Self::ToolDescription => "tool_description",
        }
    }
}

/// How much of a conversation is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Reach {
    /// What came after the model's last turn: what was said before was looked at when it came.
    #[default]
    LatestTurn,
    /// All of it, each time.
    All,
    /// The latest turn, and its points are added to those of the session's turns before.
    Session,
}

/// What is looked at on its way to the model. The system prompt never is.
#[derive(Clone, Debug)]
pub struct InputGuard {
    /// What follows where nothing else says.
    pub mode: Mode,
    /// What follows for requests for these models, by the name that is asked for.
    pub models: BTreeMap<Name, Mode>,
    /// What follows for these teams; where a model's mode applies as well, the stricter one does.
    pub teams: BTreeMap<Name, Mode>,
    /// What follows from these rules, whatever else says.
    pub rules: BTreeMap<Name, Mode>,
    /// How much is looked at.
    pub reach: Reach,
    /// Whose texts.
    pub parts: Vec<Part>,
    /// From how many points on something follows.
    pub threshold: Threshold,
    /// The rules.
    pub ruleset: Arc<Ruleset>,
    /// What follows from credentials in what users say. Never redacts: what is forwarded is what
    /// was sent.
    pub secrets: Mode,
}

impl Default for InputGuard {
    fn default() -> Self {
        Self {
            mode: Mode::Shadow,
            models: BTreeMap::new(),
            teams: BTreeMap::new(),
            rules: BTreeMap::new(),
            reach: Reach::LatestTurn,
            parts: vec![Part::User, Part::ToolResult, Part::Document],
            threshold: Threshold::default(),
            ruleset: Ruleset::shipped(),
            secrets: Mode::Flag,
        }
    }
}

impl InputGuard {
    /// What follows for a request, unless a rule says otherwise.
    #[must_use]
    pub fn mode_for(&self, model: &Name, team: Option<&Name>, strict: bool) -> Mode {
        let model = self.models.get(model).copied();
        let team = team.and_then(|team| self.teams.get(team)).copied();
        let mode = model.max(team).unwrap_or(self.mode);
        if strict { mode.max(Mode::Block) } else { mode }
    }

    /// What follows from a rule where the request's mode is `mode`.
    #[must_use]
    pub fn mode_of(&self, rule: &str, mode: Mode, strict: bool) -> Mode {
        match self.rules.get(rule).copied() {
            // An operator who switched a rule off knows why: no request switches it on.
            Some(Mode::Off) => Mode::Off,
            Some(own) if strict => own.max(mode),
            Some(own) => own,
            None => mode,
        }
    }
}

/// What is kept for people to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReviewQueue {
    /// For how long.
    pub keep_for: Duration,
    /// The whole text as it was sent, too, for whoever may reveal it.
    pub raw: bool,
}

impl Default for ReviewQueue {
    fn default() -> Self {
        Self { keep_for: Duration::from_secs(30 * 86_400), raw: false }
    }
}
