//! A line of the audit log, and how it is sealed.

use crate::keys::file::to_hex;
use haltline_ports::{ACT_TEXT_MAX, Act, ActOutcome, SealedAct};
use haltline_types::{Name, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::io;

/// One line. The seal is over everything else in it, in this order, and the seal before it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Line {
    pub(super) n: u64,
    at_ms: i64,
    by: String,
    from: Option<String>,
    what: String,
    on: String,
    detail: String,
    outcome: String,
    pub(super) seal: String,
}

/// How far the log goes.
#[derive(Serialize, Deserialize)]
pub(super) struct Head {
    pub(super) n: u64,
    pub(super) seal: String,
}

/// What stands for the seal before the first line's.
pub(super) fn first_seal() -> String {
    "0".repeat(64)
}

impl Line {
    pub(super) fn sealed(n: u64, before: &str, act: Act) -> Self {
        let Act { at, by, from, what, on, detail, outcome } = act;
        let mut line = Self {
            n,
            at_ms: at.as_millis(),
            by: by.to_string(),
            from,
            what,
            on: cut(on),
            detail: cut(detail),
            outcome: outcome.word().to_owned(),
            seal: String::new(),
        };
        line.seal = line.seal_after(before);
        line
    }

    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }

    pub(super) fn to_bytes(&self) -> io::Result<Vec<u8>> {
        serde_json::to_vec(self).map_err(io::Error::from)
    }

    pub(super) fn is_sealed_after(&self, before: &str) -> bool {
        self.seal == self.seal_after(before)
    }

    /// Each field with its length before it, so that no two lines have the same bytes.
    fn seal_after(&self, before: &str) -> String {
        let mut hash = Sha256::new();
        let mut take = |field: &[u8]| {
            hash.update((field.len() as u64).to_be_bytes());
            hash.update(field);
        };
        take(before.as_bytes());
        take(&self.n.to_be_bytes());
        take(&self.at_ms.to_be_bytes());
        take(self.by.as_bytes());
        take(&[u8::from(self.from.is_some())]);
        take(self.from.as_deref().unwrap_or_default().as_bytes());
        for field in [&self.what, &self.on, &self.detail, &self.outcome] {
            take(field.as_bytes());
        }
        to_hex(&hash.finalize().into())
    }

    /// The act that the line tells of; `None` if its outcome is of no kind that is known.
    pub(super) fn act(self) -> Option<SealedAct> {
        let outcome = ActOutcome::ALL.into_iter().find(|outcome| outcome.word() == self.outcome)?;
        let act = Act {
            at: Timestamp::from_millis(self.at_ms),
            by: Name::from(self.by),
            from: self.from,
            what: self.what,
            on: self.on,
            detail: self.detail,
            outcome,
        };
        Some(SealedAct { number: self.n, seal: self.seal, act })
    }
}

impl Head {
    /// Does a log end here whose last entry has this number and seal, and is sealed after that one? Between the log
    /// and its head a crash leaves one entry at most.
    pub(super) fn fits(&self, number: u64, seal: &str, before: Option<&str>) -> bool {
        let is_last = self.n == number && self.seal == seal;
        is_last || (self.n.checked_add(1) == Some(number) && before == Some(self.seal.as_str()))
    }

    pub(super) fn to_bytes(&self) -> io::Result<Vec<u8>> {
        serde_json::to_vec(self).map_err(io::Error::from)
    }

    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }
}

fn cut(mut text: String) -> String {
    let mut end = ACT_TEXT_MAX;
    if text.len() > end {
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
    }
    text
}
