//! Where connections wait that have not shaken hands yet: a room of fixed size, apart from the
//! places of those that speak. When it is full, whoever has stood in it longest is shown the door:
//! an honest handshake takes milliseconds, so that is hardly ever an honest client.

use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// The room.
#[derive(Clone)]
pub(super) struct Hall {
    waiting: Arc<Mutex<Waiting>>,
    room: usize,
    patience: Duration,
}

#[derive(Default)]
struct Waiting {
    /// By order of arrival; what ends their wait.
    inside: BTreeMap<u64, oneshot::Sender<()>>,
    next: u64,
}

/// Someone in the room; leaves when dropped.
pub(super) struct Ticket {
    hall: Hall,
    number: u64,
    shown_out: oneshot::Receiver<()>,
}

impl Hall {
    /// A room for so many, each of whom may stay so long.
    pub(super) fn new(room: usize, patience: Duration) -> Self {
        Self { waiting: Arc::default(), room: room.max(1), patience }
    }

    /// Lets one in, and the oldest out if there is no room.
    pub(super) fn enter(&self) -> Ticket {
        let (sender, shown_out) = oneshot::channel();
        let mut waiting = self.waiting.lock();
        while waiting.inside.len() >= self.room {
            let Some((_, oldest)) = waiting.inside.pop_first() else { break };
            // Someone who has just left does not listen any more.
            let _ = oldest.send(());
        }
        let number = waiting.next;
        waiting.next = number.wrapping_add(1);
        waiting.inside.insert(number, sender);
        Ticket { hall: self.clone(), number, shown_out }
    }

    #[cfg(test)]
    fn inside(&self) -> usize {
        self.waiting.lock().inside.len()
    }
}

impl Ticket {
    /// Does something while there is time and room.
    ///
    /// # Errors
    /// Its own; `TimedOut` when it took too long, or others needed the room.
    pub(super) async fn during<T>(mut self, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
        let late = |why| Err(io::Error::new(io::ErrorKind::TimedOut, why));
        let patience = self.hall.patience;
        tokio::select! {
            done = work => done,
            _ = &mut self.shown_out => late("the handshake was not done, and others needed its room"),
            () = tokio::time::sleep(patience) => late("the handshake was not done in time"),
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.hall.waiting.lock().inside.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::pending;

    #[tokio::test(start_paused = true)]
    async fn the_oldest_makes_room_and_nobody_stays_for_ever() {
        let hall = Hall::new(2, Duration::from_secs(5));
        let first = tokio::spawn(hall.enter().during(pending::<io::Result<()>>()));
        let second = tokio::spawn(hall.enter().during(pending::<io::Result<()>>()));
        let third = hall.enter();
        assert_eq!(first.await.expect("task").expect_err("shown out").kind(), io::ErrorKind::TimedOut);
        assert_eq!(hall.inside(), 2);
        assert_eq!(third.during(async { Ok(3) }).await.expect("done"), 3);
        let late = second.await.expect("task").expect_err("late");
        assert!(late.to_string().contains("in time"), "{late}");
        assert_eq!(hall.inside(), 0);
    }
}
