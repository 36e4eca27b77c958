//! What happened in a world, as lines: a hash of all of them, to compare two runs of one seed, and
//! the last ones, to read when something is wrong.

use parking_lot::Mutex;
use std::collections::VecDeque;
use std::fmt::{self, Write};
use std::time::Duration;

/// Lines that are kept.
const TAIL: usize = 30000;

/// The log of a world.
#[derive(Debug)]
pub struct EventLog {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    hash: u64,
    lines: u64,
    tail: VecDeque<String>,
}

impl Default for EventLog {
    fn default() -> Self {
        // The offset basis of FNV-1a.
        Self { state: Mutex::new(State { hash: 0xcbf2_9ce4_8422_2325, lines: 0, tail: VecDeque::new() }) }
    }
}

impl EventLog {
    /// Writes a line.
    pub fn note(&self, at: Duration, what: fmt::Arguments<'_>) {
        let mut state = self.state.lock();
        let mut line = if state.tail.len() == TAIL { state.tail.pop_front().unwrap_or_default() } else { String::new() };
        line.clear();
        // Writing to a string cannot fail.
        let _ = write!(line, "{:>10} ms  {what}", at.as_millis());
        for byte in line.bytes() {
            state.hash = (state.hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        state.lines += 1;
        state.tail.push_back(line);
    }

    /// The hash of all lines (FNV-1a).
    #[must_use]
    pub fn hash(&self) -> u64 {
        self.state.lock().hash
    }

    /// How many lines there were.
    #[must_use]
    pub fn lines(&self) -> u64 {
        self.state.lock().lines
    }

    /// The last lines.
    #[must_use]
    pub fn tail(&self) -> String {
        self.state.lock().tail.iter().fold(String::new(), |mut text, line| {
            text.push_str(line);
            text.push('\n');
            text
        })
    }
}
