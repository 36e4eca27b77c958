//! What happened in a world, as lines: a hash of all of them, to compare two runs of one seed, and
//! the last ones, to read when something is wrong.

use parking_lot::Mutex;
use std::collections::VecDeque;
use std::fmt::{self, Write};
use std::time::Duration;

/// Lines that are kept.
const TAIL: usize = 300;

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
    /// Lines whose order does not count yet.
    unordered: Option<Vec<String>>,
}

impl Default for EventLog {
    fn default() -> Self {
        // The offset basis of FNV-1a.
        let state = State { hash: 0xcbf2_9ce4_8422_2325, lines: 0, tail: VecDeque::new(), unordered: None };
        Self { state: Mutex::new(state) }
    }
}

impl EventLog {
    /// Writes a line.
    pub fn note(&self, at: Duration, what: fmt::Arguments<'_>) {
        let mut state = self.state.lock();
        let mut line = state.blank();
        // Writing to a string cannot fail.
        let _ = write!(line, "{:>10} ms  {what}", at.as_millis());
        match &mut state.unordered {
            Some(lines) => lines.push(line),
            None => state.write(line),
        }
    }

    /// Does something of which several things come in no certain order; they are written sorted.
    pub fn in_any_order(&self, work: impl FnOnce()) {
        self.state.lock().unordered = Some(Vec::new());
        work();
        let mut state = self.state.lock();
        let mut lines = state.unordered.take().unwrap_or_default();
        lines.sort_unstable();
        for line in lines {
            state.write(line);
        }
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

impl State {
    fn blank(&mut self) -> String {
        let mut line = if self.tail.len() == TAIL { self.tail.pop_front().unwrap_or_default() } else { String::new() };
        line.clear();
        line
    }

    fn write(&mut self, line: String) {
        for byte in line.bytes() {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        self.lines += 1;
        self.tail.push_back(line);
    }
}
