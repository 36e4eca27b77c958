//! `countTokens`, and what embeddings used. Counting is free at Google.

use super::usage::{Count, Report};
use crate::chunk::{Delta, Malformed, Whole};
use crate::fault::FaultSeed;
use bytes::Bytes;
use haltline_types::Tokens;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct CountWire {
    #[serde(alias = "total_tokens")]
    total_tokens: Count,
}

/// The number of tokens that an answer of `countTokens` states.
///
/// # Errors
/// When it states none.
pub fn read_count(body: &[u8]) -> Result<Tokens, Malformed> {
    let wire: CountWire = serde_json::from_slice(body)
        .map_err(|error| Malformed { detail: format!("not in the shape of a count: {error}") })?;
    wire.total_tokens
        .required()
        .map(Tokens::new)
        .ok_or_else(|| Malformed { detail: "the answer has no `totalTokens`".to_owned() })
}

/// The answer of `countTokens` that states `total`.
#[must_use]
pub fn count_answer(total: Tokens) -> Bytes {
    Bytes::from(format!("{{\"totalTokens\":{}}}", total.get()))
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct EmbedWire<'a> {
    embedding: Option<IgnoredAny>,
    embeddings: Option<IgnoredAny>,
    // Vertex's older `predict`.
    predictions: Option<IgnoredAny>,
    #[serde(borrow, alias = "usage_metadata")]
    usage_metadata: Option<&'a RawValue>,
}

/// Meters an answer of `embedContent` or `batchEmbedContents`. Most state no usage: then there is
/// none in the delta, and whoever asked bounds it by what was sent.
///
/// # Errors
/// When it is neither an answer nor an error.
pub fn inspect_embeddings(body: &[u8]) -> Result<Whole, Malformed> {
    let malformed = |detail: String| Malformed { detail };
    let wire: EmbedWire<'_> = match serde_json::from_slice(body) {
        Ok(wire) => wire,
        Err(error) => {
            let seed = FaultSeed::read(body).map(|seed| Whole::Error(Box::new(seed)));
            return seed.ok_or_else(|| malformed(format!("not in the shape of embeddings: {error}")));
        }
    };
    if wire.embedding.is_none() && wire.embeddings.is_none() && wire.predictions.is_none() {
        let seed = FaultSeed::read(body).map(|seed| Whole::Error(Box::new(seed)));
        return seed.ok_or_else(|| malformed("the answer has neither embeddings nor an error".to_owned()));
    }
    let report = wire.usage_metadata.map_or(Report::Absent, |usage| super::usage::read(usage.get()));
    Ok(Whole::Complete(Delta {
        nonempty: true,
        usage: if let Report::Read(usage) = report { Some(usage) } else { None },
        usage_unreadable: report == Report::Unreadable,
        ..Delta::default()
    }))
}
