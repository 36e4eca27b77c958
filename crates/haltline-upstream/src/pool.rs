//! The connections of one origin: idle ones of HTTP/1.1, the last used first; those of HTTP/2; and
//! the way of a request to a connection that takes it. Not here: what a request says, and what an
//! answer means.

use crate::connect::{Opened, Origin};
use crate::connection::{Connection, Exchange, ExchangeError, WireRequest};
use crate::fault;
use crate::http2::Lease;
use crate::shared::{SharedList, Step};
use crate::spread::Http2Settings;
use haltline_types::Fault;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Fresh connections tried for one request when each is closed before it takes a byte.
const FRESH_CONNECTIONS_MAX: usize = 2;

/// Connections waited for by one request, when others are always faster to fill them.
const WAITS_MAX: usize = 16;

/// What bounds a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolSettings {
    /// Connections open at once, idle ones included. Beyond that a request is not sent.
    pub connections_max: usize,
    /// Idle connections kept.
    pub idle_max: usize,
    /// How long an idle connection is kept. Below what servers use, so that they rarely hang up
    /// on a request under way; a shorter time that the server states is obeyed.
    pub idle_timeout: Duration,
    /// How long a connection is used at all, so that a changed address is found.
    pub age_max: Duration,
    /// For name, connection and TLS together.
    pub connect_timeout: Duration,
    /// HTTP/2 is offered to servers behind TLS, with these bounds; `None`: never.
    pub http2: Option<Http2Settings>,
}

impl Default for PoolSettings {
    fn default() -> Self {
        Self {
            connections_max: 1024,
            idle_max: 256,
            idle_timeout: Duration::from_secs(20),
            age_max: Duration::from_secs(300),
            connect_timeout: Duration::from_secs(10),
            http2: Some(Http2Settings::default()),
        }
    }
}

/// What a pool has done so far, and what it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct PoolStats {
    /// Connections made.
    pub opened: u64,
    /// Requests written to a connection that had served before.
    pub reused: u64,
    /// Connections found dead before a byte was written to them.
    pub stale: u64,
    /// Open at this moment.
    pub open: usize,
    /// Idle connections of HTTP/1.1 at this moment.
    pub idle: usize,
    /// Connections of HTTP/2 that take requests at this moment.
    pub shared: usize,
    /// Requests under way on them.
    pub streams: usize,
}

/// The connections of one origin.
#[derive(Clone)]
pub(crate) struct Pool(Arc<Inner>);

/// Takes the next request.
enum Taker {
    Own(Box<Connection>),
    Shared(Lease),
}

struct Inner {
    origin: Origin,
    settings: PoolSettings,
    shared: SharedList,
    idle: Mutex<IdleList>,
    open: AtomicUsize,
    opened: AtomicU64,
    reused: AtomicU64,
    stale: AtomicU64,
}

#[derive(Default)]
struct IdleList {
    /// The longest idle first.
    connections: Vec<Idle>,
    /// Does a task look after them?
    swept: bool,
}

struct Idle {
    connection: Box<Connection>,
    until: Instant,
}

/// The place of one open connection among those allowed. Weak: connections do not keep a pool
/// alive that nobody uses.
#[derive(Default)]
pub(crate) struct Slot(Weak<Inner>);

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(inner) = self.0.upgrade() {
            inner.open.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Slot {
    /// Takes back a connection whose answer was read to its end. `server_idle`: how long the
    /// server says that it keeps it.
    pub(crate) fn give_back(connection: Box<Connection>, server_idle: Option<Duration>) {
        if let Some(inner) = connection.slot().0.upgrade() {
            Pool(inner).put(connection, server_idle);
        }
    }
}

impl Pool {
    pub(crate) fn new(origin: Origin, settings: PoolSettings) -> Self {
        Self(Arc::new(Inner {
            origin,
            settings,
            shared: SharedList::default(),
            idle: Mutex::default(),
            open: AtomicUsize::new(0),
            opened: AtomicU64::new(0),
            reused: AtomicU64::new(0),
            stale: AtomicU64::new(0),
        }))
    }

    pub(crate) fn origin(&self) -> &Origin {
        &self.0.origin
    }

    pub(crate) fn stats(&self) -> PoolStats {
        let (shared, streams) = self.0.shared.stats();
        PoolStats {
            shared,
            streams,
            opened: self.0.opened.load(Ordering::Relaxed),
            reused: self.0.reused.load(Ordering::Relaxed),
            stale: self.0.stale.load(Ordering::Relaxed),
            open: self.0.open.load(Ordering::Relaxed),
            idle: self.0.idle.lock().connections.len(),
        }
    }

    /// Writes a request to a connection that stands or a fresh one, and waits for the head of the
    /// answer. A connection that gives the request back unwritten is replaced; the request is
    /// never written twice.
    ///
    /// # Errors
    /// A fault that says whether anything was written, and whether it was looked at.
    pub(crate) async fn send(&self, mut request: WireRequest) -> Result<Exchange, Fault> {
        let mut fresh_left = FRESH_CONNECTIONS_MAX;
        loop {
            let taker = self.taker().await?;
            let reused = match &taker {
                Taker::Own(connection) => connection.has_served(),
                Taker::Shared(lease) => lease.reused(),
            };
            if !reused {
                fresh_left = fresh_left.saturating_sub(1);
            }
            let sent = match taker {
                Taker::Own(connection) => connection.exchange(request).await,
                Taker::Shared(lease) => lease.exchange(request, self.origin().authority()).await,
            };
            match sent {
                Ok(exchange) => {
                    if reused {
                        self.0.reused.fetch_add(1, Ordering::Relaxed);
                    }
                    return Ok(exchange);
                }
                Err(ExchangeError::Lost(error)) => return Err(fault::lost(self.origin(), &error)),
                Err(ExchangeError::Unprocessed(error)) => return Err(fault::unprocessed(self.origin(), &error)),
                Err(ExchangeError::Unwritten(Some(unwritten), _)) if reused || fresh_left > 0 => {
                    request = *unwritten;
                    self.0.stale.fetch_add(1, Ordering::Relaxed);
                }
                Err(ExchangeError::Unwritten(_, error)) => {
                    return Err(fault::never_written(self.origin(), error.as_ref()));
                }
            }
        }
    }

    async fn taker(&self) -> Result<Taker, Fault> {
        for _ in 0..WAITS_MAX {
            let step = match self.origin().http2() {
                Some(settings) => self.0.shared.step(settings, self.0.settings.age_max, || self.opening()),
                None => Step::Own,
            };
            match step {
                Step::Take(lease) => return Ok(Taker::Shared(lease)),
                Step::Wait(opening) => opening.await?,
                Step::Full(streams) => return Err(fault::too_many_streams(self.origin(), streams)),
                Step::Own => {
                    if let Some(connection) = self.take_idle() {
                        return Ok(Taker::Own(connection));
                    }
                    match self.connect().await? {
                        Opened::Own(connection) => return Ok(Taker::Own(connection)),
                        Opened::Shared(connection) => self.0.shared.add(connection),
                    }
                }
            }
        }
        Err(fault::never_written(self.origin(), None))
    }

    /// Makes a connection in a task of its own, for all who wait for one: who leaves takes nothing
    /// with him.
    fn opening(&self) -> impl Future<Output = Result<(), Fault>> + Send + use<> {
        let pool = self.clone();
        async move {
            match pool.connect().await {
                Ok(Opened::Shared(connection)) => pool.0.shared.add(connection),
                Ok(Opened::Own(connection)) => {
                    pool.0.shared.refused_http2();
                    pool.put(connection, None);
                }
                Err(fault) => {
                    pool.0.shared.failed();
                    return Err(fault);
                }
            }
            Ok(())
        }
    }

    async fn connect(&self) -> Result<Opened, Fault> {
        let allowed = self.0.settings.connections_max;
        let place = self.0.open.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |open| {
            (open < allowed).then_some(open.saturating_add(1))
        });
        if place.is_err() {
            return Err(fault::too_many_connections(self.origin(), allowed));
        }
        let slot = Slot(Arc::downgrade(&self.0));
        let opened = self.origin().connect(self.0.settings.connect_timeout, self.0.shared.allowed(), slot).await?;
        self.0.opened.fetch_add(1, Ordering::Relaxed);
        Ok(opened)
    }

    fn take_idle(&self) -> Option<Box<Connection>> {
        let now = Instant::now();
        loop {
            let idle = self.0.idle.lock().connections.pop()?;
            if idle.until > now {
                return Some(idle.connection);
            }
        }
    }

    fn put(&self, connection: Box<Connection>, server_idle: Option<Duration>) {
        let settings = &self.0.settings;
        let now = Instant::now();
        let kept_for = server_idle.map_or(settings.idle_timeout, |stated| stated.min(settings.idle_timeout));
        if now.duration_since(connection.opened()) >= settings.age_max || kept_for.is_zero() {
            return;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        let mut idle = self.0.idle.lock();
        if idle.connections.len() >= settings.idle_max {
            return;
        }
        idle.connections.push(Idle { connection, until: now + kept_for });
        if !idle.swept {
            idle.swept = true;
            drop(idle);
            runtime.spawn(sweep(Arc::downgrade(&self.0), settings.idle_timeout / 4));
        }
    }
}

/// Drops connections that are idle for too long or were closed by their server; ends when none
/// is left.
async fn sweep(pool: Weak<Inner>, every: Duration) {
    loop {
        sleep(every).await;
        let Some(inner) = pool.upgrade() else {
            return;
        };
        let now = Instant::now();
        let mut idle = inner.idle.lock();
        let gone: Vec<Idle> =
            idle.connections.extract_if(.., |idle| idle.until <= now || idle.connection.is_stale()).collect();
        let empty = idle.connections.is_empty();
        idle.swept = !empty;
        drop(idle);
        drop(gone);
        if empty {
            return;
        }
    }
}
