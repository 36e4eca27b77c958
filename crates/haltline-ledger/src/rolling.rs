//! What a rolling window remembers: amounts by the bucket of time in which they were settled.

use haltline_types::Timestamp;
use std::collections::VecDeque;
use std::time::Duration;

/// How time is cut into buckets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Grid {
    length: i64,
    width: i64,
}

impl Grid {
    const BUCKETS: i64 = 60;
    const WIDTH_MIN: i64 = 1_000;

    /// A sixtieth of the window, at least a second.
    pub(crate) fn of(window: Duration) -> Self {
        let length = i64::try_from(window.as_millis()).unwrap_or(i64::MAX);
        Self { length, width: (length / Self::BUCKETS).max(Self::WIDTH_MIN) }
    }

    pub(crate) fn bucket(self, at: Timestamp) -> i64 {
        at.as_millis().div_euclid(self.width)
    }

    /// Is all of the bucket older than the window?
    pub(crate) fn has_left(self, bucket: i64, at: Timestamp) -> bool {
        bucket.saturating_add(1).saturating_mul(self.width) <= at.as_millis().saturating_sub(self.length)
    }
}

/// Amounts by bucket, oldest first, each above zero.
#[derive(Clone, Debug)]
pub(crate) struct Buckets {
    grid: Grid,
    sum: i128,
    amounts: VecDeque<(i64, i128)>,
}

impl Buckets {
    pub(crate) const fn new(grid: Grid) -> Self {
        Self { grid, sum: 0, amounts: VecDeque::new() }
    }

    /// What counts at `at`.
    pub(crate) fn sum_at(&self, at: Timestamp) -> i128 {
        let left = self.amounts.iter().take_while(|(bucket, _)| self.grid.has_left(*bucket, at));
        self.sum - left.map(|(_, amount)| amount).sum::<i128>()
    }

    /// Adds an amount, dated `at`, which is not before any earlier date.
    pub(crate) fn add(&mut self, amount: i128, at: Timestamp) {
        self.forget(at);
        if amount == 0 {
            return;
        }
        self.sum += amount;
        let bucket = self.grid.bucket(at);
        match self.amounts.back_mut() {
            Some((last, sum)) if *last == bucket => *sum += amount,
            _ => self.amounts.push_back((bucket, amount)),
        }
    }

    /// Takes an amount back, from the oldest bucket on: what is left must not count longer than
    /// what it was taken from, or the correction would outlive the spending that it corrects.
    pub(crate) fn take_back(&mut self, amount: i128, at: Timestamp) {
        self.forget(at);
        let mut rest = amount;
        while rest > 0
            && let Some((_, oldest)) = self.amounts.front_mut()
        {
            let taken = rest.min(*oldest);
            *oldest -= taken;
            self.sum -= taken;
            rest -= taken;
            if *oldest == 0 {
                self.amounts.pop_front();
            }
        }
    }

    fn forget(&mut self, at: Timestamp) {
        while let Some((bucket, amount)) = self.amounts.front().copied()
            && self.grid.has_left(bucket, at)
        {
            self.sum -= amount;
            self.amounts.pop_front();
        }
    }

    pub(crate) fn check(&self) -> Result<(), String> {
        let sum: i128 = self.amounts.iter().map(|(_, amount)| amount).sum();
        let positive = self.amounts.iter().all(|(_, amount)| *amount > 0);
        let ordered = self.amounts.iter().zip(self.amounts.iter().skip(1)).all(|(one, next)| one.0 < next.0);
        if sum == self.sum && positive && ordered { Ok(()) } else { Err(format!("buckets do not add up: {self:?}")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    #[test]
    fn an_amount_leaves_when_its_whole_bucket_is_older_than_the_window() {
        let mut hour = Buckets::new(Grid::of(Duration::from_secs(3_600)));
        hour.add(5, at(90));
        hour.add(7, at(119));
        assert_eq!(hour.sum_at(at(3_719)), 12);
        assert_eq!(hour.sum_at(at(3_720)), 0);
        hour.add(1, at(3_720));
        assert_eq!(hour.amounts.len(), 1);
        assert_eq!(hour.check(), Ok(()));
    }

    #[test]
    fn a_correction_does_not_outlive_what_it_corrects() {
        let mut hour = Buckets::new(Grid::of(Duration::from_secs(3_600)));
        hour.add(5, at(0));
        hour.add(2, at(1_800));
        hour.take_back(6, at(3_000));
        assert_eq!(hour.sum_at(at(3_000)), 1);
        assert_eq!(hour.sum_at(at(3_660)), 1);
        assert_eq!(hour.sum_at(at(5_460)), 0);
        hour.take_back(99, at(3_001));
        assert_eq!(hour.sum_at(at(3_001)), 0);
    }

    #[test]
    fn no_bucket_is_narrower_than_a_second() {
        let grid = Grid::of(Duration::from_secs(60));
        assert_eq!(grid.bucket(at(59)), 59);
        assert!(!grid.has_left(0, at(60)));
        assert!(grid.has_left(0, at(61)));
    }
}
