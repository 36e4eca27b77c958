//! Wall time that cannot jump (promise, rule 8): it may lead monotonic time by a minute at most
//! while the process runs, and never goes back. Reading the two clocks is the shell's work.

use haltline_types::Timestamp;
use std::time::Duration;

/// How far wall time may lead monotonic time, and how far it may lag before an alarm.
pub const LEAD_MAX: Duration = Duration::from_secs(60);

/// The wall clock disagrees with monotonic time. Windows are kept; an operator must look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockAlarm {
    /// Wall time is this far ahead, which is more than allowed: the guarded time stops short of it.
    Ahead(Duration),
    /// Wall time is this far behind: the guarded time goes on at half speed until it is caught up with.
    Behind(Duration),
}

/// Guarded wall time.
#[derive(Clone, Debug)]
pub struct GuardedClock {
    start_wall: Timestamp,
    start_monotonic: Duration,
    /// The last instant at which the wall clock was believed, and monotonic time then.
    believed: (Timestamp, Duration),
    last: Timestamp,
    alarm: Option<ClockAlarm>,
}

impl GuardedClock {
    /// Believes `wall` as it is at the start; `monotonic` is time since any fixed point.
    #[must_use]
    pub const fn new(wall: Timestamp, monotonic: Duration) -> Self {
        Self { start_wall: wall, start_monotonic: monotonic, believed: (wall, monotonic), last: wall, alarm: None }
    }

    /// The guarded instant for what the two clocks show. Never earlier than one given before.
    pub fn read(&mut self, wall: Timestamp, monotonic: Duration) -> Timestamp {
        let elapsed = monotonic.saturating_sub(self.start_monotonic);
        let expected = self.start_wall.saturating_add(elapsed);
        let allowed = wall.min(expected.saturating_add(LEAD_MAX));
        self.alarm = if wall > allowed {
            Some(ClockAlarm::Ahead(wall.since(expected)))
        } else if expected.since(wall) > LEAD_MAX {
            Some(ClockAlarm::Behind(expected.since(wall)))
        } else {
            None
        };
        // A clock that stood still would keep breakers open and rate limits shut; one at half speed
        // meets the wall clock again and still cannot outrun monotonic time.
        let (at, then) = self.believed;
        let floor = at.saturating_add(monotonic.saturating_sub(then) / 2);
        if allowed >= floor {
            self.believed = (allowed, monotonic.max(then));
        }
        self.last = self.last.max(allowed).max(floor);
        self.last
    }

    /// What is wrong as of the last reading.
    #[must_use]
    pub const fn alarm(&self) -> Option<ClockAlarm> {
        self.alarm
    }

    /// An operator has looked and says that the wall clock is right (after a sleep of the machine,
    /// say): measures from here. Still never goes back.
    pub fn accept(&mut self, wall: Timestamp, monotonic: Duration) {
        self.start_wall = wall.max(self.last);
        self.start_monotonic = monotonic;
        self.believed = (self.start_wall, monotonic);
        self.alarm = None;
    }
}
