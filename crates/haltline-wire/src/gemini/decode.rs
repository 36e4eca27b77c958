//! Gemini's answers as canonical events. Reads the first candidate: a request that crosses
//! dialects asks for one.

use super::inspect::{named, nothing};
use super::usage::Report;
use super::wire::{Call, Candidate, Part, Read, Response, read, responses};
use crate::Finish;
use crate::call_id::made_up;
use crate::canon::{Answer, Decode, Decoded, Event, ReportedUsage};
use crate::chunk::Malformed;
use crate::sse;
use serde_json::Value;

/// Reads one stream.
///
/// Says `Event::Done` only where a proxy wrote `[DONE]`: Google's streams end with the transport,
/// and usage can follow the finish. Calls without an id get one of the answer's id and their place:
/// clients that hold several turns need ids that no other turn has. A signature on a thought becomes
/// a `ReasoningSignature`; one on a text is Google's alone, which does not need it back, and others
/// refuse a history that holds it: it is left out. Code that Google ran, and its result, have no
/// canonical form and are left out.
#[derive(Debug, Default)]
pub struct Decoder {
    started: bool,
    /// The answer's id.
    name: String,
    calls: u32,
    finished: bool,
    /// The last part ended with a signature.
    signed: bool,
    sources: Vec<String>,
}

impl Decoder {
    /// At the begin of a stream.
    #[must_use]
    pub const fn new() -> Self {
        Self { started: false, name: String::new(), calls: 0, finished: false, signed: false, sources: Vec::new() }
    }

    /// Did the model stop, or was the prompt blocked? Then the stream is complete when its
    /// transport ends cleanly.
    #[must_use]
    pub const fn is_finished(&self) -> bool {
        self.finished
    }

    fn response(&mut self, response: &Response<'_>, out: &mut Vec<Event>) -> Result<(), Malformed> {
        if !self.started && !response.says_nothing() {
            self.started = true;
            let owned = |word: Option<&str>| word.unwrap_or_default().to_owned();
            self.name = owned(response.response_id.said());
            out.push(Event::Started {
                id: owned(response.response_id.said()),
                model: owned(response.model_version.said()),
            });
        }
        let candidates = response.candidates.as_deref().unwrap_or_default();
        for candidate in candidates.iter().filter(|candidate| candidate.index() == 0) {
            for part in candidate.parts() {
                self.part(part, out)?;
            }
            self.grounding(candidate, out);
            if let Some(finish) = candidate.finish_reason.0 {
                self.finish(finish, out);
            }
        }
        if response.is_blocked() {
            self.finish(Finish::ContentFilter, out);
        }
        match response.report() {
            Report::Absent => {}
            Report::Read(usage) => out.push(Event::Usage(ReportedUsage::Read(usage))),
            Report::Unreadable => out.push(Event::Usage(ReportedUsage::Unreadable)),
        }
        Ok(())
    }

    fn part(&mut self, part: &Part<'_>, out: &mut Vec<Event>) -> Result<(), Malformed> {
        let signature = part.thought_signature.said();
        if part.text.said().is_some() {
            self.signed = false;
        }
        if let Some(text) = part.text.said() {
            let event = if part.is_thought() { Event::Reasoning } else { Event::Text };
            out.push(event(text.to_owned()));
        }
        if let Some(call) = &part.function_call {
            self.call(call, signature, out)?;
        } else if let Some(signature) = signature.filter(|_| part.is_thought()) {
            // Signatures in a row are of different parts; without this they would be one.
            if self.signed {
                out.push(Event::Reasoning(String::new()));
            }
            out.push(Event::ReasoningSignature(signature.to_owned()));
        }
        if let Some(blob) = &part.inline_data
            && let Some(data) = blob.data.said()
        {
            let media_type = blob.mime_type.said().unwrap_or("application/octet-stream").to_owned();
            out.push(Event::File { media_type, data: data.to_owned() });
        }
        self.signed = matches!(out.last(), Some(Event::ReasoningSignature(_))) || (self.signed && part.is_empty());
        Ok(())
    }

    fn call(&mut self, call: &Call<'_>, signature: Option<&str>, out: &mut Vec<Event>) -> Result<(), Malformed> {
        if call.is_in_pieces() {
            return Err(Malformed {
                detail: "arguments of a call come in pieces, which were not asked for".to_owned(),
            });
        }
        let index = self.calls;
        self.calls = self.calls.saturating_add(1);
        out.push(Event::Call {
            index,
            id: call.id.said().map_or_else(|| made_up(&self.name, index), str::to_owned),
            name: call.name.said().unwrap_or_default().to_owned(),
            signature: signature.map(str::to_owned),
        });
        out.push(Event::Arguments { index, fragment: call.arguments().into_owned() });
        Ok(())
    }

    /// `groundingChunks[].web` (or `.maps`, `.retrievedContext`). Chunks repeat what came before.
    fn grounding(&mut self, candidate: &Candidate<'_>, out: &mut Vec<Event>) {
        let Some(metadata) = candidate.grounding_metadata else { return };
        let Ok(metadata) = serde_json::from_str::<Value>(metadata.get()) else { return };
        let chunks = metadata.get("groundingChunks").or_else(|| metadata.get("grounding_chunks"));
        for chunk in chunks.and_then(Value::as_array).into_iter().flatten() {
            let source =
                ["web", "maps", "retrievedContext", "retrieved_context"].iter().find_map(|kind| chunk.get(kind));
            let text = |name: &str| source.and_then(|source| source.get(name)).and_then(Value::as_str);
            if let Some(url) = text("uri")
                && !self.sources.iter().any(|known| known == url)
            {
                self.sources.push(url.to_owned());
                out.push(Event::Source { url: url.to_owned(), title: text("title").map(str::to_owned) });
            }
        }
    }

    fn finish(&mut self, finish: Finish, out: &mut Vec<Event>) {
        if !self.finished {
            self.finished = true;
            out.push(Event::Finished { reason: named(finish, self.calls > 0), stop_sequence: None });
        }
    }
}

impl Decode for Decoder {
    fn decode(&mut self, event: &sse::Event, out: &mut Vec<Event>) -> Result<(), Malformed> {
        match read(&event.data)? {
            Read::Done => out.push(Event::Done),
            Read::Response(response, seed) => {
                self.response(&response, out)?;
                out.extend(seed.map(Event::Failed));
            }
        }
        Ok(())
    }
}

/// Reads a whole body: one response, or the array of a stream without `alt=sse`.
///
/// # Errors
/// When it is neither an answer nor an error.
pub fn decode_answer(body: &[u8]) -> Result<Decoded, Malformed> {
    let mut decoder = Decoder::new();
    let mut events = Vec::new();
    for response in responses(body)? {
        let Read::Response(response, seed) = response else { continue };
        if let Some(seed) = seed {
            return Ok(Decoded::Failed(seed));
        }
        decoder.response(&response, &mut events)?;
    }
    if !decoder.started {
        return Err(nothing());
    }
    if decoder.finished {
        events.push(Event::Done);
    }
    Ok(Decoded::Answer(Box::new(Answer::of(events))))
}
