//! What a page got, as canonical events: the way back of `Encoder`, and of others that speak the
//! protocol.

use crate::Finish;
use crate::assemble::resumption::word;
use crate::canon::{Decode, Event, ReportedUsage};
use crate::chunk::Malformed;
use crate::fault::FaultSeed;
use crate::openai::data_url;
use crate::sse;
use haltline_types::{Tokens, Usage};
use serde_json::Value;

/// Calls that one message may hold.
const CALLS_MAX: usize = 4_096;

/// Reads one stream. `abort` and `error` are failures, and what ends after them is not done.
#[derive(Debug, Default)]
pub struct Decoder {
    /// Ids of the calls, and whether their arguments came in pieces.
    calls: Vec<(String, bool)>,
    finished: bool,
}

impl Decoder {
    /// At the begin of a stream.
    #[must_use]
    pub const fn new() -> Self {
        Self { calls: Vec::new(), finished: false }
    }

    fn call(&mut self, chunk: &Value, out: &mut Vec<Event>) -> Option<u32> {
        let id = word(chunk, "toolCallId");
        if let Some(at) = self.calls.iter().rposition(|(known, _)| known == id) {
            return u32::try_from(at).ok();
        }
        let index = u32::try_from(self.calls.len()).ok().filter(|_| self.calls.len() < CALLS_MAX)?;
        self.calls.push((id.to_owned(), false));
        out.push(Event::Call { index, id: id.to_owned(), name: word(chunk, "toolName").to_owned(), signature: None });
        Some(index)
    }

    fn arguments(&mut self, index: u32, fragment: String, out: &mut Vec<Event>) {
        let call = usize::try_from(index).ok().and_then(|index| self.calls.get_mut(index));
        if let Some((_, in_pieces)) = call {
            *in_pieces = true;
            out.push(Event::Arguments { index, fragment });
        }
    }

    /// The input as a whole: what is new of it, unless it came in pieces.
    fn input(&mut self, chunk: &Value, out: &mut Vec<Event>) {
        let Some(index) = self.call(chunk, out) else { return };
        let at = usize::try_from(index).unwrap_or(usize::MAX);
        if self.calls.get(at).is_some_and(|(_, in_pieces)| !in_pieces)
            && let Some(input) = chunk.get("input")
        {
            let text = input.as_str().map_or_else(|| input.to_string(), str::to_owned);
            self.arguments(index, text, out);
        }
    }
}

impl Decode for Decoder {
    fn decode(&mut self, event: &sse::Event, out: &mut Vec<Event>) -> Result<(), Malformed> {
        let data = event.data.trim_ascii();
        if data == b"[DONE]" {
            if self.finished {
                out.push(Event::Done);
            }
            return Ok(());
        }
        let chunk: Value = serde_json::from_slice(data)
            .map_err(|error| Malformed { detail: format!("a stream's data is no chunk: {error}") })?;
        let text = |name: &str| word(&chunk, name).to_owned();
        match word(&chunk, "type") {
            "start" => out.push(Event::Started { id: text("messageId"), model: String::new() }),
            "text-delta" => out.push(Event::Text(text("delta"))),
            "reasoning-delta" => out.push(Event::Reasoning(text("delta"))),
            "reasoning-end" => {
                let proof = chunk.get("providerMetadata").and_then(|metadata| metadata.get("haltline"));
                let proof = |name: &str| proof.map(|proof| word(proof, name)).filter(|text| !text.is_empty());
                out.extend(proof("signature").map(|text| Event::ReasoningSignature(text.to_owned())));
                out.extend(proof("redacted").map(|text| Event::RedactedReasoning(text.to_owned())));
            }
            "tool-input-start" => _ = self.call(&chunk, out),
            "tool-input-delta" => {
                if let Some(index) = self.call(&chunk, out) {
                    self.arguments(index, text("inputTextDelta"), out);
                }
            }
            "tool-input-available" | "tool-input-error" => self.input(&chunk, out),
            "source-url" => {
                let title = chunk.get("title").and_then(Value::as_str).map(str::to_owned);
                out.push(Event::Source { url: text("url"), title });
            }
            "file" => {
                if let Some((media_type, data)) = data_url::split(word(&chunk, "url")) {
                    out.push(Event::File { media_type: media_type.to_owned(), data: data.to_owned() });
                }
            }
            "error" => {
                let said = word(&chunk, "errorText").as_bytes();
                let seed = FaultSeed::read(said).unwrap_or_else(|| FaultSeed::of_text(said));
                out.push(Event::Failed(Box::new(seed)));
            }
            "abort" => out.push(Event::Failed(Box::new(FaultSeed::of_text(b"the answer was stopped")))),
            "finish" => {
                self.finished = true;
                let reason = match word(&chunk, "finishReason") {
                    "stop" | "" => Finish::Stop,
                    "length" => Finish::Length,
                    "tool-calls" => Finish::ToolCalls,
                    "content-filter" => Finish::ContentFilter,
                    "error" => Finish::Error,
                    _ => Finish::Other,
                };
                out.push(Event::Finished { reason, stop_sequence: None });
            }
            _ => {}
        }
        out.extend(chunk.get("messageMetadata").and_then(usage));
        Ok(())
    }
}

/// The usage in a message's metadata, under the AI SDK's own names.
fn usage(metadata: &Value) -> Option<Event> {
    let usage = metadata.get("usage").filter(|usage| usage.is_object())?;
    let count = |name: &str| usage.get(name).and_then(Value::as_u64).map(Tokens::new);
    Some(Event::Usage(ReportedUsage::Read(Usage {
        input: count("inputTokens")?,
        output: count("outputTokens")?,
        reasoning: count("reasoningTokens").unwrap_or_default(),
        cached_input: count("cachedInputTokens").unwrap_or_default(),
        ..Usage::default()
    })))
}
