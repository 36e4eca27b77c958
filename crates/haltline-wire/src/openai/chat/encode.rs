//! Canonical events and answers as OpenAI's own SDKs expect them.
//!
//! Reasoning stands in `reasoning_content`, sources in `annotations`, pictures in `images` as `data:`
//! URLs, as OpenRouter has them. Proofs of reasoning have no place and are left out.

use super::finish::finish_word;
use crate::Finish;
use crate::assemble::{Resumption, Standing};
use crate::canon::{Answer, Encode, Event, Frame, MediaSource, Part, ReportedUsage};
use crate::compose::Composed;
use crate::openai::{data_url, usage};
use bytes::Bytes;
use haltline_types::{Timestamp, Usage};
use serde_json::{Map, Value, json};

/// What an answer shows beside what the provider said.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Shown {
    /// The id, when the provider gave none: `chatcmpl-…`.
    pub id: String,
    /// The model, when the provider does not name it.
    pub model: String,
    /// When the answer was made; written in seconds.
    pub created: Timestamp,
    /// Did the client ask for the usage chunk of a stream?
    pub include_usage: bool,
}

/// Writes one stream of `chat.completion.chunk` objects, and `[DONE]`.
#[derive(Debug)]
pub struct Encoder {
    pub(super) shown: Shown,
    pub(super) has_role: bool,
    finished: bool,
    done: bool,
    pub(super) calls: Vec<u32>,
    usage: Option<Usage>,
    /// How chunks begin; empty until one is written.
    pub(super) head: String,
}

impl Encoder {
    /// At the begin of a stream.
    #[must_use]
    pub const fn new(shown: Shown) -> Self {
        Self {
            shown,
            has_role: false,
            finished: false,
            done: false,
            calls: Vec::new(),
            usage: None,
            head: String::new(),
        }
    }

    fn delta(&mut self, mut delta: Map<String, Value>, finish: Option<Finish>, out: &mut Vec<Frame>) {
        if !self.has_role {
            self.has_role = true;
            let mut first = Map::new();
            first.insert("role".to_owned(), json!("assistant"));
            first.entry("content").or_insert(if delta.contains_key("tool_calls") { Value::Null } else { json!("") });
            first.append(&mut delta);
            delta = first;
        }
        let choice = json!({
            "index": 0, "delta": delta, "logprobs": null, "finish_reason": finish.map(finish_word),
        });
        self.chunk(&json!([choice]), &Value::Null, out);
    }

    fn chunk(&self, choices: &Value, usage: &Value, out: &mut Vec<Frame>) {
        let mut chunk = head(&self.shown, "chat.completion.chunk");
        chunk.insert("choices".to_owned(), choices.clone());
        if self.shown.include_usage {
            chunk.insert("usage".to_owned(), usage.clone());
        }
        out.push(Frame { event: None, data: Bytes::from(Value::Object(chunk).to_string()) });
    }

    /// A piece of text under `name`: what a stream mostly consists of.
    fn piece(&mut self, name: &str, text: &str, out: &mut Vec<Frame>) {
        if !self.has_role {
            return self.said(name, json!(text), out);
        }
        let end = if self.shown.include_usage {
            "},\"logprobs\":null,\"finish_reason\":null}],\"usage\":null}"
        } else {
            "},\"logprobs\":null,\"finish_reason\":null}]}"
        };
        if self.head.is_empty() {
            let head = Value::Object(head(&self.shown, "chat.completion.chunk")).to_string();
            self.head =
                format!("{},\"choices\":[{{\"index\":0,\"delta\":{{\"", head.strip_suffix('}').unwrap_or(&head));
        }
        let data = Composed::of(&self.head).raw(name).raw("\":").string(text).raw(end);
        out.push(Frame { event: None, data: data.bytes() });
    }

    fn said(&mut self, name: &str, value: Value, out: &mut Vec<Frame>) {
        self.delta(Map::from_iter([(name.to_owned(), value)]), None, out);
    }

    /// Where a call stands among those that were written.
    fn call(&self, index: u32) -> Option<usize> {
        self.calls.iter().rposition(|known| *known == index)
    }

    fn finish(&mut self, reason: Finish, out: &mut Vec<Frame>) {
        if !self.finished {
            self.finished = true;
            self.delta(Map::new(), Some(reason), out);
        }
    }
}

impl Encode for Encoder {
    fn primed(&mut self, from: &Resumption) {
        if let Standing::Chat(told) = &from.place {
            self.go_on(told);
        }
    }

    fn encode(&mut self, event: &Event, out: &mut Vec<Frame>) {
        if self.done {
            return;
        }
        match event {
            Event::Started { id, model } => {
                name(&mut self.shown, id, model);
                self.head.clear();
            }
            Event::Text(text) => self.piece("content", text, out),
            Event::Reasoning(text) => self.piece("reasoning_content", text, out),
            Event::Refusal(text) => self.said("refusal", json!(text), out),
            Event::Call { index, id, name, .. } => {
                let at = self.calls.len();
                self.calls.push(*index);
                let function = json!({"name": name, "arguments": ""});
                self.said(
                    "tool_calls",
                    json!([{"index": at, "id": id, "type": "function", "function": function}]),
                    out,
                );
            }
            Event::Arguments { index, fragment } => {
                if let Some(at) = self.call(*index) {
                    self.said("tool_calls", json!([{"index": at, "function": {"arguments": fragment}}]), out);
                }
            }
            Event::Source { url, title } => self.said("annotations", json!([annotation(url, title.as_deref())]), out),
            Event::File { media_type, data } => self.said("images", json!([image(media_type, data)]), out),
            Event::Usage(ReportedUsage::Read(usage)) => self.usage = Some(*usage),
            Event::Usage(ReportedUsage::Unreadable) => self.usage = None,
            Event::Finished { reason, .. } => self.finish(*reason, out),
            Event::Done => {
                // Clients take an answer without a reason for a broken one.
                self.finish(if self.calls.is_empty() { Finish::Stop } else { Finish::ToolCalls }, out);
                if let Some(usage) = self.usage.filter(|_| self.shown.include_usage) {
                    self.chunk(&json!([]), &usage::write(&usage), out);
                }
                self.done = true;
                out.push(Frame { event: None, data: Bytes::from_static(b"[DONE]") });
            }
            Event::ReasoningSignature(_) | Event::RedactedReasoning(_) | Event::Failed(_) => {}
        }
    }
}

/// A whole answer as a `chat.completion` object.
#[must_use]
pub fn encode_answer(answer: &Answer, shown: &Shown) -> Bytes {
    let mut shown = shown.clone();
    name(&mut shown, &answer.id, &answer.model);
    let calls: Vec<Value> = answer.calls().map(call).collect();
    let text = |text: String| if text.is_empty() { Value::Null } else { Value::String(text) };
    let content = match text(answer.text()) {
        // Only calls and refusals come without content.
        Value::Null if calls.is_empty() && answer.refusal().is_empty() => json!(""),
        content => content,
    };
    let mut message = Map::new();
    message.insert("role".to_owned(), json!("assistant"));
    message.insert("content".to_owned(), content);
    message.insert("refusal".to_owned(), text(answer.refusal()));
    if !answer.reasoning().is_empty() {
        message.insert("reasoning_content".to_owned(), json!(answer.reasoning()));
    }
    let mut list = |name: &str, items: Vec<Value>| {
        if !items.is_empty() {
            message.insert(name.to_owned(), Value::Array(items));
        }
    };
    let has_calls = !calls.is_empty();
    list("tool_calls", calls);
    list("annotations", answer.sources.iter().map(|(url, title)| annotation(url, title.as_deref())).collect());
    list("images", answer.parts.iter().filter_map(picture).collect());
    let finish = answer.finish.unwrap_or(if has_calls { Finish::ToolCalls } else { Finish::Stop });
    let mut body = head(&shown, "chat.completion");
    let choice = json!({"index": 0, "message": message, "logprobs": null, "finish_reason": finish_word(finish)});
    body.insert("choices".to_owned(), json!([choice]));
    if let Some(usage) = &answer.usage {
        body.insert("usage".to_owned(), usage::write(usage));
    }
    Bytes::from(Value::Object(body).to_string())
}

fn name(shown: &mut Shown, id: &str, model: &str) {
    if !id.is_empty() {
        id.clone_into(&mut shown.id);
    }
    if !model.is_empty() {
        model.clone_into(&mut shown.model);
    }
}

fn head(shown: &Shown, object: &str) -> Map<String, Value> {
    let created = shown.created.as_millis().div_euclid(1_000);
    Map::from_iter([
        ("id".to_owned(), json!(shown.id)),
        ("object".to_owned(), json!(object)),
        ("created".to_owned(), json!(created)),
        ("model".to_owned(), json!(shown.model)),
    ])
}

fn call(call: &crate::canon::Call) -> Value {
    json!({"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}})
}

fn annotation(url: &str, title: Option<&str>) -> Value {
    let title = title.unwrap_or_default();
    json!({"type": "url_citation", "url_citation": {"start_index": 0, "end_index": 0, "url": url, "title": title}})
}

fn picture(part: &Part) -> Option<Value> {
    match part {
        Part::Image(media) => match &media.source {
            MediaSource::Base64 { media_type, data } => Some(image(media_type, data)),
            MediaSource::Url(_) | MediaSource::Text(_) => None,
        },
        _ => None,
    }
}

fn image(media_type: &str, data: &str) -> Value {
    json!({"type": "image_url", "image_url": {"url": data_url::join(media_type, data)}})
}
