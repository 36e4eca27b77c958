//! What a session knows of its messages without reading them: their numbers, sizes and marks. Here
//! it is decided which of a client's turns are new.

use haltline_types::Timestamp;
use haltline_wire::canon::{Message, Part, Role};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::HashMap;

/// The most messages of a thread.
pub(crate) const MESSAGES_MAX: usize = 10_000;
/// The most bytes of a session, replaced messages included.
pub(crate) const BYTES_MAX: u64 = 64 << 20;
/// The most replaced messages that are kept.
const REPLACED_MAX: usize = 2_000;
/// So many turns must be the same before a client's turns count as the end of a longer thread.
const WINDOW_MIN: usize = 2;

/// What a turn says, in 64 bits: compared within one session only.
pub(crate) fn mark(message: &Message) -> u64 {
    let hash = Sha256::digest(message.fingerprint_material());
    hash.iter().take(8).fold(0, |mark, byte| mark << 8 | u64::from(*byte))
}

/// Who speaks in a turn, as far as threads depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Voice {
    /// The user.
    #[serde(rename = "u")]
    User,
    /// Tools alone.
    #[serde(rename = "t")]
    Tools,
    /// The model.
    #[serde(rename = "a")]
    Model,
    /// The model, broken off.
    #[serde(rename = "p")]
    Broken,
    /// The operator.
    #[serde(rename = "s")]
    System,
}

impl Voice {
    pub(crate) fn of(message: &Message) -> Self {
        match message.role {
            Role::System => Self::System,
            Role::Assistant => Self::Model,
            Role::User if message.parts.iter().all(|part| matches!(part, Part::Result(_))) => Self::Tools,
            Role::User => Self::User,
        }
    }
}

/// One message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(u64, u64, u64, Voice)", into = "(u64, u64, u64, Voice)")]
pub(crate) struct Row {
    /// Its number, never given twice.
    pub(crate) number: u64,
    /// Bytes of its document.
    pub(crate) bytes: u64,
    /// What it says.
    pub(crate) mark: u64,
    /// Who speaks.
    pub(crate) voice: Voice,
}

/// Written as a list: an outline of many thousand rows is written at each turn.
impl From<Row> for (u64, u64, u64, Voice) {
    fn from(row: Row) -> Self {
        (row.number, row.bytes, row.mark, row.voice)
    }
}

impl From<(u64, u64, u64, Voice)> for Row {
    fn from((number, bytes, mark, voice): (u64, u64, u64, Voice)) -> Self {
        Self { number, bytes, mark, voice }
    }
}

/// All messages of a session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Outline {
    /// The number of the next message.
    pub(crate) next: u64,
    /// How many were dropped from the begin of the thread.
    pub(crate) dropped: u64,
    /// The thread, oldest first.
    pub(crate) live: Vec<Row>,
    /// What was replaced when the thread went another way.
    pub(crate) replaced: Vec<Row>,
    /// When all messages were last told to stay.
    #[serde(with = "millis")]
    pub(crate) renewed: Timestamp,
}

/// How a client sends its turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// The conversation from its begin, or from somewhere in its middle.
    Whole,
    /// What is new, alone.
    New,
    /// What is new, alone: the last answer is to be made anew.
    Again,
}

/// A turn as far as it is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) mark: u64,
    pub(crate) voice: Voice,
}

/// Where a client's turns go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// So many messages of the thread stay.
    pub(crate) keep: usize,
    /// The turns from here on follow them.
    pub(crate) from: usize,
}

/// What became of a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It is a new message of this number.
    New(u64),
    /// It was here before, and is a part of the thread again.
    Known,
}

impl Outline {
    /// Which of `turns` are new.
    pub(crate) fn plan(&self, turns: &[Seen], sent: Sent) -> Plan {
        match sent {
            Sent::Whole => self.plan_whole(turns),
            Sent::New | Sent::Again => {
                let mut plan = Plan { keep: self.base(turns, sent), from: 0 };
                while let (Some(row), Some(turn)) = (self.live.get(plan.keep), turns.get(plan.from))
                    && row.mark == turn.mark
                {
                    plan = Plan { keep: plan.keep + 1, from: plan.from + 1 };
                }
                plan
            }
        }
    }

    fn plan_whole(&self, turns: &[Seen]) -> Plan {
        let dropped = usize::try_from(self.dropped).unwrap_or(usize::MAX);
        let beyond = turns.get(dropped.min(turns.len())..).unwrap_or_default();
        let same = same_at_begin(&self.live, beyond);
        if same > 0 {
            return Plan { keep: same, from: dropped + same };
        }
        // Clients with a window send the end of the conversation: the turns before it stay.
        let mut best = Plan { keep: 0, from: 0 };
        for at in 1..self.live.len() {
            let same = same_at_begin(self.live.get(at..).unwrap_or_default(), turns);
            if same >= WINDOW_MIN && same > best.from {
                best = Plan { keep: at + same, from: same };
            }
        }
        best
    }

    /// What new turns follow.
    fn base(&self, turns: &[Seen], sent: Sent) -> usize {
        let Some(first) = turns.first() else { return self.live.len() };
        let last_said =
            self.live.iter().rposition(|row| !matches!(row.voice, Voice::Model | Voice::Broken | Voice::Tools));
        // A page that ran tools sends its copy of the last answer again.
        if first.voice == Voice::Model {
            return last_said.map_or(0, |at| at + 1);
        }
        let Some(at) = last_said.filter(|at| self.live.get(*at).is_some_and(|row| row.mark == first.mark)) else {
            return self.live.len();
        };
        let after = self.live.get(at + 1..).unwrap_or_default();
        let unanswered = after.last().is_none_or(|row| row.voice == Voice::Broken);
        if sent == Sent::Again || unanswered { at } else { self.live.len() }
    }

    /// The first `keep` messages stay in the thread; those behind them are replaced.
    pub(crate) fn cut(&mut self, keep: usize) {
        if keep < self.live.len() {
            let gone = self.live.split_off(keep);
            self.replaced.extend(gone);
        }
    }

    /// Adds `turns` to the thread: those that were replaced once come back as they were.
    pub(crate) fn take(&mut self, turns: &[Seen]) -> Vec<Taken> {
        let mut known: HashMap<u64, usize> = HashMap::new();
        for (at, row) in self.replaced.iter().enumerate() {
            known.insert(row.mark, at);
        }
        let mut back = Vec::new();
        let mut taken = Vec::with_capacity(turns.len());
        for turn in turns {
            if let Some(at) = known.remove(&turn.mark)
                && let Some(row) = self.replaced.get(at)
            {
                self.live.push(*row);
                back.push(at);
                taken.push(Taken::Known);
            } else {
                let number = self.next;
                self.next += 1;
                self.live.push(Row { number, bytes: 0, mark: turn.mark, voice: turn.voice });
                taken.push(Taken::New(number));
            }
        }
        back.sort_unstable_by(|a, b| b.cmp(a));
        for at in back {
            self.replaced.remove(at);
        }
        taken
    }

    /// Says how large a message is.
    pub(crate) fn weigh(&mut self, number: u64, bytes: u64) {
        let rows = self.live.iter_mut().rev().chain(self.replaced.iter_mut().rev());
        if let Some(row) = rows.into_iter().find(|row| row.number == number) {
            row.bytes = bytes;
        }
    }

    /// Drops what is beyond the bounds: what was replaced first, then the oldest. Returns numbers.
    pub(crate) fn bound(&mut self) -> Vec<u64> {
        let mut gone = Vec::new();
        let mut live = sum(&self.live);
        let mut beyond = 0;
        while self.live.len() - beyond > MESSAGES_MAX || (live > BYTES_MAX && beyond < self.live.len()) {
            live -= self.live.get(beyond).map_or(0, |row| row.bytes);
            beyond += 1;
        }
        gone.extend(self.live.drain(..beyond).map(|row| row.number));
        self.dropped += u64::try_from(beyond).unwrap_or(u64::MAX);
        let mut all = live + sum(&self.replaced);
        let mut beyond = 0;
        while self.replaced.len() - beyond > REPLACED_MAX || (all > BYTES_MAX && beyond < self.replaced.len()) {
            all -= self.replaced.get(beyond).map_or(0, |row| row.bytes);
            beyond += 1;
        }
        gone.extend(self.replaced.drain(..beyond).map(|row| row.number));
        gone
    }

    /// The messages of `rows` that are kept side by side, as ranges of numbers: first, and how many.
    pub(crate) fn runs(rows: &[Row]) -> Vec<(u64, usize)> {
        let mut runs: Vec<(u64, usize)> = Vec::new();
        for row in rows {
            match runs.last_mut() {
                Some((first, count)) if u64::try_from(*count).is_ok_and(|count| *first + count == row.number) => {
                    *count += 1;
                }
                _ => runs.push((row.number, 1)),
            }
        }
        runs
    }
}

fn same_at_begin(rows: &[Row], turns: &[Seen]) -> usize {
    rows.iter().zip(turns).take_while(|(row, turn)| row.mark == turn.mark).count()
}

pub(crate) fn sum(rows: &[Row]) -> u64 {
    rows.iter().map(|row| row.bytes).sum()
}

/// Times as milliseconds.
mod millis {
    use haltline_types::Timestamp;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(at.as_millis())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        i64::deserialize(deserializer).map(Timestamp::from_millis)
    }
}

#[cfg(test)]
mod tests;
