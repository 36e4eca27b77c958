//! The blocks of a stream, one after the other.
//!
//! Anthropic's clients expect a block to be closed before the next opens. Other dialects may send
//! the arguments of several calls in turns, so what follows a call whose arguments are no whole
//! JSON object yet waits until they are, or until the answer ends.

use crate::canon::Frame;
use crate::compose::Composed;
use bytes::Bytes;
use serde::Serialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use std::collections::VecDeque;

/// A piece of content.
#[derive(Clone, Copy, Debug)]
pub(super) enum Content<'a> {
    Text(&'a str),
    Thinking(&'a str),
    Signature(&'a str),
    Redacted(&'a str),
    Call { call: u32, id: &'a str, name: &'a str },
    Arguments { call: u32, fragment: &'a str },
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    /// The index of the open block, or of the next.
    index: u64,
    open: Option<Open>,
    /// Waits for the open call.
    waiting: VecDeque<Waiting>,
}

/// A block that another attempt left open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OpenKind {
    Text,
    Thinking,
    /// Closed as soon as anything follows.
    Other,
}

#[derive(Debug)]
enum Open {
    Text,
    /// Clients replace the signature with every piece of it, so it is written whole.
    Thinking {
        signature: String,
    },
    Call {
        call: u32,
        arguments: String,
    },
}

#[derive(Debug)]
enum Waiting {
    Text(String),
    Thinking(String),
    Signature(String),
    Redacted(String),
    Call { call: u32, id: String, name: String, arguments: String },
}

impl Blocks {
    /// The client has the blocks before `index`, and this one if it is open.
    pub(super) fn begin_at(&mut self, index: u64, open: Option<OpenKind>) {
        self.index = index;
        self.open = open.map(|open| match open {
            OpenKind::Text => Open::Text,
            OpenKind::Thinking => Open::Thinking { signature: String::new() },
            // No call has this index, and none waits for it.
            OpenKind::Other => Open::Call { call: u32::MAX, arguments: "{}".to_owned() },
        });
    }

    /// Writes `content`, or lets it wait.
    pub(super) fn add(&mut self, content: Content<'_>, out: &mut Vec<Frame>) {
        if let Content::Arguments { call, fragment } = content {
            return self.add_arguments(call, fragment, out);
        }
        let blocked = match &self.open {
            Some(Open::Call { arguments, .. }) => !self.waiting.is_empty() || !is_whole(arguments),
            _ => false,
        };
        if blocked { self.wait(content) } else { self.put(content, out) }
    }

    /// Writes all that waits, and closes the last block.
    pub(super) fn finish(&mut self, out: &mut Vec<Frame>) {
        while let Some(next) = self.waiting.pop_front() {
            self.put_waiting(&next, out);
        }
        self.close(out);
    }

    fn add_arguments(&mut self, of: u32, fragment: &str, out: &mut Vec<Frame>) {
        if let Some(Open::Call { call, arguments }) = &mut self.open
            && *call == of
        {
            arguments.push_str(fragment);
            let whole = !self.waiting.is_empty() && is_whole(arguments);
            self.piece("input_json_delta\",\"partial_json", fragment, out);
            if whole {
                self.go_on(out);
            }
            return;
        }
        for waiting in self.waiting.iter_mut().rev() {
            if let Waiting::Call { call, arguments, .. } = waiting
                && *call == of
            {
                arguments.push_str(fragment);
                return;
            }
        }
    }

    /// The open call is whole: what waited is written, up to the next call that is not.
    fn go_on(&mut self, out: &mut Vec<Frame>) {
        while let Some(next) = self.waiting.pop_front() {
            self.put_waiting(&next, out);
            if let Some(Open::Call { arguments, .. }) = &self.open
                && !is_whole(arguments)
            {
                return;
            }
        }
    }

    fn wait(&mut self, content: Content<'_>) {
        match (content, self.waiting.back_mut()) {
            (Content::Text(more), Some(Waiting::Text(text)))
            | (Content::Thinking(more), Some(Waiting::Thinking(text)))
            | (Content::Signature(more), Some(Waiting::Signature(text))) => text.push_str(more),
            (Content::Text(text), _) => self.waiting.push_back(Waiting::Text(text.to_owned())),
            (Content::Thinking(text), _) => self.waiting.push_back(Waiting::Thinking(text.to_owned())),
            (Content::Signature(text), _) => self.waiting.push_back(Waiting::Signature(text.to_owned())),
            (Content::Redacted(data), _) => self.waiting.push_back(Waiting::Redacted(data.to_owned())),
            (Content::Call { call, id, name }, _) => {
                let (id, name, arguments) = (id.to_owned(), name.to_owned(), String::new());
                self.waiting.push_back(Waiting::Call { call, id, name, arguments });
            }
            (Content::Arguments { .. }, _) => {}
        }
    }

    fn put_waiting(&mut self, waiting: &Waiting, out: &mut Vec<Frame>) {
        match waiting {
            Waiting::Text(text) => self.put(Content::Text(text), out),
            Waiting::Thinking(text) => self.put(Content::Thinking(text), out),
            Waiting::Signature(text) => self.put(Content::Signature(text), out),
            Waiting::Redacted(data) => self.put(Content::Redacted(data), out),
            Waiting::Call { call, id, name, arguments } => {
                self.put(Content::Call { call: *call, id, name }, out);
                if !arguments.is_empty() {
                    self.add_arguments(*call, arguments, out);
                }
            }
        }
    }

    fn put(&mut self, content: Content<'_>, out: &mut Vec<Frame>) {
        match content {
            Content::Text(text) => {
                if !matches!(self.open, Some(Open::Text)) {
                    self.begin(&json!({"type": "text", "text": ""}), Some(Open::Text), out);
                }
                self.piece("text_delta\",\"text", text, out);
            }
            Content::Thinking(text) => {
                // Thinking after a signature is a block of its own.
                if !matches!(&self.open, Some(Open::Thinking { signature }) if signature.is_empty()) {
                    self.begin_thinking(out);
                }
                self.piece("thinking_delta\",\"thinking", text, out);
            }
            Content::Signature(more) => {
                if !matches!(self.open, Some(Open::Thinking { .. })) {
                    self.begin_thinking(out);
                }
                if let Some(Open::Thinking { signature }) = &mut self.open {
                    signature.push_str(more);
                }
            }
            Content::Redacted(data) => {
                self.begin(&json!({"type": "redacted_thinking", "data": data}), None, out);
                self.end(out);
            }
            Content::Call { call, id, name } => {
                let block = json!({"type": "tool_use", "id": id, "name": name, "input": {}});
                self.begin(&block, Some(Open::Call { call, arguments: String::new() }), out);
            }
            Content::Arguments { .. } => {}
        }
    }

    fn begin_thinking(&mut self, out: &mut Vec<Frame>) {
        let block = json!({"type": "thinking", "thinking": "", "signature": ""});
        self.begin(&block, Some(Open::Thinking { signature: String::new() }), out);
    }

    fn begin(&mut self, block: &Value, open: Option<Open>, out: &mut Vec<Frame>) {
        self.close(out);
        let data = json!({"type": "content_block_start", "index": self.index, "content_block": block});
        out.push(frame("content_block_start", &data));
        self.open = open;
    }

    fn change(&self, delta: &Value, out: &mut Vec<Frame>) {
        let data = json!({"type": "content_block_delta", "index": self.index, "delta": delta});
        out.push(frame("content_block_delta", &data));
    }

    /// A change whose type and member are `names`, as they stand in JSON: what a stream mostly
    /// consists of.
    fn piece(&self, names: &str, text: &str, out: &mut Vec<Frame>) {
        let data = Composed::of("{\"type\":\"content_block_delta\",\"index\":").number(self.index);
        let data = data.raw(",\"delta\":{\"type\":\"").raw(names).raw("\":").string(text).raw("}}");
        out.push(Frame { event: Some("content_block_delta"), data: data.bytes() });
    }

    fn close(&mut self, out: &mut Vec<Frame>) {
        let Some(open) = self.open.take() else { return };
        if let Open::Thinking { signature } = open
            && !signature.is_empty()
        {
            self.change(&json!({"type": "signature_delta", "signature": signature}), out);
        }
        self.end(out);
    }

    fn end(&mut self, out: &mut Vec<Frame>) {
        out.push(frame("content_block_stop", &json!({"type": "content_block_stop", "index": self.index})));
        self.index += 1;
    }
}

/// Nothing can follow in the arguments of a call that are a whole object.
fn is_whole(arguments: &str) -> bool {
    arguments.trim_start().starts_with('{') && serde_json::from_str::<IgnoredAny>(arguments).is_ok()
}

/// A frame whose event is called like its `type`.
pub(super) fn frame(event: &'static str, data: &impl Serialize) -> Frame {
    // Only maps with keys that are no strings fail, and there are none.
    Frame { event: Some(event), data: Bytes::from(serde_json::to_vec(data).unwrap_or_default()) }
}
