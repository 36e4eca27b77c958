//! A sliding window counter: never more than the limit in any stretch of the window's length.
//!
//! Time is cut into slices of a twentieth of the window. A slice leaves only as a whole, so the
//! counter is at most one slice (5 %) stricter than a list of instants, and never laxer.

use haltline_types::Timestamp;
use std::collections::VecDeque;
use std::time::Duration;

const SLICES: i64 = 20;

/// What is left after an amount was taken, or would be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remaining {
    /// So much can be taken at once.
    pub left: u64,
    /// Until everything can be taken again.
    pub reset: Duration,
}

/// An amount does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// It fits after so long if nothing else is taken; never zero.
    For(Duration),
    /// It is more than fits at all.
    Never,
}

/// A sliding window counter.
#[derive(Clone, Debug)]
pub struct SlidingWindow {
    limit: u64,
    slice_millis: i64,
    /// Slices in which something was taken, oldest first, and how much.
    taken: VecDeque<(i64, u64)>,
    used: u64,
}

impl SlidingWindow {
    /// At most `limit` in any stretch of `per`, which counts as a millisecond at least.
    #[must_use]
    pub fn new(limit: u64, per: Duration) -> Self {
        let per_millis = i64::try_from(per.as_millis()).unwrap_or(i64::MAX).max(1);
        let slice_millis = per_millis / SLICES + i64::from(per_millis % SLICES != 0);
        Self { limit, slice_millis, taken: VecDeque::new(), used: 0 }
    }

    /// Takes `amount` if it fits.
    ///
    /// # Errors
    /// When it would fit.
    pub fn take(&mut self, now: Timestamp, amount: u64) -> Result<Remaining, Wait> {
        self.check(now, amount)?;
        let slice = self.slice_of(now);
        self.forget_before(slice);
        match self.taken.back_mut() {
            Some((last, count)) if *last == slice => *count = count.saturating_add(amount),
            _ => self.taken.push_back((slice, amount)),
        }
        self.used = self.used.saturating_add(amount);
        Ok(self.remaining(now, self.used))
    }

    /// What `take` would answer.
    ///
    /// # Errors
    /// When it would fit.
    pub fn check(&self, now: Timestamp, amount: u64) -> Result<Remaining, Wait> {
        if amount > self.limit {
            return Err(Wait::Never);
        }
        let slice = self.slice_of(now);
        let mut used = self.used;
        for (taken, count) in &self.taken {
            if self.gone_at(*taken) <= slice {
                used = used.saturating_sub(*count);
                continue;
            }
            if used.saturating_add(amount) <= self.limit {
                break;
            }
            used = used.saturating_sub(*count);
            if used.saturating_add(amount) <= self.limit {
                return Err(Wait::For(self.until_slice(now, self.gone_at(*taken))));
            }
        }
        Ok(self.remaining(now, used.saturating_add(amount)))
    }

    /// Does it hold anything that still counts?
    #[must_use]
    pub fn is_idle(&self, now: Timestamp) -> bool {
        let slice = self.slice_of(now);
        self.taken.back().is_none_or(|(taken, _)| self.gone_at(*taken) <= slice)
    }

    /// The slice of an instant; never before one that was taken from, whatever the clock says.
    fn slice_of(&self, now: Timestamp) -> i64 {
        let slice = now.as_millis().div_euclid(self.slice_millis);
        self.taken.back().map_or(slice, |(last, _)| slice.max(*last))
    }

    /// The first slice in which what was taken in `slice` counts no more.
    const fn gone_at(&self, slice: i64) -> i64 {
        slice.saturating_add(SLICES + 1)
    }

    fn until_slice(&self, now: Timestamp, slice: i64) -> Duration {
        let start = Timestamp::from_millis(slice.saturating_mul(self.slice_millis));
        start.since(now).max(Duration::from_millis(1))
    }

    fn forget_before(&mut self, slice: i64) {
        while let Some((taken, count)) = self.taken.front().copied() {
            if self.gone_at(taken) > slice {
                return;
            }
            self.used = self.used.saturating_sub(count);
            self.taken.pop_front();
        }
    }

    fn remaining(&self, now: Timestamp, used: u64) -> Remaining {
        let newest = self.slice_of(now);
        Remaining {
            left: self.limit.saturating_sub(used),
            reset: if used == 0 { Duration::ZERO } else { self.until_slice(now, self.gone_at(newest)) },
        }
    }
}
