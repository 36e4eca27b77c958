//! Sessions: the threads of messages of one owner. The line says what happens; what is kept of it
//! is written behind the line's back, in order, and given back to its owner and to nobody else.
//!
//! Lost at a kill: turns that waited to be written (they come again with the next request of a
//! client that sends the whole conversation), and the answer of a request that was under way,
//! which is then counted as lost. Nothing here decides about money.

mod head;
mod history;
mod hooks;
mod kept;
mod lanes;
mod name;
mod outline;
mod show;
mod supply;
mod write;

pub use history::History;
pub(crate) use hooks::{Awaited, Recovered, answered, arrived};
pub(crate) use name::SessionName;
pub(crate) use outline::Sent;
pub use show::{Order, Page, Shape};
pub(crate) use supply::{Supplied, conversation, is_wanted, supply};

use crate::problem::Problem;
use crate::settings::SessionSettings;
use futures_util::FutureExt;
use haltline_ports::{Documents, DocumentsError, Streams};
use haltline_types::{Code, RequestId, Timestamp};
use lanes::{Entered, Lanes};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedMutexGuard, oneshot};
use tokio_util::task::TaskTracker;
use write::{Forget, Turn};

/// Whoever reads a session waits at most so long for what is still to be written of it.
const FLUSH_WITHIN: Duration = Duration::from_secs(30);

/// What is kept, and how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rules {
    pub(crate) keep_for: Duration,
    pub(crate) content: bool,
}

impl Rules {
    pub(crate) const fn of(settings: &SessionSettings) -> Self {
        Self { keep_for: settings.keep_for, content: settings.content }
    }
}

/// All sessions.
#[derive(Clone)]
pub(crate) struct Sessions {
    inner: Arc<Inner>,
}

struct Inner {
    documents: Arc<dyn Documents>,
    streams: Arc<dyn Streams>,
    lanes: Lanes,
    /// Tells requests of this process from those of one that died.
    process: u64,
    tasks: TaskTracker,
    /// Held by whoever holds all lanes still: two at once would wait for each other.
    stillness: Arc<tokio::sync::Mutex<()>>,
}

/// As long as it is there, no turn of any session is written.
#[must_use]
pub(crate) struct Still {
    _gates: Vec<oneshot::Sender<()>>,
    _alone: OwnedMutexGuard<()>,
}

impl Sessions {
    /// `process` is a number that no other process has. Writers run among `tasks`.
    pub(crate) fn new(
        documents: Arc<dyn Documents>,
        streams: Arc<dyn Streams>,
        process: u64,
        tasks: TaskTracker,
    ) -> Self {
        let (lanes, stillness) = (Lanes::default(), Arc::default());
        Self { inner: Arc::new(Inner { documents, streams, lanes, process, tasks, stillness }) }
    }

    fn push(&self, name: &SessionName, turn: Turn) {
        let lane = Lanes::lane_of(name.key());
        match self.inner.lanes.enter(lane, turn) {
            Entered::Waits => {}
            Entered::First => self.run(lane),
            Entered::Full => {
                tracing::error!("a turn of a session is not kept: more come than can be written; requests go on");
            }
        }
    }

    fn run(&self, lane: usize) {
        let inner = Arc::clone(&self.inner);
        self.inner.tasks.spawn(async move {
            while let Some(turn) = inner.lanes.next(lane) {
                // A turn that fails must not keep those behind it, nor all that ever come.
                if AssertUnwindSafe(inner.write(turn)).catch_unwind().await.is_err() {
                    tracing::error!("a turn of a session is not kept: writing it failed in an unexpected way");
                }
            }
        });
    }

    /// Removes a session with its messages, once what was pushed before is written. Gives the
    /// requests that it was made of; none where there is no such session.
    async fn forget(&self, name: &SessionName, at: Timestamp) -> Result<Option<Vec<RequestId>>, Problem> {
        let (done, forgotten) = oneshot::channel();
        self.push(name, Turn::Forget(Box::new(Forget { name: name.clone(), at, done })));
        match tokio::time::timeout(FLUSH_WITHIN, forgotten).await {
            Ok(Ok(forgotten)) => forgotten.map_err(|error| unreadable(&error)),
            Ok(Err(_)) | Err(_) => Err(unwritten()),
        }
    }

    /// Waits until what was pushed before is written, and keeps what comes after from being written.
    pub(crate) async fn hold_still(&self) -> Result<Still, Problem> {
        let held = async {
            let alone = Arc::clone(&self.inner.stillness).lock_owned().await;
            let mut gates = Vec::with_capacity(lanes::LANES);
            for lane in 0..lanes::LANES {
                let (sender, reached) = oneshot::channel();
                let (gate, until) = oneshot::channel();
                self.wait_in(lane, Turn::Pause(sender, until));
                reached.await.map_err(|_| unwritten())?;
                gates.push(gate);
            }
            Ok(Still { _gates: gates, _alone: alone })
        };
        tokio::time::timeout(FLUSH_WITHIN, held).await.unwrap_or_else(|_| Err(unwritten()))
    }

    /// Lets a turn that is of no size wait in a lane: there is always room for it.
    fn wait_in(&self, lane: usize, turn: Turn) {
        if self.inner.lanes.enter(lane, turn) == Entered::First {
            self.run(lane);
        }
    }

    /// Waits until what was pushed before is written. Whoever reads without it would miss turns.
    async fn flush(&self, name: &SessionName) -> Result<(), Problem> {
        let (sender, written) = oneshot::channel();
        self.push(name, Turn::Flush(sender));
        match tokio::time::timeout(FLUSH_WITHIN, written).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(unwritten()),
        }
    }

    /// Waits until what was pushed before is written, of all sessions.
    async fn flush_all(&self) -> Result<(), Problem> {
        let mut waiting = Vec::new();
        for lane in 0..lanes::LANES {
            let (sender, written) = oneshot::channel();
            self.wait_in(lane, Turn::Flush(sender));
            waiting.push(written);
        }
        let all = futures_util::future::try_join_all(waiting);
        match tokio::time::timeout(FLUSH_WITHIN, all).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(unwritten()),
        }
    }
}

/// What a reader is told that would miss turns.
fn unwritten() -> Problem {
    let message = "What was said last in sessions is still being written. Ask again in a moment.";
    Problem::new(Code::Overloaded, message).retry_after(Duration::from_secs(1))
}

fn unreadable(error: &DocumentsError) -> Problem {
    tracing::error!(%error, "documents cannot be used");
    Problem::new(Code::StoreUnavailable, "The gateway's documents cannot be read or written at present.")
}

#[cfg(test)]
mod tests;
