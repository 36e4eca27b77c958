//! Time of a world: virtual, and going on across the lives of its node. A wall clock is simulated
//! on top of it, which may be stepped; the gateway sees it through the guard that the binary uses.

use haltline_policy::clock::GuardedClock;
use haltline_ports::Clock;
use haltline_types::Timestamp;
use parking_lot::Mutex;
use std::time::Duration;
use tokio::time::Instant;

/// The clock of a world.
#[derive(Debug)]
pub struct SimClock {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// What the wall clock would show at the world's beginning.
    begin: Timestamp,
    /// How far the wall clock was stepped, in milliseconds.
    stepped: i64,
    /// Virtual time of the lives before.
    before: Duration,
    /// When this life began; `None` between two lives.
    life: Option<Instant>,
    guard: GuardedClock,
    /// What the wall clock showed when this life began, and virtual time then.
    believed: (Timestamp, Duration),
}

impl SimClock {
    /// A clock that shows `begin` when the world begins.
    #[must_use]
    pub fn new(begin: Timestamp) -> Self {
        let guard = GuardedClock::new(begin, Duration::ZERO);
        let (before, believed) = (Duration::ZERO, (begin, Duration::ZERO));
        Self { state: Mutex::new(State { begin, stepped: 0, before, life: None, guard, believed }) }
    }

    /// Begins a life: from here on time is that of the runtime that this is called in. The wall
    /// clock is believed as it is, as every process does when it starts.
    pub fn begin_life(&self) {
        let mut state = self.state.lock();
        state.life = Some(Instant::now());
        let wall = state.wall(state.before);
        state.guard = GuardedClock::new(wall, state.before);
        state.believed = (wall, state.before);
    }

    /// Ends a life: time stands still until the next.
    pub fn end_life(&self) {
        let mut state = self.state.lock();
        state.before = state.elapsed();
        state.life = None;
    }

    /// Time without a node: the machine is off.
    pub fn pass(&self, time: Duration) {
        self.state.lock().before += time;
    }

    /// Steps the wall clock by so many milliseconds.
    pub fn step(&self, millis: i64) {
        self.state.lock().stepped += millis;
    }

    /// Sets the wall clock to `at` if it is behind.
    pub fn catch_up(&self, at: Timestamp) {
        let mut state = self.state.lock();
        let behind = at.as_millis().saturating_sub(state.wall(state.before).as_millis());
        state.stepped += behind.max(0);
    }

    /// No time that a node acts on may be later: a minute ahead of what has passed since it started
    /// (promise, rule 8).
    #[must_use]
    pub fn latest_allowed(&self) -> Timestamp {
        let state = self.state.lock();
        let (wall, then) = state.believed;
        wall.saturating_add(state.elapsed().saturating_sub(then) + Duration::from_secs(60))
    }

    /// Virtual time since the world began.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.state.lock().elapsed()
    }
}

impl State {
    fn elapsed(&self) -> Duration {
        self.before + self.life.map_or(Duration::ZERO, |life| life.elapsed())
    }

    fn wall(&self, elapsed: Duration) -> Timestamp {
        let true_time = self.begin.saturating_add(elapsed);
        Timestamp::from_millis(true_time.as_millis().saturating_add(self.stepped))
    }
}

impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        let mut state = self.state.lock();
        let elapsed = state.elapsed();
        let wall = state.wall(elapsed);
        state.guard.read(wall, elapsed)
    }
}
