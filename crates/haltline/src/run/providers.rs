//! From the settings of providers to what speaks to them.

use haltline_gateway::Upstreams;
use haltline_gateway::settings::{ProviderKind, ProviderSettings, Settings};
use haltline_ports::{Clock, Upstream};
use haltline_types::{Name, PicoUsdPerToken};
use haltline_upstream::{
    OpenAiConfig, OpenAiUpstream, PoolSettings, SimulatedConfig, SimulatedPrices, SimulatedUpstream,
};
use haltline_wire::fault::BillingRules;
use std::collections::HashMap;
use std::sync::Arc;

/// Providers, ready to be called.
pub(crate) struct Built {
    pub(crate) upstreams: Upstreams,
    pub(crate) simulated: HashMap<Name, Arc<SimulatedUpstream>>,
}

/// Makes them all.
pub(crate) fn build(settings: &Settings, clock: &Arc<dyn Clock>) -> anyhow::Result<Built> {
    let mut built = Built { upstreams: Upstreams::new(), simulated: HashMap::new() };
    for (name, provider) in &settings.providers {
        let upstream: Arc<dyn Upstream> = match provider.kind {
            ProviderKind::OpenAi => openai(provider, BillingRules::OpenAi, clock)?,
            ProviderKind::OpenAiCompatible
            | ProviderKind::Anthropic
            | ProviderKind::Google
            | ProviderKind::Mistral
            | ProviderKind::Azure => openai(provider, BillingRules::Compatible, clock)?,
            ProviderKind::Simulated => {
                let simulated = Arc::new(SimulatedUpstream::new(simulated(settings, name, provider)));
                built.simulated.insert(name.clone(), Arc::clone(&simulated));
                simulated
            }
        };
        built.upstreams.insert(name.clone(), upstream);
    }
    Ok(built)
}

fn openai(
    provider: &ProviderSettings,
    billing: BillingRules,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<Arc<dyn Upstream>> {
    let config = OpenAiConfig {
        base_url: provider.base_url.clone(),
        api_key: provider.api_key.as_ref().map(|key| key.reveal().to_owned()),
        extra_ca: provider.extra_ca.clone(),
        billing,
        pool: PoolSettings::default(),
    };
    Ok(Arc::new(OpenAiUpstream::new(config, Arc::clone(clock))?))
}

/// The simulated model bills what its first configured model costs.
fn simulated(settings: &Settings, name: &Name, provider: &ProviderSettings) -> SimulatedConfig {
    let price = settings.prices.iter().find(|(endpoint, _)| endpoint.provider == *name);
    let rates = price.and_then(|(_, price)| price.settle.first());
    let free = PicoUsdPerToken::new(0);
    SimulatedConfig {
        latency: provider.simulated.latency,
        token_interval: provider.simulated.token_interval,
        output_tokens: provider.simulated.output_tokens,
        fail_per_mille: provider.simulated.fail_per_mille,
        rate_limit_per_mille: provider.simulated.rate_limit_per_mille,
        seed: 0,
        prices: SimulatedPrices {
            input: rates.map_or(free, |rates| rates.input),
            output: rates.map_or(free, |rates| rates.output),
        },
    }
}
