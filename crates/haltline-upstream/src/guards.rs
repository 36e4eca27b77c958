//! External guard services over HTTP: one file for each kind, which writes a request and reads an
//! answer and does nothing else; one way for all of them to be carried (`carrier.rs`). Not here:
//! which services are asked, what follows from what they think, and what their calls cost
//! (`haltline-gateway`).

mod agentgateway;
mod azure;
mod bedrock;
mod carrier;
mod guardrails_ai;
mod lakera;
mod litellm;
mod nemo;
mod openai;
mod shape;
mod sigv4;

pub use bedrock::{BedrockAccess, UnitPrices};

use crate::ConfigError;
use carrier::Carrier;
use haltline_ports::{BoxFuture, Clock, GuardAnswer, GuardAsk, GuardFault, GuardFaultKind, GuardServices, Permit};
use haltline_types::Name;
use http::StatusCode;
use shape::{Base, Written};
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A secret of a guard service. It is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct GuardSecret(pub String);

impl fmt::Debug for GuardSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// An external guard service, as the configuration describes it.
#[derive(Clone, Debug)]
pub struct GuardConfig {
    /// Its name, unique.
    pub name: Name,
    /// What it is.
    pub service: GuardService,
    /// Where it is, without a trailing slash.
    pub base_url: String,
    /// What it is reached with, where it asks for that. Bedrock has its own.
    pub key: Option<GuardSecret>,
    /// For webhooks and servers of one's own: the header of the key, in place of `authorization`.
    pub key_header: Option<String>,
    /// From the name's look-up to the last byte of the answer.
    pub deadline: Duration,
    /// Does a call need a permit?
    pub costs_money: bool,
    /// May it be in a private network? A loopback address that stands in the URL may be called anyway.
    pub allow_private: bool,
    /// Certificates to trust besides the system's, PEM.
    pub extra_ca: Option<String>,
}

/// The kinds of service, and what each needs to know.
#[derive(Clone, Debug, PartialEq)]
pub enum GuardService {
    /// A Guardrails AI server.
    GuardrailsAi {
        /// The guard that validates.
        guard: String,
    },
    /// OpenAI's moderation endpoint.
    OpenAiModeration {
        /// `omni-moderation-latest`, unless the operator wants another.
        model: String,
        /// The score from which a category counts; others count where OpenAI says so.
        thresholds: BTreeMap<String, f64>,
    },
    /// Azure AI Content Safety's Prompt Shields.
    AzurePromptShields {
        /// `2024-09-01`.
        api_version: String,
    },
    /// Amazon Bedrock's `ApplyGuardrail`.
    Bedrock {
        /// The guardrail's id, or its ARN.
        guardrail: String,
        /// Its version, or `DRAFT`.
        version: String,
        /// How calls are authorised.
        access: BedrockAccess,
        /// What a text unit costs.
        prices: UnitPrices,
    },
    /// Lakera Guard.
    Lakera {
        /// The project whose policy counts; without one the account's default policy.
        project: Option<String>,
    },
    /// A NeMo Guardrails server.
    Nemo {
        /// Which configuration; without one the server's default.
        config_id: Option<String>,
    },
    /// A webhook in the dialect of LiteLLM's generic guardrail API.
    WebhookLiteLlm,
    /// A webhook in the dialect of agentgateway.
    WebhookAgentgateway,
}

impl GuardService {
    fn write(&self, config: &GuardConfig, base: &Base<'_>, ask: &GuardAsk) -> Result<Written, GuardFault> {
        match self {
            Self::GuardrailsAi { guard } => guardrails_ai::write(guard, config, base, ask),
            Self::OpenAiModeration { model, .. } => openai::write(model, config, base, ask),
            Self::AzurePromptShields { api_version } => azure::write(api_version, config, base, ask),
            Self::Bedrock { guardrail, version, access, .. } => bedrock::write(guardrail, version, access, base, ask),
            Self::Lakera { project } => lakera::write(project.as_deref(), config, base, ask),
            Self::Nemo { config_id } => nemo::write(config_id.as_deref(), config, base, ask),
            Self::WebhookLiteLlm => litellm::write(config, base, ask),
            Self::WebhookAgentgateway => agentgateway::write(config, base, ask),
        }
    }

    fn read(&self, status: StatusCode, body: &[u8], ask: &GuardAsk) -> Result<GuardAnswer, GuardFault> {
        match self {
            Self::GuardrailsAi { .. } => guardrails_ai::read(status, body, ask),
            Self::OpenAiModeration { thresholds, .. } => openai::read(status, body, ask, thresholds),
            Self::AzurePromptShields { .. } => azure::read(status, body, ask),
            Self::Bedrock { prices, .. } => bedrock::read(status, body, ask, prices),
            Self::Lakera { .. } => lakera::read(status, body, ask),
            Self::Nemo { .. } => nemo::read(status, body, ask),
            Self::WebhookLiteLlm => litellm::read(status, body, ask),
            Self::WebhookAgentgateway => agentgateway::read(status, body, ask),
        }
    }
}

/// May a service be at this address, as far as can be told without the network?
///
/// # Errors
/// A sentence for the operator.
pub fn check_guard_url(base_url: &str, allow_private: bool) -> Result<(), ConfigError> {
    carrier::check(base_url, allow_private)
}

/// Guard services behind HTTP, by their configured names.
pub struct HttpGuards {
    services: HashMap<Name, Service>,
    clock: Arc<dyn Clock>,
}

struct Service {
    config: GuardConfig,
    carrier: Carrier,
}

impl HttpGuards {
    /// `clock` serves to sign requests to Bedrock.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub fn new(configs: Vec<GuardConfig>, clock: Arc<dyn Clock>) -> Result<Self, ConfigError> {
        let mut services = HashMap::new();
        for config in configs {
            let carrier = Carrier::new(&config)?;
            services.insert(config.name.clone(), Service { config, carrier });
        }
        Ok(Self { services, clock })
    }

    async fn ask_one(&self, name: &Name, ask: &GuardAsk, permit: Option<Permit>) -> Result<GuardAnswer, GuardFault> {
        let not_sent = |why: String| GuardFault::not_sent(GuardFaultKind::Unreachable, why);
        let Some(Service { config, carrier }) = self.services.get(name) else {
            return Err(not_sent(format!("there is no guard service \"{name}\"")));
        };
        if config.costs_money && permit.is_none() {
            return Err(not_sent(format!("a call of \"{name}\" costs money, and nothing is held for it")));
        }
        let base = Base { host: carrier.host(), prefix: carrier.prefix(), now: self.clock.now() };
        let written = config.service.write(config, &base, ask)?;
        // The permit is consumed by what is sent with it.
        drop(permit);
        let (status, body) = carrier.send(written, config.deadline).await?;
        config.service.read(status, &body, ask)
    }
}

impl GuardServices for HttpGuards {
    fn ask<'a>(
        &'a self,
        service: &'a Name,
        ask: &'a GuardAsk,
        permit: Option<Permit>,
    ) -> BoxFuture<'a, Result<GuardAnswer, GuardFault>> {
        Box::pin(self.ask_one(service, ask, permit))
    }
}
