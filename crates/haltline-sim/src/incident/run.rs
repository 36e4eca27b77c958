//! The two runs of an incident.

use super::clients::{self, Statuses};
use super::report::IncidentReport;
use super::scenario::Scenario;
use crate::budgets::{self, BudgetPlan, WindowPlan};
use crate::clock::SimClock;
use crate::node::virtual_time;
use crate::node::watched::WatchedBook;
use crate::provider::{Bill, Ending, Model, Observer, SimProvider, Tariff};
use crate::site::{self, SiteKey, SiteProvider};
use haltline_gateway::settings::{ProviderKind, Settings};
use haltline_gateway::{Gateway, GatewayParts, Metrics, SeededEntropy, Upstreams};
use haltline_ledger::{OnFull, Window};
use haltline_policy::price::Price;
use haltline_ports::{
    BoxFuture, Clock, NoKeySets, NoWebhooks, Outcome, Records, RecordsError, RequestRecord, RequestsQuery, SpendQuery,
    SpendRow, Upstream, UserClaims,
};
use haltline_store_embedded::{EmbeddedStore, Options, SimDisk, Threads};
use haltline_types::{AttemptId, ModelName, Name, NanoUsd, RequestId, Scope, Timestamp, Unit};
use haltline_wire::fault::BillingRules;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// 2026-11-24T08:00:00Z: a working day, which does not end during the incident.
const BEGIN: Timestamp = Timestamp::from_secs(1_795_507_200);
/// The store of the run is looked after this often.
const TICK: Duration = Duration::from_secs(60);

/// Why an incident cannot be run.
#[derive(Clone, Debug)]
pub struct IncidentError(pub String);

impl fmt::Display for IncidentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for IncidentError {}

/// Runs a scenario without Haltline and with it: with the scenario's own budget, or with the
/// caller's settings, whose providers are then all simulated at the settings' prices. On a thread
/// of its own, so that it may be called from anywhere, and without a word to the log: failures are
/// what it is about.
///
/// # Errors
/// When the settings name nothing that could be called, or the store does not open.
pub fn run(scenario: &Scenario, settings: Option<Settings>) -> Result<IncidentReport, IncidentError> {
    let quietly = move || {
        tracing::subscriber::with_default(tracing::subscriber::NoSubscriber::default(), || both(scenario, settings))
    };
    let ended = std::thread::scope(|scope| scope.spawn(quietly).join());
    ended.unwrap_or_else(|_| Err(IncidentError("the simulation failed by an error of its own".to_owned())))
}

fn both(scenario: &Scenario, settings: Option<Settings>) -> Result<IncidentReport, IncidentError> {
    let settings = match settings {
        Some(settings) => settings,
        None => own_settings(scenario)?,
    };
    let (asked, endpoint) = target(&settings)?;
    let without = without(scenario, &settings, &endpoint)?;
    let with = with(scenario, &settings, &asked)?;
    let limit = limit(&settings);
    Ok(IncidentReport {
        scenario: scenario.name.clone(),
        users: scenario.clients.users,
        outage: scenario.outage.lasts,
        asked: with.clients.values().sum(),
        admitted: with.kept.admitted,
        answered: with.kept.answered,
        refused: with.kept.refused,
        failed: with.kept.failed,
        retries: with.kept.retries,
        upstream_calls: with.calls,
        upstream_calls_without: without.calls,
        client_statuses: with.clients,
        client_statuses_without: without.clients,
        upstream_statuses: with.statuses,
        upstream_statuses_without: without.statuses,
        charged: with.kept.charged,
        billed_with: with.billed,
        without_haltline: without.billed,
        over: limit.as_ref().map(|(_, limit)| NanoUsd::new(with.billed.get().saturating_sub(limit.get()).max(0))),
        limit,
        duration: with.duration,
        duration_without: without.duration,
    })
}

/// What one run measured.
struct Measured {
    clients: Statuses,
    statuses: Statuses,
    calls: u64,
    billed: NanoUsd,
    duration: Duration,
    kept: Kept,
}

fn without(scenario: &Scenario, settings: &Settings, endpoint: &ModelName) -> Result<Measured, IncidentError> {
    let providers = providers(scenario, settings);
    let provider = providers
        .iter()
        .find(|provider| *provider.name() == endpoint.provider)
        .ok_or_else(|| IncidentError(format!("there is no provider for `{endpoint}`")))?;
    let runtime = virtual_time().map_err(|error| IncidentError(error.to_string()))?;
    runtime.block_on(async {
        let began = tokio::time::Instant::now();
        let statuses = tokio::select! {
            biased;
            statuses = clients::without(scenario, provider, endpoint) => statuses,
            () = clients::recover(scenario, &providers) => Statuses::new(),
        };
        Ok(measured(statuses, &providers, began.elapsed(), Kept::default()))
    })
}

fn with(scenario: &Scenario, settings: &Settings, model: &str) -> Result<Measured, IncidentError> {
    let providers = providers(scenario, settings);
    let runtime = virtual_time().map_err(|error| IncidentError(error.to_string()))?;
    runtime.block_on(async {
        let clock = Arc::new(SimClock::new(BEGIN));
        clock.begin_life();
        let disk = SimDisk::new(scenario.seed);
        let options = Options {
            keep_entries: Duration::ZERO,
            pepper: Some([7; 32]),
            ..Options::on(Arc::new(disk.clone()), Threads::None)
        };
        let opened = EmbeddedStore::open(options, settings.budgets.clone(), clock.now());
        let (store, _) = opened.map_err(|error| IncidentError(error.to_string()))?;
        let key = SiteKey { name: "incident", team: None, users: UserClaims::Any };
        key.add_to(store.as_ref(), clock.now()).map_err(|error| IncidentError(error.to_string()))?;
        let kept = Arc::new(Keeper::default());
        let upstreams: Upstreams = providers
            .iter()
            .map(|provider| (provider.name().clone(), Arc::clone(provider) as Arc<dyn Upstream>))
            .collect();
        let gateway = Gateway::new(GatewayParts {
            settings: settings.clone(),
            upstreams,
            book: Arc::new(WatchedBook::unwatched(Arc::clone(&store), disk)),
            records: Arc::clone(&kept) as Arc<dyn Records>,
            keys: Arc::clone(&store) as Arc<dyn haltline_ports::Keys>,
            key_sets: Arc::new(NoKeySets),
            streams: Arc::new(haltline_ports::MemoryStreams::default()),
            documents: Arc::clone(&store) as Arc<dyn haltline_ports::Documents>,
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            webhooks: Arc::new(NoWebhooks),
            entropy: Arc::new(SeededEntropy::new(scenario.seed)),
            metrics: Metrics::new(&mut prometheus_client::registry::Registry::default()),
        });
        let began = tokio::time::Instant::now();
        let secret = key.secret();
        let statuses = tokio::select! {
            biased;
            statuses = clients::with(scenario, &gateway, &secret, model) => statuses,
            () = clients::recover(scenario, &providers) => Statuses::new(),
            () = tick(&store, &clock) => Statuses::new(),
        };
        let duration = began.elapsed();
        gateway.drain(Duration::from_secs(600)).await;
        let kept = *kept.kept.lock();
        Ok(measured(statuses, &providers, duration, kept))
    })
}

async fn tick(store: &EmbeddedStore, clock: &SimClock) {
    loop {
        tokio::time::sleep(TICK).await;
        // A store that has stopped refuses everything, and the run shows it.
        let _ = store.tick(clock.now());
    }
}

fn measured(clients: Statuses, providers: &[Arc<SimProvider>], duration: Duration, kept: Kept) -> Measured {
    let mut measured = Measured { clients, statuses: Statuses::new(), calls: 0, billed: NanoUsd::ZERO, duration, kept };
    for provider in providers {
        let totals = provider.totals();
        measured.calls += totals.calls;
        measured.billed = NanoUsd::new(measured.billed.get().saturating_add(totals.nano));
        for (status, count) in provider.statuses() {
            *measured.statuses.entry(status).or_default() += count;
        }
    }
    measured
}

/// The configuration that the scenario itself states.
fn own_settings(scenario: &Scenario) -> Result<Settings, IncidentError> {
    let plan = &scenario.provider;
    let tariff = Tariff { input: plan.input.get(), cached: plan.input.get(), output: plan.output.get() };
    let models = BTreeMap::from([("gpt-5-mini".to_owned(), Model { tariff, bytes_per_token: 4 })]);
    let provider = SiteProvider { name: "openai".to_owned(), kind: ProviderKind::OpenAi, models };
    let day = scenario.haltline.budget_per_day.get();
    let plans = [
        BudgetPlan::money("all-day", Scope::global(), day, WindowPlan::DAY),
        BudgetPlan::retries(i64::from(scenario.haltline.retries_per_user_and_hour)),
    ];
    Ok(site::settings(&[provider], budgets::to_ledger(&plans).map_err(IncidentError)?))
}

/// Every configured provider, with the configured prices.
fn providers(scenario: &Scenario, settings: &Settings) -> Vec<Arc<SimProvider>> {
    let mut providers = Vec::new();
    for (name, configured) in &settings.providers {
        let priced = settings.prices.iter().filter(|(endpoint, _)| endpoint.provider == *name);
        let models = priced
            .map(|(endpoint, price)| (endpoint.model.to_string(), Model { tariff: tariff(price), bytes_per_token: 4 }));
        let rules = match configured.kind {
            ProviderKind::OpenAi => BillingRules::OpenAi,
            _ => BillingRules::Compatible,
        };
        let seed = scenario.seed;
        let provider = SimProvider::new(name, seed, rules, models.collect(), scenario.ill(), Arc::new(Nobody));
        providers.push(Arc::new(provider));
    }
    providers
}

fn tariff(price: &Price) -> Tariff {
    let Some(rates) = price.settle.first().filter(|_| !price.free) else {
        return Tariff { input: 0, cached: 0, output: 0 };
    };
    let cached = rates.cached_input.unwrap_or(rates.input);
    Tariff { input: rates.input.get(), cached: cached.get(), output: rates.output.get() }
}

/// What the clients ask for, and where that leads first.
fn target(settings: &Settings) -> Result<(String, ModelName), IncidentError> {
    let named =
        settings.models.iter().find_map(|(name, model)| Some((name.to_string(), model.targets.first()?.clone())));
    let priced = || settings.prices.keys().next().map(|endpoint| (endpoint.to_string(), endpoint.clone()));
    named.or_else(priced).ok_or_else(|| IncidentError("the configuration names no model and no price".to_owned()))
}

/// The tightest budget of money that bounds everybody together, and refuses.
fn limit(settings: &Settings) -> Option<(Name, NanoUsd)> {
    let refusing = settings.budgets.iter().filter(|budget| {
        budget.unit() == Unit::Usd
            && budget.on_full == OnFull::Refuse
            && budget.scope.dimensions().is_empty()
            && matches!(budget.window, Window::Calendar { .. })
            && budget.window.nominal() >= Duration::from_secs(86_400)
    });
    refusing
        .min_by_key(|budget| budget.limit.value())
        .map(|budget| (budget.name.clone(), NanoUsd::new(budget.limit.value())))
}

/// The gateway's records, added up and not kept.
#[derive(Default)]
struct Keeper {
    kept: Mutex<Kept>,
}

#[derive(Clone, Copy, Default)]
struct Kept {
    admitted: u64,
    answered: u64,
    refused: u64,
    failed: u64,
    retries: u64,
    charged: NanoUsd,
}

impl Records for Keeper {
    fn record(&self, record: &RequestRecord) -> Result<(), RecordsError> {
        let mut kept = self.kept.lock();
        let attempts = u64::try_from(record.attempts.len()).unwrap_or(u64::MAX);
        kept.admitted += u64::from(attempts > 0);
        kept.retries += attempts.saturating_sub(1);
        match record.outcome {
            Outcome::Answered => kept.answered += 1,
            Outcome::Refused(_) => kept.refused += 1,
            Outcome::Failed(_) | Outcome::Cancelled | Outcome::Lost => kept.failed += 1,
        }
        kept.charged = kept.charged.checked_add(record.cost()).unwrap_or(NanoUsd::new(i64::MAX));
        Ok(())
    }

    fn generation(&self, _: RequestId) -> BoxFuture<'_, Result<Option<RequestRecord>, RecordsError>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    fn requests(&self, _: RequestsQuery) -> BoxFuture<'_, Result<Vec<RequestRecord>, RecordsError>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }

    fn spend(&self, _: SpendQuery) -> BoxFuture<'_, Result<Vec<SpendRow>, RecordsError>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }
}

/// Nobody looks over the provider's shoulder: its totals say what it billed.
struct Nobody;

impl Observer for Nobody {
    fn arrived(&self, _: AttemptId, _: &ModelName, _: Bill) {}
    fn billed(&self, _: AttemptId, _: Bill) {}
    fn ended(&self, _: AttemptId, _: Ending) {}
}
