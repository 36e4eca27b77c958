//! `haltline demo`: no key, no configuration, no network. A gateway in memory in front of a
//! simulated model, with a budget of one dollar a day.

mod client;
mod runaway;
mod unmetered;

pub use runaway::{Runaway, runaway};

use crate::run::{Instance, Plan, StorePlace};
use anyhow::Context;
use haltline_gateway::guard::settings::GuardSettings;
use haltline_gateway::settings::{
    AlertSettings, AuthSettings, Bounds, CacheSettings, Deadlines, DegradeSettings, HeadroomSettings, JobSettings,
    ModelSettings, ProviderKind, ProviderSettings, ResponseSettings, ReviewSettings, SessionSettings, Settings,
    SimulatedSettings, StreamSettings,
};
use haltline_http::ServerBounds;
use haltline_http::admin::dto::NewKey;
use haltline_http::admin::{key_record, new_secret};
use haltline_ledger::{Applies, Budget, Budgets, OnFull, Window, Zone};
use haltline_policy::breaker::BreakerRules;
use haltline_policy::limits::{Algorithm, LimitUnit, RateLimit};
use haltline_policy::price::{Price, Rates};
use haltline_policy::retry::RetryRules;
use haltline_types::{Amount, ModelName, Name, PicoUsdPerToken, Scope, Tokens, Unit};
use haltline_wire::PassFields;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

/// Where a demo listens unless that is taken.
pub const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 4100);

/// The demo's budget, in nanodollars a day.
const LIMIT: i64 = 1_000_000_000;
/// Retries of one user in an hour: the post-mortem's number.
const RETRIES_PER_USER_HOUR: i64 = 10;

/// A demo that runs.
pub struct Demo {
    /// The gateway.
    pub instance: Instance,
    /// The secret of its one key.
    pub secret: String,
}

/// Streams of a demo are kept as long as it can be expected to run.
const DAY: Duration = Duration::from_secs(86_400);

impl Demo {
    /// Starts on `listen`, or on any free port of the same interface when that is taken.
    ///
    /// # Errors
    /// What hindered it.
    pub async fn start(listen: SocketAddr, settings: Settings) -> anyhow::Result<Self> {
        let free = tokio::net::TcpListener::bind(listen).await.is_ok();
        let listen = if free { listen } else { SocketAddr::new(listen.ip(), 0) };
        let instance = Instance::start(Plan {
            listen,
            tls: None,
            bounds: ServerBounds::default(),
            store: StorePlace::Memory,
            encryption: None,
            keep_streams: DAY,
            settings,
            reread: None,
        })
        .await?;
        let secret = new_secret("hl-demo-")?;
        let wanted = NewKey { name: "demo".to_owned(), users: Some("any".to_owned()), ..NewKey::default() };
        let hash = instance.gateway.keys().hash(&secret);
        let record = key_record(&wanted, &secret, hash, &Name::new("local"), instance.gateway.clock().now())
            .map_err(anyhow::Error::msg)?;
        instance.gateway.keys().add(record)?;
        Ok(Self { instance, secret })
    }

    /// What a newcomer needs, aligned; all values are real.
    #[must_use]
    pub fn banner(&self) -> String {
        let (url, key) = (self.instance.url(), &self.secret);
        let body = r#"{"model":"chat","stream":true,"messages":[{"role":"user","content":"Hello"}]}"#;
        format!(
            "haltline {version}   demo: nothing is kept, simulated models, loopback only\n\
             \x20 API        {url}/v1      OPENAI_BASE_URL\n\
             \x20            {url}         ANTHROPIC_BASE_URL\n\
             \x20 Key        {key}      budget $1.00 a day\n\
             \x20 Metrics    {url}/metrics\n\
             \x20 Try        curl -N {url}/v1/chat/completions -H 'Authorization: Bearer {key}' -H 'Content-Type: application/json' -d '{body}'\n\
             \x20 Break it   haltline demo runaway\n",
            version = env!("CARGO_PKG_VERSION"),
        )
    }
}

/// What a demo's gateway does: the defaults of the configuration, with a model that needs no network.
///
/// # Errors
/// Never in practice: the budgets are written below.
pub fn settings(simulated: SimulatedSettings) -> anyhow::Result<Settings> {
    let provider = Name::new("simulated");
    let endpoint = ModelName { provider: provider.clone(), model: Name::new("fast") };
    let day = Budget {
        name: Name::new("demo-day"),
        scope: scope("key")?,
        limit: Amount::new(Unit::Usd, LIMIT),
        window: window("day")?,
        on_full: OnFull::Refuse,
        applies: Applies::ToAll,
    };
    let retries = Budget {
        name: Name::new("retries"),
        scope: scope("user")?,
        limit: Amount::new(Unit::Retries, RETRIES_PER_USER_HOUR),
        window: window("hour")?,
        on_full: OnFull::Refuse,
        applies: Applies::ToAll,
    };
    let budgets = Budgets::new(vec![day, retries]).map_err(|errors| anyhow::anyhow!("{errors:?}"))?;
    let per_million = |text| PicoUsdPerToken::from_usd_per_million(text).context("a price of the demo");
    let rates = Rates::flat(per_million("2.5")?, per_million("10")?);
    let price = Price {
        settle: vec![rates],
        ceiling: vec![rates],
        max_input: Some(Tokens::new(128_000)),
        max_output: Some(Tokens::new(16_384)),
        ..Price::default()
    };
    Ok(Settings {
        providers: BTreeMap::from([(
            provider,
            ProviderSettings {
                kind: ProviderKind::Simulated,
                server: haltline_wire::openai::ProviderKind::Compatible,
                api_version: None,
                base_url: String::new(),
                keys: Vec::new(),
                count_input: false,
                pass_fields: PassFields::none(),
                extra_ca: None,
                simulated,
            },
        )]),
        models: BTreeMap::from([(
            Name::new("chat"),
            ModelSettings::in_order(vec![endpoint.clone()], Tokens::new(1024)),
        )]),
        prices: BTreeMap::from([(endpoint, price)]),
        budgets,
        degrade: DegradeSettings::default(),
        review: ReviewSettings::default(),
        alerts: AlertSettings::default(),
        rate_limits: vec![RateLimit {
            name: Name::new("user-10s"),
            scope: scope("user")?,
            limit: 10,
            per: Duration::from_secs(10),
            algorithm: Algorithm::SlidingWindow,
            burst: None,
            unit: LimitUnit::Requests,
            concurrency: None,
        }],
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
        guard: GuardSettings::default(),
        auth: AuthSettings::default(),
    })
}

fn scope(word: &str) -> anyhow::Result<Scope> {
    Scope::parse([word]).map_err(anyhow::Error::msg)
}

fn window(word: &str) -> anyhow::Result<Window> {
    Window::parse(word, &Zone::utc()).map_err(anyhow::Error::msg)
}
