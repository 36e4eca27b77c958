//! Rate limits over subjects: several at once, all or nothing, in bounded memory. What is longer
//! than a minute and counts money is a budget and lives in the ledger.

use crate::bucket::TokenBucket;
use crate::concurrency::Concurrency;
use crate::window::{Remaining, SlidingWindow, Wait};
use haltline_types::{Name, Scope, Subjects, Timestamp, Tokens};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// What clients are told to wait at least, and at most.
const RETRY_AFTER: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// Idle subjects dropped per admission and limit, so that a crowd leaves as fast as it came.
const SWEEP: usize = 2;

/// How amounts are counted over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// Never more than the limit in any stretch of `per`.
    SlidingWindow,
    /// A burst at once, then a steady rate.
    TokenBucket,
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LimitUnit {
    /// Requests of clients.
    Requests,
    /// Tokens: the estimate of the request, input and output.
    Tokens,
}

/// One entry of the configuration's `[[rate_limits]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// For refusals and headers; unique.
    pub name: Name,
    /// What is counted apart.
    pub scope: Scope,
    /// How much per `per`.
    pub limit: u64,
    /// The stretch of time.
    pub per: Duration,
    /// How it is counted.
    pub algorithm: Algorithm,
    /// How much at once with a token bucket; `limit` when absent.
    pub burst: Option<u64>,
    /// What is counted.
    pub unit: LimitUnit,
    /// How many requests of one subject may run at once.
    pub concurrency: Option<u32>,
}

/// A request may pass.
#[derive(Debug)]
#[must_use = "what runs must leave"]
pub struct LimitReport {
    /// The limit with the smallest share left, for headers; absent without limits.
    pub nearest: Option<LimitStanding>,
    /// To be given to `Limiter::leave` when the request has ended.
    pub running: Running,
}

/// How a subject stands with a limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitStanding {
    /// The limit's name.
    pub limit: Name,
    /// Its unit.
    pub unit: LimitUnit,
    /// How much it allows per `per`.
    pub quota: u64,
    /// The stretch of time.
    pub per: Duration,
    /// How much is left.
    pub left: u64,
    /// Until everything is there again.
    pub reset: Duration,
}

/// The proof that a request runs, for the limits that bound how many may.
#[derive(Debug, Default)]
#[must_use = "give it to `Limiter::leave`"]
pub struct Running(Vec<(Name, Arc<str>)>);

/// Which part of a limit is in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitKind {
    /// Too much per time.
    Rate,
    /// Too many at once.
    Concurrency,
    /// This request alone is more than the limit ever lets through; waiting is no use.
    TooLarge,
}

/// A request may not pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitRefusal {
    /// The limit's name.
    pub limit: Name,
    /// Which part of it.
    pub kind: LimitKind,
    /// Its unit.
    pub unit: LimitUnit,
    /// How much it allows per `per`, or at once for `Concurrency`.
    pub quota: u64,
    /// The stretch of time.
    pub per: Duration,
    /// What to tell the client: whole seconds, 1 to 60. For `TooLarge` not to be told.
    pub retry_after: Duration,
}

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
struct Shelf {
    rule: RateLimit,
    slots: HashMap<Arc<str>, Slot>,
    /// Subjects by when they were used last, the longest ago first.
    by_age: BTreeMap<u64, Arc<str>>,
    next_use: u64,
}

/// All limits and what is counted for them.
#[derive(Clone, Debug)]
pub struct Limiter {
    shelves: Vec<Shelf>,
    subjects_max: usize,
    /// Room for one subject after the other.
    scratch: String,
}

impl Limiter {
    /// Nothing counted. Each limit keeps at most `subjects_max` subjects; the one that was used
    /// longest ago and has nothing running is forgotten for a new one. A limit can be evaded by
    /// whoever can invent that many subjects, as it can with any bound on memory.
    #[must_use]
    pub fn new(rules: Vec<RateLimit>, subjects_max: usize) -> Self {
        let shelves = rules.into_iter().map(Shelf::new).collect();
        Self { shelves, subjects_max: subjects_max.max(1), scratch: String::new() }
    }

    /// Takes one request of `tokens` from every limit, or nothing from any.
    ///
    /// # Errors
    /// The limit that has to be waited for longest.
    pub fn admit(&mut self, now: Timestamp, subjects: &Subjects, tokens: Tokens) -> Result<LimitReport, LimitRefusal> {
        let mut refusal: Option<LimitRefusal> = None;
        for shelf in &self.shelves {
            self.scratch.clear();
            subjects.write_subject(&shelf.rule.scope, &mut self.scratch);
            if let Err(found) = shelf.check(now, &self.scratch, tokens)
                && refusal.as_ref().is_none_or(|worst| found.weight() > worst.weight())
            {
                refusal = Some(found);
            }
        }
        if let Some(refusal) = refusal {
            return Err(refusal);
        }
        let mut report = LimitReport { nearest: None, running: Running::default() };
        for shelf in &mut self.shelves {
            self.scratch.clear();
            subjects.write_subject(&shelf.rule.scope, &mut self.scratch);
            let standing = shelf.take(now, &self.scratch, tokens, self.subjects_max, &mut report.running);
            if report.nearest.as_ref().is_none_or(|nearest| standing.is_nearer_than(nearest)) {
                report.nearest = Some(standing);
            }
        }
        Ok(report)
    }

    /// A request has ended.
    pub fn leave(&mut self, running: Running) {
        for (name, subject) in running.0 {
            let shelf = self.shelves.iter_mut().find(|shelf| shelf.rule.name == name);
            if let Some(slot) = shelf.and_then(|shelf| shelf.slots.get_mut(&subject)) {
                slot.concurrency.leave();
            }
        }
    }

    /// Other limits from here on. A limit that is the same keeps what it counted; one of the same
    /// name and scope keeps what runs.
    pub fn reconfigure(&mut self, rules: Vec<RateLimit>) {
        let mut old = std::mem::take(&mut self.shelves);
        for rule in rules {
            let kept = old.iter().position(|shelf| shelf.rule.name == rule.name && shelf.rule.scope == rule.scope);
            let shelf = match kept {
                Some(index) => old.swap_remove(index).with_rule(rule),
                None => Shelf::new(rule),
            };
            self.shelves.push(shelf);
        }
    }

    /// How many subjects are remembered, over all limits.
    #[must_use]
    pub fn subjects(&self) -> usize {
        self.shelves.iter().map(|shelf| shelf.slots.len()).sum()
    }
}

impl Shelf {
    fn new(rule: RateLimit) -> Self {
        Self { rule, slots: HashMap::new(), by_age: BTreeMap::new(), next_use: 0 }
    }

    fn with_rule(mut self, rule: RateLimit) -> Self {
        if self.rule != rule {
            for slot in self.slots.values_mut() {
                slot.counter = Counter::new(&rule);
                slot.concurrency = slot.concurrency.with_limit(rule.concurrency.unwrap_or(u32::MAX));
            }
            self.rule = rule;
        }
        self
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

    fn check(&self, now: Timestamp, subject: &str, tokens: Tokens) -> Result<(), LimitRefusal> {
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
    fn take(
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

impl LimitStanding {
    /// Less left of what it allows, compared as shares.
    fn is_nearer_than(&self, other: &Self) -> bool {
        u128::from(self.left) * u128::from(other.quota) < u128::from(other.left) * u128::from(self.quota)
    }
}

impl LimitRefusal {
    fn weight(&self) -> (bool, Duration) {
        (self.kind == LimitKind::TooLarge, self.retry_after)
    }
}
