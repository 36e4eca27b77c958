//! The gateway's counting thread, and how many clients may ask for counts at once. Knows no
//! request: what is counted, and whether, is decided in the line.

use haltline_tokens::{Counter, Limits};
use std::sync::OnceLock;
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit, oneshot};

/// Whoever has waited so long for a count goes on without it.
const PATIENCE: Duration = Duration::from_secs(1);

/// Clients' own questions for counts under way at once: each holds its body, and none a place among
/// the requests.
const CLIENTS: usize = 64;

/// Why there is no count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoCount {
    /// There was no place; a later try may find one.
    Busy,
    /// It took too long.
    Late,
}

/// The one thread, started when something is counted for the first time: most processes never
/// meet a full budget.
#[derive(Debug)]
pub(crate) struct Counting {
    limits: Limits,
    counter: OnceLock<Option<Counter>>,
    clients: Semaphore,
}

impl Default for Counting {
    fn default() -> Self {
        Self::with(Limits::default())
    }
}

impl Counting {
    fn with(limits: Limits) -> Self {
        Self { limits, counter: OnceLock::new(), clients: Semaphore::new(CLIENTS) }
    }

    /// Does the job on the counting thread. One whose asker has gone in the meantime is not begun.
    pub(crate) async fn run<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> Result<T, NoCount> {
        let start = || {
            let started = Counter::start(self.limits);
            started.inspect_err(|error| tracing::warn!(%error, "no thread to count tokens; bytes bound them")).ok()
        };
        let Some(counter) = self.counter.get_or_init(start) else { return Err(NoCount::Busy) };
        let (done, result) = oneshot::channel();
        let job = move || {
            if !done.is_closed() {
                let _ = done.send(job());
            }
        };
        counter.submit(job).map_err(|_busy| NoCount::Busy)?;
        match tokio::time::timeout(PATIENCE, result).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(_)) | Err(_) => Err(NoCount::Late),
        }
    }

    /// A place for a client's own question, if there is one.
    pub(crate) fn client(&self) -> Option<SemaphorePermit<'_>> {
        self.clients.try_acquire().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    /// Takes the thread until the sender is dropped.
    fn occupied(counting: &Arc<Counting>) -> mpsc::Sender<()> {
        let (gate, closed) = mpsc::channel::<()>();
        let (started, running) = mpsc::channel();
        let counting = Arc::clone(counting);
        tokio::spawn(async move {
            counting
                .run(move || {
                    let _ = started.send(());
                    let _ = closed.recv();
                })
                .await
        });
        tokio::task::block_in_place(|| running.recv()).expect("the thread has taken it");
        gate
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn whoever_finds_no_place_is_told_at_once_and_whoever_waits_too_long_goes_on() {
        let counting = Arc::new(Counting::with(Limits { threads: 1, queue: 1 }));
        assert_eq!(counting.run(|| 42).await, Ok(42));
        let gate = occupied(&counting);
        let begun = Arc::new(AtomicUsize::new(0));
        let job = {
            let begun = Arc::clone(&begun);
            move || begun.fetch_add(1, Ordering::SeqCst)
        };
        // The first takes the one place in the queue.
        let (late, busy) = tokio::join!(counting.run(job), counting.run(|| 1));
        assert_eq!((late, busy), (Err(NoCount::Late), Err(NoCount::Busy)));
        drop(gate);
        let mut free = counting.run(|| 7).await;
        while free == Err(NoCount::Busy) {
            tokio::task::yield_now().await;
            free = counting.run(|| 7).await;
        }
        assert_eq!(free, Ok(7));
        assert_eq!(begun.load(Ordering::SeqCst), 0, "nobody waits for it any more, so it is not begun");
    }

    #[tokio::test]
    async fn a_job_that_panics_is_no_count() {
        let counting = Counting::default();
        let broken = counting.run(|| -> u8 { std::panic::resume_unwind(Box::new("a job that fails")) }).await;
        assert_eq!(broken, Err::<u8, _>(NoCount::Late));
        assert_eq!(counting.run(|| 42).await, Ok(42));
    }
}
