//! The shapes in which answers come, and the values in them, read tolerantly: a value of another
//! type than the dialect says reads as none, or as a bad count, and fails nothing.

use crate::word::Word;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

/// The largest count that is believed: more tokens than any answer can hold.
const COUNT_MAX: u64 = 1_000_000_000_000;

/// The `data` of one event of a stream.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Data<'a> {
    #[serde(borrow, rename = "type")]
    pub(super) kind: Word<'a>,
    pub(super) index: Count,
    #[serde(borrow)]
    pub(super) message: Option<Message<'a>>,
    #[serde(borrow)]
    pub(super) content_block: Option<Block<'a>>,
    #[serde(borrow)]
    pub(super) delta: Option<Change<'a>>,
    #[serde(borrow)]
    pub(super) usage: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) error: Option<&'a RawValue>,
}

/// Only the type of an event.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Kind<'a> {
    #[serde(borrow, rename = "type")]
    pub(super) kind: Word<'a>,
}

/// A message: a whole answer, or the head of a stream.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Message<'a> {
    #[serde(borrow, rename = "type")]
    pub(super) kind: Word<'a>,
    #[serde(borrow)]
    pub(super) id: Word<'a>,
    #[serde(borrow)]
    pub(super) model: Word<'a>,
    #[serde(borrow)]
    pub(super) content: Option<Vec<Block<'a>>>,
    #[serde(borrow)]
    pub(super) stop_reason: Word<'a>,
    #[serde(borrow)]
    pub(super) stop_sequence: Word<'a>,
    #[serde(borrow)]
    pub(super) usage: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) error: Option<&'a RawValue>,
}

/// A block of content, of whatever type.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Block<'a> {
    #[serde(borrow, rename = "type")]
    pub(super) kind: Word<'a>,
    #[serde(borrow)]
    pub(super) text: Word<'a>,
    #[serde(borrow)]
    pub(super) thinking: Word<'a>,
    #[serde(borrow)]
    pub(super) signature: Word<'a>,
    #[serde(borrow)]
    pub(super) data: Word<'a>,
    #[serde(borrow)]
    pub(super) id: Word<'a>,
    #[serde(borrow)]
    pub(super) name: Word<'a>,
    #[serde(borrow)]
    pub(super) input: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) citations: Citations<'a>,
}

/// A `delta`: of a block, or of the message.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Change<'a> {
    #[serde(borrow, rename = "type")]
    pub(super) kind: Word<'a>,
    #[serde(borrow)]
    pub(super) text: Word<'a>,
    #[serde(borrow)]
    pub(super) thinking: Word<'a>,
    #[serde(borrow)]
    pub(super) signature: Word<'a>,
    #[serde(borrow)]
    pub(super) partial_json: Word<'a>,
    #[serde(borrow)]
    pub(super) citation: Option<Citation<'a>>,
    #[serde(borrow)]
    pub(super) stop_reason: Word<'a>,
    #[serde(borrow)]
    pub(super) stop_sequence: Word<'a>,
}

/// Where a statement comes from. Only addresses are taken: places in the client's own documents
/// are none.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Citation<'a> {
    #[serde(borrow)]
    pub(super) url: Word<'a>,
    #[serde(borrow)]
    pub(super) title: Word<'a>,
}

/// `citations` of a block: a list, or null, or (in requests sent back) an object of settings.
#[derive(Default)]
pub(super) struct Citations<'a>(pub(super) Vec<Citation<'a>>);

impl<'de: 'a, 'a> Deserialize<'de> for Citations<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Option::<&'de RawValue>::deserialize(deserializer)?;
        Ok(Self(raw.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default()))
    }
}

/// A count as it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) enum Count {
    #[default]
    Absent,
    Is(u64),
    /// Something that is no count.
    Bad,
}

impl Count {
    pub(super) fn or(self, other: Self) -> Self {
        if self == Self::Absent { other } else { self }
    }

    pub(super) fn required(self) -> Option<u64> {
        match self {
            Self::Is(count) => Some(count),
            Self::Absent | Self::Bad => None,
        }
    }

    /// Zero when absent, `None` when bad.
    pub(super) fn optional(self) -> Option<u64> {
        match self {
            Self::Is(count) => Some(count),
            Self::Absent => Some(0),
            Self::Bad => None,
        }
    }
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(CountVisitor)
    }
}

struct CountVisitor;

impl<'de> Visitor<'de> for CountVisitor {
    type Value = Count;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a count")
    }

    fn visit_u64<E>(self, value: u64) -> Result<Count, E> {
        Ok(if value <= COUNT_MAX { Count::Is(value) } else { Count::Bad })
    }

    fn visit_i64<E>(self, value: i64) -> Result<Count, E> {
        Ok(u64::try_from(value).map_or(Count::Bad, Count::Is))
    }

    /// Some servers write `12.0`.
    fn visit_f64<E>(self, value: f64) -> Result<Count, E> {
        let exact = value.fract() == 0.0 && (0.0..1e12).contains(&value);
        Ok(if exact { format!("{value:.0}").parse().map_or(Count::Bad, Count::Is) } else { Count::Bad })
    }

    fn visit_str<E>(self, value: &str) -> Result<Count, E> {
        Ok(value.trim().parse().ok().filter(|count| *count <= COUNT_MAX).map_or(Count::Bad, Count::Is))
    }

    fn visit_unit<E>(self) -> Result<Count, E> {
        Ok(Count::Absent)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Count, E> {
        Ok(Count::Bad)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Count, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Count::Bad)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Count, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Count::Bad)
    }
}
