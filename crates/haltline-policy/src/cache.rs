//! The response cache's decisions: is an entry fresh, may it stand in for an answer that failed,
//! and was it invalidated? An entry remembers the version of every tag that it depends on, as they
//! were when its request began. It counts only while none has changed: invalidation is one new
//! number, however many entries it is about, and it reaches those that are still being written.

use haltline_types::{Code, Timestamp};
use std::collections::HashMap;
use std::time::Duration;

/// How an entry stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// It is the answer.
    Fresh {
        /// How old it is.
        age: Duration,
    },
    /// It stands in for an answer that cannot be had.
    Stale {
        /// How old it is.
        age: Duration,
    },
    /// Too old for anything.
    Gone,
}

/// How long an entry counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime {
    /// When its request began: what it says is not newer than that.
    pub began: Timestamp,
    /// So long it is fresh.
    pub ttl: Duration,
    /// And so long after that it can stand in for an answer that failed.
    pub stale_for: Duration,
}

impl Lifetime {
    /// From when on it is good for nothing.
    #[must_use]
    pub fn ends(&self) -> Timestamp {
        self.began.saturating_add(self.ttl).saturating_add(self.stale_for)
    }

    /// How it stands at `now` for a request that takes nothing older than `wanted`.
    #[must_use]
    pub fn freshness(&self, now: Timestamp, wanted: Duration) -> Freshness {
        let age = now.since(self.began);
        if now >= self.ends() {
            Freshness::Gone
        } else if age < self.ttl.min(wanted) {
            Freshness::Fresh { age }
        } else {
            Freshness::Stale { age }
        }
    }
}

/// Is this an end for which an old answer can stand in? The provider's failures, and a breaker that
/// leaves nobody to ask; a budget that is used up only where the operator wants it.
#[must_use]
pub fn stale_may_help(code: Code, on_budget: bool) -> bool {
    match code {
        Code::UpstreamFailed | Code::UpstreamTimeout | Code::StreamDeadline | Code::BreakerOpen => true,
        Code::BudgetExceeded | Code::ReservationTooLarge => on_budget,
        _ => false,
    }
}

/// Is this failure the same for everybody who asked the same? Then those who waited for the answer
/// get it, too. What a budget or a limit of the one that asked refuses says nothing about others.
#[must_use]
pub fn fails_for_all(code: Code) -> bool {
    matches!(
        code,
        Code::UpstreamFailed
            | Code::UpstreamTimeout
            | Code::StreamDeadline
            | Code::BreakerOpen
            | Code::CeilingReached
            | Code::ContentBlocked
            | Code::ContextLengthExceeded
            | Code::InvalidRequest
            | Code::BodyTooLarge
    )
}

/// Names a tag of a tenant: a hash, so that names of any length take the same room.
pub type Mark = [u8; 16];

/// The versions of tags that are known in memory. A tag that is not known here must be looked up
/// where versions are kept for good; one that is not kept there either has version 0.
#[derive(Clone, Debug)]
pub struct Versions {
    known: HashMap<Mark, u64>,
    capacity: usize,
    changes: u64,
    last: u64,
}

impl Versions {
    /// With room for so many.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self { known: HashMap::new(), capacity, changes: 0, last: 0 }
    }

    /// The version of a tag, if it is known here.
    #[must_use]
    pub fn get(&self, mark: &Mark) -> Option<u64> {
        self.known.get(mark).copied()
    }

    /// A version that none has had before: the time, and more than any that was given out.
    pub fn next(&mut self, now: Timestamp) -> u64 {
        let time = u64::try_from(now.as_millis()).unwrap_or(0);
        self.last = time.max(self.last.saturating_add(1));
        self.last
    }

    /// Notes versions that have come into force.
    pub fn change(&mut self, marks: &[Mark], version: u64) {
        self.changes = self.changes.wrapping_add(1);
        self.last = self.last.max(version);
        self.make_room(marks.len());
        for mark in marks {
            let known = self.known.entry(*mark).or_insert(0);
            *known = version.max(*known);
        }
    }

    /// Says how many changes there were: whoever looks versions up notes it before, and
    /// `learn`s after.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// Takes versions that were looked up. `false` when something was changed meanwhile: what was
    /// looked up may be old, and must be looked up again.
    #[must_use]
    pub fn learn(&mut self, found: &[(Mark, u64)], changes: u64) -> bool {
        if changes != self.changes {
            return false;
        }
        self.make_room(found.len());
        for (mark, version) in found {
            self.last = self.last.max(*version);
            self.known.entry(*mark).or_insert(*version);
        }
        true
    }

    /// How many are known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Is none known?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// All of them can be looked up again, so the cheapest bound will do.
    fn make_room(&mut self, more: usize) {
        if self.known.len().saturating_add(more) > self.capacity {
            self.known.clear();
        }
    }
}

/// Was nothing of what an entry depends on invalidated? `now` gives today's version of a mark.
pub fn is_valid(remembered: &[(Mark, u64)], now: impl Fn(&Mark) -> Option<u64>) -> bool {
    remembered.iter().all(|(mark, version)| now(mark) == Some(*version))
}

/// May an entry that does not know of a tag be used by a request that names it? Only when the tag
/// was not invalidated since the entry's request began.
#[must_use]
pub fn is_older(version: u64, began: Timestamp) -> bool {
    version == 0 || i64::try_from(version).is_ok_and(|version| version < began.as_millis())
}
