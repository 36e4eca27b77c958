//! A provider, a disk and documents that outlive the gateways that are started on them.

use bytes::Bytes;
use futures_util::StreamExt;
use haltline_gateway::guard::settings::GuardSettings;
use haltline_gateway::settings::{
    AlertSettings, AuthSettings, Bounds, CacheSettings, Deadlines, DegradeSettings, HeadroomSettings, JobSettings,
    ModelSettings, ProviderKind, ProviderSettings, ResponseSettings, ReviewSettings, SessionSettings, Settings,
    SimulatedSettings, StreamSettings,
};
use haltline_gateway::{Claims, Delivery, Gateway, GatewayParts, Incoming, JobEndpoint, Metrics, NewJob, Problem};
use haltline_gateway::{JobNote, JobNotifier, Presented};
use haltline_gateway::{SeededEntropy, expire_open_holds};
use haltline_ledger::{Applies, Budget, Budgets, OnFull, Window, Zone};
use haltline_policy::breaker::BreakerRules;
use haltline_policy::price::{Price, Rates};
use haltline_policy::retry::RetryRules;
use haltline_ports::{
    Answer, BoxFuture, Call, Clock, Document, DocumentQuery, Documents, DocumentsError, GuardServices, KeyRecord, Keys,
    MemoryDocuments, MemoryStreams, NoGuardServices, NoKeySets, NoWebhooks, Owner, Permit, Shelf, Upstream, UserClaims,
};
use haltline_store_embedded::{EmbeddedStore, Options, SimDisk, Threads};
use haltline_types::{Fault, FaultKind, ModelName, Name, NanoUsd, Origin, PicoUsdPerToken, Scope, Timestamp, Tokens};
use haltline_wire::PassFields;
use haltline_wire::client::Address;
use haltline_wire::openai::ProviderKind as Server;
use prometheus_client::registry::Registry;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;
use tokio::time::Instant;

/// What one answer costs: 10 tokens of input at $1 and 5 of output at $10 for a million.
pub(crate) const ANSWER: NanoUsd = NanoUsd::new(60_000);

/// What the provider does with a call.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Act {
    Answer,
    /// A failure that may have cost money.
    Fail,
    /// No answer, ever.
    Hang,
    /// An answer once the gate lets it pass.
    Gate,
}

/// The provider. What it bills is what its answers say.
pub(crate) struct Provider {
    script: Mutex<VecDeque<Act>>,
    /// What its answers say.
    pub(crate) words: Mutex<String>,
    usual: Mutex<Act>,
    pub(crate) gate: Semaphore,
    pub(crate) calls: AtomicUsize,
    under_way: AtomicUsize,
    pub(crate) most_under_way: AtomicUsize,
    pub(crate) billed: Mutex<i64>,
    pub(crate) bodies: Mutex<Vec<Bytes>>,
    /// What it says before anything else: the pieces of one body each.
    pub(crate) says: Mutex<VecDeque<Said>>,
}

/// One body of the provider, piece by piece.
#[derive(Clone, Debug, Default)]
pub(crate) struct Said {
    pub(crate) pieces: Vec<Bytes>,
    /// The connection breaks behind them.
    pub(crate) breaks: bool,
    /// Before each piece.
    pub(crate) pause: Duration,
}

impl Provider {
    pub(crate) fn always(&self, act: Act) {
        *self.usual.lock().expect("unpoisoned") = act;
    }

    pub(crate) fn then(&self, acts: impl IntoIterator<Item = Act>) {
        self.script.lock().expect("unpoisoned").extend(acts);
    }

    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    pub(crate) fn bill(&self) -> NanoUsd {
        NanoUsd::new(*self.billed.lock().expect("unpoisoned"))
    }

    async fn act(&self, call: &Call) -> Result<Answer, Fault> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        self.bodies.lock().expect("unpoisoned").push(call.body.clone());
        if let Some(said) = self.says.lock().expect("unpoisoned").pop_front() {
            return Ok(said.answer());
        }
        let act = self.script.lock().expect("unpoisoned").pop_front();
        let act = act.unwrap_or(*self.usual.lock().expect("unpoisoned"));
        match act {
            Act::Answer => {}
            Act::Fail => return Err(Fault::new(FaultKind::ServerError, Origin::Provider, "it broke")),
            Act::Hang => std::future::pending::<()>().await,
            Act::Gate => self.gate.acquire().await.expect("never closed").forget(),
        }
        *self.billed.lock().expect("unpoisoned") += ANSWER.get();
        let says = self.words.lock().expect("unpoisoned").clone();
        let body = json!({
            "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": says}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
        });
        let body = Bytes::from(body.to_string());
        Ok(Answer {
            status: http::StatusCode::OK,
            headers: http::HeaderMap::new(),
            body: Box::pin(futures_util::stream::iter([Ok(body)])),
            exhausted_until: None,
        })
    }
}

impl Said {
    fn answer(self) -> Answer {
        let pause = self.pause;
        let broken = self.breaks.then(|| Err(Fault::new(FaultKind::ConnectionLost, Origin::Provider, "it broke")));
        let pieces = self.pieces.into_iter().map(Ok).chain(broken);
        let body = futures_util::stream::iter(pieces).then(move |piece| async move {
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
            piece
        });
        let (status, headers) = (http::StatusCode::OK, http::HeaderMap::new());
        Answer { status, headers, body: Box::pin(body), exhausted_until: None }
    }
}

struct Door(Arc<Provider>);

impl Upstream for Door {
    fn call(&self, _permit: Permit, call: Call) -> BoxFuture<'_, Result<Answer, Fault>> {
        Box::pin(async move {
            let now = self.0.under_way.fetch_add(1, Ordering::SeqCst) + 1;
            self.0.most_under_way.fetch_max(now, Ordering::SeqCst);
            let answered = self.0.act(&call).await;
            self.0.under_way.fetch_sub(1, Ordering::SeqCst);
            answered
        })
    }
}

pub(crate) struct WallClock;

impl Clock for WallClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
        Timestamp::from_millis(i64::try_from(since.as_millis()).expect("in range"))
    }
}

/// What the gateway goes by; looks at it are counted.
struct CountedClock(Arc<AtomicUsize>);

impl Clock for CountedClock {
    fn now(&self) -> Timestamp {
        self.0.fetch_add(1, Ordering::SeqCst);
        WallClock.now()
    }
}

/// What a write of a chosen document does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Nothing is written after it.
    DiesAfter,
    /// Neither it nor anything after it is written.
    DiesBefore,
    /// It panics, once.
    Panics,
}

/// Documents whose last write can be chosen: what comes after it never ends, as if the process had
/// died. And that cannot be read for a while.
#[derive(Default)]
pub(crate) struct Mortal {
    kept: Arc<MemoryDocuments>,
    /// What happens at a write of an id that begins so.
    fate: Mutex<Option<(&'static str, Fate)>>,
    pub(crate) is_dead: AtomicBool,
    pub(crate) is_damaged: AtomicBool,
    /// Lists of what begins so never come.
    pub(crate) hangs_at: Mutex<Option<&'static str>>,
}

impl Mortal {
    pub(crate) fn dies_after(&self, prefix: &'static str) {
        self.at(prefix, Fate::DiesAfter);
    }

    pub(crate) fn at(&self, prefix: &'static str, fate: Fate) {
        *self.fate.lock().expect("unpoisoned") = Some((prefix, fate));
    }

    fn check(&self) -> Result<(), DocumentsError> {
        let is_damaged = self.is_damaged.load(Ordering::SeqCst);
        if is_damaged { Err(DocumentsError("damaged".to_owned())) } else { Ok(()) }
    }
}

impl Documents for Mortal {
    fn put(&self, documents: Vec<Document>) -> BoxFuture<'_, Result<(), DocumentsError>> {
        Box::pin(async move {
            if self.is_dead.load(Ordering::SeqCst) {
                std::future::pending::<()>().await;
            }
            let fate = {
                let mut fate = self.fate.lock().expect("unpoisoned");
                let is_met =
                    |(prefix, _): &(&str, Fate)| documents.iter().any(|document| document.id.starts_with(prefix));
                fate.take_if(|fate| is_met(fate)).map(|(_, fate)| fate)
            };
            assert_ne!(fate, Some(Fate::Panics), "as it was told to");
            if fate.is_some() {
                self.is_dead.store(true, Ordering::SeqCst);
            }
            if fate == Some(Fate::DiesBefore) {
                std::future::pending::<()>().await;
            }
            self.check()?;
            self.kept.put(documents).await
        })
    }

    fn put_if(&self, document: Document, expected: Option<Timestamp>) -> BoxFuture<'_, Result<bool, DocumentsError>> {
        self.kept.put_if(document, expected)
    }

    fn get(&self, shelf: Shelf, id: &str, now: Timestamp) -> BoxFuture<'_, Result<Option<Document>, DocumentsError>> {
        if let Err(error) = self.check() {
            return Box::pin(std::future::ready(Err(error)));
        }
        self.kept.get(shelf, id, now)
    }

    fn list(&self, query: DocumentQuery, now: Timestamp) -> BoxFuture<'_, Result<Vec<Document>, DocumentsError>> {
        if let Err(error) = self.check() {
            return Box::pin(std::future::ready(Err(error)));
        }
        let hangs_at = *self.hangs_at.lock().expect("unpoisoned");
        if hangs_at.is_some() && query.prefix.as_deref() == hangs_at {
            return Box::pin(std::future::pending());
        }
        self.kept.list(query, now)
    }

    fn remove(&self, shelf: Shelf, ids: Vec<String>) -> BoxFuture<'_, Result<u64, DocumentsError>> {
        self.kept.remove(shelf, ids)
    }

    fn remove_prefix(&self, shelf: Shelf, prefix: &str) -> BoxFuture<'_, Result<u64, DocumentsError>> {
        self.kept.remove_prefix(shelf, prefix)
    }

    fn forget_user(&self, user: &Name) -> BoxFuture<'_, Result<u64, DocumentsError>> {
        self.kept.forget_user(user)
    }

    fn sweep(&self, now: Timestamp) -> Result<(), DocumentsError> {
        self.kept.sweep(now)
    }
}

/// What outlives gateways.
pub(crate) struct World {
    pub(crate) provider: Arc<Provider>,
    pub(crate) disk: SimDisk,
    kept: Arc<MemoryDocuments>,
    streams: Arc<MemoryStreams>,
    pub(crate) settings: Settings,
    pub(crate) guards: Arc<dyn GuardServices>,
    pub(crate) ear: Arc<Ear>,
    /// How often gateways looked at the clock.
    pub(crate) looks: Arc<AtomicUsize>,
    /// Do gateways find documents that cannot be read?
    pub(crate) is_damaged: bool,
}

/// Hears what webhooks are told; while it is deaf, nothing is taken.
#[derive(Default)]
pub(crate) struct Ear {
    pub(crate) heard: Mutex<Vec<JobNote>>,
    pub(crate) is_deaf: AtomicBool,
    /// The process whose end is the next thing that is heard.
    pub(crate) kills: Mutex<Option<Arc<Mortal>>>,
}

impl Ear {
    pub(crate) fn of(&self, url: &str) -> Vec<JobNote> {
        self.heard.lock().expect("unpoisoned").iter().filter(|note| note.url == url).cloned().collect()
    }
}

impl JobNotifier for Ear {
    fn check(&self, url: &str) -> Result<(), String> {
        if url.contains("127.0.0.1") { Err("it leads into a private network".to_owned()) } else { Ok(()) }
    }

    fn notify(&self, note: JobNote) -> BoxFuture<'_, Result<(), String>> {
        if self.is_deaf.load(Ordering::SeqCst) {
            return Box::pin(std::future::ready(Err("the outbox is gone".to_owned())));
        }
        self.heard.lock().expect("unpoisoned").push(note);
        if let Some(process) = self.kills.lock().expect("unpoisoned").take() {
            process.is_dead.store(true, Ordering::SeqCst);
        }
        Box::pin(std::future::ready(Ok(())))
    }
}

impl World {
    pub(crate) fn new() -> Self {
        let provider = Provider {
            script: Mutex::default(),
            words: Mutex::new("Hello.".to_owned()),
            usual: Mutex::new(Act::Answer),
            gate: Semaphore::new(0),
            calls: AtomicUsize::new(0),
            under_way: AtomicUsize::new(0),
            most_under_way: AtomicUsize::new(0),
            billed: Mutex::new(0),
            bodies: Mutex::default(),
            says: Mutex::default(),
        };
        Self {
            provider: Arc::new(provider),
            disk: SimDisk::new(1),
            kept: Arc::default(),
            streams: Arc::default(),
            settings: settings(),
            guards: Arc::new(NoGuardServices),
            ear: Arc::default(),
            looks: Arc::default(),
            is_damaged: false,
        }
    }

    /// Starts a gateway, and takes up what an earlier one has left.
    pub(crate) fn start(&self) -> Node {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let documents = Arc::new(Mortal {
            kept: Arc::clone(&self.kept),
            is_damaged: AtomicBool::new(self.is_damaged),
            ..Mortal::default()
        });
        let clock: Arc<dyn Clock> = Arc::new(WallClock);
        let options = Options {
            pepper: Some([7; 32]),
            ..Options::on(Arc::new(self.disk.clone()), Threads::Own(Arc::clone(&clock)))
        };
        let opened = EmbeddedStore::open(options, self.settings.budgets.clone(), clock.now());
        let (store, recovered) = opened.expect("a store");
        for name in ["a", "b"] {
            add_key(store.as_ref(), name);
        }
        let upstream: Arc<dyn Upstream> = Arc::new(Door(Arc::clone(&self.provider)));
        let gateway = Gateway::new(GatewayParts {
            settings: self.settings.clone(),
            upstreams: HashMap::from([(Name::new("fake"), upstream)]),
            book: Arc::clone(&store) as _,
            records: Arc::clone(&store) as _,
            keys: Arc::clone(&store) as _,
            key_sets: Arc::new(NoKeySets),
            streams: Arc::clone(&self.streams) as _,
            documents: Arc::clone(&documents) as _,
            guards: Arc::clone(&self.guards),
            webhooks: Arc::new(NoWebhooks),
            clock: Arc::new(CountedClock(Arc::clone(&self.looks))),
            entropy: Arc::new(SeededEntropy::new(u64::try_from(WallClock.now().as_millis()).expect("positive"))),
            metrics: Metrics::new(&mut Registry::default()),
        });
        let node = Node { runtime, gateway, store, documents };
        node.runtime.block_on(async {
            let holds = expire_open_holds(node.store.as_ref(), &recovered.open, WallClock.now()).await;
            holds.expect("expired");
            node.gateway.set_job_notifier(Arc::clone(&self.ear) as Arc<dyn JobNotifier>);
            node.gateway.take_up(recovered.open).await;
        });
        node
    }
}

fn add_key(keys: &dyn Keys, name: &str) {
    let record = KeyRecord {
        name: Name::new(name),
        hash: keys.hash(&format!("secret-{name}")),
        hint: "secret".to_owned(),
        team: None,
        tier: None,
        users: UserClaims::Any,
        models: Vec::new(),
        created: WallClock.now(),
        expires: None,
        frozen: false,
        ..KeyRecord::default()
    };
    // It may be known from the gateway before.
    let _ = keys.add(record);
}

fn settings() -> Settings {
    let endpoint = ModelName { provider: Name::new("fake"), model: Name::new("m") };
    let rate = PicoUsdPerToken::new;
    let rates = Rates::flat(rate(1_000_000), rate(10_000_000));
    let price = Price {
        settle: vec![rates],
        ceiling: vec![rates],
        max_input: Some(Tokens::new(128_000)),
        max_output: Some(Tokens::new(16_384)),
        ..Price::default()
    };
    let day = Budget {
        name: Name::new("day"),
        scope: Scope::parse(["global"]).expect("a scope"),
        limit: "$100".parse().expect("an amount"),
        window: Window::parse("30d", &Zone::utc()).expect("a window"),
        on_full: OnFull::Refuse,
        applies: Applies::ToAll,
    };
    let provider = ProviderSettings {
        kind: ProviderKind::OpenAiCompatible,
        server: Server::Compatible,
        base_url: String::new(),
        keys: Vec::new(),
        api_version: None,
        count_input: false,
        pass_fields: PassFields::none(),
        extra_ca: None,
        simulated: SimulatedSettings::default(),
    };
    Settings {
        providers: BTreeMap::from([(Name::new("fake"), provider)]),
        models: BTreeMap::from([(
            Name::new("chat"),
            ModelSettings::in_order(vec![endpoint.clone()], Tokens::new(1_000)),
        )]),
        prices: BTreeMap::from([(endpoint, price)]),
        budgets: Budgets::new(vec![day]).expect("budgets"),
        degrade: DegradeSettings::default(),
        review: ReviewSettings::default(),
        alerts: AlertSettings::default(),
        rate_limits: Vec::new(),
        retry: RetryRules { max_retries: 0, ..RetryRules::default() },
        breaker: BreakerRules { failures: 100_000, ..BreakerRules::default() },
        deadlines: Deadlines::default(),
        streams: StreamSettings::default(),
        sessions: SessionSettings::default(),
        cache: CacheSettings::default(),
        headroom: HeadroomSettings::default(),
        bounds: Bounds::default(),
        jobs: JobSettings { retry_base: Duration::from_millis(10), ..JobSettings::default() },
        responses: ResponseSettings::default(),
        guard: GuardSettings::off(),
        auth: AuthSettings::default(),
    }
}

/// A running gateway.
pub(crate) struct Node {
    runtime: Runtime,
    pub(crate) gateway: Arc<Gateway>,
    store: Arc<EmbeddedStore>,
    pub(crate) documents: Arc<Mortal>,
}

impl Node {
    pub(crate) fn run<T>(&self, work: impl Future<Output = T>) -> T {
        let limited = async { tokio::time::timeout(Duration::from_secs(30), work).await.expect("in time") };
        self.runtime.block_on(limited)
    }

    /// The process dies: whatever was under way is never heard of again.
    pub(crate) fn kill(self) {
        let Self { runtime, gateway, store, .. } = self;
        runtime.shutdown_timeout(Duration::from_secs(5));
        drop(gateway);
        drop(store);
    }

    /// The process ends in order.
    pub(crate) fn end(self) {
        self.run(self.gateway.drain(Duration::from_millis(50)));
        self.kill();
    }

    pub(crate) fn incoming(&self, key: &str, endpoint: &str, body: &Value) -> Incoming {
        let JobEndpoint { surface, address } = JobEndpoint::parse(endpoint).unwrap_or(JobEndpoint {
            surface: haltline_gateway::Surface::ChatCompletions,
            address: Address::default(),
        });
        Incoming {
            surface,
            address,
            presented: Presented::credential(&format!("secret-{key}")),
            on_behalf: None,
            claims: Claims::default(),
            trace_id: None,
            pass_headers: http::HeaderMap::new(),
            dropped: Vec::new(),
            stop: None,
            body: Bytes::from(body.to_string()),
            arrived: Instant::now(),
        }
    }

    pub(crate) fn order(&self, key: &str, text: &str) -> NewJob {
        let endpoint = "/v1/chat/completions";
        NewJob {
            endpoint: endpoint.to_owned(),
            incoming: self.incoming(key, endpoint, &question(text)),
            metadata: None,
            webhook: None,
            max_attempts: None,
            once: None,
        }
    }

    /// Makes a job and gives its id.
    pub(crate) fn submit(&self, key: &str, text: &str) -> String {
        let job = self.run(self.gateway.submit_job(self.order(key, text))).expect("a job");
        assert_eq!(job["status"], "queued", "{job}");
        job["id"].as_str().expect("an id").to_owned()
    }

    pub(crate) fn job(&self, key: &str, id: &str) -> Result<Value, Problem> {
        self.run(self.gateway.job(&owner(key), id))
    }

    /// Waits until the job stands so.
    pub(crate) fn wait_for(&self, key: &str, id: &str, status: &str) -> Value {
        for _ in 0..1_000 {
            let job = self.job(key, id).expect("a job");
            if job["status"] == status {
                return job;
            }
            let is_final = ["succeeded", "failed", "cancelled"].iter().any(|word| job["status"] == *word);
            assert!(!is_final, "never {status}: {job}");
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("{id} is never {status}");
    }

    /// Sends a request and does not wait for its answer.
    pub(crate) fn begin(&self, key: &str, endpoint: &str, body: &Value) {
        let (gateway, incoming) = (Arc::clone(&self.gateway), self.incoming(key, endpoint, body));
        self.runtime.spawn(async move { gateway.submit(incoming).await });
    }

    /// Work that is due from time to time.
    pub(crate) fn tick(&self) {
        self.run(async { self.gateway.tick() });
    }

    /// Waits until something is so.
    pub(crate) fn until(&self, what: &str, is_so: impl Fn() -> bool) {
        for _ in 0..2_000 {
            if is_so() {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("never: {what}");
    }

    /// A request without waiting, as a surface would send it.
    pub(crate) fn respond(&self, key: &str, body: &Value) -> Result<Value, Problem> {
        let incoming = self.incoming(key, "/v1/responses", body);
        match self.run(self.gateway.submit(incoming)) {
            Delivery::Whole { body, .. } => Ok(serde_json::from_slice(&body).expect("JSON")),
            Delivery::Problem { problem, .. } => Err(*problem),
            Delivery::Stream { .. } => panic!("a stream"),
        }
    }

    /// Spent and held of the budget.
    pub(crate) fn account(&self) -> (NanoUsd, NanoUsd) {
        let balances = self.gateway.book().balances(WallClock.now());
        let sum = |value: fn(&haltline_ledger::Balance) -> i64| NanoUsd::new(balances.iter().map(value).sum());
        (sum(|balance| balance.spent.value()), sum(|balance| balance.held.value()))
    }

    pub(crate) fn assert_balanced(&self, spent: NanoUsd) {
        self.until("nothing is held", || self.account().1 == NanoUsd::ZERO);
        assert_eq!(self.account().0, spent);
    }

    pub(crate) fn freeze(&self, name: &str) {
        let keys = self.gateway.keys();
        let key = keys.list().into_iter().find(|key| *key.name == *name).expect("a key");
        keys.replace(KeyRecord { frozen: true, ..KeyRecord::clone(&key) }).expect("frozen");
    }
}

pub(crate) fn owner(key: &str) -> Owner {
    Owner { key: Name::new(key), user: None }
}

pub(crate) fn question(text: &str) -> Value {
    json!({"model": "chat", "messages": [{"role": "user", "content": text}]})
}

pub(crate) fn money(value: &Value) -> NanoUsd {
    value.as_str().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{value} is no money"))
}
