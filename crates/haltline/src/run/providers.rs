//! From the settings of providers to what speaks to them.

use haltline_gateway::Upstreams;
use haltline_gateway::settings::{ProviderKey, ProviderKind, ProviderSettings, Settings};
use haltline_ports::{Clock, Upstream};
use haltline_types::{Name, PicoUsdPerToken};
use haltline_upstream::{
    ApiKey, HttpConfig, HttpUpstream, PoolSettings, Provider, SimulatedConfig, SimulatedPrices, SimulatedUpstream,
};
use haltline_wire::openai::ProviderKind as Server;
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
            ProviderKind::OpenAi => http(provider, Provider::OpenAi, clock)?,
            ProviderKind::Anthropic => http(provider, Provider::Anthropic, clock)?,
            ProviderKind::Google => http(provider, Provider::Google, clock)?,
            ProviderKind::Mistral => http(provider, Provider::Mistral, clock)?,
            ProviderKind::Azure => {
                http(provider, Provider::Azure { api_version: provider.api_version.clone() }, clock)?
            }
            ProviderKind::OpenAiCompatible if provider.server == Server::OpenRouter => {
                http(provider, Provider::OpenRouter, clock)?
            }
            ProviderKind::OpenAiCompatible => http(provider, Provider::Compatible, clock)?,
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

fn http(settings: &ProviderSettings, provider: Provider, clock: &Arc<dyn Clock>) -> anyhow::Result<Arc<dyn Upstream>> {
    let config = HttpConfig {
        provider,
        base_url: settings.base_url.clone(),
        keys: settings.keys.iter().map(api_key).collect(),
        headers: Vec::new(),
        extra_ca: settings.extra_ca.clone(),
        pool: PoolSettings::default(),
    };
    Ok(Arc::new(HttpUpstream::new(config, Arc::clone(clock))?))
}

fn api_key(key: &ProviderKey) -> ApiKey {
    ApiKey { secret: key.secret.clone(), weight: key.weight }
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
