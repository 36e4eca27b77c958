//! The configuration and the keys that simulated nodes run with.

use crate::provider::Model;
use haltline_gateway::guard::settings::GuardSettings;
use haltline_gateway::settings::{
    AlertSettings, AuthSettings, Bounds, CacheSettings, Deadlines, DegradeSettings, HeadroomSettings, JobSettings,
    ModelSettings, ProviderKind, ProviderSettings, ResponseSettings, ReviewSettings, SessionSettings, Settings,
    SimulatedSettings, StreamSettings,
};
use haltline_ledger::Budgets;
use haltline_policy::breaker::BreakerRules;
use haltline_policy::price::Price;
use haltline_policy::retry::RetryRules;
use haltline_ports::{KeyRecord, Keys, KeysError, UserClaims};
use haltline_types::{ModelName, Name, Timestamp, Tokens};
use haltline_wire::PassFields;
use haltline_wire::openai::ProviderKind as Server;
use std::collections::BTreeMap;

/// A provider of a site.
#[derive(Clone, Debug)]
pub struct SiteProvider {
    /// Its name.
    pub name: String,
    /// Its kind, which decides how its input is bounded.
    pub kind: ProviderKind,
    /// Its models by their ids there.
    pub models: BTreeMap<String, Model>,
}

/// Settings for these providers and budgets, everything else as it is by default. `chat` goes to
/// the providers' first models, in order.
#[must_use]
pub fn settings(providers: &[SiteProvider], budgets: Budgets) -> Settings {
    let mut prices: BTreeMap<ModelName, Price> = BTreeMap::new();
    let mut targets = Vec::new();
    for provider in providers {
        for (place, (id, model)) in provider.models.iter().enumerate() {
            let endpoint = ModelName { provider: Name::new(&provider.name), model: Name::new(id) };
            prices.insert(endpoint.clone(), model.tariff.price());
            if place == 0 {
                targets.push(endpoint);
            }
        }
    }
    let chat = ModelSettings::in_order(targets, Tokens::new(1_024));
    Settings {
        providers: providers
            .iter()
            .map(|provider| (Name::new(&provider.name), provider_settings(provider.kind)))
            .collect(),
        models: BTreeMap::from([(Name::new("chat"), chat)]),
        prices,
        budgets,
        degrade: DegradeSettings::default(),
        review: ReviewSettings::default(),
        alerts: AlertSettings::default(),
        rate_limits: Vec::new(),
        retry: RetryRules::default(),
        breaker: BreakerRules::default(),
        deadlines: Deadlines::default(),
        streams: StreamSettings::default(),
        sessions: SessionSettings::default(),
        headroom: HeadroomSettings::default(),
        bounds: Bounds::default(),
        cache: CacheSettings::default(),
        jobs: JobSettings::default(),
        responses: ResponseSettings::default(),
        guard: GuardSettings::off(),
        auth: AuthSettings::default(),
    }
}

fn provider_settings(kind: ProviderKind) -> ProviderSettings {
    ProviderSettings {
        kind,
        base_url: String::new(),
        keys: Vec::new(),
        server: if kind == ProviderKind::OpenAi { Server::OpenAi } else { Server::Compatible },
        api_version: None,
        count_input: false,
        pass_fields: PassFields::none(),
        extra_ca: None,
        simulated: SimulatedSettings::default(),
    }
}

/// A key of a site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SiteKey {
    /// Its name; the secret is `secret-` and the name.
    pub name: &'static str,
    /// Its team.
    pub team: Option<&'static str>,
    /// Whom it may speak for.
    pub users: UserClaims,
}

impl SiteKey {
    /// What a client presents.
    #[must_use]
    pub fn secret(&self) -> String {
        format!("secret-{}", self.name)
    }

    /// Makes it known.
    ///
    /// # Errors
    /// When the store fails. That it is known already is none.
    pub fn add_to(&self, keys: &dyn Keys, now: Timestamp) -> Result<(), KeysError> {
        let record = KeyRecord {
            name: Name::new(self.name),
            hash: keys.hash(&self.secret()),
            hint: "secret".to_owned(),
            team: self.team.map(Name::new),
            tier: None,
            users: self.users.clone(),
            models: Vec::new(),
            created: now,
            expires: None,
            frozen: false,
            ..KeyRecord::default()
        };
        match keys.add(record) {
            Ok(()) | Err(KeysError::Exists(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
