//! One life of one node: the real gateway over the real embedded store on a simulated disk. All
//! that the ledger answers and all records pass the auditor on their way.

pub(crate) mod watched;

use crate::auditor::Auditor;
use crate::budgets::{self, BudgetPlan};
use crate::clock::SimClock;
use crate::provider::SimProvider;
use crate::site::SiteKey;
use haltline_gateway::settings::Settings;
use haltline_gateway::{Gateway, GatewayParts, Metrics, SeededEntropy, Upstreams, expire_open_holds};
use haltline_ledger::Balance;
use haltline_ports::{Book, BookError, Clock, Keys, MemoryStreams, NoGuardServices, NoKeySets, NoWebhooks, Upstream};
use haltline_store_embedded::{EmbeddedStore, OpenError, Options, Recovered, SimDisk, Threads};
use haltline_types::Timestamp;
use parking_lot::Mutex;
use prometheus_client::registry::Registry;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use watched::{WatchedBook, WatchedRecords};

/// What a node is made of.
pub struct NodeParts {
    /// Everything but the budgets.
    pub settings: Settings,
    /// The budgets.
    pub plans: Vec<BudgetPlan>,
    /// Whom it calls.
    pub providers: Vec<Arc<SimProvider>>,
    /// Who may call it.
    pub keys: Vec<SiteKey>,
    /// Its time.
    pub clock: Arc<SimClock>,
    /// Who watches; nobody where a provider lies.
    pub auditor: Option<Arc<Auditor>>,
    /// Its disk.
    pub disk: SimDisk,
    /// Decides its ids and jitter.
    pub seed: u64,
}

/// A running node.
pub struct Node {
    /// The gateway.
    pub gateway: Arc<Gateway>,
    /// How it found its store.
    pub recovered: Recovered,
    book: Arc<WatchedBook>,
    upstreams: Upstreams,
    registry: Registry,
}

/// A runtime whose time is virtual: it jumps to the next timer whenever nothing else is to do.
///
/// # Errors
/// When the system gives none.
pub fn virtual_time() -> std::io::Result<Runtime> {
    Builder::new_current_thread().enable_time().start_paused(true).build()
}

/// Runs a future in virtual time.
///
/// # Errors
/// When the system gives no runtime.
pub fn in_virtual_time<T>(future: impl Future<Output = T>) -> std::io::Result<T> {
    Ok(virtual_time()?.block_on(future))
}

impl Node {
    /// Opens the store, charges what the life before left open, and puts the gateway on top.
    ///
    /// # Errors
    /// Why it cannot start.
    pub async fn start(parts: NodeParts) -> Result<Self, String> {
        let NodeParts { mut settings, plans, providers, keys, clock, auditor, disk, seed } = parts;
        settings.budgets = budgets::to_ledger(&plans)?;
        let now = clock.now();
        let options = Options {
            segment_bytes: 64 << 10,
            pepper: Some([7; 32]),
            ..Options::on(Arc::new(disk.clone()), Threads::None)
        };
        let opened = EmbeddedStore::open(options, settings.budgets.clone(), now);
        let (store, recovered) = opened.map_err(|error: OpenError| error.to_string())?;
        if let Some(auditor) = &auditor {
            auditor.budgets(&plans);
            auditor.compare(&store.balances(now), now);
        }
        for key in keys {
            key.add_to(store.as_ref() as &dyn Keys, now).map_err(|error| error.to_string())?;
        }
        let book = Arc::new(WatchedBook {
            auditor,
            coming: Mutex::new(plans),
            recovering: Mutex::new(true),
            ..WatchedBook::unwatched(Arc::clone(&store), disk)
        });
        let expired = expire_open_holds(book.as_ref(), &recovered.open, now).await;
        expired.map_err(|error| error.to_string())?;
        *book.recovering.lock() = false;
        let mut registry = Registry::with_prefix("haltline");
        let metrics = Metrics::new(&mut registry);
        let upstreams: Upstreams =
            providers.into_iter().map(|provider| (provider.name().clone(), provider as Arc<dyn Upstream>)).collect();
        let gateway = Gateway::new(GatewayParts {
            settings,
            upstreams: upstreams.clone(),
            guards: Arc::new(NoGuardServices),
            book: Arc::clone(&book) as Arc<dyn Book>,
            records: Arc::new(WatchedRecords { book: Arc::clone(&book) }),
            streams: Arc::new(MemoryStreams::default()),
            documents: Arc::clone(&store) as Arc<dyn haltline_ports::Documents>,
            keys: store,
            key_sets: Arc::new(NoKeySets),
            clock,
            webhooks: Arc::new(NoWebhooks),
            entropy: Arc::new(SeededEntropy::new(seed)),
            metrics,
        });
        Ok(Self { gateway, recovered, book, upstreams, registry })
    }

    /// Takes other budgets while it runs.
    ///
    /// # Errors
    /// Why they are not in force.
    pub async fn rebudget(&self, plans: Vec<BudgetPlan>) -> Result<(), String> {
        let mut settings = self.gateway.settings();
        settings.budgets = budgets::to_ledger(&plans)?;
        *self.book.coming.lock() = plans;
        let guards = Arc::new(NoGuardServices);
        let done = self.gateway.reconfigure(settings, self.upstreams.clone(), guards).await;
        done.map_err(|error| error.to_string())
    }

    /// What the store does from time to time.
    ///
    /// # Errors
    /// When it has stopped.
    pub fn tick(&self, now: Timestamp) -> Result<(), BookError> {
        self.gateway.tick();
        self.book.tick(now)
    }

    /// Every account of an open window.
    #[must_use]
    pub fn balances(&self, now: Timestamp) -> Vec<Balance> {
        self.book.store.balances(now)
    }

    /// Closes the store in order.
    ///
    /// # Errors
    /// When it had stopped.
    pub fn close(&self, now: Timestamp) -> Result<(), BookError> {
        self.book.store.close(now)
    }

    /// Returns when the store has stopped, or the process died under it.
    pub async fn death(&self) {
        self.book.death.notified().await;
    }

    /// Waits until no request is under way, at most for `patience`. Returns how many still are.
    pub async fn quiet(&self, patience: Duration) -> usize {
        let by = tokio::time::Instant::now() + patience;
        while self.gateway.in_flight() > 0 && tokio::time::Instant::now() < by {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        self.gateway.in_flight()
    }

    /// The metrics as they are scraped.
    #[must_use]
    pub fn metrics(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = prometheus_client::encoding::text::encode(&mut text, &self.registry);
        text
    }
}
