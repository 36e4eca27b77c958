//! The circuit breaker of one endpoint. Closed lets everything pass, open nothing, half open one
//! probe at a time. Which faults count is decided where the fault is born (`Fault::breaker`).

use haltline_types::{Fault, FaultKind, Origin, Timestamp};
use std::collections::VecDeque;
use std::time::Duration;

/// The configuration's `[breaker]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerRules {
    /// So many faults open it; 0 means never.
    pub failures: u32,
    /// Counted over this long.
    pub within: Duration,
    /// How long it stays open before a probe; also how long a probe may take to report.
    pub open_for: Duration,
}

impl Default for BreakerRules {
    fn default() -> Self {
        Self { failures: 5, within: Duration::from_secs(60), open_for: Duration::from_secs(30) }
    }
}

/// The answer to a request for passage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Pass.
    Closed,
    /// Pass as the one probe; its outcome must be reported.
    Probe,
    /// Do not pass.
    Open {
        /// Ask again then.
        until: Timestamp,
    },
}

/// What an operator sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BreakerState {
    /// All attempts pass.
    Closed,
    /// None pass.
    Open,
    /// The next one, or one that is under way, is a probe.
    HalfOpen,
}

impl BreakerState {
    /// The word for metrics and the admin API.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
        }
    }
}

/// What an operator orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Force {
    /// Let nothing pass until told otherwise.
    Open,
    /// Let everything pass whatever happens.
    Closed,
    /// Decide by faults again, beginning with a clean slate.
    Automatic,
}

#[derive(Clone, Debug)]
enum Phase {
    Closed {
        faults: VecDeque<Timestamp>,
    },
    Open {
        until: Timestamp,
    },
    Probing {
        since: Timestamp,
    },
    /// A probe ended without telling anything; the next attempt is a probe.
    Idle,
}

/// The breaker of one endpoint.
#[derive(Clone, Debug)]
pub struct Breaker {
    rules: BreakerRules,
    phase: Phase,
    force: Force,
}

impl Breaker {
    /// Closed.
    #[must_use]
    pub const fn new(rules: BreakerRules) -> Self {
        Self { rules, phase: Phase::Closed { faults: VecDeque::new() }, force: Force::Automatic }
    }

    /// May an attempt pass? A `Probe` must report by `on_success`, `on_fault` or `on_abandoned`;
    /// one that has not within `open_for` is given up, and the next attempt is a probe.
    pub fn admit(&mut self, now: Timestamp) -> Admission {
        match self.force {
            Force::Open => return Admission::Open { until: now.saturating_add(self.rules.open_for) },
            Force::Closed => return Admission::Closed,
            Force::Automatic => {}
        }
        let shut_until = match &self.phase {
            Phase::Closed { .. } => return Admission::Closed,
            Phase::Open { until } => *until,
            Phase::Probing { since } => since.saturating_add(self.rules.open_for),
            Phase::Idle => now,
        };
        if now < shut_until {
            return Admission::Open { until: shut_until };
        }
        self.phase = Phase::Probing { since: now };
        Admission::Probe
    }

    /// An attempt succeeded. It closes a half-open breaker; a closed one still remembers its
    /// faults, so that an endpoint that fails every other time is found out.
    pub fn on_success(&mut self, _now: Timestamp) {
        if matches!(self.phase, Phase::Probing { .. } | Phase::Idle) {
            self.phase = Phase::Closed { faults: VecDeque::new() };
        }
    }

    /// An attempt failed. A fault that does not speak against the endpoint, but was born there,
    /// proves that it answers; one that was born elsewhere proves nothing.
    pub fn on_fault(&mut self, now: Timestamp, fault: &Fault) {
        if fault.breaker {
            self.on_counted_fault(now);
        } else if fault.origin == Origin::Provider && fault.kind != FaultKind::Cancelled {
            self.on_success(now);
        } else {
            self.on_abandoned(now);
        }
    }

    /// A probe ended without an outcome (cancelled, never sent): the next attempt is a probe.
    ///
    /// To be called for attempts that were admitted as `Probe` only. The breaker does not know its
    /// callers apart: an attempt that was admitted while closed, and abandoned only when a probe is
    /// under way, would make room for a second one.
    pub fn on_abandoned(&mut self, _now: Timestamp) {
        if matches!(self.phase, Phase::Probing { .. }) {
            self.phase = Phase::Idle;
        }
    }

    /// The state to show.
    #[must_use]
    pub fn state(&self, now: Timestamp) -> BreakerState {
        match (self.force, &self.phase) {
            (Force::Open, _) => BreakerState::Open,
            (Force::Closed, _) | (Force::Automatic, Phase::Closed { .. }) => BreakerState::Closed,
            (Force::Automatic, Phase::Open { until }) if now < *until => BreakerState::Open,
            (Force::Automatic, _) => BreakerState::HalfOpen,
        }
    }

    /// Would an attempt pass? Unlike `admit` it takes no probe.
    #[must_use]
    pub fn would_admit(&self, now: Timestamp) -> bool {
        match (self.force, &self.phase) {
            (Force::Open, _) => false,
            (Force::Closed, _) | (Force::Automatic, Phase::Closed { .. } | Phase::Idle) => true,
            (Force::Automatic, Phase::Open { until }) => now >= *until,
            (Force::Automatic, Phase::Probing { since }) => now >= since.saturating_add(self.rules.open_for),
        }
    }

    /// Until when nothing passes; `None` when an attempt would pass now. Takes no probe.
    #[must_use]
    pub fn open_until(&self, now: Timestamp) -> Option<Timestamp> {
        if self.would_admit(now) {
            return None;
        }
        Some(match (self.force, &self.phase) {
            (Force::Automatic, Phase::Open { until }) => *until,
            (Force::Automatic, Phase::Probing { since }) => since.saturating_add(self.rules.open_for),
            _ => now.saturating_add(self.rules.open_for),
        })
    }

    /// An operator's order.
    pub fn force(&mut self, order: Force) {
        self.force = order;
        if order == Force::Automatic {
            self.phase = Phase::Closed { faults: VecDeque::new() };
        }
    }

    /// Judges by other rules from here on; what was counted stays.
    pub fn reconfigure(&mut self, rules: BreakerRules) {
        self.rules = rules;
    }

    fn on_counted_fault(&mut self, now: Timestamp) {
        let opens = match &mut self.phase {
            Phase::Closed { faults } => {
                faults.push_back(now);
                while faults.front().is_some_and(|oldest| now.since(*oldest) > self.rules.within) {
                    faults.pop_front();
                }
                let limit = usize::try_from(self.rules.failures).unwrap_or(usize::MAX);
                while faults.len() > limit {
                    faults.pop_front();
                }
                limit > 0 && faults.len() >= limit
            }
            Phase::Probing { .. } | Phase::Idle => true,
            // Attempts that were admitted before it opened come home; they do not keep it open longer.
            Phase::Open { .. } => false,
        };
        if opens {
            self.phase = Phase::Open { until: now.saturating_add(self.rules.open_for) };
        }
    }
}
