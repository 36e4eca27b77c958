//! What waits to be written, session by session in its order. Bounded: what finds no room is not
//! kept, and that is told. A request never waits for it.

use super::write::Turn;
use parking_lot::Mutex;
use std::collections::VecDeque;

/// Sessions are spread over so many lanes: within one, writes follow each other.
pub(super) const LANES: usize = 8;
/// The most bytes of requests that wait in one lane.
const BYTES_MAX: usize = 32 << 20;
/// The most turns that wait in one lane.
const TURNS_MAX: usize = 4096;

/// The lanes.
#[derive(Default)]
pub(crate) struct Lanes {
    lanes: [Mutex<Lane>; LANES],
}

#[derive(Default)]
struct Lane {
    waiting: VecDeque<Turn>,
    bytes: usize,
    runs: bool,
}

/// What became of a turn that came to a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entered {
    /// It waits, and somebody writes.
    Waits,
    /// It waits: whoever brought it must see that somebody writes.
    First,
    /// There is no room.
    Full,
}

impl Lanes {
    /// The lane of a session.
    pub(crate) fn lane_of(key: &str) -> usize {
        let byte = key.as_bytes().last().copied().unwrap_or_default();
        usize::from(byte) % LANES
    }

    /// Lets a turn wait.
    pub(crate) fn enter(&self, lane: usize, turn: Turn) -> Entered {
        let Some(lane) = self.lanes.get(lane) else { return Entered::Full };
        let bytes = turn.bytes();
        let mut lane = lane.lock();
        let has_room = lane.waiting.len() < TURNS_MAX && lane.bytes.saturating_add(bytes) <= BYTES_MAX;
        if !has_room && !lane.waiting.is_empty() && bytes > 0 {
            return Entered::Full;
        }
        lane.bytes = lane.bytes.saturating_add(bytes);
        lane.waiting.push_back(turn);
        if std::mem::replace(&mut lane.runs, true) { Entered::Waits } else { Entered::First }
    }

    /// The next turn; `None` ends the run of whoever writes.
    pub(crate) fn next(&self, lane: usize) -> Option<Turn> {
        let mut lane = self.lanes.get(lane)?.lock();
        let Some(turn) = lane.waiting.pop_front() else {
            lane.runs = false;
            return None;
        };
        lane.bytes = lane.bytes.saturating_sub(turn.bytes());
        Some(turn)
    }
}
