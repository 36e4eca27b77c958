//! Pieces of an answer as a server said them, and the memory of what was said already.

use crate::Finish;
use crate::canon::ReportedUsage;
use crate::fault::FaultSeed;

/// What a server said, without copies.
pub(super) enum Piece<'a> {
    Started {
        id: &'a str,
        model: &'a str,
    },
    Text(&'a str),
    Reasoning(&'a str),
    /// `encrypted_content`, which closes the thoughts before it.
    Sealed(&'a str),
    /// Sealed thoughts that another dialect withheld.
    Withheld(&'a str),
    Refusal(&'a str),
    Call {
        index: u32,
        id: &'a str,
        name: &'a str,
    },
    Arguments {
        index: u32,
        fragment: &'a str,
    },
    Source {
        url: &'a str,
        title: Option<&'a str>,
    },
    File {
        media_type: &'a str,
        data: &'a str,
    },
    Usage(ReportedUsage),
    Finished(Finish),
    Done,
    Failed(Box<FaultSeed>),
}

pub(super) type Out<'o> = &'o mut dyn FnMut(Piece<'_>);

/// What a part is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Refusal,
    Reasoning,
    Summary,
}

/// How much of a part came.
pub(super) struct Seen {
    pub(super) kind: Kind,
    pub(super) item: u64,
    pub(super) part: u64,
    pub(super) came: Came,
}

/// How much of a call's arguments came.
pub(super) struct SeenCall {
    pub(super) item: u64,
    pub(super) id: String,
    pub(super) index: u32,
    pub(super) came: Came,
}

/// How much came of a text, and a hash of it: a final form may say more.
pub(super) struct Came {
    pub(super) bytes: usize,
    pub(super) hash: u64,
}

impl Came {
    /// The start of FNV-1a.
    pub(super) const NOTHING: Self = Self { bytes: 0, hash: 0xcbf2_9ce4_8422_2325 };

    pub(super) fn add(&mut self, words: &str) {
        self.bytes = self.bytes.saturating_add(words.len());
        for byte in words.bytes() {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    /// What `whole` says beyond what came; nothing when it begins with other words.
    pub(super) fn rest<'w>(&self, whole: &'w str) -> Option<&'w str> {
        let (begin, rest) = whole.split_at_checked(self.bytes)?;
        if rest.is_empty() {
            return None;
        }
        let mut same = Self::NOTHING;
        same.add(begin);
        (same.hash == self.hash).then_some(rest)
    }
}

/// Says words of a kind.
pub(super) fn say(kind: Kind, words: &str, out: Out<'_>) {
    out(match kind {
        Kind::Text => Piece::Text(words),
        Kind::Refusal => Piece::Refusal(words),
        Kind::Reasoning | Kind::Summary => Piece::Reasoning(words),
    });
}
