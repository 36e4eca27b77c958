//! What is counted and measured. Base units; no key, user or session as a label.

use crate::guard::Found;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use std::sync::atomic::AtomicU64;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(crate) struct RequestLabels {
    pub(crate) surface: &'static str,
    pub(crate) outcome: &'static str,
    pub(crate) code: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(crate) struct EndpointLabels {
    pub(crate) provider: String,
    pub(crate) model: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(crate) struct AttemptLabels {
    pub(crate) provider: String,
    pub(crate) model: String,
    pub(crate) fault: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(crate) struct TokenLabels {
    pub(crate) provider: String,
    pub(crate) model: String,
    pub(crate) direction: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(crate) struct BudgetLabels {
    pub(crate) budget: String,
    pub(crate) unit: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(crate) struct DegradedLabels {
    pub(crate) model: String,
    pub(crate) to: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(crate) struct CacheLabels {
    pub(crate) result: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(crate) struct RouteLabels {
    pub(crate) provider: String,
    pub(crate) model: String,
    pub(crate) reason: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(crate) struct LatencyLabels {
    pub(crate) provider: String,
    pub(crate) model: String,
    /// `stream`: to the first content. `whole`: to the end.
    pub(crate) answer: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(crate) struct IssuerLabels {
    /// The name that the operator gave the issuer.
    pub(crate) issuer: String,
    pub(crate) result: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(crate) struct ServiceLabels {
    pub(crate) service: String,
    pub(crate) direction: &'static str,
    /// `passed`, `objects`, `masks`, or why there is no opinion.
    pub(crate) verdict: &'static str,
    /// `yes`: the service was not asked again.
    pub(crate) remembered: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(crate) struct AlertLabels {
    pub(crate) kind: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(crate) struct DeliveryLabels {
    /// `delivered`, `failed` (and tried again), `given_up`, `refused` (never taken).
    pub(crate) outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(crate) struct GuardLabels {
    /// `input`, `output`.
    pub(crate) direction: &'static str,
    /// The rule or service; rules are few and named by operators.
    pub(crate) rule: String,
    /// What followed: `shadow`, `flagged`, `redacted`, `blocked`, `error`.
    pub(crate) verdict: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(crate) struct GuardTimeLabels {
    /// `input`: looking at a request. `held_back`: the longest that text of an answer waited.
    pub(crate) what: &'static str,
}

/// All metrics of the gateway.
#[derive(Debug)]
pub struct Metrics {
    pub(crate) requests: Family<RequestLabels, Counter>,
    pub(crate) attempts: Family<AttemptLabels, Counter>,
    pub(crate) retries: Counter,
    pub(crate) spend: Family<EndpointLabels, Counter<f64, AtomicU64>>,
    pub(crate) tokens: Family<TokenLabels, Counter>,
    pub(crate) first_token: Histogram,
    pub(crate) inter_token: Histogram,
    pub(crate) overhead: Histogram,
    pub(crate) duration: Histogram,
    pub(crate) in_flight: Gauge,
    pub(crate) bound_violations: Family<EndpointLabels, Counter>,
    pub(crate) underreported: Family<EndpointLabels, Counter>,
    pub(crate) breaker_state: Family<EndpointLabels, Gauge>,
    pub(crate) degraded: Family<DegradedLabels, Counter>,
    pub(crate) guard_calls: Family<ServiceLabels, Counter>,
    pub(crate) guard_wait: Histogram,
    pub(crate) routes: Family<RouteLabels, Counter>,
    pub(crate) endpoint_latency: Family<LatencyLabels, Gauge<f64, AtomicU64>>,
    pub(crate) account_spent: Family<BudgetLabels, Gauge<f64, AtomicU64>>,
    pub(crate) account_held: Family<BudgetLabels, Gauge<f64, AtomicU64>>,
    pub(crate) jwt_checks: Family<IssuerLabels, Counter>,
    pub(crate) key_set_fetches: Family<IssuerLabels, Counter>,
    pub(crate) alerts: Family<AlertLabels, Counter>,
    pub(crate) deliveries: Family<DeliveryLabels, Counter>,
    pub(crate) deliveries_waiting: Gauge,
    pub(crate) clock_alarm: Gauge,
    pub(crate) store_open: Gauge,
    pub(crate) jobs_waiting: Gauge,
    pub(crate) jobs_running: Gauge,
    pub(crate) cache: Family<CacheLabels, Counter>,
    pub(crate) cache_entries: Gauge,
    pub(crate) cache_bytes: Gauge,
    pub(crate) guard_findings: Family<GuardLabels, Counter>,
    pub(crate) guard_time: Family<GuardTimeLabels, Histogram>,
}

const SECONDS: [f64; 13] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];
const SHORT_SECONDS: [f64; 11] = [0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.05, 0.25, 1.0];

impl Metrics {
    /// Counts what a guard found.
    pub(crate) fn note_guard(&self, found: &Found) {
        let labels = GuardLabels {
            direction: found.direction.word(),
            rule: found.rule.to_string(),
            verdict: found.verdict.word(),
        };
        self.guard_findings.get_or_create(&labels).inc_by(u64::from(found.times));
    }

    /// Makes them and puts them into `registry`, whose prefix is `haltline`.
    #[must_use]
    pub fn new(registry: &mut Registry) -> Self {
        let metrics = Self {
            requests: Family::default(),
            attempts: Family::default(),
            retries: Counter::default(),
            spend: Family::default(),
            tokens: Family::default(),
            first_token: Histogram::new(SECONDS),
            inter_token: Histogram::new(SHORT_SECONDS),
            overhead: Histogram::new(SHORT_SECONDS),
            duration: Histogram::new(SECONDS),
            in_flight: Gauge::default(),
            bound_violations: Family::default(),
            underreported: Family::default(),
            breaker_state: Family::default(),
            degraded: Family::default(),
            guard_calls: Family::default(),
            guard_wait: Histogram::new(SECONDS),
            routes: Family::default(),
            endpoint_latency: Family::default(),
            account_spent: Family::default(),
            account_held: Family::default(),
            jwt_checks: Family::default(),
            key_set_fetches: Family::default(),
            alerts: Family::default(),
            deliveries: Family::default(),
            deliveries_waiting: Gauge::default(),
            clock_alarm: Gauge::default(),
            store_open: Gauge::default(),
            jobs_waiting: Gauge::default(),
            jobs_running: Gauge::default(),
            cache: Family::default(),
            cache_entries: Gauge::default(),
            cache_bytes: Gauge::default(),
            guard_findings: Family::default(),
            guard_time: Family::new_with_constructor(|| Histogram::new(SHORT_SECONDS)),
        };
        let usd = || Unit::Other("usd".to_owned());
        registry.register("requests", "Requests by how they ended", metrics.requests.clone());
        registry.register(
            "attempts",
            "Upstream calls by endpoint and fault (none = answered)",
            metrics.attempts.clone(),
        );
        registry.register("retries", "Attempts that repeat an earlier one of their request", metrics.retries.clone());
        registry.register_with_unit("spend", "Charged, by endpoint", usd(), metrics.spend.clone());
        registry.register("tokens", "Tokens reported by providers", metrics.tokens.clone());
        registry.register_with_unit(
            "time_to_first_token",
            "From arrival to the first content",
            Unit::Seconds,
            metrics.first_token.clone(),
        );
        registry.register_with_unit(
            "inter_token",
            "Between two pieces of a stream's content",
            Unit::Seconds,
            metrics.inter_token.clone(),
        );
        registry.register_with_unit(
            "overhead",
            "Time spent in the gateway itself, per request",
            Unit::Seconds,
            metrics.overhead.clone(),
        );
        registry.register_with_unit(
            "request_duration",
            "From arrival to the end of the answer",
            Unit::Seconds,
            metrics.duration.clone(),
        );
        registry.register("requests_in_flight", "Requests under way", metrics.in_flight.clone());
        registry.register("jobs_waiting", "Jobs that wait for a place or for their time", metrics.jobs_waiting.clone());
        registry.register("jobs_running", "Jobs that run", metrics.jobs_running.clone());
        registry.register("bound_violations", "Bills above their ceiling", metrics.bound_violations.clone());
        registry.register(
            "underreported",
            "Answers longer than their usage report admits; charged at the ceiling",
            metrics.underreported.clone(),
        );
        registry.register("breaker_state", "0 closed, 1 half-open, 2 open", metrics.breaker_state.clone());
        registry.register(
            "degraded",
            "Requests for which a cheaper model was asked because a budget was short",
            metrics.degraded.clone(),
        );
        registry.register(
            "guard_calls",
            "Questions to external guard services, by what they came to",
            metrics.guard_calls.clone(),
        );
        registry.register_with_unit(
            "guard_wait",
            "From a question to a guard service to its answer",
            Unit::Seconds,
            metrics.guard_wait.clone(),
        );
        registry.register("routes", "Attempts by endpoint and why it was chosen", metrics.routes.clone());
        registry.register_with_unit(
            "endpoint_latency",
            "Moving average of what `fastest` goes by: first content of a stream, or a whole answer",
            Unit::Seconds,
            metrics.endpoint_latency.clone(),
        );
        registry.register(
            "account_spent",
            "Spent in the current windows, all subjects of a budget together",
            metrics.account_spent.clone(),
        );
        registry.register(
            "account_held",
            "Held in the current windows, all subjects of a budget together",
            metrics.account_held.clone(),
        );
        registry.register(
            "jwt_checks",
            "Tokens that were checked, by issuer and result; without those remembered from a moment ago",
            metrics.jwt_checks.clone(),
        );
        registry.register(
            "key_set_fetches",
            "Fetches of identity providers' keys, by issuer and result",
            metrics.key_set_fetches.clone(),
        );
        registry.register("alerts", "Alerts that were given, by kind", metrics.alerts.clone());
        registry.register(
            "deliveries",
            "Attempts to deliver messages to webhooks, by how they ended",
            metrics.deliveries.clone(),
        );
        registry.register(
            "deliveries_waiting",
            "Messages to webhooks that are not delivered yet",
            metrics.deliveries_waiting.clone(),
        );
        registry.register(
            "clock_alarm",
            "1 while wall time leads monotonic time by more than it may",
            metrics.clock_alarm.clone(),
        );
        registry.register(
            "store_open",
            "1 while the store can promise, 0 when spending is shut",
            metrics.store_open.clone(),
        );
        registry.register(
            "guard_findings",
            "What guards found, by rule and what followed",
            metrics.guard_findings.clone(),
        );
        registry.register_with_unit(
            "guard_time",
            "What guards take: looking at input, and the longest that text of an answer was held back",
            Unit::Seconds,
            metrics.guard_time.clone(),
        );
        registry.register("cache", "Requests by what the response cache gave them", metrics.cache.clone());
        registry.register("cache_entries", "Answers in the response cache", metrics.cache_entries.clone());
        registry.register_with_unit(
            "cache_size",
            "What the answers in the response cache take",
            Unit::Bytes,
            metrics.cache_bytes.clone(),
        );
        metrics.store_open.set(1);
        metrics
    }
}

impl Metrics {
    /// How often the response cache gave this result.
    pub(crate) fn cached(&self, result: &'static str) -> u64 {
        self.cache.get_or_create(&CacheLabels { result }).get()
    }

    /// How full the response cache is.
    pub(crate) fn set_cache_size(&self, entries: usize, bytes: usize) {
        self.cache_entries.set(i64::try_from(entries).unwrap_or(i64::MAX));
        self.cache_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// Says whether the wall clock can be believed.
    pub fn set_clock_alarm(&self, alarm: bool) {
        self.clock_alarm.set(i64::from(alarm));
    }
}
