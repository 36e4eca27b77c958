//! A token bucket: a burst at once, then a steady rate. Levels are kept in parts of one unit, so
//! that no rounding is lost or won however often it is asked.

use crate::window::{Remaining, Wait};
use haltline_types::Timestamp;
use std::time::Duration;

/// A token bucket, full at first.
#[derive(Clone, Debug)]
pub struct TokenBucket {
    /// Units that come back per `per_millis`.
    limit: u64,
    per_millis: u64,
    burst: u64,
    /// In parts of a unit: `per_millis` parts are one unit, and `limit` parts come back each millisecond.
    missing: u128,
    at: Timestamp,
}

impl TokenBucket {
    /// `limit` per `per` (a millisecond at least), at most `burst` at once.
    #[must_use]
    pub fn new(limit: u64, per: Duration, burst: u64) -> Self {
        let per_millis = u64::try_from(per.as_millis()).unwrap_or(u64::MAX).max(1);
        Self { limit, per_millis, burst, missing: 0, at: Timestamp::default() }
    }

    /// Takes `amount` if it is there.
    ///
    /// # Errors
    /// When it will be there.
    pub fn take(&mut self, now: Timestamp, amount: u64) -> Result<Remaining, Wait> {
        let remaining = self.check(now, amount)?;
        self.missing = self.missing_at(now).saturating_add(self.parts(amount));
        self.at = self.at.max(now);
        Ok(remaining)
    }

    /// What `take` would answer.
    ///
    /// # Errors
    /// When it will be there.
    pub fn check(&self, now: Timestamp, amount: u64) -> Result<Remaining, Wait> {
        if amount > self.burst {
            return Err(Wait::Never);
        }
        let missing = self.missing_at(now).saturating_add(self.parts(amount));
        let room = self.parts(self.burst);
        if missing > room {
            return Err(self.time_for(missing - room).map_or(Wait::Never, Wait::For));
        }
        let left = (room - missing) / u128::from(self.per_millis);
        Ok(Remaining {
            left: u64::try_from(left).unwrap_or(u64::MAX),
            reset: self.time_for(missing).unwrap_or(Duration::MAX),
        })
    }

    /// Is it full?
    #[must_use]
    pub fn is_idle(&self, now: Timestamp) -> bool {
        self.missing_at(now) == 0
    }

    fn parts(&self, amount: u64) -> u128 {
        u128::from(amount) * u128::from(self.per_millis)
    }

    fn missing_at(&self, now: Timestamp) -> u128 {
        let back = now.since(self.at).as_millis().saturating_mul(u128::from(self.limit));
        self.missing.saturating_sub(back)
    }

    /// How long until so many parts have come back; `None` when none ever do.
    fn time_for(&self, parts: u128) -> Option<Duration> {
        if parts == 0 {
            return Some(Duration::ZERO);
        }
        if self.limit == 0 {
            return None;
        }
        Some(Duration::from_millis(u64::try_from(parts.div_ceil(u128::from(self.limit))).unwrap_or(u64::MAX)))
    }
}
