//! What the line is told to do: the configuration after it was read and checked. Plain data; a
//! new configuration is a new value, swapped in whole.

use crate::guard::settings::ServiceSettings;
use crate::webhooks::Hook;
use haltline_ledger::Budgets;
use haltline_policy::route::{FallbackOn, RouteRules};
use haltline_policy::{breaker::BreakerRules, limits::RateLimit, plan::Strategy, price::Price, retry::RetryRules};
use haltline_types::{ModelName, Name, Tokens};
use haltline_wire::PassFields;
use haltline_wire::openai::ProviderKind as Server;
use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

/// The whole of it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Providers by name.
    pub providers: BTreeMap<Name, ProviderSettings>,
    /// Names that clients may ask for besides `provider/model`.
    pub models: BTreeMap<Name, ModelSettings>,
    /// Prices of everything that may be called. What has no entry is refused.
    pub prices: BTreeMap<ModelName, Price>,
    /// Budgets, the one for retries included.
    pub budgets: Budgets,
    /// Which budgets lead to a cheaper model when they are short.
    pub degrade: DegradeSettings,
    /// What is kept of prompts that a provider's policy has forbidden.
    pub review: ReviewSettings,
    /// Who wants to be told of what.
    pub alerts: AlertSettings,
    /// Rate limits.
    pub rate_limits: Vec<RateLimit>,
    /// When and how to repeat.
    pub retry: RetryRules,
    /// When to leave an endpoint alone.
    pub breaker: BreakerRules,
    /// How long things may take.
    pub deadlines: Deadlines,
    /// What happens to a stream whose client left.
    pub streams: StreamSettings,
    /// What is kept of conversations.
    pub sessions: SessionSettings,
    /// What happens when headroom is short.
    pub headroom: HeadroomSettings,
    /// What bounds the process.
    pub bounds: Bounds,
    /// Which answers are given again.
    pub cache: CacheSettings,
    /// How jobs are run and kept.
    pub jobs: JobSettings,
    /// How responses are kept.
    pub responses: ResponseSettings,
    /// External guard services, in the order of the configuration.
    pub guard_services: Vec<ServiceSettings>,
}

/// A provider.
#[derive(Clone, Debug)]
pub struct ProviderSettings {
    /// Which dialect and rules.
    pub kind: ProviderKind,
    /// Whose server it is, as far as Chat Completions goes: what it takes and does.
    pub server: Server,
    /// Without a trailing slash: `https://api.openai.com/v1`. Empty for `simulated`.
    pub base_url: String,
    /// The operator's keys, sent as the provider wants it; none for a server that asks for none.
    pub keys: Vec<ProviderKey>,
    /// Azure's `api-version`, for its addresses by deployment; without one its `/openai/v1`.
    pub api_version: Option<String>,
    /// Ask the provider's own count of tokens before a request is refused or its cap lowered
    /// because the bound by bytes does not fit. `Anthropic` and `Google` only: theirs are free.
    pub count_input: bool,
    /// Body fields that pass although we do not know them.
    pub pass_fields: PassFields,
    /// Certificates to trust besides the system's, PEM.
    pub extra_ca: Option<String>,
    /// How the simulated model behaves.
    pub simulated: SimulatedSettings,
}

/// The kinds of provider of this version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProviderKind {
    /// OpenAI itself.
    OpenAi,
    /// Anthropic: Messages.
    Anthropic,
    /// Google's Gemini API: generateContent.
    Google,
    /// Mistral: Chat Completions of its own kind.
    Mistral,
    /// Azure OpenAI: OpenAI's dialects under other addresses and billing rules.
    Azure,
    /// A server that speaks OpenAI's dialect.
    OpenAiCompatible,
    /// The built-in model for demos and tests.
    Simulated,
}

/// How the simulated model behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimulatedSettings {
    /// From request to head.
    pub latency: Duration,
    /// Between tokens of a stream.
    pub token_interval: Duration,
    /// Tokens of an answer, if the cap allows.
    pub output_tokens: Tokens,
    /// Per mille of calls that fail with a 500.
    pub fail_per_mille: u16,
    /// Per mille of calls that are answered 429.
    pub rate_limit_per_mille: u16,
}

impl Default for SimulatedSettings {
    fn default() -> Self {
        Self {
            latency: Duration::from_millis(150),
            token_interval: Duration::from_millis(20),
            output_tokens: Tokens::new(48),
            fail_per_mille: 0,
            rate_limit_per_mille: 0,
        }
    }
}

/// A key of a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderKey {
    /// The key itself.
    pub secret: Secret,
    /// Its share of the calls, compared with the other keys of the provider; at least 1.
    pub weight: u32,
}

/// Text that must not be printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps it.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The text, for the one place that writes it to the provider.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// A name that clients may ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelSettings {
    /// Where it leads; in order of preference, unless `strategy` says otherwise.
    pub targets: Vec<ModelName>,
    /// How the targets are preferred.
    pub strategy: Strategy,
    /// Shares of the targets under `Strategy::Weighted`; 1 where there is none.
    pub weights: BTreeMap<ModelName, NonZeroU32>,
    /// Written to the provider when the client gives no cap; never above the client's own.
    pub max_output_tokens: Tokens,
    /// Which faults lead to the next target, and which targets are reserved for some of them.
    pub rules: RouteRules,
    /// The cheaper model that is asked when a budget that degrades is short: a configured name, or
    /// `provider/model`.
    pub degrade_to: Option<Name>,
}

impl ModelSettings {
    /// These targets in order, and any fault that another one may cure leads to the next.
    #[must_use]
    pub fn in_order(targets: Vec<ModelName>, max_output_tokens: Tokens) -> Self {
        Self {
            targets,
            strategy: Strategy::Ordered,
            weights: BTreeMap::new(),
            max_output_tokens,
            rules: RouteRules::on(FallbackOn::ALL.to_vec()),
            degrade_to: None,
        }
    }
}

/// Which budgets lead to a cheaper model. To the ledger they are budgets that refuse: what is
/// asked instead is no business of money's.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct DegradeSettings {
    /// Budgets with `on_full = "degrade"`, and the percentage of the limit from which on the
    /// cheaper model is asked.
    pub budgets: BTreeMap<Name, u8>,
    /// The cheaper model of models that name none of their own.
    pub to: Option<Name>,
}

/// What is kept of a prompt that a provider's policy has forbidden.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ReviewSettings {
    /// That it happened, where, and a keyed hash.
    #[default]
    Fingerprint,
    /// The beginning of the body, too.
    Prompt,
}

/// Who wants to be told of what.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct AlertSettings {
    /// Percentages of a budget's limit at which somebody wants to know, by budget.
    pub at: BTreeMap<Name, Vec<u8>>,
    /// Webhooks, and the kinds of alerts that each wants.
    pub hooks: Vec<AlertHook>,
}

/// A webhook that wants alerts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertHook {
    /// Where it is.
    pub hook: Hook,
    /// What it wants.
    pub on: Vec<AlertKind>,
}

/// What somebody can be alerted to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AlertKind {
    /// A budget has reached a percentage of its limit.
    Budget,
    /// An endpoint burns more than twice its usual tokens.
    BurnRate,
    /// The breaker of an endpoint has opened, or closed again.
    Breaker,
    /// A provider billed more than the ceiling of an attempt.
    PriceBound,
    /// Dead letters wait.
    DeadLetters,
}

impl AlertKind {
    /// All kinds.
    pub const ALL: [Self; 5] = [Self::Budget, Self::BurnRate, Self::Breaker, Self::PriceBound, Self::DeadLetters];

    /// The word in the configuration, metrics and logs.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Budget => "budget",
            Self::BurnRate => "burn-rate",
            Self::Breaker => "breaker",
            Self::PriceBound => "price-bound",
            Self::DeadLetters => "dead-letters",
        }
    }
}

/// How long things may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// From writing the request to the first byte of content.
    pub first_token: Duration,
    /// Between two pieces of an answer.
    pub idle: Duration,
    /// For a whole request, all its attempts together.
    pub total: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self { first_token: Duration::from_secs(30), idle: Duration::from_secs(30), total: Duration::from_secs(300) }
    }
}

/// What happens to a stream whose client left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnDisconnect {
    /// Read on to the end.
    Continue,
    /// Give up after this grace time.
    Cancel {
        /// How long to wait for the usage report of an answer that is nearly done.
        grace: Duration,
    },
}

/// How streams are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamSettings {
    /// What happens when the client leaves.
    pub on_disconnect: OnDisconnect,
    /// Between two heartbeat comments.
    pub heartbeat: Duration,
    /// How long a stream that goes on after its client left may go on with nobody watching.
    pub max_unwatched: Duration,
    /// What becomes of a stream that a provider or a restart has cut.
    pub on_cut: OnCut,
    /// Are the events of streams kept? Without it a stream can be joined while it runs, and nothing
    /// more.
    pub kept: bool,
}

/// What becomes of a stream that was cut in the middle of its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnCut {
    /// It ends with an error.
    End,
    /// The rest is asked for in a new attempt, where that cannot repeat the call of a tool.
    Continue,
    /// The same, also where the request offers tools.
    ContinueWithTools,
}

impl Default for StreamSettings {
    fn default() -> Self {
        Self {
            on_disconnect: OnDisconnect::Continue,
            heartbeat: Duration::from_secs(10),
            max_unwatched: Duration::from_secs(300),
            on_cut: OnCut::Continue,
            kept: true,
        }
    }
}

/// What is kept of conversations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionSettings {
    /// How long a session is kept after its last change; zero keeps none.
    pub keep_for: Duration,
    /// Is what was said kept? Without it a session knows only who spoke when, and what it cost.
    pub content: bool,
}

impl Default for SessionSettings {
    fn default() -> Self {
        Self { keep_for: Duration::from_secs(30 * 86_400), content: true }
    }
}

/// What happens when headroom is short (promise, rule 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadroomSettings {
    /// How long to wait for headroom that is only held.
    pub wait: Duration,
    /// The output cap is never lowered below this, nor below the client's own if that is less.
    pub min_output_tokens: Tokens,
    /// The cap where neither client nor model names one.
    pub default_output_tokens: Tokens,
}

impl Default for HeadroomSettings {
    fn default() -> Self {
        Self {
            wait: Duration::from_secs(5),
            min_output_tokens: Tokens::new(256),
            default_output_tokens: Tokens::new(1024),
        }
    }
}

/// What bounds the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Largest request body, in bytes.
    pub body_bytes: usize,
    /// Requests under way at once; beyond that `overloaded`.
    pub in_flight: usize,
    /// Largest whole answer of a provider, in bytes.
    pub answer_bytes: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { body_bytes: 32 << 20, in_flight: 8192, answer_bytes: 64 << 20 }
    }
}

/// Among whom the answers of the response cache are shared, unless a request wants it narrower.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CachePer {
    /// Everybody who has a key.
    Everyone,
    /// The keys of a team; a key without a team is on its own.
    Tenant,
    /// The same, and each user apart.
    User,
}

/// The response cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheSettings {
    /// Is every answer of `models` kept that may be? Else only those whose requests ask for it.
    pub enabled: bool,
    /// May a request ask for it by header where no rule covers its model?
    pub by_header: bool,
    /// The models of the rule, as they are asked for; all when there are none.
    pub models: Vec<Name>,
    /// How long an answer is fresh; a request may want less.
    pub ttl: Duration,
    /// Does an answer that is past its time stand in for one that failed?
    pub stale_on_failure: bool,
    /// Also for one that a budget refuses?
    pub stale_on_budget: bool,
    /// For how long after it was fresh.
    pub stale_for: Duration,
    /// Room for all answers, in memory and on disk alike, in bytes.
    pub bytes_max: usize,
    /// The largest answer that is kept, in bytes.
    pub entry_bytes_max: usize,
    /// Among whom answers are shared. Where nothing is said: those of a key that speaks for several
    /// users are each user's own, because whether an answer is kept says what others have asked; all
    /// others are the tenant's.
    pub per: Option<CachePer>,
    /// Who is told of invalidated tags.
    pub invalidated_webhook: Option<Hook>,
}

impl Default for CacheSettings {
    fn default() -> Self {
        Self {
            enabled: false,
            by_header: true,
            models: Vec::new(),
            ttl: Duration::from_secs(3600),
            stale_on_failure: true,
            stale_on_budget: false,
            stale_for: Duration::from_secs(86_400),
            bytes_max: 256 << 20,
            entry_bytes_max: 4 << 20,
            per: None,
            invalidated_webhook: None,
        }
    }
}

impl CacheSettings {
    /// Does the rule cover requests for this model?
    #[must_use]
    pub fn covers(&self, model: &Name) -> bool {
        self.enabled && (self.models.is_empty() || self.models.contains(model))
    }
}

/// How jobs are run and kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobSettings {
    /// Jobs that run at once, background responses among them; one key has at most half of them.
    pub concurrency: usize,
    /// How long a job and its result are kept after its end.
    pub keep_for: Duration,
    /// How often a job may be sent when its client does not say.
    pub max_attempts: u8,
    /// Before the first repetition; doubled with each further one.
    pub retry_base: Duration,
    /// From it the secret of each key is made, which signs the webhooks of its jobs.
    pub webhook_secret: Option<Secret>,
    /// May webhooks lead into private networks?
    pub allow_private_webhooks: bool,
}

impl Default for JobSettings {
    fn default() -> Self {
        Self {
            concurrency: 4,
            keep_for: Duration::from_secs(86_400),
            max_attempts: 3,
            retry_base: Duration::from_secs(2),
            webhook_secret: None,
            allow_private_webhooks: false,
        }
    }
}

/// How responses are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResponseSettings {
    /// How long, from their end.
    pub keep_for: Duration,
    /// So many bytes for each key; beyond, the oldest go.
    pub bytes_per_key: usize,
}

impl Default for ResponseSettings {
    fn default() -> Self {
        Self { keep_for: Duration::from_secs(30 * 86_400), bytes_per_key: 64 << 20 }
    }
}
