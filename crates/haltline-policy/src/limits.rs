//! Rate limits over subjects: several at once, all or nothing, in bounded memory. What is longer
//! than a minute and counts money is a budget and lives in the ledger.

mod keyed;
mod shelf;

pub use keyed::{KeyedLimiter, KeyedRunning};

use haltline_types::{Name, Scope, Subjects, Timestamp, Tokens};
use shelf::Shelf;
use std::sync::Arc;
use std::time::Duration;

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
        self.take(now, subjects, tokens, |_| true)
    }

    /// The same for what is made now and runs at another time: how many run at once is no matter.
    ///
    /// # Errors
    /// As `admit`, but for `Concurrency`.
    pub fn note(&mut self, now: Timestamp, subjects: &Subjects, tokens: Tokens) -> Result<(), LimitRefusal> {
        let report = self.take(now, subjects, tokens, |refusal| refusal.kind != LimitKind::Concurrency)?;
        self.leave(report.running);
        Ok(())
    }

    fn take(
        &mut self,
        now: Timestamp,
        subjects: &Subjects,
        tokens: Tokens,
        counts: impl Fn(&LimitRefusal) -> bool,
    ) -> Result<LimitReport, LimitRefusal> {
        self.check(now, subjects, tokens, counts)?;
        Ok(self.count(now, subjects, tokens))
    }

    /// Would it be let through? Counts nothing.
    fn check(
        &mut self,
        now: Timestamp,
        subjects: &Subjects,
        tokens: Tokens,
        counts: impl Fn(&LimitRefusal) -> bool,
    ) -> Result<(), LimitRefusal> {
        let mut refusal: Option<LimitRefusal> = None;
        for shelf in &self.shelves {
            self.scratch.clear();
            subjects.write_subject(&shelf.rule.scope, &mut self.scratch);
            if let Err(found) = shelf.check(now, &self.scratch, tokens)
                && counts(&found)
                && refusal.as_ref().is_none_or(|worst| found.weight() > worst.weight())
            {
                refusal = Some(found);
            }
        }
        refusal.map_or(Ok(()), Err)
    }

    /// To be called only after `check` said yes at the same instant.
    fn count(&mut self, now: Timestamp, subjects: &Subjects, tokens: Tokens) -> LimitReport {
        let mut report = LimitReport { nearest: None, running: Running::default() };
        for shelf in &mut self.shelves {
            self.scratch.clear();
            subjects.write_subject(&shelf.rule.scope, &mut self.scratch);
            let standing = shelf.take(now, &self.scratch, tokens, self.subjects_max, &mut report.running);
            if report.nearest.as_ref().is_none_or(|nearest| standing.is_nearer_than(nearest)) {
                report.nearest = Some(standing);
            }
        }
        report
    }

    /// A request has ended.
    pub fn leave(&mut self, running: Running) {
        for (name, subject) in running.0 {
            if let Some(shelf) = self.shelves.iter_mut().find(|shelf| shelf.rule.name == name) {
                shelf.leave(&subject);
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
        self.shelves.iter().map(Shelf::subjects).sum()
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
