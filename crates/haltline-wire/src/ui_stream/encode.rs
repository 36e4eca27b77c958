//! Canonical events as chunks of the UI message stream. One step, as one call of the gateway is one
//! call of a model.

use super::blocks::{Blocks, Kind, chunk};
use crate::Finish;
use crate::assemble::{Resumption, Standing};
use crate::canon::{Encode, Event, Frame, ReportedUsage};
use bytes::Bytes;
use haltline_types::{NanoUsd, Usage};
use serde_json::{Map, Value, json};

/// What a message shows beside what the provider said.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Shown {
    /// The message's id. A stream that is played again must have the same.
    pub message_id: String,
    /// The trace id, for the message's metadata; empty for none.
    pub trace_id: String,
}

/// Writes one stream: `start`, `start-step`, the parts, `finish-step`, `finish`, `[DONE]`.
#[derive(Debug)]
pub struct Encoder {
    pub(super) shown: Shown,
    pub(super) begun: bool,
    ended: bool,
    /// No step is open: one begins with whatever is said next.
    pub(super) between_steps: bool,
    pub(super) blocks: Blocks,
    pub(super) sources: u64,
    finish: Option<Finish>,
    usage: Option<Usage>,
    cost: Option<NanoUsd>,
}

impl Encoder {
    /// At the begin of a stream.
    #[must_use]
    pub fn new(shown: Shown) -> Self {
        Self {
            shown,
            begun: false,
            ended: false,
            between_steps: false,
            blocks: Blocks::default(),
            sources: 0,
            finish: None,
            usage: None,
            cost: None,
        }
    }

    /// Writes `start` and `start-step`, if they are not written: with them a page shows that an
    /// answer is on its way, long before the first token.
    pub fn begin(&mut self, out: &mut Vec<Frame>) {
        if self.begun || self.ended {
            return;
        }
        self.begun = true;
        let mut start = json!({"type": "start", "messageId": self.shown.message_id});
        let metadata = self.metadata();
        if !metadata.is_empty() {
            start["messageMetadata"] = Value::Object(metadata);
        }
        chunk(&start, out);
        chunk(&json!({"type": "start-step"}), out);
    }

    /// Ends the stream with an error that the page shows: `text` is one sentence for the user.
    /// Tool calls whose arguments did not arrive are not told.
    pub fn error(&mut self, text: &str, out: &mut Vec<Frame>) {
        self.broken(&json!({"type": "error", "errorText": text}), out);
    }

    /// Ends the stream because the user stopped it. What was written stays.
    pub fn abort(&mut self, out: &mut Vec<Frame>) {
        self.broken(&json!({"type": "abort"}), out);
    }

    fn broken(&mut self, last: &Value, out: &mut Vec<Frame>) {
        if self.ended {
            return;
        }
        self.begin(out);
        self.blocks.close(out);
        let metadata = self.metadata();
        if !metadata.is_empty() {
            chunk(&json!({"type": "message-metadata", "messageMetadata": metadata}), out);
        }
        chunk(last, out);
        self.end(out);
    }

    fn end(&mut self, out: &mut Vec<Frame>) {
        self.ended = true;
        out.push(Frame { event: None, data: Bytes::from_static(b"[DONE]") });
    }

    /// What is known so far; the client merges what comes later into it.
    fn metadata(&self) -> Map<String, Value> {
        let mut metadata = Map::new();
        if !self.shown.trace_id.is_empty() {
            metadata.insert("traceId".to_owned(), json!(self.shown.trace_id));
        }
        if let Some(usage) = &self.usage {
            // The names of the AI SDK's own usage.
            let usage = json!({
                "inputTokens": usage.input.get(),
                "outputTokens": usage.output.get(),
                "totalTokens": usage.total().map(haltline_types::Tokens::get),
                "reasoningTokens": usage.reasoning.get(),
                "cachedInputTokens": usage.cached_input.get(),
            });
            metadata.insert("usage".to_owned(), usage);
        }
        if let Some(cost) = self.cost {
            metadata.insert("cost".to_owned(), json!(cost.to_decimal()));
        }
        metadata
    }
}

impl Encode for Encoder {
    fn primed(&mut self, from: &Resumption) {
        if let Standing::Ui(told) = &from.place {
            self.go_on(told);
        }
    }

    fn priced(&mut self, cost: NanoUsd) {
        self.cost = Some(cost);
    }

    fn resume(&mut self) {
        self.begun = true;
    }

    fn encode(&mut self, event: &Event, out: &mut Vec<Frame>) {
        if self.ended || matches!(event, Event::Failed(_)) {
            return;
        }
        self.begin(out);
        let says_nothing =
            matches!(event, Event::Started { .. } | Event::Usage(_) | Event::Finished { .. } | Event::Done);
        if self.between_steps && !says_nothing {
            self.between_steps = false;
            chunk(&json!({"type": "start-step"}), out);
        }
        match event {
            // The protocol has no words for a refusal: the page shows it as what was said.
            Event::Text(text) | Event::Refusal(text) => self.blocks.delta(Kind::Text, text, out),
            Event::Reasoning(text) => self.blocks.delta(Kind::Reasoning, text, out),
            Event::ReasoningSignature(proof) => self.blocks.proof("signature", proof, out),
            Event::RedactedReasoning(data) => {
                self.blocks.close(out);
                self.blocks.proof("redacted", data, out);
            }
            Event::Call { index, id, name, .. } => self.blocks.call(*index, id, name, out),
            Event::Arguments { index, fragment } => self.blocks.arguments(*index, fragment, out),
            Event::Source { url, title } => {
                self.sources += 1;
                let mut source =
                    json!({"type": "source-url", "sourceId": format!("source-{}", self.sources), "url": url});
                if let Some(title) = title {
                    source["title"] = json!(title);
                }
                chunk(&source, out);
            }
            Event::File { media_type, data } => {
                self.blocks.close(out);
                let url = format!("data:{media_type};base64,{data}");
                chunk(&json!({"type": "file", "url": url, "mediaType": media_type}), out);
            }
            Event::Usage(ReportedUsage::Read(usage)) => self.usage = Some(*usage),
            Event::Usage(ReportedUsage::Unreadable) => self.usage = None,
            Event::Finished { reason, .. } => {
                self.blocks.finish(out);
                self.finish = self.finish.or(Some(*reason));
            }
            Event::Done => {
                self.blocks.finish(out);
                let finish =
                    self.finish.unwrap_or(if self.blocks.has_calls() { Finish::ToolCalls } else { Finish::Stop });
                if !self.between_steps {
                    chunk(&json!({"type": "finish-step"}), out);
                }
                let mut last = json!({"type": "finish", "finishReason": word(finish)});
                let metadata = self.metadata();
                if !metadata.is_empty() {
                    last["messageMetadata"] = Value::Object(metadata);
                }
                chunk(&last, out);
                self.end(out);
            }
            Event::Started { .. } | Event::Failed(_) => {}
        }
    }
}

/// A `data-<name>` part of the message; one of the same id replaces an earlier one.
#[must_use]
pub fn data_frame(name: &str, id: Option<&str>, data: &Value) -> Frame {
    let mut value = json!({"type": format!("data-{name}"), "data": data});
    if let Some(id) = id {
        value["id"] = json!(id);
    }
    Frame { event: None, data: Bytes::from(value.to_string()) }
}

/// A `data-<name>` that a page sees once (`onData`) and that never becomes part of the message:
/// news of waiting, of another provider.
#[must_use]
pub fn transient_frame(name: &str, data: &Value) -> Frame {
    let value = json!({"type": format!("data-{name}"), "data": data, "transient": true});
    Frame { event: None, data: Bytes::from(value.to_string()) }
}

/// The words that versions 5, 6 and 7 have in common.
const fn word(finish: Finish) -> &'static str {
    match finish {
        Finish::Stop | Finish::StopSequence | Finish::Pause => "stop",
        Finish::Length => "length",
        Finish::ToolCalls | Finish::FunctionCall => "tool-calls",
        Finish::ContentFilter | Finish::Refusal => "content-filter",
        Finish::Error => "error",
        Finish::Other => "other",
    }
}
