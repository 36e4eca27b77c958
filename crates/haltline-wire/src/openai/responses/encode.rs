//! Canonical events as a stream, and a canonical answer as a response object, as OpenAI's own SDKs
//! expect them.
//!
//! What a Responses client cannot be told: Google's signatures of calls, and which stop sequence
//! was met.

use super::echo::{Shown, usage as usage_json};
use super::encode_frames::{failure, frame};
use super::encode_items::{Message, Open, OpenCall, Part, Reasoning, add_to_last_text, citation, summary};
use super::{FOREIGN_REASONING, WITHHELD};
use crate::Finish;
use crate::assemble::{Resumption, Standing};
use crate::canon::{Answer, Encode, Event, Frame, ReportedUsage};
use crate::compose::Composed;
use bytes::Bytes;
use haltline_types::Usage;
use serde_json::{Value, json};

/// Writes one stream. `sequence_number` counts from 0 without gaps.
pub struct Encoder {
    pub(super) shown: Shown,
    pub(super) custom: Vec<String>,
    /// As the provider names it.
    pub(super) model: String,
    pub(super) number: u64,
    pub(super) begun: bool,
    ended: bool,
    /// By place; null while an item is open.
    pub(super) output: Vec<Value>,
    pub(super) open: Open,
    pub(super) calls: Vec<OpenCall>,
    usage: Option<Usage>,
    finish: Option<Finish>,
}

impl Encoder {
    /// For one stream that shows what `shown` says.
    #[must_use]
    pub fn new(shown: Shown) -> Self {
        let custom = shown.custom_tools();
        Self {
            shown,
            custom,
            model: String::new(),
            number: 0,
            begun: false,
            ended: false,
            output: Vec::new(),
            open: Open::None,
            calls: Vec::new(),
            usage: None,
            finish: None,
        }
    }

    /// Ends the stream with an error: an `error` event and `response.failed`, as OpenAI sends
    /// them. `error` is the error object with `type`, `code`, `message` and `param`.
    pub fn fail(&mut self, error: &Value, out: &mut Vec<Frame>) {
        if self.ended {
            return;
        }
        self.begin(out);
        self.ended = true;
        let mut response = self.shown.response(&self.model, "failed");
        let output = self.output.iter().filter(|item| !item.is_null()).cloned().collect();
        response.insert("output".to_owned(), Value::Array(output));
        out.extend(failure(response, self.number, error));
        self.number += 2;
    }

    /// The response object as it stands: after `Event::Done` the whole.
    #[must_use]
    pub fn response(&self) -> Value {
        let status = match self.finish {
            _ if !self.ended => "in_progress",
            Some(Finish::Length | Finish::ContentFilter | Finish::Refusal) => "incomplete",
            Some(Finish::Error) => "failed",
            _ => "completed",
        };
        let mut response = self.shown.response(&self.model, status);
        let mut set = |name: &str, value: Value| {
            response.insert(name.to_owned(), value);
        };
        set("output", Value::Array(self.output.iter().filter(|item| !item.is_null()).cloned().collect()));
        if self.ended {
            set("usage", self.usage.as_ref().map_or(Value::Null, usage_json));
            match self.finish {
                Some(Finish::Length) => set("incomplete_details", json!({ "reason": "max_output_tokens" })),
                Some(Finish::ContentFilter | Finish::Refusal) => {
                    set("incomplete_details", json!({ "reason": "content_filter" }));
                }
                Some(Finish::Error) => {
                    set("error", json!({ "code": "server_error", "message": "The provider failed." }));
                }
                _ => {}
            }
        }
        Value::Object(response)
    }

    fn begin(&mut self, out: &mut Vec<Frame>) {
        if self.begun {
            return;
        }
        self.begun = true;
        let response = self.response();
        self.say("response.created", json!({ "response": response }), out);
        self.say("response.in_progress", json!({ "response": response }), out);
    }

    pub(super) fn say(&mut self, kind: &'static str, fields: Value, out: &mut Vec<Frame>) {
        out.push(frame(kind, self.number, fields));
        self.number += 1;
    }

    /// The place and id of a new item.
    pub(super) fn place(&mut self, prefix: &str) -> (usize, String) {
        let place = self.output.len();
        self.output.push(Value::Null);
        (place, format!("{prefix}{}_{place}", self.shown.suffix()))
    }

    fn text(&mut self, words: &str, refusal: bool, out: &mut Vec<Frame>) {
        if words.is_empty() {
            return;
        }
        self.open_part(refusal, out);
        let Open::Message(message) = &mut self.open else { return };
        let Some(part) = &mut message.part else { return };
        part.text.push_str(words);
        let (kind, end) =
            if refusal { ("response.refusal.delta", "}") } else { ("response.output_text.delta", ",\"logprobs\":[]}") };
        let data = Composed::of("{\"type\":\"").raw(kind).raw("\",\"sequence_number\":").number(self.number);
        let data = data.raw(",\"item_id\":").string(&message.id).raw(",\"output_index\":").size(message.place);
        let data = data.raw(",\"content_index\":").size(message.parts.len()).raw(",\"delta\":").string(words).raw(end);
        self.number += 1;
        out.push(Frame { event: Some(kind), data: data.bytes() });
    }

    /// Opens a message and a part of it, unless they are open.
    fn open_part(&mut self, refusal: bool, out: &mut Vec<Frame>) {
        if let Open::Message(Message { part: Some(part), .. }) = &self.open
            && part.refusal == refusal
            && !part.told
        {
            return;
        }
        if let Open::Message(_) = &self.open {
            self.close_part(out);
        } else {
            self.close_open(out);
            self.close_whole_calls(out);
            let (place, id) = self.place("msg_");
            let message = Message { place, id, parts: Vec::new(), part: None };
            let item = message.json("in_progress");
            self.open = Open::Message(message);
            self.say("response.output_item.added", json!({ "output_index": place, "item": item }), out);
        }
        let Open::Message(message) = &mut self.open else { return };
        let part = Part { refusal, text: String::new(), annotations: Vec::new(), told: false };
        let fields = json!({
            "item_id": message.id,
            "output_index": message.place,
            "content_index": message.parts.len(),
            "part": part.json(),
        });
        message.part = Some(part);
        self.say("response.content_part.added", fields, out);
    }

    fn close_part(&mut self, out: &mut Vec<Frame>) {
        let Open::Message(message) = &mut self.open else { return };
        let Some(part) = message.part.take() else { return };
        let mut fields = json!({
            "item_id": message.id,
            "output_index": message.place,
            "content_index": message.parts.len(),
        });
        let closed = part.json();
        message.parts.push(closed.clone());
        let mut done = fields.clone();
        if let (Some(fields), Some(done)) = (fields.as_object_mut(), done.as_object_mut()) {
            fields.insert("part".to_owned(), closed);
            done.insert(if part.refusal { "refusal" } else { "text" }.to_owned(), json!(part.text));
            if !part.refusal {
                done.insert("logprobs".to_owned(), json!([]));
            }
        }
        if !part.told {
            self.say(if part.refusal { "response.refusal.done" } else { "response.output_text.done" }, done, out);
        }
        self.say("response.content_part.done", fields, out);
    }

    /// A source belongs to the text that is open, or else to the last one: then only the final
    /// object shows it.
    fn source(&mut self, url: &str, title: Option<&str>, out: &mut Vec<Frame>) {
        let is_open = matches!(&self.open, Open::Message(Message { part: Some(part), .. }) if !part.refusal);
        if !is_open && add_to_last_text(&mut self.output, url, title) {
            return;
        }
        self.open_part(false, out);
        let Open::Message(message) = &mut self.open else { return };
        let Some(part) = &mut message.part else { return };
        let annotation = citation(&part.text, url, title);
        let fields = json!({
            "item_id": message.id,
            "output_index": message.place,
            "content_index": message.parts.len(),
            "annotation_index": part.annotations.len(),
            "annotation": annotation,
        });
        part.annotations.push(annotation);
        self.say("response.output_text.annotation.added", fields, out);
    }

    fn open_reasoning(&mut self, out: &mut Vec<Frame>) {
        if matches!(&self.open, Open::Reasoning(reasoning) if reasoning.sealed.is_none()) {
            return;
        }
        self.close_open(out);
        self.close_whole_calls(out);
        let (place, id) = self.place(FOREIGN_REASONING);
        let item = json!({ "id": id, "type": "reasoning", "status": "in_progress", "summary": [] });
        self.open = Open::Reasoning(Reasoning { place, id, text: String::new(), part_open: false, sealed: None });
        self.say("response.output_item.added", json!({ "output_index": place, "item": item }), out);
    }

    fn reasoning(&mut self, words: &str, out: &mut Vec<Frame>) {
        self.open_reasoning(out);
        let Open::Reasoning(reasoning) = &mut self.open else { return };
        if words.is_empty() {
            return;
        }
        let (place, id) = (reasoning.place, reasoning.id.clone());
        let announce = !std::mem::replace(&mut reasoning.part_open, true);
        reasoning.text.push_str(words);
        let about =
            |name: &str, value: Value| json!({ "item_id": id, "output_index": place, "summary_index": 0, name: value });
        if announce {
            self.say("response.reasoning_summary_part.added", about("part", summary("")), out);
        }
        self.say("response.reasoning_summary_text.delta", about("delta", json!(words)), out);
    }

    fn seal(&mut self, sealed: &str, out: &mut Vec<Frame>) {
        // More of a seal belongs to the item that it began.
        if let Open::Reasoning(Reasoning { sealed: Some(known), .. }) = &mut self.open
            && !known.starts_with(WITHHELD)
        {
            known.push_str(sealed);
            return;
        }
        self.open_reasoning(out);
        if let Open::Reasoning(reasoning) = &mut self.open {
            reasoning.sealed = Some(sealed.to_owned());
        }
    }

    fn withhold(&mut self, data: &str, out: &mut Vec<Frame>) {
        self.close_open(out);
        self.open_reasoning(out);
        if let Open::Reasoning(reasoning) = &mut self.open {
            reasoning.sealed = Some(format!("{WITHHELD}{data}"));
        }
        self.close_open(out);
    }

    /// Closes the message or reasoning item that is open.
    pub(super) fn close_open(&mut self, out: &mut Vec<Frame>) {
        self.close_part(out);
        let (place, item) = match std::mem::replace(&mut self.open, Open::None) {
            Open::None => return,
            Open::Message(message) => (message.place, message.json("completed")),
            Open::Reasoning(reasoning) => {
                let about = |name: &str, value: Value| {
                    json!({
                        "item_id": reasoning.id,
                        "output_index": reasoning.place,
                        "summary_index": 0,
                        name: value,
                    })
                };
                if reasoning.part_open {
                    let text = json!(reasoning.text);
                    self.say("response.reasoning_summary_text.done", about("text", text), out);
                    let part = summary(&reasoning.text);
                    self.say("response.reasoning_summary_part.done", about("part", part), out);
                }
                (reasoning.place, reasoning.json("completed"))
            }
        };
        self.close_item(place, item, out);
    }

    pub(super) fn close_item(&mut self, place: usize, item: Value, out: &mut Vec<Frame>) {
        self.say("response.output_item.done", json!({ "output_index": place, "item": item }), out);
        if let Some(slot) = self.output.get_mut(place) {
            *slot = item;
        }
    }

    fn end(&mut self, out: &mut Vec<Frame>) {
        self.close_open(out);
        for mut call in std::mem::take(&mut self.calls) {
            if call.arguments.is_empty() && !call.custom {
                "{}".clone_into(&mut call.arguments);
            }
            self.close_call(&call, out);
        }
        self.ended = true;
        let kind = match self.finish {
            Some(Finish::Length | Finish::ContentFilter | Finish::Refusal) => "response.incomplete",
            Some(Finish::Error) => "response.failed",
            _ => "response.completed",
        };
        let response = self.response();
        self.say(kind, json!({ "response": response }), out);
    }
}

impl Encode for Encoder {
    fn primed(&mut self, from: &Resumption) {
        if let Standing::Responses(told) = &from.place {
            self.go_on(told);
        }
    }

    fn encode(&mut self, event: &Event, out: &mut Vec<Frame>) {
        if self.ended {
            return;
        }
        if let Event::Started { model, .. } = event {
            self.model.clone_from(model);
        }
        if !matches!(event, Event::Failed(_)) {
            self.begin(out);
        }
        match event {
            Event::Started { .. } | Event::Failed(_) => {}
            Event::Text(words) => self.text(words, false, out),
            Event::Refusal(words) => self.text(words, true, out),
            Event::Reasoning(words) => self.reasoning(words, out),
            Event::ReasoningSignature(sealed) => self.seal(sealed, out),
            Event::RedactedReasoning(data) => self.withhold(data, out),
            Event::Call { index, id, name, .. } => self.call(*index, id, name, out),
            Event::Arguments { index, fragment } => self.arguments(*index, fragment, out),
            Event::Source { url, title } => self.source(url, title.as_deref(), out),
            Event::File { media_type, data } => self.file(media_type, data, out),
            Event::Usage(ReportedUsage::Read(usage)) => self.usage = Some(*usage),
            Event::Usage(ReportedUsage::Unreadable) => self.usage = None,
            Event::Finished { reason, .. } => self.finish = self.finish.or(Some(*reason)),
            Event::Done => self.end(out),
        }
    }
}

/// A whole answer as a response object.
#[must_use]
pub fn encode_answer(answer: &Answer, shown: Shown) -> Bytes {
    let mut encoder = Encoder::new(shown);
    // The frames are not wanted, only what they add up to.
    let mut frames = Vec::new();
    for event in answer.events() {
        encoder.encode(&event, &mut frames);
        frames.clear();
    }
    encoder.encode(&Event::Done, &mut frames);
    Bytes::from(serde_json::to_vec(&encoder.response()).unwrap_or_default())
}
