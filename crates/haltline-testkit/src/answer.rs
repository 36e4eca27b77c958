//! The bytes of answers in OpenAI's Chat Completions shape. Rendering only: what is said, and
//! when, is decided in `serve.rs`.

use crate::behaviour::{Report, Shape};
use crate::request::ChatRequest;
use bytes::Bytes;
use haltline_types::Tokens;
use serde_json::{Value, json};

/// Who answers: the constant part of all its documents.
pub(crate) struct Voice<'a> {
    pub(crate) call: u64,
    pub(crate) request: &'a ChatRequest,
    pub(crate) shape: Shape,
}

impl Voice<'_> {
    fn tool(&self) -> Option<&str> {
        match self.shape {
            Shape::Text => None,
            Shape::ToolCall => self.request.tool.as_deref(),
        }
    }

    fn finish_reason(&self, output: Tokens) -> &'static str {
        if self.tool().is_some() {
            "tool_calls"
        } else if self.request.cap == Some(output) {
            "length"
        } else {
            "stop"
        }
    }

    fn document(&self, object: &str, choices: &Value) -> Value {
        json!({
            "id": format!("chatcmpl-fake-{}", self.call),
            "object": object,
            "created": 1_700_000_000,
            "model": self.request.model,
            "choices": choices,
        })
    }

    /// A whole answer, every choice with `output` tokens.
    pub(crate) fn completion(&self, output: Tokens, usage: Option<Value>) -> Bytes {
        let choices: Vec<Value> = (0..self.request.choices)
            .map(|index| {
                let message = match self.tool() {
                    None => json!({"role": "assistant", "content": text(Tokens::ZERO, output), "refusal": null}),
                    Some(name) => {
                        let call = json!({"id": format!("call_fake_{index}"), "type": "function",
                            "function": {"name": name, "arguments": arguments(output)}});
                        json!({"role": "assistant", "content": null, "refusal": null, "tool_calls": [call]})
                    }
                };
                json!({"index": index, "message": message, "logprobs": null,
                    "finish_reason": self.finish_reason(output)})
            })
            .collect();
        let mut document = self.document("chat.completion", &Value::Array(choices));
        if let Some(usage) = usage {
            document["usage"] = usage;
        }
        Bytes::from(document.to_string())
    }

    /// The first event of a choice: its role, or its tool call.
    pub(crate) fn opening(&self, choice: u64) -> Bytes {
        let delta = match self.tool() {
            None => json!({"role": "assistant", "content": ""}),
            Some(name) => {
                let call = json!({"index": 0, "id": format!("call_fake_{choice}"), "type": "function",
                    "function": {"name": name, "arguments": "{\"text\":\""}});
                json!({"role": "assistant", "content": null, "tool_calls": [call]})
            }
        };
        self.event(choice, &delta, None, 0)
    }

    /// An event with the tokens from `from` to `to` of a choice, padded by at least `padding` bytes.
    pub(crate) fn tokens(&self, choice: u64, from: Tokens, to: Tokens, padding: usize) -> Bytes {
        let piece = text(from, to);
        let delta = match self.tool() {
            None => json!({"content": piece}),
            Some(_) => json!({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}),
        };
        self.event(choice, &delta, None, padding)
    }

    /// What ends a choice: for a tool call first the event that makes its arguments whole.
    pub(crate) fn closing(&self, choice: u64, output: Tokens) -> Bytes {
        let last = self.event(choice, &json!({}), Some(self.finish_reason(output)), 0);
        if self.tool().is_none() {
            return last;
        }
        let delta = json!({"tool_calls": [{"index": 0, "function": {"arguments": "\"}"}}]});
        Bytes::from([self.event(choice, &delta, None, 0), last].concat())
    }

    /// The extra event that carries the usage.
    pub(crate) fn usage_event(&self, usage: Value) -> Bytes {
        let mut document = self.document("chat.completion.chunk", &json!([]));
        document["usage"] = usage;
        frame(&document)
    }

    fn event(&self, choice: u64, delta: &Value, finish_reason: Option<&str>, padding: usize) -> Bytes {
        let choices = json!([{"index": choice, "delta": delta, "logprobs": null, "finish_reason": finish_reason}]);
        let mut document = self.document("chat.completion.chunk", &choices);
        if padding > 0 {
            document["obfuscation"] = Value::String("x".repeat(padding));
        }
        frame(&document)
    }
}

/// The last event of a good stream.
pub(crate) const DONE: &str = "data: [DONE]\n\n";

/// An error as an event of a stream.
pub(crate) fn error_frame() -> Bytes {
    frame(&error(500, "The server had an error while processing your request."))
}

/// The body of an error status.
pub(crate) fn error(status: u16, message: &str) -> Value {
    let (kind, code) = match status {
        400 => ("invalid_request_error", Value::Null),
        401 => ("invalid_request_error", json!("invalid_api_key")),
        404 => ("invalid_request_error", json!("not_found")),
        429 => ("requests", json!("rate_limit_exceeded")),
        _ => ("server_error", Value::Null),
    };
    json!({"error": {"message": message, "type": kind, "param": null, "code": code}})
}

/// The usage report for true numbers, or `None` when there is to be none.
pub(crate) fn usage(report: Report, input: Tokens, output: Tokens) -> Option<Value> {
    let scaled = |tokens: Tokens| match report {
        Report::True | Report::Omit => tokens.get(),
        Report::Scaled { num, den } => tokens.get().saturating_mul(num).div_ceil(den.max(1)),
    };
    if report == Report::Omit {
        return None;
    }
    let (input, output) = (scaled(input), scaled(output));
    Some(json!({
        "prompt_tokens": input,
        "completion_tokens": output,
        "total_tokens": input.saturating_add(output),
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }))
}

fn frame(document: &Value) -> Bytes {
    Bytes::from(format!("data: {document}\n\n"))
}

/// One token is one word of four bytes; every eighth says how far the text is.
fn text(from: Tokens, to: Tokens) -> String {
    let mut out = String::new();
    for number in from.get()..to.get() {
        if number.is_multiple_of(8) {
            out.push_str(&format!("{:03} ", number % 1000));
        } else {
            out.push_str("tok ");
        }
    }
    out
}

/// Tool arguments that are JSON when the answer is not streamed.
fn arguments(output: Tokens) -> String {
    json!({"text": text(Tokens::ZERO, output)}).to_string()
}
