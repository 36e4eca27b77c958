//! How fast tokens are burned, against how fast they usually are. Usual is the median of the
//! minutes with traffic in the last day: nights do not lower it, and a short storm does not raise
//! it. Counts of past minutes come in; no clock is here, and nobody is told from here.

use haltline_types::Tokens;
use std::collections::VecDeque;

/// What counts as too fast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BaselineRules {
    /// Minutes that are remembered.
    pub minutes: usize,
    /// Minutes that are judged, by their mean; the baseline is that of the minutes before them.
    pub recent: usize,
    /// Without so many minutes with traffic there is no baseline.
    pub busy_min: usize,
    /// Less than this a minute is never too fast.
    pub floor: Tokens,
    /// From so many thousandths of the baseline on it is too fast.
    pub high_per_mille: u64,
    /// Below so many it is usual again.
    pub usual_per_mille: u64,
}

impl Default for BaselineRules {
    fn default() -> Self {
        Self {
            minutes: 1_440,
            recent: 5,
            busy_min: 60,
            floor: Tokens::new(1_000),
            high_per_mille: 2_000,
            usual_per_mille: 1_500,
        }
    }
}

/// Tokens a minute, lately and usually.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BurnRate {
    /// The mean of the last minutes.
    pub now: Tokens,
    /// The median of those before.
    pub baseline: Tokens,
}

/// The rate has crossed a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BurnTurn {
    /// Too fast from here on.
    High(BurnRate),
    /// Usual again.
    Usual(BurnRate),
}

/// What one endpoint burns.
#[derive(Clone, Debug)]
pub struct Baseline {
    rules: BaselineRules,
    /// The oldest first.
    minutes: VecDeque<u64>,
    high: bool,
}

impl Baseline {
    /// Without a past.
    #[must_use]
    pub const fn new(rules: BaselineRules) -> Self {
        Self { rules, minutes: VecDeque::new(), high: false }
    }

    /// A minute is over in which so many tokens were used. Says when a line was crossed, once.
    pub fn observe(&mut self, tokens: Tokens) -> Option<BurnTurn> {
        self.minutes.push_back(tokens.get());
        while self.minutes.len() > self.rules.minutes.saturating_add(self.rules.recent) {
            self.minutes.pop_front();
        }
        let now = self.recent()?;
        if !self.high && now < self.rules.floor.get() {
            return None;
        }
        let Some(baseline) = self.median() else {
            self.high = false;
            return None;
        };
        let rate = BurnRate { now: Tokens::new(now), baseline: Tokens::new(baseline) };
        let reaches = |per_mille: u64| u128::from(now) * 1_000 >= u128::from(baseline) * u128::from(per_mille);
        if !self.high && reaches(self.rules.high_per_mille) {
            self.high = true;
            return Some(BurnTurn::High(rate));
        }
        if self.high && !reaches(self.rules.usual_per_mille) {
            self.high = false;
            return Some(BurnTurn::Usual(rate));
        }
        None
    }

    /// Is it too fast?
    #[must_use]
    pub const fn is_high(&self) -> bool {
        self.high
    }

    /// Has nothing been burned in all the time that is remembered?
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.minutes.iter().all(|tokens| *tokens == 0)
    }

    fn recent(&self) -> Option<u64> {
        let count = u64::try_from(self.rules.recent).ok().filter(|count| *count > 0)?;
        if self.minutes.len() < self.rules.recent {
            return None;
        }
        let sum: u128 = self.minutes.iter().rev().take(self.rules.recent).map(|tokens| u128::from(*tokens)).sum();
        u64::try_from(sum / u128::from(count)).ok()
    }

    fn median(&self) -> Option<u64> {
        let past = self.minutes.len().saturating_sub(self.rules.recent);
        let mut busy: Vec<u64> = self.minutes.iter().take(past).copied().filter(|tokens| *tokens > 0).collect();
        if busy.is_empty() || busy.len() < self.rules.busy_min {
            return None;
        }
        let middle = busy.len() / 2;
        Some(*busy.select_nth_unstable(middle).1)
    }
}
