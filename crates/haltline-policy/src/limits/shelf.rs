//! One limit and its subjects: what each has taken, what each has running, and which one is
//! forgotten when there are too many. Several limits at once are `limits`' matter.

use super::{Algorithm, LimitKind, LimitRefusal, LimitStanding, LimitUnit, RateLimit, Running};
use crate::bucket::TokenBucket;
use crate::concurrency::Concurrency;
use crate::window::{Remaining, SlidingWindow, Wait};
use haltline_types::{Timestamp, Tokens};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// What clients are told to wait at least, and at most.
const RETRY_AFTER: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// Idle subjects dropped per admission and limit, so that a crowd leaves as fast as it came.
const SWEEP: usize = 2;

#[derive(Clone, Debug)]
enum Counter {
    Window(SlidingWindow),
    Bucket(TokenBucket),
}

impl Counter {
    fn new(rule: &RateLimit) -> Self {
        match rule.algorithm {
            Algorithm::SlidingWindow => Self::Window(SlidingWindow::new(rule.limit, rule.per)),
            Algorithm::TokenBucket => {
                Self::Bucket(TokenBucket::new(rule.limit, rule.per, rule.burst.unwrap_or(rule.limit)))
            }
        }
    }

    fn check(&self, now: Timestamp, amount: u64) -> Result<Remaining, Wait> {
        match self {
            Self::Window(window) => window.check(now, amount),
            Self::Bucket(bucket) => bucket.check(now, amount),
        }
    }

    fn take(&mut self, now: Timestamp, amount: u64) -> Result<Remaining, Wait> {
        match self {
            Self::Window(window) => window.take(now, amount),
            Self::Bucket(bucket) => bucket.take(now, amount),
        }
    }

    fn is_idle(&self, now: Timestamp) -> bool {
        match self {
            Self::Window(window) => window.is_idle(now),
            Self::Bucket(bucket) => bucket.is_idle(now),
        }
    }
}

#[derive(Clone, Debug)]
struct Slot {
    counter: Counter,
    concurrency: Concurrency,
    /// Key in `Shelf::by_age`.
    used: u64,
}

/// One limit and its subjects.
#[derive(Clone, Debug)]
pub(super) struct Shelf {
    pub(super) rule: RateLimit,
    slots: HashMap<Arc<str>, Slot>,
    /// Subjects by when they were used last, the longest ago first.
    by_age: BTreeMap<u64, Arc<str>>,
    next_use: u64,
}

impl Shelf {
    pub(super) fn new(rule: RateLimit) -> Self {
        Self { rule, slots: HashMap::new(), by_age: BTreeMap::new(), next_use: 0 }
    }

    pub(super) fn with_rule(mut self, rule: RateLimit) -> Self {
        if self.rule != rule {
            for slot in self.slots.values_mut() {
                slot.counter = Counter::new(&rule);
                slot.concurrency = slot.concurrency.with_limit(rule.concurrency.unwrap_or(u32::MAX));
            }
            self.rule = rule;
        }
        self
    }

    pub(super) fn leave(&mut self, subject: &str) {
        if let Some(slot) = self.slots.get_mut(subject) {
            slot.concurrency.leave();
        }
    }

    pub(super) fn subjects(&self) -> usize {
        self.slots.len()
    }

    fn fresh(&self) -> Slot {
        Slot {
            counter: Counter::new(&self.rule),
            concurrency: Concurrency::new(self.rule.concurrency.unwrap_or(u32::MAX)),
            used: 0,
        }
    }

    fn amount(&self, tokens: Tokens) -> u64 {
        match self.rule.unit {
            LimitUnit::Requests => 1,
            LimitUnit::Tokens => tokens.get(),
        }
    }

    pub(super) fn check(&self, now: Timestamp, subject: &str, tokens: Tokens) -> Result<(), LimitRefusal> {
        let amount = self.amount(tokens);
        let (rate, room) = match self.slots.get(subject) {
            Some(slot) => (slot.counter.check(now, amount), slot.concurrency.check()),
            None => {
                let slot = self.fresh();
                (slot.counter.check(now, amount), slot.concurrency.check())
            }
        };
        match rate {
            Err(Wait::Never) => Err(self.refusal(LimitKind::TooLarge, RETRY_AFTER.1)),
            Err(Wait::For(wait)) => Err(self.refusal(LimitKind::Rate, wait)),
            Ok(_) if room.is_err() => Err(self.refusal(LimitKind::Concurrency, RETRY_AFTER.0)),
            Ok(_) => Ok(()),
        }
    }

    fn refusal(&self, kind: LimitKind, wait: Duration) -> LimitRefusal {
        let whole = Duration::from_secs(wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0)));
        let quota = match kind {
            LimitKind::Concurrency => u64::from(self.rule.concurrency.unwrap_or(u32::MAX)),
            LimitKind::Rate | LimitKind::TooLarge => self.rule.limit,
        };
        LimitRefusal {
            limit: self.rule.name.clone(),
            kind,
            unit: self.rule.unit,
            quota,
            per: self.rule.per,
            retry_after: whole.clamp(RETRY_AFTER.0, RETRY_AFTER.1),
        }
    }

    /// To be called only after `check` said yes at the same instant.
    pub(super) fn take(
        &mut self,
        now: Timestamp,
        subject: &str,
        tokens: Tokens,
        subjects_max: usize,
        running: &mut Running,
    ) -> LimitStanding {
        self.sweep(now);
        let amount = self.amount(tokens);
        let key = self.touch(subject, subjects_max);
        let mut remaining = Remaining { left: 0, reset: Duration::ZERO };
        if let Some(slot) = self.slots.get_mut(&key) {
            if let Ok(after) = slot.counter.take(now, amount) {
                remaining = after;
            }
            if self.rule.concurrency.is_some() && slot.concurrency.enter().is_ok() {
                running.0.push((self.rule.name.clone(), key));
            }
        }
        LimitStanding {
            limit: self.rule.name.clone(),
            unit: self.rule.unit,
            quota: self.rule.limit,
            per: self.rule.per,
            left: remaining.left,
            reset: remaining.reset,
        }
    }

    /// Makes the subject the most recently used one, making room first if it is new.
    fn touch(&mut self, subject: &str, subjects_max: usize) -> Arc<str> {
        let number = self.next_use;
        self.next_use = self.next_use.saturating_add(1);
        let known = self.slots.get(subject).map(|slot| slot.used);
        let key = match known.and_then(|used| self.by_age.remove(&used)) {
            Some(key) => key,
            None => {
                self.make_room(subjects_max);
                Arc::from(subject)
            }
        };
        let fresh = self.fresh();
        self.slots.entry(Arc::clone(&key)).or_insert(fresh).used = number;
        self.by_age.insert(number, Arc::clone(&key));
        key
    }

    /// Subjects with something running stay; there are never more of those than requests in flight.
    fn make_room(&mut self, subjects_max: usize) {
        while self.slots.len() >= subjects_max {
            let resting = |key: &Arc<str>| self.slots.get(key).is_none_or(|slot| slot.concurrency.running() == 0);
            let Some(used) = self.by_age.iter().find(|(_, key)| resting(key)).map(|(used, _)| *used) else {
                return;
            };
            self.remove(used);
        }
    }

    /// Forgets subjects for which forgetting makes no difference.
    fn sweep(&mut self, now: Timestamp) {
        for _ in 0..SWEEP {
            let Some((used, key)) = self.by_age.first_key_value() else { return };
            let used = *used;
            let idle = |slot: &Slot| slot.concurrency.running() == 0 && slot.counter.is_idle(now);
            if !self.slots.get(key).is_none_or(idle) {
                return;
            }
            self.remove(used);
        }
    }

    fn remove(&mut self, used: u64) {
        if let Some(key) = self.by_age.remove(&used) {
            self.slots.remove(&key);
        }
    }
}
