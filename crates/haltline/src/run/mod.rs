//! A running gateway: the parts put together, and taken apart again in order. `serve`, `demo` and
//! `demo runaway` differ only in the plan that they hand in.

mod admin_file;
mod clock;
mod guards;
mod providers;
mod reload;

pub use clock::SystemClock;
pub use reload::{Again, Reread};

use crate::tls::{self, Tls, TlsSettings};
use anyhow::Context;
use haltline_gateway::settings::Settings;
use haltline_gateway::{Gateway, GatewayParts, Inherited, Metrics, SeededEntropy, TakenUp, expire_open_holds};
use haltline_http::admin::{Admin, RefusedLogins, new_secret};
use haltline_http::{App, Plain, ServerBounds, operator_router, router};
use haltline_ports::{Acts, Admins, Book, Clock, Documents, Keys, Records, Streams};
use haltline_store_embedded::{EmbeddedStore, Encryption, LockError, Options};
use haltline_types::Name;
use haltline_upstream::{HttpKeySets, HttpWebhooks, SimulatedUpstream};
use prometheus_client::registry::Registry;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Between two rounds of work that is due from time to time.
const TICK: Duration = Duration::from_secs(5);

/// Between two looks at when the certificate of the listener ends.
const CERTIFICATE_LOOK: Duration = Duration::from_secs(6 * 3600);
/// Between two times that it is kept when keys were last used.
const KEY_USES: Duration = Duration::from_secs(60);

/// For messages to webhooks that are under way when the process ends; the next one sends them again.
const HOOK_PATIENCE: Duration = Duration::from_secs(2);

/// For a command that has the data directory to be done with it.
const LOCK_PATIENCE: Duration = Duration::from_secs(1);

/// Where the command line finds a gateway that speaks TLS: it has no certificate to show, and none
/// is made out to loopback. Any free port; only who can read the data directory has the token.
const OPERATORS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

/// Where the store is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StorePlace {
    /// Gone with the process.
    Memory,
    /// In this directory.
    Directory(PathBuf),
}

/// What is to be started.
pub struct Plan {
    /// Where to listen; port 0 = any free one.
    pub listen: SocketAddr,
    /// TLS there; none = HTTP in the clear.
    pub tls: Option<TlsSettings>,
    /// What bounds connections.
    pub bounds: ServerBounds,
    /// Where the store is.
    pub store: StorePlace,
    /// What the store encrypts with, if it does.
    pub encryption: Option<Encryption>,
    /// How long streams are kept after their end.
    pub keep_streams: Duration,
    /// What the line does.
    pub settings: Settings,
    /// Reads the configuration again, for a reload; none where there is no file.
    pub reread: Option<Reread>,
}

/// A running gateway.
pub struct Instance {
    /// Where it listens.
    pub address: SocketAddr,
    /// TLS there.
    pub tls: Option<Tls>,
    /// The line's door.
    pub gateway: Arc<Gateway>,
    /// The simulated models by provider, whose bills and outages a demo shows.
    pub simulated: HashMap<Name, Arc<SimulatedUpstream>>,
    /// Holds of an earlier process, charged in full at this start.
    pub recovered: usize,
    /// Streams of an earlier process.
    pub taken_up: TakenUp,
    /// Reads the configuration again.
    pub reloader: reload::Reloader,
    store: Arc<EmbeddedStore>,
    stop: CancellationToken,
    servers: Vec<JoinHandle<std::io::Result<()>>>,
    ticker: JoinHandle<()>,
    key_fetcher: JoinHandle<()>,
    admin_file: Option<admin_file::WrittenAdminFile>,
}

impl Instance {
    /// Starts.
    ///
    /// # Errors
    /// A chain of sentences that says what to do.
    pub async fn start(plan: Plan) -> anyhow::Result<Self> {
        let clock = Arc::new(SystemClock::new());
        let listener = TcpListener::bind(plan.listen).await.with_context(|| {
            format!("cannot listen on {}; is another process there? Choose another [server] listen", plan.listen)
        })?;
        let address = listener.local_addr()?;
        let tls = plan.tls.as_ref().map(tls::prepare).transpose()?.map(Tls::new);
        let options = match &plan.store {
            StorePlace::Memory => Options::memory(Arc::clone(&clock) as Arc<dyn Clock>),
            StorePlace::Directory(directory) => take(directory, &clock).await?,
        };
        let options = Options { keep_streams: plan.keep_streams, encryption: plan.encryption, ..options };
        let (store, found) = EmbeddedStore::open(options, plan.settings.budgets.clone(), clock.now())?;
        let lost = found.open;
        let recovered = expire_open_holds(&*store, &lost, clock.now()).await?;
        if recovered > 0 {
            tracing::warn!(
                recovered,
                "requests were under way when the last process ended; their ceilings are charged"
            );
        }
        let built = providers::build(&plan.settings, &(Arc::clone(&clock) as Arc<dyn Clock>))?;
        let guards = guards::build(&plan.settings, &(Arc::clone(&clock) as Arc<dyn Clock>))?;
        let mut registry = Registry::with_prefix("haltline");
        if let Some(tls) = &tls {
            registry.register_collector(Box::new(tls.clone()));
        }
        let metrics = Metrics::new(&mut registry);
        let streams: Arc<dyn Streams> = Arc::clone(&store) as Arc<dyn Streams>;
        let gateway = Gateway::new(GatewayParts {
            settings: plan.settings,
            upstreams: built.upstreams,
            guards,
            book: Arc::clone(&store) as Arc<dyn Book>,
            records: Arc::clone(&store) as Arc<dyn Records>,
            keys: Arc::clone(&store) as Arc<dyn Keys>,
            key_sets: Arc::new(HttpKeySets::new(None)?),
            streams: Arc::clone(&streams),
            documents: Arc::clone(&store) as Arc<dyn Documents>,
            webhooks: Arc::new(HttpWebhooks::new(None)?),
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            entropy: Arc::new(SeededEntropy::new(seed()?)),
            metrics,
        });
        gateway.read_cache_back();
        gateway.tell_webhooks_of_jobs();
        let Inherited { messages, streams: taken_up, jobs } = gateway.take_up(lost).await;
        if messages > 0 {
            tracing::info!(messages, "messages to webhooks of the last process are sent now");
        }
        if jobs > 0 {
            tracing::info!(jobs, "jobs of the last process go on");
        }
        let reloader =
            reload::Reloader::new(Arc::clone(&gateway), Arc::clone(&clock) as Arc<dyn Clock>, tls.clone(), plan.reread);
        let token = new_secret("hl-admin-")?;
        let operators = match &tls {
            Some(_) => Some(TcpListener::bind(OPERATORS).await.context("cannot listen on loopback")?),
            None => None,
        };
        let admin_file = match &plan.store {
            StorePlace::Memory => None,
            StorePlace::Directory(directory) => {
                let door = operators.as_ref().map(TcpListener::local_addr).transpose()?.unwrap_or(address);
                Some(admin_file::WrittenAdminFile::write(directory, door, &token)?)
            }
        };
        let app = App {
            gateway: Arc::clone(&gateway),
            registry: Arc::new(registry),
            admin: Arc::new(admin(token, streams, &store, &clock, &reloader)),
        };
        let stop = CancellationToken::new();
        let mut servers = Vec::new();
        if let Some(listener) = operators {
            let router = operator_router(app.clone());
            servers.push(tokio::spawn(haltline_http::serve(
                listener,
                Plain,
                router,
                plan.bounds.clone(),
                stop.clone(),
            )));
        }
        let router = router(app);
        servers.push(match tls.clone() {
            None => tokio::spawn(haltline_http::serve(listener, Plain, router, plan.bounds.clone(), stop.clone())),
            Some(tls) => tokio::spawn(haltline_http::serve(listener, tls, router, plan.bounds.clone(), stop.clone())),
        });
        let ticker = tokio::spawn(tick(Arc::clone(&gateway), clock, tls.clone(), stop.clone()));
        let key_fetcher = tokio::spawn(Gateway::keep_key_sets_fresh(Arc::downgrade(&gateway)));
        Ok(Self {
            address,
            tls,
            gateway,
            simulated: built.simulated,
            recovered,
            taken_up,
            reloader,
            store,
            stop,
            servers,
            ticker,
            key_fetcher,
            admin_file,
        })
    }

    /// The base of its URLs.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// Lets running requests finish, for so long; then cuts them, settles, and closes the store.
    /// Returns how many had to be cut.
    ///
    /// # Errors
    /// When the server or the store did not end well.
    pub async fn shutdown(self, patience: Duration) -> anyhow::Result<usize> {
        let cut = self.gateway.drain(patience).await;
        self.stop.cancel();
        for server in self.servers {
            server.await.context("the server's task failed")??;
        }
        self.ticker.abort();
        self.key_fetcher.abort();
        self.gateway.flush_key_uses();
        self.gateway.hooks().close(HOOK_PATIENCE).await;
        drop(self.admin_file);
        self.store
            .close(self.gateway.clock().now())
            .context("the store could not be closed cleanly; the next start will recover it")?;
        Ok(cut)
    }
}

/// Takes the data directory. A command may have it for some milliseconds, so one that is taken is
/// tried again for a moment.
async fn take(directory: &Path, clock: &Arc<SystemClock>) -> Result<Options, LockError> {
    let until = Instant::now() + LOCK_PATIENCE;
    loop {
        match Options::directory(directory, Arc::clone(clock) as Arc<dyn Clock>) {
            Err(LockError::Taken { .. }) if Instant::now() < until => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            taken => return taken,
        }
    }
}

fn admin(
    token: String,
    streams: Arc<dyn Streams>,
    store: &Arc<EmbeddedStore>,
    clock: &Arc<SystemClock>,
    reloader: &reload::Reloader,
) -> Admin {
    let (store, clock) = (Arc::clone(store), Arc::clone(clock));
    let reloader = reloader.clone();
    let admins: Arc<dyn Admins> = Arc::clone(&store) as Arc<dyn Admins>;
    let acts: Arc<dyn Acts> = Arc::clone(&store) as Arc<dyn Acts>;
    Admin {
        token,
        admins,
        acts,
        refusals: RefusedLogins::default(),
        streams: Some(streams),
        reload: Box::new(move || {
            let reloader = reloader.clone();
            Box::pin(async move { reloader.reload().await })
        }),
        verify: Box::new(move || {
            let (store, now) = (Arc::clone(&store), clock.now());
            Box::pin(async move {
                tokio::task::spawn_blocking(move || {
                    store.verify(now).map(|report| report.to_string()).map_err(|error| error.to_string())
                })
                .await
                .map_err(|error| error.to_string())?
            })
        }),
    }
}

async fn tick(gateway: Arc<Gateway>, clock: Arc<SystemClock>, tls: Option<Tls>, stop: CancellationToken) {
    let mut interval = tokio::time::interval(TICK);
    let mut looked: Option<Instant> = None;
    let mut uses_kept = Instant::now();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = interval.tick() => {}
        }
        gateway.tick();
        if looked.is_none_or(|looked| looked.elapsed() >= CERTIFICATE_LOOK) {
            looked = Some(Instant::now());
            if let Some(complaint) = tls.as_ref().and_then(|tls| tls.complaint(clock.now())) {
                tracing::warn!("the certificate of the listener {complaint}");
            }
        }
        if uses_kept.elapsed() >= KEY_USES {
            uses_kept = Instant::now();
            let gateway = Arc::clone(&gateway);
            tokio::task::spawn_blocking(move || gateway.flush_key_uses());
        }
        gateway.metrics.set_clock_alarm(clock.alarm().is_some());
        if let Some(alarm) = clock.alarm() {
            tracing::error!(
                ?alarm,
                "the wall clock disagrees with monotonic time; windows are kept until it is right or the process restarts"
            );
        }
    }
}

fn seed() -> anyhow::Result<u64> {
    let mut bytes = [0_u8; 8];
    getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("the system has no randomness: {error}"))?;
    Ok(u64::from_le_bytes(bytes))
}
