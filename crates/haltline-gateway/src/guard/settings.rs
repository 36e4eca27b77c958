//! How strictly texts are looked at: modes, and the external services that are asked.

use crate::settings::Secret;
use haltline_ports::Direction;
use haltline_types::{Name, NanoUsd};
use std::collections::BTreeMap;
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
