//! What an earlier process has left: messages to webhooks, streams, jobs. What cannot be taken up at
//! the start, because the store cannot be read, does not keep the gateway from serving: it is tried
//! again from time to time. Until jobs are taken up no new ones are made, so that those of the two
//! processes cannot be mistaken for each other.

use crate::gateway::Gateway;
use crate::problem::Problem;
use crate::recover::TakenUp;
use haltline_ledger::OpenHold;
use haltline_ports::StreamRecord;
use haltline_types::{Code, Timestamp};
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;

/// Between two tries: doubled from the first to the last.
const WAITS: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(600));

/// What was taken up; nothing of what could not be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Inherited {
    /// Messages to webhooks that are sent now.
    pub messages: usize,
    /// What became of streams.
    pub streams: TakenUp,
    /// Jobs that go on.
    pub jobs: usize,
}

/// What is still to be taken up.
#[derive(Debug, Default)]
pub(crate) struct LeftOver(Mutex<Rest>);

#[derive(Clone, Debug, Default)]
struct Rest {
    messages: bool,
    streams: bool,
    jobs: bool,
    lost: Arc<[OpenHold]>,
    /// When this process began to take up.
    since: Option<Timestamp>,
    next: Option<Timestamp>,
    wait: Duration,
    is_trying: bool,
}

impl LeftOver {
    /// May jobs be made?
    pub(crate) fn check_jobs(&self) -> Result<(), Problem> {
        if !self.0.lock().jobs {
            return Ok(());
        }
        let message = "The jobs of the last process cannot be read, so that none can be made; it is tried again. An operator must look at the store.";
        Err(Problem::new(Code::StoreUnavailable, message).retry_after(WAITS.0))
    }

    /// Is this stream an earlier process's?
    pub(crate) fn is_earlier(&self, record: &StreamRecord) -> bool {
        self.0.lock().since.is_none_or(|since| record.begin.started <= since)
    }
}

impl Gateway {
    /// Takes up what an earlier process has left, before the first request. `lost`: its holds, which
    /// are charged already. What cannot be read is logged, and tried again by `tick`.
    pub async fn take_up(self: &Arc<Self>, lost: Vec<OpenHold>) -> Inherited {
        {
            let mut rest = self.left_over.0.lock();
            (rest.messages, rest.streams, rest.jobs) = (true, true, true);
            rest.lost = lost.into();
            rest.is_trying = true;
        }
        self.read_sign_ins_back().await;
        let inherited = self.take_up_rest().await;
        self.left_over.0.lock().since = Some(self.clock.now());
        inherited
    }

    /// Tries again what could not be taken up, when its time has come.
    pub(crate) fn tick_left_over(self: &Arc<Self>, now: Timestamp) {
        {
            let mut rest = self.left_over.0.lock();
            let is_due = rest.next.is_some_and(|next| now >= next);
            if !is_due || rest.is_trying || self.is_draining() {
                return;
            }
            rest.is_trying = true;
        }
        let gateway = Arc::clone(self);
        self.journeys.spawn(async move {
            let Inherited { messages, streams, jobs } = gateway.take_up_rest().await;
            let TakenUp { ended, going_on } = streams;
            tracing::info!(messages, ended, going_on, jobs, "taken up of the last process after its start");
        });
    }

    async fn take_up_rest(self: &Arc<Self>) -> Inherited {
        let rest = self.left_over.0.lock().clone();
        let mut inherited = Inherited::default();
        let mut left = rest.clone();
        if rest.messages {
            match self.hooks.take_up().await {
                Ok(messages) => (inherited.messages, left.messages) = (messages, false),
                Err(error) => tracing::error!(%error, "messages to webhooks cannot be read; it is tried again"),
            }
        }
        if rest.streams {
            match self.take_up_streams(&rest.lost).await {
                Ok(streams) => (inherited.streams, left.streams) = (streams, false),
                Err(error) => {
                    tracing::error!(%error, "the streams of the last process cannot be read; it is tried again");
                }
            }
        }
        if rest.jobs {
            match self.resume_jobs(&rest.lost).await {
                Ok(jobs) => (inherited.jobs, left.jobs) = (jobs, false),
                Err(error) => {
                    tracing::error!(%error, "the jobs of the last process cannot be read, and none can be made; it is tried again");
                }
            }
        }
        let is_done = !(left.messages || left.streams || left.jobs);
        left.wait = if rest.wait.is_zero() { WAITS.0 } else { rest.wait.saturating_mul(2).min(WAITS.1) };
        // The first time the next tick tries again.
        let wait = rest.wait;
        left.next = (!is_done).then(|| self.clock.now().saturating_add(wait));
        if is_done {
            left.lost = Arc::default();
        }
        left.is_trying = false;
        let mut now = self.left_over.0.lock();
        left.since = now.since;
        *now = left;
        drop(now);
        inherited
    }
}
