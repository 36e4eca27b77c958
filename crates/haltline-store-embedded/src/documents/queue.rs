//! What waits to be written, and whoever waits for it. Bounded by bytes: beyond that, writes are
//! refused at once.

use super::write::Command;
use haltline_ports::DocumentsError;
use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

/// The most bytes that may wait. One write of any size is let in when nothing else waits.
const WAITING_BYTES_MAX: usize = 256 << 20;

type Answer = Result<u64, DocumentsError>;

/// A command and who waits for it.
pub(super) struct Job {
    pub(super) command: Command,
    sender: oneshot::Sender<Answer>,
}

impl Job {
    pub(super) fn new(command: Command) -> (Self, oneshot::Receiver<Answer>) {
        let (sender, receiver) = oneshot::channel();
        (Self { command, sender }, receiver)
    }

    pub(super) fn answer(self, answer: Answer) {
        // Whoever does not wait any more needs no answer.
        let _ = self.sender.send(answer);
    }
}

#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    wanted: Condvar,
}

#[derive(Default)]
struct State {
    waiting: Vec<Job>,
    bytes: usize,
    ending: bool,
}

impl Queue {
    /// Queues a command.
    pub(super) fn push(&self, command: Command) -> Result<oneshot::Receiver<Answer>, DocumentsError> {
        let bytes = command.bytes();
        let mut state = self.state.lock();
        if state.ending {
            return Err(DocumentsError("Haltline is stopping".to_owned()));
        }
        if !state.waiting.is_empty() && state.bytes.saturating_add(bytes) > WAITING_BYTES_MAX {
            return Err(DocumentsError(format!(
                "{} bytes of documents wait to be written already; the disk is too slow for what it is given",
                state.bytes
            )));
        }
        let (job, receiver) = Job::new(command);
        state.bytes = state.bytes.saturating_add(bytes);
        state.waiting.push(job);
        drop(state);
        self.wanted.notify_one();
        Ok(receiver)
    }

    /// Waits for commands and takes all of them; `None` at the end.
    pub(super) fn take(&self) -> Option<Vec<Job>> {
        let mut state = self.state.lock();
        while state.waiting.is_empty() {
            if state.ending {
                return None;
            }
            self.wanted.wait(&mut state);
        }
        state.bytes = 0;
        Some(std::mem::take(&mut state.waiting))
    }

    /// Is nothing let in any more?
    pub(super) fn is_ended(&self) -> bool {
        self.state.lock().ending
    }

    /// Lets nothing more in.
    pub(super) fn end(&self) {
        self.state.lock().ending = true;
        self.wanted.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use haltline_ports::{Document, Shelf};
    use haltline_types::Timestamp;

    fn put(bytes: usize) -> Command {
        Command::Put(vec![Document {
            shelf: Shelf::Job,
            id: "1".to_owned(),
            owner: None,
            labels: Vec::new(),
            changed: Timestamp::from_secs(0),
            expires: None,
            body: vec![0; bytes].into(),
        }])
    }

    #[test]
    fn what_waits_is_bounded_and_an_end_lets_nothing_in() {
        let queue = Queue::default();
        for _ in 0..4 {
            queue.push(put(60 << 20)).expect("room");
        }
        let refused = queue.push(put(60 << 20)).expect_err("full").to_string();
        assert!(refused.contains("wait to be written"), "{refused}");
        assert_eq!(queue.take().map(|jobs| jobs.len()), Some(4));
        queue.push(put(60 << 20)).expect("room again");
        queue.end();
        queue.push(put(1)).expect_err("ending");
        assert_eq!(queue.take().map(|jobs| jobs.len()), Some(1), "what waited is still written");
        assert!(queue.take().is_none());
    }
}
