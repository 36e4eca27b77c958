//! A provider's answer as canonical events. Of several choices only the first crosses; requests
//! for more are refused before.

use super::calls::Calls;
use super::finish::finish_from_word;
use super::inspect::{Inspector, inspect_answer, meant};
use super::said::{Sources, content, pictures, reasoning, text};
use super::skim;
use crate::Finish;
use crate::canon::{Answer, Decode, Decoded, Event, Inspect, ReportedUsage};
use crate::chunk::{Chunk, Delta, Malformed, Whole};
use crate::sse;
use serde_json::{Map, Value};

/// Reads one stream.
///
/// Metering is the inspector's: usage, finish and errors are exactly what it finds. A server that
/// sends no `[DONE]` gives no `Event::Done`: its last finish reason is the end.
#[derive(Debug, Default)]
pub struct Decoder {
    inspector: Inspector,
    reader: Reader,
}

impl Decoder {
    /// At the begin of a stream.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Decode for Decoder {
    fn decode(&mut self, event: &sse::Event, out: &mut Vec<Event>) -> Result<(), Malformed> {
        // Metering has nothing to see in these but their text, which the event holds.
        if let Some(event) = self.reader.piece(&event.data) {
            out.push(event);
            return Ok(());
        }
        match self.inspector.inspect(event)? {
            Chunk::Done => out.push(Event::Done),
            Chunk::Delta(delta) => self.reader.read(&event.data, &delta, out),
            Chunk::Error { seed, delta } => {
                self.reader.read(&event.data, &delta, out);
                out.push(Event::Failed(seed));
            }
        }
        Ok(())
    }
}

/// Reads a whole answer.
///
/// # Errors
/// When the body is neither an answer nor an error.
pub fn decode_answer(body: &[u8]) -> Result<Decoded, Malformed> {
    let delta = match inspect_answer(body)? {
        Whole::Error(seed) => return Ok(Decoded::Failed(seed)),
        Whole::Complete(delta) => delta,
    };
    let mut events = Vec::new();
    Reader { whole: true, ..Reader::default() }.read(body, &delta, &mut events);
    if events.iter().any(|event| matches!(event, Event::Finished { .. })) {
        events.push(Event::Done);
    }
    Ok(Decoded::Answer(Box::new(Answer::of(events))))
}

#[derive(Debug, Default)]
struct Reader {
    /// The body is an answer, not a chunk of one.
    whole: bool,
    started: bool,
    answer_id: String,
    /// The index of the choice that crosses: 0, or what the server calls its only one.
    index: Option<u64>,
    calls: Calls,
    sources: Sources,
}

impl Reader {
    /// Reads the JSON that was metered as `delta`.
    fn read(&mut self, data: &[u8], delta: &Delta, out: &mut Vec<Event>) {
        let Ok(Value::Object(chunk)) = serde_json::from_slice(data) else { return };
        self.start(&chunk, out);
        let choice = self.choice(&chunk);
        if let Some(choice) = choice {
            if let Some(message) = self.message(choice) {
                self.message_events(message, out);
            }
            text(choice.get("text"), |text| out.push(Event::Text(text)));
        }
        self.sources.read(&chunk, out);
        if let Some(choice) = choice
            && let Some(reason) = meant(finish(choice.get("finish_reason")), self.calls.any())
        {
            // vLLM names the stop sequence that it met.
            let stop_sequence = choice.get("stop_reason").and_then(Value::as_str).map(str::to_owned);
            out.push(Event::Finished { reason, stop_sequence });
        }
        if let Some(usage) = delta.usage {
            out.push(Event::Usage(ReportedUsage::Read(usage)));
        } else if delta.usage_unreadable {
            out.push(Event::Usage(ReportedUsage::Unreadable));
        }
    }

    /// The piece of text that a chunk is, if it is nothing else. Before the stream has begun, a chunk
    /// says more.
    fn piece(&self, data: &[u8]) -> Option<Event> {
        skim::piece(data, self.index.filter(|_| self.started)?)
    }

    /// The choice that crosses.
    fn choice<'a>(&mut self, chunk: &'a Map<String, Value>) -> Option<&'a Map<String, Value>> {
        let index = |choice: &Value| choice.get("index").and_then(Value::as_u64).unwrap_or(0);
        let choices = chunk.get("choices")?.as_array()?;
        let first = choices.iter().map(index).min()?;
        let wanted = *self.index.get_or_insert(first);
        choices.iter().find(|choice| index(choice) == wanted)?.as_object()
    }

    /// Azure's first chunk, which tells of filters, has empty names.
    fn start(&mut self, chunk: &Map<String, Value>, out: &mut Vec<Event>) {
        let word = |name: &str| chunk.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (id, model) = (word("id"), word("model"));
        if self.started || id.is_empty() && model.is_empty() {
            return;
        }
        self.started = true;
        self.answer_id.clone_from(&id);
        out.push(Event::Started { id, model });
    }

    /// Perplexity repeats in `message` what came so far; whole answers have it alone.
    fn message<'a>(&self, choice: &'a Map<String, Value>) -> Option<&'a Map<String, Value>> {
        let named = |name: &str| choice.get(name).and_then(Value::as_object);
        if self.whole {
            named("message").or_else(|| named("delta"))
        } else {
            named("delta").or_else(|| named("message"))
        }
    }

    fn message_events(&mut self, message: &Map<String, Value>, out: &mut Vec<Event>) {
        reasoning(message, out);
        content(message.get("content"), out);
        text(message.get("refusal"), |text| out.push(Event::Refusal(text)));
        text(message.get("audio").and_then(|audio| audio.get("transcript")), |text| out.push(Event::Text(text)));
        for call in message.get("tool_calls").and_then(Value::as_array).into_iter().flatten() {
            self.calls.read(call, &self.answer_id, out);
        }
        if let Some(function) = message.get("function_call").filter(|function| function.is_object()) {
            self.calls.read_function(function, &self.answer_id, out);
        }
        pictures(message.get("images"), out);
        self.sources.read(message, out);
    }
}

fn finish(word: Option<&Value>) -> Option<Finish> {
    match word? {
        Value::String(word) => (!word.is_empty()).then(|| finish_from_word(word)),
        Value::Number(_) => Some(Finish::Other),
        _ => None,
    }
}
