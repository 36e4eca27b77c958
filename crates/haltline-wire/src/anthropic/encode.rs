//! From canonical events to a stream as Anthropic's own SDKs read it.
//!
//! Sources and files have no place in this dialect outside Anthropic's own tools: they are left
//! out. `ping` is not written: whoever holds the stream keeps it alive.

use super::queue::{Blocks, Content, frame};
use super::stop::stop_word_for;
use super::usage::Written;
use crate::Finish;
use crate::assemble::{Resumption, Standing};
use crate::canon::{Encode, Event, Frame, ReportedUsage};
use haltline_types::Usage;
use serde_json::json;

/// Writes a stream of this dialect.
///
/// `message_start` goes out with the first event, blocks as they come, and `message_delta`, with
/// the stop reason and the last usage that was seen, together with `message_stop` on `Event::Done`.
#[derive(Debug)]
pub struct Encoder {
    pub(super) id: String,
    pub(super) model: String,
    pub(super) started: bool,
    pub(super) blocks: Blocks,
    has_calls: bool,
    has_refusal: bool,
    usage: Option<Usage>,
    finish: Option<Finish>,
    stop_sequence: Option<String>,
    done: bool,
}

impl Encoder {
    /// `id` names the answer when the provider does not; `model` is shown to the client, or, when
    /// it is empty, what the provider says.
    #[must_use]
    pub fn new(id: impl Into<String>, model: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            model: model.into(),
            started: false,
            blocks: Blocks::default(),
            has_calls: false,
            has_refusal: false,
            usage: None,
            finish: None,
            stop_sequence: None,
            done: false,
        }
    }

    fn start(&mut self, id: &str, model: &str, out: &mut Vec<Frame>) {
        if std::mem::replace(&mut self.started, true) {
            return;
        }
        if !id.is_empty() {
            id.clone_into(&mut self.id);
        }
        self.id = message_id(&self.id);
        if self.model.is_empty() {
            model.clone_into(&mut self.model);
        }
        let message = json!({
            "id": self.id,
            "type": "message",
            "role": "assistant",
            "model": self.model,
            "content": [],
            "stop_reason": null,
            "stop_sequence": null,
            "usage": Written::of(self.usage),
        });
        out.push(frame("message_start", &json!({"type": "message_start", "message": message})));
    }

    fn put(&mut self, content: Content<'_>, out: &mut Vec<Frame>) {
        self.start("", "", out);
        self.blocks.add(content, out);
    }

    fn end(&mut self, out: &mut Vec<Frame>) {
        if std::mem::replace(&mut self.done, true) {
            return;
        }
        self.start("", "", out);
        self.blocks.finish(out);
        let word = stop_word_for(self.finish, self.has_calls, self.has_refusal);
        let data = json!({
            "type": "message_delta",
            "delta": {"stop_reason": word, "stop_sequence": self.stop_sequence},
            "usage": Written::of(self.usage),
        });
        out.push(frame("message_delta", &data));
        out.push(frame("message_stop", &json!({"type": "message_stop"})));
    }
}

impl Encode for Encoder {
    fn primed(&mut self, from: &Resumption) {
        if let Standing::Messages(told) = &from.place {
            self.go_on(told);
        }
    }

    fn encode(&mut self, event: &Event, out: &mut Vec<Frame>) {
        if self.done {
            return;
        }
        match event {
            Event::Started { id, model } => self.start(id, model, out),
            Event::Text(text) if !text.is_empty() => self.put(Content::Text(text), out),
            Event::Refusal(text) if !text.is_empty() => {
                self.has_refusal = true;
                self.put(Content::Text(text), out);
            }
            Event::Reasoning(text) if !text.is_empty() => self.put(Content::Thinking(text), out),
            Event::ReasoningSignature(text) if !text.is_empty() => self.put(Content::Signature(text), out),
            Event::RedactedReasoning(data) => self.put(Content::Redacted(data), out),
            Event::Call { index, id, name, .. } => {
                self.has_calls = true;
                self.start("", "", out);
                let id = call_id(id, &self.id, *index);
                self.put(Content::Call { call: *index, id: &id, name }, out);
            }
            Event::Arguments { index, fragment } if !fragment.is_empty() => {
                self.put(Content::Arguments { call: *index, fragment }, out);
            }
            Event::Usage(ReportedUsage::Read(usage)) => self.usage = Some(*usage),
            Event::Usage(ReportedUsage::Unreadable) => self.usage = None,
            Event::Finished { reason, stop_sequence } => {
                self.start("", "", out);
                self.blocks.finish(out);
                self.finish = self.finish.or(Some(*reason));
                self.stop_sequence = self.stop_sequence.take().or_else(|| stop_sequence.clone());
            }
            Event::Done => self.end(out),
            Event::Text(_)
            | Event::Refusal(_)
            | Event::Reasoning(_)
            | Event::ReasoningSignature(_)
            | Event::Arguments { .. }
            | Event::Source { .. }
            | Event::File { .. }
            | Event::Failed(_) => {}
        }
    }
}

/// The answer's id with Anthropic's prefix.
pub(super) fn message_id(id: &str) -> String {
    if id.starts_with("msg_") { id.to_owned() } else { format!("msg_{id}") }
}

/// The call's id; one that no other call has, where the provider gave none.
pub(super) fn call_id(id: &str, message: &str, index: u32) -> String {
    if id.is_empty() { format!("toolu_{}_{index}", message.trim_start_matches("msg_")) } else { id.to_owned() }
}
