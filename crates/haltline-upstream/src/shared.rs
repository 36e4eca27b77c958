//! The HTTP/2 connections of one origin: which one takes a request, and who waits for a new one.
//! At most one is being made at a time, so that a hundred requests that come together do not make
//! a hundred connections. Not here: making them (`pool.rs`), the choice itself (`spread.rs`).

use crate::http2::{Lease, Multiplexed};
use crate::spread::{Choice, Http2Settings, choose};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use haltline_types::{Fault, FaultKind, Origin};
use parking_lot::Mutex;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

/// The least that servers are asked to allow (RFC 9113, 6.5.2): taken to be so until one says.
const UNSTATED: usize = 100;

/// A connection that is being made; ready when it is there, or cannot be made.
pub(crate) type Opening = Shared<BoxFuture<'static, Result<(), Fault>>>;

/// What a request does next.
pub(crate) enum Step {
    /// It goes here.
    Take(Lease),
    /// It waits for this, and asks again.
    Wait(Opening),
    /// The origin speaks HTTP/1.1: a connection for itself.
    Own,
    /// All places are taken: so many.
    Full(usize),
}

/// See the header.
#[derive(Default)]
pub(crate) struct SharedList(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    connections: Vec<Arc<Multiplexed>>,
    opening: Option<Opening>,
    speaks: Speaks,
    /// Requests at once on a connection, as the server stated it last.
    allowed: Option<usize>,
}

/// What the origin agreed to last.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Speaks {
    /// Nobody has asked yet.
    #[default]
    Unknown,
    Http1,
    Http2,
}

impl SharedList {
    /// What the next request does. `open` makes a connection, and tells this list how it went.
    pub(crate) fn step<F>(&self, settings: &Http2Settings, age_max: Duration, open: impl FnOnce() -> F) -> Step
    where
        F: Future<Output = Result<(), Fault>> + Send + 'static,
    {
        let mut inner = self.0.lock();
        inner.connections.retain(|connection| {
            if connection.has_served() && connection.opened().elapsed() >= age_max {
                connection.retire();
            }
            connection.is_open()
        });
        if inner.connections.is_empty() && inner.speaks == Speaks::Http1 {
            return Step::Own;
        }
        let stated = inner.connections.iter().find_map(|connection| connection.stated_limit());
        inner.allowed = stated.or(inner.allowed);
        let loads: Vec<_> = inner.connections.iter().map(|connection| connection.load()).collect();
        let choice = choose(&loads, settings);
        let lease = |inner: &Inner, place: usize| inner.connections.get(place).map(Multiplexed::lease);
        match choice {
            Choice::Take(place) => lease(&inner, place).map_or(Step::Own, Step::Take),
            Choice::TakeAndOpen(place) => {
                let _others_wait_for_it = inner.open(open);
                lease(&inner, place).map_or(Step::Own, Step::Take)
            }
            Choice::Open => Step::Wait(inner.open(open)),
            Choice::Full => Step::Full(loads.iter().map(|load| load.streams).sum()),
        }
    }

    /// A connection was made.
    pub(crate) fn add(&self, connection: Arc<Multiplexed>) {
        let mut inner = self.0.lock();
        inner.opening = None;
        inner.speaks = Speaks::Http2;
        inner.connections.push(connection);
    }

    /// A connection was made, and the other side chose HTTP/1.1.
    pub(crate) fn refused_http2(&self) {
        let mut inner = self.0.lock();
        inner.opening = None;
        inner.speaks = Speaks::Http1;
    }

    /// A connection could not be made.
    pub(crate) fn failed(&self) {
        self.0.lock().opening = None;
    }

    /// What a new connection is taken to allow.
    pub(crate) fn allowed(&self) -> usize {
        self.0.lock().allowed.unwrap_or(UNSTATED)
    }

    /// Connections that take requests, and requests under way on them.
    pub(crate) fn stats(&self) -> (usize, usize) {
        let mut inner = self.0.lock();
        inner.connections.retain(|connection| connection.is_open());
        (inner.connections.len(), inner.connections.iter().map(|connection| connection.streams()).sum())
    }
}

impl Inner {
    fn open<F>(&mut self, open: impl FnOnce() -> F) -> Opening
    where
        F: Future<Output = Result<(), Fault>> + Send + 'static,
    {
        if let Some(opening) = &self.opening
            && opening.peek().is_none()
        {
            return opening.clone();
        }
        let task = tokio::spawn(open());
        let gone = || Fault::new(FaultKind::ConnectFailed, Origin::Gateway, "the making of a connection was given up");
        let opening = async move { task.await.unwrap_or_else(|_| Err(gone())) }.boxed().shared();
        self.opening = Some(opening.clone());
        opening
    }
}
