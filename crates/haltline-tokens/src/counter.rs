//! Threads that count, apart from those that serve. Knows no vocabulary: it runs what it is given.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

type Job = Box<dyn FnOnce() + Send>;

/// How much is counted at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Threads; 0 counts as 1.
    pub threads: usize,
    /// Jobs that wait for a thread; with 0 a job is taken only when a thread waits for it.
    pub queue: usize,
}

impl Default for Limits {
    /// One thread, and few that wait: whoever would wait longer is better off with the byte bound.
    fn default() -> Self {
        Self { threads: 1, queue: 8 }
    }
}

/// There is no place: use the byte bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Busy;

impl fmt::Display for Busy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "all places of the token counter are taken")
    }
}

impl std::error::Error for Busy {}

/// A bounded pool of threads for jobs that keep a processor busy.
///
/// A job gives its result away itself, through a oneshot channel that it owns; one that panics
/// drops its channel, and harms no other. When the pool is dropped, its threads end after the jobs
/// that were taken.
#[derive(Debug)]
pub struct Counter {
    jobs: SyncSender<Job>,
}

impl Counter {
    /// Starts the threads.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(limits: Limits) -> std::io::Result<Self> {
        let (jobs, queue) = sync_channel::<Job>(limits.queue);
        let queue = Arc::new(Mutex::new(queue));
        for index in 0..limits.threads.max(1) {
            let queue = Arc::clone(&queue);
            std::thread::Builder::new().name(format!("tokens-{index}")).spawn(move || work(&queue))?;
        }
        Ok(Self { jobs })
    }

    /// Hands a job over and returns at once, whether it was taken or not.
    ///
    /// # Errors
    /// When all places are taken.
    pub fn submit(&self, job: impl FnOnce() + Send + 'static) -> Result<(), Busy> {
        self.jobs.try_send(Box::new(job)).map_err(|error| match error {
            TrySendError::Full(_) | TrySendError::Disconnected(_) => Busy,
        })
    }
}

fn work(queue: &Mutex<Receiver<Job>>) {
    loop {
        // Whoever holds the lock waits for the next job; the lock is free while the job runs.
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = next else { return };
        // The panic was reported by the hook; the thread lives on for other jobs.
        let _ = catch_unwind(AssertUnwindSafe(job));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    #[test]
    fn results_come_back_and_a_panic_harms_no_other_job() {
        let counter = Counter::start(Limits { threads: 1, queue: 4 }).expect("threads");
        let (tx, rx) = channel();
        let broken = tx.clone();
        counter
            .submit(move || {
                let _owned = broken;
                std::panic::resume_unwind(Box::new("a job that fails"));
            })
            .expect("a place");
        counter.submit(move || tx.send(42).expect("a receiver")).expect("a place");
        assert_eq!(rx.recv(), Ok(42));
        assert!(rx.recv().is_err(), "the failed job has dropped its channel");
    }

    #[test]
    fn there_are_as_many_places_as_were_given_and_no_more() {
        let counter = Counter::start(Limits { threads: 2, queue: 1 }).expect("threads");
        let (started, running) = channel();
        let mut gates = Vec::new();
        let mut hold = || {
            let (gate, closed) = channel::<()>();
            let started = started.clone();
            gates.push(gate);
            counter.submit(move || {
                let _ = started.send(());
                let _ = closed.recv();
            })
        };
        for _ in 0..2 {
            assert_eq!(hold(), Ok(()));
            running.recv().expect("a thread has taken it");
        }
        assert_eq!(hold(), Ok(()), "one waits");
        assert_eq!(hold(), Err(Busy));
        gates.clear();
        running.recv().expect("the waiting one runs");
    }
}
