//! The gateway: what all requests share, and the one door by which they come in.

use crate::alerts::Alerts;
use crate::auth::Presented;
use crate::auth::browser::{self, SignIns};
use crate::auth::jwt::Issuers;
use crate::cache::Cache;
use crate::counting::Counting;
use crate::dead_letters::{GraveBounds, Graves};
use crate::deliver::{Delivery, Notes, Outlet};
use crate::endpoints::Endpoints;
use crate::guard::{self, Carried, Cases};
use crate::incoming::{Incoming, Surface};
use crate::jobs::Jobs;
use crate::kept::{self, Rooms};
use crate::keys::{self, KeyUses};
use crate::lanes::Lanes;
use crate::line;
use crate::metrics::{EndpointLabels, Metrics, RequestLabels};
use crate::problem::Problem;
use crate::quarantine::Quarantine;
use crate::sessions::Sessions;
use crate::settings::Settings;
use crate::shelf::Shelf;
use crate::streams::{Live as LiveStream, Registry};
use crate::take_up::LeftOver;
use crate::webhooks::Hooks;
use arc_swap::ArcSwap;
use futures_util::StreamExt;
use haltline_ledger::Balance;
use haltline_policy::breaker::{Breaker, BreakerState};
use haltline_policy::limits::KeyedLimiter;
use haltline_policy::once::{FinalAnswers, KEEP};
use haltline_ports::{
    AnswerBody, Book, BookError, BookHealth, Clock, Documents, Entropy, GuardServices, KeyRecord, KeySets, Keys,
    Records, Streams, Upstream, Webhooks, budgets_with_keys,
};
use haltline_types::{Code, ModelName, Name, NanoUsd, RequestId, Unit};
use parking_lot::{Mutex, RwLock};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Final failures that are remembered for a moment; see `line/accept.rs`.
const REMEMBERED_FAILURES: usize = 10_000;
/// For the end of a body to come after its last event.
const TAIL: Duration = Duration::from_secs(2);
/// Subjects that rate limits keep apart at once.
const LIMITED_SUBJECTS: usize = 100_000;

/// Providers by configured name.
pub type Upstreams = HashMap<Name, Arc<dyn Upstream>>;

/// What a gateway is made of.
pub struct GatewayParts {
    /// What to do.
    pub settings: Settings,
    /// Whom to call.
    pub upstreams: Upstreams,
    /// External guard services.
    pub guards: Arc<dyn GuardServices>,
    /// The durable ledger.
    pub book: Arc<dyn Book>,
    /// Where records go.
    pub records: Arc<dyn Records>,
    /// API keys.
    pub keys: Arc<dyn Keys>,
    /// Who fetches the keys of identity providers.
    pub key_sets: Arc<dyn KeySets>,
    /// Where the events of answers are kept.
    pub streams: Arc<dyn Streams>,
    /// Small things that are kept, for clients and for itself.
    pub documents: Arc<dyn Documents>,
    /// Who carries messages to webhooks.
    pub webhooks: Arc<dyn Webhooks>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub entropy: Arc<dyn Entropy>,
    /// Counters.
    pub metrics: Metrics,
}

/// The configuration in force, swapped in whole.
pub(crate) struct Live {
    pub(crate) settings: Settings,
    pub(crate) upstreams: Upstreams,
    /// Whose tokens are taken.
    pub(crate) issuers: Arc<Issuers>,
    pub(crate) guards: Arc<dyn GuardServices>,
}

/// What all requests share.
pub struct Gateway {
    pub(crate) live: ArcSwap<Live>,
    pub(crate) book: Arc<dyn Book>,
    pub(crate) records: Arc<dyn Records>,
    pub(crate) keys: Arc<dyn Keys>,
    pub(crate) key_sets: Arc<dyn KeySets>,
    pub(crate) key_uses: KeyUses,
    /// Changes of keys and of the configuration take turns: both decide which budgets are in force.
    pub(crate) key_turn: tokio::sync::Mutex<()>,
    pub(crate) streams: Arc<dyn Streams>,
    /// Journeys that run.
    pub(crate) registry: Registry,
    pub(crate) documents: Arc<dyn Documents>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) hooks: Hooks,
    /// How many dead letters there are.
    pub(crate) graves: Arc<Graves>,
    pub(crate) alerts: Alerts,
    pub(crate) limiter: Mutex<KeyedLimiter>,
    pub(crate) lanes: Lanes,
    pub(crate) counting: Counting,
    pub(crate) quarantine: Quarantine,
    pub(crate) endpoints: Endpoints,
    /// Calls of guard services, and verdicts that still stand.
    pub(crate) guards: guard::Rooms,
    pub(crate) failures: Mutex<FinalAnswers<Problem>>,
    /// Answers that are given again.
    pub(crate) cache: Cache,
    pub(crate) sessions: Sessions,
    /// Browsers that are signed in.
    pub(crate) sign_ins: SignIns,
    /// What guards have found, for operators to look at.
    pub(crate) cases: Cases,
    /// Points of sessions' turns before.
    pub(crate) carried: Carried,
    /// Responses that clients asked us to keep, as far as they are in memory.
    pub(crate) shelf: Mutex<Shelf>,
    /// How much is kept for whom.
    pub(crate) rooms: Rooms,
    pub(crate) jobs: Jobs,
    /// What an earlier process has left and could not be read.
    pub(crate) left_over: LeftOver,
    /// Requests whose journeys must end now, the drain's time being over.
    pub(crate) cut: CancellationToken,
    /// What is counted.
    pub metrics: Metrics,
    breakers: RwLock<HashMap<ModelName, Arc<Mutex<Breaker>>>>,
    in_flight: AtomicUsize,
    draining: AtomicBool,
    pub(crate) journeys: TaskTracker,
}

impl Gateway {
    /// Puts the parts together.
    #[must_use]
    pub fn new(parts: GatewayParts) -> Arc<Self> {
        let mut limiter = KeyedLimiter::new(parts.settings.rate_limits.clone(), LIMITED_SUBJECTS);
        limiter.set_keys(keys::limits_of(&parts.keys.list()));
        let cache = Cache::new(Arc::clone(&parts.documents), parts.settings.cache.bytes_max);
        let (clock, entropy) = (Arc::clone(&parts.clock), Arc::clone(&parts.entropy));
        let graves = Arc::new(Graves::new(Arc::clone(&parts.documents), GraveBounds::USUAL));
        let (documents, letters) = (Arc::clone(&parts.documents), Arc::clone(&graves));
        let hooks = Hooks::new(documents, parts.webhooks, clock, entropy, letters, &parts.metrics);
        know_secrets(&hooks, &parts.settings);
        let alerts = Alerts::new(hooks.clone(), Arc::clone(&parts.documents), &parts.metrics);
        let issuers = Arc::new(Issuers::new(&parts.settings.auth, None));
        let journeys = TaskTracker::new();
        // Processes that share a store follow each other.
        let process = u64::try_from(parts.clock.now().as_millis()).unwrap_or(0);
        Arc::new(Self {
            sessions: Sessions::new(
                Arc::clone(&parts.documents),
                Arc::clone(&parts.streams),
                process,
                journeys.clone(),
            ),
            sign_ins: SignIns::new(Arc::clone(&parts.documents)),
            live: ArcSwap::from_pointee(Live {
                settings: parts.settings,
                upstreams: parts.upstreams,
                issuers,
                guards: parts.guards,
            }),
            book: parts.book,
            records: parts.records,
            keys: parts.keys,
            key_sets: parts.key_sets,
            key_uses: KeyUses::default(),
            key_turn: tokio::sync::Mutex::default(),
            streams: parts.streams,
            registry: Registry::default(),
            carried: Carried::default(),
            cases: Cases::new(Arc::clone(&parts.documents)),
            documents: parts.documents,
            clock: parts.clock,
            entropy: parts.entropy,
            hooks,
            graves,
            alerts,
            limiter: Mutex::new(limiter),
            lanes: Lanes::default(),
            counting: Counting::default(),
            quarantine: Quarantine::default(),
            endpoints: Endpoints::default(),
            guards: guard::Rooms::default(),
            shelf: Mutex::default(),
            rooms: Rooms::default(),
            jobs: Jobs::default(),
            left_over: LeftOver::default(),
            failures: Mutex::new(FinalAnswers::new(KEEP, REMEMBERED_FAILURES)),
            cache,
            cut: CancellationToken::new(),
            metrics: parts.metrics,
            breakers: RwLock::default(),
            in_flight: AtomicUsize::new(0),
            draining: AtomicBool::new(false),
            journeys,
        })
    }

    /// Sends a request down the line and waits for the head of its answer. The journey runs in a
    /// task of its own: dropping this future does not end it.
    pub async fn submit(self: &Arc<Self>, incoming: Incoming) -> Delivery {
        let id = self.fresh_id();
        if kept::asks_for_background(&incoming) {
            return self.in_background(id, incoming).await;
        }
        self.journey(id, incoming).await
    }

    /// One journey, to the head of its answer.
    pub(crate) async fn journey(self: &Arc<Self>, id: RequestId, incoming: Incoming) -> Delivery {
        // Ids that grow with time are neighbours in the index of traces, as requests are.
        let trace_id = incoming.trace_id.clone().unwrap_or_else(|| self.fresh_id().hex());
        let fallback_notes = Notes::new(id, trace_id.clone());
        if self.draining.load(Ordering::Acquire) {
            return refuse(fallback_notes, draining());
        }
        let bound = self.live.load().settings.bounds.in_flight;
        if self.in_flight.fetch_add(1, Ordering::AcqRel) >= bound {
            self.in_flight.fetch_sub(1, Ordering::AcqRel);
            let problem = Problem::new(
                Code::Overloaded,
                format!("{bound} requests are under way, which is as many as this instance takes."),
            );
            return refuse(fallback_notes, problem.retry_after(Duration::from_secs(1 + self.entropy.u64() % 4)));
        }
        self.metrics.in_flight.inc();
        let place = Place(Arc::clone(self));
        let cut = incoming.stop.clone().unwrap_or_else(|| self.cut.child_token());
        let live = Arc::new(LiveStream::new(id, incoming.surface, cut));
        let (outlet, head) = Outlet::new(live, Arc::clone(&self.streams), Arc::clone(&self.clock));
        // In a box of its own: a spawned future is moved several times, and this one is large.
        self.journeys.spawn(Box::pin(async move {
            line::travel(&place.0, id, trace_id, incoming, outlet).await;
            drop(place);
        }));
        head.await.unwrap_or_else(|_| {
            let mut problem = Problem::new(
                Code::Internal,
                "The gateway failed in the middle of this request. What may have been spent is charged.",
            );
            problem.spent = true;
            refuse(fallback_notes, problem)
        })
    }

    /// Takes a new configuration: budgets first, because they can fail; then everything at once.
    ///
    /// # Errors
    /// When the store cannot open the new budgets; then the old configuration stays in force.
    pub async fn reconfigure(
        &self,
        settings: Settings,
        upstreams: Upstreams,
        guards: Arc<dyn GuardServices>,
    ) -> Result<(), BookError> {
        let _turn = self.key_turn.lock().await;
        let keys = self.keys.list();
        let budgets =
            budgets_with_keys(&settings.budgets, keys.iter().map(AsRef::as_ref)).map_err(BookError::Stopped)?;
        self.book.rebudget(budgets, self.clock.now()).await?;
        if settings.rate_limits != self.live.load().settings.rate_limits {
            self.limiter.lock().reconfigure(settings.rate_limits.clone());
        }
        know_secrets(&self.hooks, &settings);
        self.hooks.all_on();
        let other_breakers = settings.breaker != self.live.load().settings.breaker;
        let issuers = Arc::new(Issuers::new(&settings.auth, Some(&self.live.load().issuers)));
        self.live.store(Arc::new(Live { settings, upstreams, issuers: Arc::clone(&issuers), guards }));
        issuers.wake();
        if other_breakers {
            self.breakers.write().clear();
            self.alerts.breakers_are_new();
        }
        Ok(())
    }

    /// The settings in force.
    #[must_use]
    pub fn settings(&self) -> Settings {
        self.live.load().settings.clone()
    }

    /// The durable ledger.
    #[must_use]
    pub fn book(&self) -> &Arc<dyn Book> {
        &self.book
    }

    /// The records.
    #[must_use]
    pub fn records(&self) -> &Arc<dyn Records> {
        &self.records
    }

    /// The API keys.
    #[must_use]
    pub fn keys(&self) -> &Arc<dyn Keys> {
        &self.keys
    }

    /// Messages to webhooks.
    #[must_use]
    pub fn hooks(&self) -> &Hooks {
        &self.hooks
    }

    /// The clock.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// The largest request body, in bytes.
    #[must_use]
    pub fn body_bytes_max(&self) -> usize {
        self.live.load().settings.bounds.body_bytes
    }

    /// Requests under way.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Acquire)
    }

    /// Ready for requests, or the reason why not.
    ///
    /// # Errors
    /// The reason.
    pub fn ready(&self) -> Result<(), String> {
        if self.draining.load(Ordering::Acquire) {
            return Err("draining".to_owned());
        }
        match self.book.health() {
            BookHealth::Open => Ok(()),
            BookHealth::Stopped(why) => Err(why),
        }
    }

    /// Stops taking requests, waits for the ones under way, and after `patience` cuts them: they
    /// settle, and end with a proper error. Returns how many had to be cut.
    pub async fn drain(&self, patience: Duration) -> usize {
        self.draining.store(true, Ordering::Release);
        self.journeys.close();
        if tokio::time::timeout(patience, self.journeys.wait()).await.is_ok() {
            return 0;
        }
        let cut = self.journeys.len();
        self.cut.cancel();
        self.journeys.wait().await;
        cut
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// Stops taking requests, without waiting: `readyz` says so at once.
    pub fn stop_accepting(&self) {
        self.draining.store(true, Ordering::Release);
    }

    /// The key that a credential belongs to or stands for, if it may be used now.
    ///
    /// # Errors
    /// Why not.
    pub fn key_of(&self, presented: &Presented) -> Result<Arc<KeyRecord>, Problem> {
        line::prove(self, presented).map(|identity| identity.key)
    }

    /// The same of an API key itself, and of no credential of one user: for what only backends may do.
    ///
    /// # Errors
    /// Why not.
    pub fn backend_key(&self, presented: &Presented) -> Result<Arc<KeyRecord>, Problem> {
        let identity = line::prove(self, presented)?;
        if identity.user.is_some() {
            return Err(browser::only_backends());
        }
        Ok(identity.key)
    }

    /// May a request's body be read? Whoever has no key, or comes while we drain, is told so before
    /// it costs any memory.
    ///
    /// # Errors
    /// Why not.
    pub fn may_read_body(&self, surface: Surface, presented: &Presented) -> Result<(), Problem> {
        if self.draining.load(Ordering::Acquire) {
            return Err(draining());
        }
        let checked = line::prove(self, presented).map(|_| ());
        if let Err(problem) = &checked {
            let labels = RequestLabels { surface: surface.word(), outcome: "refused", code: problem.code.word() };
            self.metrics.requests.get_or_create(&labels).inc();
        }
        checked
    }

    /// The models that the key's owner may ask for: configured names, then priced endpoints.
    ///
    /// # Errors
    /// When the key may not be used.
    pub fn models_for(&self, presented: &Presented) -> Result<Vec<String>, Problem> {
        let key = self.key_of(presented)?;
        let live = self.live.load();
        let settings = &live.settings;
        let names = settings
            .models
            .iter()
            .filter(|(name, model)| model.targets.iter().any(|target| line::allowed(&key, name, target)));
        let endpoints = settings.prices.keys().filter(|endpoint| settings.providers.contains_key(&endpoint.provider));
        let endpoints = endpoints.filter(|endpoint| line::allowed(&key, &endpoint.model, endpoint));
        Ok(names.map(|(name, _)| name.to_string()).chain(endpoints.map(ToString::to_string)).collect())
    }

    /// Work that is due from time to time: gauges, and sweeping what nobody uses.
    pub fn tick(self: &Arc<Self>) {
        self.lanes.sweep();
        let now = self.clock.now();
        self.tick_left_over(now);
        self.tick_jobs(now);
        self.shelf.lock().sweep(now);
        self.tick_cache(now);
        self.tick_sign_ins(now);
        for (endpoint, breaker) in self.breakers.read().iter() {
            let state = match breaker.lock().state(now) {
                BreakerState::Closed => 0,
                BreakerState::HalfOpen => 1,
                BreakerState::Open => 2,
            };
            self.metrics.breaker_state.get_or_create(&endpoint_labels(endpoint)).set(state);
        }
        self.metrics.store_open.set(i64::from(self.book.health() == BookHealth::Open));
        let jobs = self.jobs_standing();
        self.metrics.jobs_waiting.set(i64::try_from(jobs.waiting).unwrap_or(i64::MAX));
        self.metrics.jobs_running.set(i64::try_from(jobs.running).unwrap_or(i64::MAX));
        let balances = self.book.balances(now);
        self.gauge_accounts(&balances);
        self.alerts.tick(&self.live.load().settings.alerts, &balances, now, &self.journeys);
    }

    fn gauge_accounts(&self, balances: &[Balance]) {
        let mut sums: BTreeMap<(Name, Unit), (i64, i64)> = BTreeMap::new();
        for balance in balances {
            let sum = sums.entry((balance.account.budget.clone(), balance.spent.unit())).or_default();
            sum.0 = sum.0.saturating_add(balance.spent.value());
            sum.1 = sum.1.saturating_add(balance.held.value());
        }
        for ((budget, unit), (spent, held)) in sums {
            let labels = crate::metrics::BudgetLabels { budget: budget.to_string(), unit: unit.word() };
            self.metrics.account_spent.get_or_create(&labels).set(in_base_unit(unit, spent));
            self.metrics.account_held.get_or_create(&labels).set(in_base_unit(unit, held));
        }
    }

    /// Reads what comes after a stream's last event, which is nothing but the end of the HTTP body:
    /// without it the connection could not be used again.
    pub(crate) fn read_to_the_end(&self, mut body: AnswerBody) {
        let mut context = Context::from_waker(Waker::noop());
        if let Poll::Ready(None | Some(Err(_))) = body.poll_next_unpin(&mut context) {
            return;
        }
        self.journeys.spawn(async move {
            let rest = async { while let Some(Ok(_)) = body.next().await {} };
            // A provider that does not end its body loses the connection, and nothing else.
            let _ = tokio::time::timeout(TAIL, rest).await;
        });
    }

    pub(crate) fn breaker(&self, endpoint: &ModelName) -> Arc<Mutex<Breaker>> {
        if let Some(breaker) = self.breakers.read().get(endpoint) {
            return Arc::clone(breaker);
        }
        let rules = self.live.load().settings.breaker;
        Arc::clone(
            self.breakers.write().entry(endpoint.clone()).or_insert_with(|| Arc::new(Mutex::new(Breaker::new(rules)))),
        )
    }
}

/// Metrics are shown in dollars, as floats; nothing is decided by them.
#[expect(clippy::cast_precision_loss, reason = "a gauge for people")]
pub(crate) fn in_base_unit(unit: Unit, value: i64) -> f64 {
    match unit {
        Unit::Usd => value as f64 / NanoUsd::DOLLAR.get() as f64,
        Unit::Tokens | Unit::Requests | Unit::Retries => value as f64,
    }
}

pub(crate) fn endpoint_labels(endpoint: &ModelName) -> EndpointLabels {
    EndpointLabels { provider: endpoint.provider.to_string(), model: endpoint.model.to_string() }
}

/// One of the places for requests under way, given back whatever ends the journey.
struct Place(Arc<Gateway>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::AcqRel);
        self.0.metrics.in_flight.dec();
    }
}

/// What signs messages to webhooks.
fn know_secrets(hooks: &Hooks, settings: &Settings) {
    let alerts = settings.alerts.hooks.iter().flat_map(|hook| hook.hook.secrets.iter().cloned());
    let cache = settings.cache.invalidated_webhook.iter().flat_map(|hook| hook.secrets.iter().cloned());
    hooks.know(alerts.chain(cache));
    if let Some(secret) = &settings.jobs.webhook_secret {
        hooks.know_root(secret.clone());
    }
}

pub(crate) fn draining() -> Problem {
    let problem = Problem::new(
        Code::Draining,
        "This instance is shutting down; another one, or this one in a moment, will answer.",
    );
    problem.retry_after(Duration::from_secs(2))
}

fn refuse(notes: Notes, problem: Problem) -> Delivery {
    Delivery::Problem { notes: Box::new(notes), problem: Box::new(problem) }
}
