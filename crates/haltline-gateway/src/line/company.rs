//! Keeping a client company while it waits. Not a stage: it runs beside the ones that wait.

use crate::deliver::{Notes, Outlet};
use bytes::Bytes;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep_until};

/// A stream's head goes out after this long even if the provider has not answered.
const HEAD_AFTER: Duration = Duration::from_secs(1);

/// When a waiting client hears from us next.
pub(crate) struct Company {
    next: Instant,
    heartbeat: Duration,
    /// Made once and armed again only when it has rung: a timer for each chunk would cost more than
    /// the chunk.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Company {
    /// From the moment at which money was held: no refusal can come any more.
    pub(crate) fn new(heartbeat: Duration) -> Self {
        Self { next: Instant::now() + HEAD_AFTER, heartbeat, timer: None }
    }

    /// Runs `work`; meanwhile a stream's client gets its head and then signs of life.
    pub(crate) async fn keep<T>(
        &mut self,
        outlet: &mut Outlet,
        streamed: bool,
        notes: impl Fn() -> Notes,
        work: impl Future<Output = T>,
    ) -> T {
        if !streamed {
            return work.await;
        }
        let mut work = std::pin::pin!(work);
        let next = self.next;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(next)));
        loop {
            tokio::select! {
                biased;
                done = &mut work => return done,
                () = timer.as_mut() => {
                    if !outlet.is_open() {
                        outlet.open(notes(), Bytes::new());
                    }
                    outlet.sign();
                    self.next = Instant::now() + self.heartbeat;
                    timer.as_mut().reset(self.next);
                }
            }
        }
    }
}
