//! Ollama's answers as canonical events.
//!
//! Counts: `prompt_eval_count` is all input, `eval_count` all output, thoughts included. Ollama leaves
//! `prompt_eval_count` out when it still had the whole prompt in memory; then no input was read.

use crate::Finish;
use crate::canon::{Answer, Decode, Decoded, Event, Inspect, ReportedUsage, metered};
use crate::chunk::{Chunk, Delta, Malformed, Whole};
use crate::fault::FaultSeed;
use crate::sse;
use haltline_types::{Tokens, Usage};
use serde_json::{Map, Value};

/// Reads one stream. The line that says `done` gives finish, usage and `Event::Done` at once.
#[derive(Clone, Debug, Default)]
pub struct Decoder {
    started: bool,
    calls: u32,
}

impl Decoder {
    /// At the begin of a stream.
    #[must_use]
    pub const fn new() -> Self {
        Self { started: false, calls: 0 }
    }

    fn line(&mut self, data: &[u8], out: &mut Vec<Event>) -> Result<(), Malformed> {
        let line = match serde_json::from_slice(data) {
            Ok(Value::Object(line)) => line,
            Ok(_) => return Err(Malformed { detail: "a line is no JSON object".to_owned() }),
            Err(error) => return Err(Malformed { detail: format!("a line is no JSON: {error}") }),
        };
        if line.contains_key("error") {
            let seed = FaultSeed::read(data).unwrap_or_else(|| FaultSeed::of_text(data));
            out.push(Event::Failed(Box::new(seed)));
            return Ok(());
        }
        let said = line.get("message").and_then(Value::as_object).unwrap_or(&line);
        if !line.contains_key("done") && !line.contains_key("message") && !line.contains_key("response") {
            return Err(Malformed { detail: "a line is no piece of an answer".to_owned() });
        }
        if !self.started {
            self.started = true;
            let model = line.get("model").and_then(Value::as_str).unwrap_or_default().to_owned();
            out.push(Event::Started { id: String::new(), model });
        }
        text(said.get("thinking"), Event::Reasoning, out);
        text(said.get("content"), Event::Text, out);
        text(line.get("response"), Event::Text, out);
        for call in said.get("tool_calls").and_then(Value::as_array).into_iter().flatten() {
            self.call(call, out);
        }
        if line.get("done") == Some(&Value::Bool(true)) {
            self.end(&line, out);
        }
        Ok(())
    }

    fn call(&mut self, call: &Value, out: &mut Vec<Event>) {
        let function = call.get("function").unwrap_or(call);
        let word = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
        let index = self.calls;
        self.calls = self.calls.saturating_add(1);
        let id = match word(call.get("id")) {
            id if id.is_empty() => format!("call_{index}"),
            id => id,
        };
        out.push(Event::Call { index, id, name: word(function.get("name")), signature: None });
        let fragment = match function.get("arguments") {
            None | Some(Value::Null) => return,
            Some(Value::String(text)) => text.clone(),
            Some(arguments) => arguments.to_string(),
        };
        out.push(Event::Arguments { index, fragment });
    }

    fn end(&self, line: &Map<String, Value>, out: &mut Vec<Event>) {
        let reason = match line.get("done_reason").and_then(Value::as_str) {
            Some("stop") | None if self.calls > 0 => Finish::ToolCalls,
            Some("stop") | None => Finish::Stop,
            Some("length") => Finish::Length,
            Some(_) => Finish::Other,
        };
        out.push(Event::Finished { reason, stop_sequence: None });
        if let Some(report) = report(line) {
            out.push(Event::Usage(report));
        }
        out.push(Event::Done);
    }
}

impl Decode for Decoder {
    fn decode(&mut self, event: &sse::Event, out: &mut Vec<Event>) -> Result<(), Malformed> {
        self.line(&event.data, out)
    }
}

/// Meters one stream. There is no `Chunk::Done`: the line with the finish is the last.
#[derive(Clone, Debug, Default)]
pub struct Inspector(Decoder);

impl Inspector {
    /// At the begin of a stream.
    #[must_use]
    pub const fn new() -> Self {
        Self(Decoder::new())
    }
}

impl Inspect for Inspector {
    fn inspect(&mut self, event: &sse::Event) -> Result<Chunk, Malformed> {
        let mut events = Vec::new();
        self.0.line(&event.data, &mut events)?;
        let delta = Delta { only_usage: false, ..metered(&events) };
        Ok(match failure(events) {
            Some(seed) => Chunk::Error { seed, delta },
            None => Chunk::Delta(delta),
        })
    }
}

/// Reads a whole answer.
///
/// # Errors
/// When the body is neither an answer nor an error.
pub fn decode_answer(body: &[u8]) -> Result<Decoded, Malformed> {
    let mut events = Vec::new();
    Decoder::new().line(body, &mut events)?;
    let answer = Answer::of(events.iter().cloned());
    Ok(failure(events).map_or_else(|| Decoded::Answer(Box::new(answer)), Decoded::Failed))
}

/// Meters a whole answer.
///
/// # Errors
/// When the body is neither an answer nor an error.
pub fn inspect_answer(body: &[u8]) -> Result<Whole, Malformed> {
    let mut events = Vec::new();
    Decoder::new().line(body, &mut events)?;
    let delta = Delta { only_usage: false, ..metered(&events) };
    Ok(failure(events).map_or(Whole::Complete(delta), Whole::Error))
}

fn failure(events: Vec<Event>) -> Option<Box<FaultSeed>> {
    events.into_iter().find_map(|event| if let Event::Failed(seed) = event { Some(seed) } else { None })
}

fn text(value: Option<&Value>, event: fn(String) -> Event, out: &mut Vec<Event>) {
    if let Some(text) = value.and_then(Value::as_str).filter(|text| !text.is_empty()) {
        out.push(event(text.to_owned()));
    }
}

fn report(line: &Map<String, Value>) -> Option<ReportedUsage> {
    let (input, output) = (line.get("prompt_eval_count"), line.get("eval_count"));
    if input.is_none() && output.is_none() {
        return None;
    }
    let usage = || {
        let input = Tokens::new(input.map_or(Some(0), Value::as_u64)?);
        let output = Tokens::new(output?.as_u64()?);
        input.checked_add(output)?;
        Some(Usage { input, output, ..Usage::default() })
    };
    Some(usage().map_or(ReportedUsage::Unreadable, ReportedUsage::Read))
}
