//! From the settings of guard services to what speaks to them.

use haltline_gateway::guard::settings::{ServiceKind, ServiceSettings};
use haltline_gateway::settings::Settings;
use haltline_ports::{Clock, GuardServices, NoGuardServices};
use haltline_types::NanoUsd;
use haltline_upstream::{BedrockAccess, GuardConfig, GuardSecret, GuardService, HttpGuards, UnitPrices};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Azure's API version, where the configuration names none.
const AZURE_VERSION: &str = "2024-09-01";
/// OpenAI's model for moderation, likewise.
const MODERATION: &str = "omni-moderation-latest";

/// Makes them all. A judge is none of them: it goes down the line.
pub(crate) fn build(settings: &Settings, clock: &Arc<dyn Clock>) -> anyhow::Result<Arc<dyn GuardServices>> {
    let configs: Vec<GuardConfig> = settings.guard.services.iter().filter_map(config).collect();
    if configs.is_empty() {
        return Ok(Arc::new(NoGuardServices));
    }
    Ok(Arc::new(HttpGuards::new(configs, Arc::clone(clock))?))
}

fn config(settings: &ServiceSettings) -> Option<GuardConfig> {
    let option = |key: &str| settings.options.get(key).cloned();
    let service = match settings.kind {
        ServiceKind::LlmJudge => return None,
        ServiceKind::GuardrailsAi => GuardService::GuardrailsAi { guard: option("guard").unwrap_or_default() },
        ServiceKind::OpenAiModeration => GuardService::OpenAiModeration {
            model: option("model").unwrap_or_else(|| MODERATION.to_owned()),
            thresholds: numbered(settings, "threshold:"),
        },
        ServiceKind::AzurePromptShields => GuardService::AzurePromptShields {
            api_version: option("api_version").unwrap_or_else(|| AZURE_VERSION.to_owned()),
        },
        ServiceKind::BedrockGuardrail => {
            let mut prices = UnitPrices::published();
            prices.0.extend(numbered::<NanoUsd>(settings, "price:"));
            GuardService::Bedrock {
                guardrail: option("guardrail_id").unwrap_or_default(),
                version: option("version").unwrap_or_else(|| "DRAFT".to_owned()),
                access: access(settings),
                prices,
            }
        }
        ServiceKind::Lakera => GuardService::Lakera { project: option("project") },
        ServiceKind::Nemo => GuardService::Nemo { config_id: option("config_id") },
        ServiceKind::WebhookLiteLlm => GuardService::WebhookLiteLlm,
        ServiceKind::WebhookAgentgateway => GuardService::WebhookAgentgateway,
    };
    Some(GuardConfig {
        name: settings.name.clone(),
        service,
        base_url: settings.base_url.clone(),
        key: settings.key.as_ref().map(|key| GuardSecret(key.reveal().to_owned())),
        key_header: option("key_header"),
        deadline: settings.deadline,
        costs_money: settings.cost_at_most.is_some(),
        allow_private: settings.allow_private,
        extra_ca: settings.extra_ca.clone(),
    })
}

fn access(settings: &ServiceSettings) -> BedrockAccess {
    if let Some(key) = &settings.key {
        return BedrockAccess::ApiKey(GuardSecret(key.reveal().to_owned()));
    }
    let secret = |name: &str| settings.secrets.get(name).map(|secret| GuardSecret(secret.reveal().to_owned()));
    let none = || GuardSecret(String::new());
    BedrockAccess::Signed {
        region: settings.options.get("region").cloned().unwrap_or_default(),
        access_key_id: secret("access_key_id").unwrap_or_else(none),
        secret_access_key: secret("secret_access_key").unwrap_or_else(none),
        session_token: secret("session_token"),
    }
}

/// Options under a prefix whose values the configuration has checked.
fn numbered<T: std::str::FromStr>(settings: &ServiceSettings, prefix: &str) -> BTreeMap<String, T> {
    let numbers = settings.options.iter().filter_map(|(key, value)| {
        let name = key.strip_prefix(prefix)?;
        Some((name.to_owned(), value.parse().ok()?))
    });
    numbers.collect()
}
