//! One `data` of a stream: what metering and ending need to know of it, nothing else. The bytes
//! themselves are passed on by whoever holds them.

use super::wire::Choices;
use crate::Finish;
use crate::chunk::{Chunk, Delta, Identity, Malformed};
use crate::fault::FaultSeed;
use crate::openai::usage::{Report, read};
use crate::word::Word;
use bytes::BytesMut;
use serde::Deserialize;
use serde_json::value::RawValue;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Wire<'a> {
    #[serde(borrow)]
    object: Word<'a>,
    choices: Choices,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    #[serde(borrow)]
    x_groq: Option<Groq<'a>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Groq<'a> {
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

/// Reads one `data`.
///
/// # Errors
/// When it is neither `[DONE]` nor JSON in the shape of a chunk or an error.
pub fn inspect(data: &[u8]) -> Result<Chunk, Malformed> {
    look(data).map(|(chunk, _)| chunk)
}

/// Reads one `data`, and its choices as they were counted.
pub(super) fn look(data: &[u8]) -> Result<(Chunk, Choices), Malformed> {
    if data.first() != Some(&b'{') {
        match data.trim_ascii() {
            b"[DONE]" => return Ok((Chunk::Done, Choices::default())),
            // A keep-alive of servers that know no comments.
            b"" => return Ok((Chunk::Delta(Delta::default()), Choices::default())),
            text if text.starts_with(b"{") => {}
            _ => return Err(Malformed { detail: "a stream's data is no JSON object".to_owned() }),
        }
    }
    let wire: Wire<'_> = serde_json::from_slice(data)
        .map_err(|error| Malformed { detail: format!("a stream's data is no chunk: {error}") })?;
    let groq = wire.x_groq.unwrap_or_default();
    let report = match wire.usage.or(groq.usage) {
        Some(usage) => read(usage.get()),
        None => Report::Absent,
    };
    let text_bytes = wire.choices.chunk_bytes();
    let delta = Delta {
        text_bytes,
        nonempty: text_bytes > 0 || wire.choices.pictures,
        finish: wire.choices.finish,
        finished: wire.choices.finished,
        usage: if let Report::Read(usage) = report { Some(usage) } else { None },
        usage_unreadable: report == Report::Unreadable,
        only_usage: wire.choices.count == 0 && report != Report::Absent,
    };
    let failed = wire.error.or(groq.error).is_some_and(|error| !matches!(error.get(), "false" | "\"\"" | "{}"));
    let no_chunk = !wire.choices.present && report == Report::Absent;
    if (failed || wire.object.0.as_deref() == Some("error") || no_chunk)
        && let Some(seed) = FaultSeed::read(data)
    {
        return Ok((Chunk::Error { seed: Box::new(seed), delta }, wire.choices));
    }
    if delta.finish == Some(Finish::Error) {
        let seed =
            FaultSeed { message: "the stream ended with finish_reason `error`".to_owned(), ..FaultSeed::default() };
        return Ok((Chunk::Error { seed: Box::new(seed), delta }, wire.choices));
    }
    Ok((Chunk::Delta(delta), wire.choices))
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct IdentityWire<'a> {
    #[serde(borrow)]
    id: Word<'a>,
    #[serde(borrow)]
    model: Word<'a>,
    #[serde(borrow)]
    service_tier: Word<'a>,
}

/// Reads id, model and tier of a chunk or an answer: once a stream is enough.
#[must_use]
pub fn identify(data: &[u8]) -> Identity {
    let wire: IdentityWire<'_> = serde_json::from_slice(data).unwrap_or_default();
    let owned = |word: Word<'_>| word.0.filter(|word| !word.is_empty()).map(|word| word.into_owned());
    Identity { id: owned(wire.id), model: owned(wire.model), service_tier: owned(wire.service_tier) }
}

/// Appends an error frame: `data: {"error":…}`. `error_json` is the ready body, braces included.
/// When the provider's bytes were cut inside a line, write a blank line first.
pub fn error_frame(out: &mut BytesMut, id: Option<u64>, error_json: &[u8]) {
    crate::sse::write_event(out, id, None, error_json);
}

/// Appends the end of a complete stream: `data: [DONE]`.
pub fn done_frame(out: &mut BytesMut, id: Option<u64>) {
    crate::sse::write_event(out, id, None, b"[DONE]");
}
