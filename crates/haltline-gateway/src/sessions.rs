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
pub use hooks::Recovered;
pub(crate) use hooks::{Awaited, answered, arrived};
pub(crate) use name::SessionName;
pub(crate) use outline::Sent;
pub use show::{Forgotten, Order, Page, Shape};
pub(crate) use supply::{Supplied, conversation, is_wanted, supply};

use crate::problem::Problem;
use crate::settings::SessionSettings;
use haltline_ports::{Documents, DocumentsError, Streams};
use haltline_types::Code;
use lanes::{Entered, Lanes};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio_util::task::TaskTracker;
use write::Turn;

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
}

impl Sessions {
    /// `process` is a number that no other process has. Writers run among `tasks`.
    pub(crate) fn new(
        documents: Arc<dyn Documents>,
        streams: Arc<dyn Streams>,
        process: u64,
        tasks: TaskTracker,
    ) -> Self {
        Self { inner: Arc::new(Inner { documents, streams, lanes: Lanes::default(), process, tasks }) }
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
                inner.write(turn).await;
            }
        });
    }

    /// Waits until what was pushed before is written.
    async fn flush(&self, name: &SessionName) {
        let (sender, written) = oneshot::channel();
        self.push(name, Turn::Flush(sender));
        // Later than that, what is there is read.
        let _ = tokio::time::timeout(FLUSH_WITHIN, written).await;
    }

    /// Waits until what was pushed before is written, of all sessions.
    async fn flush_all(&self) {
        let mut waiting = Vec::new();
        for lane in 0..lanes::LANES {
            let (sender, written) = oneshot::channel();
            if self.inner.lanes.enter(lane, Turn::Flush(sender)) == Entered::First {
                self.run(lane);
            }
            waiting.push(written);
        }
        let all = async {
            for written in waiting {
                let _ = written.await;
            }
        };
        let _ = tokio::time::timeout(FLUSH_WITHIN, all).await;
    }
}

fn unreadable(error: &DocumentsError) -> Problem {
    tracing::error!(%error, "documents cannot be used");
    Problem::new(Code::StoreUnavailable, "The gateway's documents cannot be read or written at present.")
}

#[cfg(test)]
mod tests;
