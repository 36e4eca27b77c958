//! The system's clock, guarded (promise, rule 8).

use haltline_policy::clock::{ClockAlarm, GuardedClock};
use haltline_ports::Clock;
use haltline_types::Timestamp;
use parking_lot::Mutex;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Wall time as the system tells it, held to monotonic time.
#[derive(Debug)]
pub struct SystemClock {
    started: Instant,
    guard: Mutex<GuardedClock>,
}

impl SystemClock {
    /// Believes the wall clock as it is.
    #[must_use]
    pub fn new() -> Self {
        let started = Instant::now();
        Self { started, guard: Mutex::new(GuardedClock::new(wall(), std::time::Duration::ZERO)) }
    }

    /// What is wrong with it.
    #[must_use]
    pub fn alarm(&self) -> Option<ClockAlarm> {
        self.guard.lock().alarm()
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        self.guard.lock().read(wall(), self.started.elapsed())
    }
}

fn wall() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
