//! What was used, out of a whole answer. The vectors are passed over.

use crate::chunk::Malformed;
use crate::fault::FaultSeed;
use crate::openai::usage::{Report, read_input_only};
use haltline_types::Usage;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

/// What a body with status 200 says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Embedded {
    /// Vectors.
    Complete(Complete),
    /// An error in spite of the status.
    Error(Box<FaultSeed>),
}

/// An answer with vectors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complete {
    /// The model that answered.
    pub model: Option<String>,
    /// Vectors.
    pub vectors: u32,
    /// The provider's count: input only. `None` also when it cannot be relied on.
    pub usage: Option<Usage>,
    /// A usage report came and cannot be relied on.
    pub usage_unreadable: bool,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Wire<'a> {
    #[serde(borrow)]
    model: Option<&'a RawValue>,
    data: Count,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

/// Reads a whole body.
///
/// # Errors
/// When it is neither an answer nor an error.
pub fn inspect_answer(body: &[u8]) -> Result<Embedded, Malformed> {
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err(Malformed { detail: "the answer is no JSON object".to_owned() });
    }
    let wire: Wire<'_> = serde_json::from_slice(body)
        .map_err(|error| Malformed { detail: format!("the answer is not in the shape of embeddings: {error}") })?;
    let Some(vectors) = wire.data.0.filter(|_| wire.error.is_none()) else {
        let seed = FaultSeed::read(body)
            .ok_or_else(|| Malformed { detail: "the answer has neither vectors nor an error".to_owned() })?;
        return Ok(Embedded::Error(Box::new(seed)));
    };
    let report = wire.usage.map_or(Report::Absent, |usage| read_input_only(usage.get()));
    Ok(Embedded::Complete(Complete {
        model: wire.model.and_then(|model| serde_json::from_str(model.get()).ok()),
        vectors,
        usage: if let Report::Read(usage) = report { Some(usage) } else { None },
        usage_unreadable: report == Report::Unreadable,
    }))
}

/// The length of a list; none when the value is no list.
#[derive(Default)]
struct Count(Option<u32>);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(CountVisitor).map(Count)
    }
}

struct CountVisitor;

impl<'de> Visitor<'de> for CountVisitor {
    type Value = Option<u32>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of vectors")
    }

    fn visit_unit<E>(self) -> Result<Option<u32>, E> {
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Option<u32>, A::Error> {
        let mut count = 0_u32;
        while seq.next_element::<IgnoredAny>()?.is_some() {
            count = count.saturating_add(1);
        }
        Ok(Some(count))
    }
}
