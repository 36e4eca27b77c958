//! A journey as others see it while it runs: its newest events, who watches, and how to stop it.
//! The line writes, watchers read; neither waits for the other. What is older than the newest
//! events stands in the store.

use crate::deliver::Notes;
use crate::incoming::Surface;
use crate::line::Fingerprint;
use crate::problem::Problem;
use crate::streams::Ending;
use crate::timeline::StepLog;
use bytes::Bytes;
use haltline_ports::{Batch, Owner, What};
use haltline_types::{Name, RequestId};
use parking_lot::{Mutex, MutexGuard};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Events that watchers get from memory, in bytes: what several watchers share. Whoever is further
/// behind reads from the store.
const TAIL_BYTES_MAX: usize = 32 << 10;
/// The same where the store keeps nothing.
const UNKEPT_TAIL_BYTES_MAX: usize = 1 << 20;

/// What a journey has for whoever waits for its head.
#[derive(Clone, Debug)]
pub(crate) enum Opened {
    /// A stream: watch it.
    Stream(Box<Notes>),
    /// An answer in one piece.
    Whole(Box<Notes>, Bytes),
    /// A problem.
    Problem(Box<Notes>, Box<Problem>),
    /// Nothing of its own: its client was given what another journey has.
    Nothing,
}

/// Whose a journey is, and what it asks.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) owner: Owner,
    pub(crate) session: Option<Name>,
    pub(crate) fingerprint: Fingerprint,
    /// May its client ask for the answer again because it did not get it? One that counts its
    /// repetitions may.
    pub(crate) may_come_again: bool,
}

/// A journey that runs, or has just ended.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) id: RequestId,
    pub(crate) surface: Surface,
    /// Whose it is and what it asks, once that is known.
    pub(crate) asked: OnceLock<Asked>,
    /// The id that a provider gave its response, in the Responses dialect.
    pub(crate) response: OnceLock<String>,
    /// Where watchers leave word of themselves.
    pub(crate) log: OnceLock<Arc<StepLog>>,
    /// Rings when the last watcher has left.
    pub(crate) left: Notify,
    /// Ends the journey before its time.
    pub(crate) cut: CancellationToken,
    is_stopped: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug)]
pub(super) struct State {
    /// The newest events.
    pub(super) tail: VecDeque<Batch>,
    tail_bytes: usize,
    /// The number of the last event.
    pub(super) last: u64,
    /// Signs of life given so far.
    pub(super) signs: u64,
    pub(super) ended: Option<Ending>,
    /// The process ends in the middle of it, and leaves it to the next one.
    pub(super) is_torn: bool,
    /// Is everything in the store?
    pub(super) is_kept: bool,
    opened: Option<Opened>,
    wakers: Vec<(u64, Waker)>,
    next_seat: u64,
    pub(super) watchers: u32,
    unwatched_since: Option<Instant>,
}

impl Live {
    pub(crate) fn new(id: RequestId, surface: Surface, cut: CancellationToken) -> Self {
        Self::going_on(id, surface, cut, 0)
    }

    /// One whose events up to `last` were written by a process before.
    pub(crate) fn going_on(id: RequestId, surface: Surface, cut: CancellationToken, last: u64) -> Self {
        Self {
            id,
            surface,
            asked: OnceLock::new(),
            response: OnceLock::new(),
            log: OnceLock::new(),
            left: Notify::new(),
            cut,
            is_stopped: AtomicBool::new(false),
            state: Mutex::new(State {
                tail: VecDeque::new(),
                tail_bytes: 0,
                last,
                signs: 0,
                ended: None,
                is_torn: false,
                is_kept: true,
                opened: None,
                wakers: Vec::new(),
                next_seat: 0,
                watchers: 0,
                unwatched_since: None,
            }),
        }
    }

    pub(super) fn locked(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// Its user does not want any more of it.
    pub(crate) fn stop(&self) {
        if !self.is_stopped.swap(true, Ordering::AcqRel) {
            self.step(What::Stopped { by: "owner".into() });
        }
        self.cut.cancel();
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.is_stopped.load(Ordering::Acquire)
    }

    /// The head is out, or the whole answer.
    pub(crate) fn open(&self, opened: Opened) {
        let mut state = self.state.lock();
        if state.opened.is_none() {
            state.opened = Some(opened);
        }
        state.wake();
    }

    /// New events. `is_kept`: are they in the store?
    pub(crate) fn publish(&self, batch: Batch, is_kept: bool) {
        let mut state = self.state.lock();
        state.is_kept = is_kept;
        state.last = batch.last();
        state.tail_bytes = state.tail_bytes.saturating_add(batch.bytes.len());
        state.tail.push_back(batch);
        let most = if is_kept { TAIL_BYTES_MAX } else { UNKEPT_TAIL_BYTES_MAX };
        while state.tail_bytes > most && state.tail.len() > 1 {
            state.drop_oldest();
        }
        if state.watchers == 0 && is_kept {
            while state.tail.len() > 1 {
                state.drop_oldest();
            }
        }
        state.wake();
    }

    /// A sign of life for those who wait.
    pub(crate) fn sign(&self) {
        let mut state = self.state.lock();
        state.signs = state.signs.wrapping_add(1);
        state.wake();
    }

    /// There will be no more.
    pub(crate) fn end(&self, ending: Ending) {
        let mut state = self.state.lock();
        state.ended.get_or_insert(ending);
        state.wake();
    }

    /// Another process will go on: watchers lose their connections, and may come back.
    pub(crate) fn tear(&self) {
        let mut state = self.state.lock();
        state.is_torn = true;
        state.wake();
    }

    /// Where it is told what happens.
    pub(crate) fn note_in(&self, log: &Arc<StepLog>) {
        // It is the same for all of its life.
        let _ = self.log.set(Arc::clone(log));
    }

    /// This happened.
    pub(crate) fn step(&self, what: What) {
        if let Some(log) = self.log.get() {
            log.step(what);
        }
    }

    /// Does anybody watch, or wait for the head?
    pub(crate) fn is_watched(&self) -> bool {
        self.state.lock().watchers > 0
    }

    /// How many watch it.
    pub(crate) fn watchers(&self) -> u32 {
        self.state.lock().watchers
    }

    /// Since when nobody has, where somebody did before.
    pub(crate) fn unwatched_since(&self) -> Option<Instant> {
        self.state.lock().unwatched_since
    }

    /// The number of the last event so far.
    pub(crate) fn last(&self) -> u64 {
        self.state.lock().last
    }

    /// Takes a seat.
    pub(super) fn sit(&self) -> u64 {
        let mut state = self.state.lock();
        state.watchers = state.watchers.saturating_add(1);
        state.unwatched_since = None;
        state.next_seat = state.next_seat.wrapping_add(1);
        state.next_seat
    }

    /// Gives a seat back.
    pub(super) fn leave(&self, seat: u64) {
        let mut state = self.state.lock();
        state.wakers.retain(|(whose, _)| *whose != seat);
        state.watchers = state.watchers.saturating_sub(1);
        if state.watchers == 0 {
            state.unwatched_since = Some(Instant::now());
            drop(state);
            self.left.notify_one();
        }
    }

    /// Do both ask the same, for the same caller?
    pub(crate) fn asks_the_same(&self, other: &Self) -> bool {
        match (self.asked.get(), other.asked.get()) {
            (Some(own), Some(other)) => own.fingerprint == other.fingerprint,
            _ => false,
        }
    }

    /// Waits until there will be no more.
    pub(crate) async fn until_ended(&self) {
        self.until_after(u64::MAX).await;
    }

    /// Waits until there is an event after this one, or there will be no more.
    pub(crate) async fn until_after(&self, cursor: u64) {
        let seat = {
            let mut state = self.state.lock();
            state.next_seat = state.next_seat.wrapping_add(1);
            state.next_seat
        };
        poll_fn(|cx| {
            let mut state = self.state.lock();
            if state.ended.is_some() || state.is_torn || state.last > cursor {
                return Poll::Ready(());
            }
            state.wait(seat, cx);
            Poll::Pending
        })
        .await;
    }

    /// What the journey has for whoever asks now.
    pub(crate) fn opened_now(&self) -> Option<Opened> {
        self.state.lock().opened.clone()
    }

    /// What the journey has for a watcher that waits for its head.
    pub(crate) async fn opened_for(&self, seat: u64) -> Opened {
        poll_fn(|cx| {
            let mut state = self.state.lock();
            match state.opened.clone() {
                Some(opened) => Poll::Ready(opened),
                None => {
                    state.wait(seat, cx);
                    Poll::Pending
                }
            }
        })
        .await
    }
}

impl State {
    /// Wakes whoever sits there when there is something new.
    pub(super) fn wait(&mut self, seat: u64, cx: &Context<'_>) {
        match self.wakers.iter_mut().find(|(whose, _)| *whose == seat) {
            Some((_, waker)) => waker.clone_from(cx.waker()),
            None => self.wakers.push((seat, cx.waker().clone())),
        }
    }

    fn wake(&mut self) {
        for (_, waker) in self.wakers.drain(..) {
            waker.wake();
        }
    }

    fn drop_oldest(&mut self) {
        if let Some(oldest) = self.tail.pop_front() {
            self.tail_bytes = self.tail_bytes.saturating_sub(oldest.bytes.len());
        }
    }

    /// The events after `cursor` as far as they are in memory; `None` when the next one is not.
    pub(super) fn take_after(&mut self, cursor: u64, out: &mut VecDeque<Batch>) -> Option<()> {
        let next = cursor.saturating_add(1);
        if self.tail.front().is_none_or(|oldest| oldest.first > next) {
            return None;
        }
        out.extend(self.tail.iter().filter_map(|batch| batch.after(cursor)));
        // Nobody else is behind; whoever comes later finds it in the store.
        if self.watchers <= 1 && self.is_kept {
            self.tail.clear();
            self.tail_bytes = 0;
        }
        Some(())
    }
}
