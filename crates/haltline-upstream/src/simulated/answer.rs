//! The bytes of the simulated model's answers, whole or as a stream of events.

use super::bill::Till;
use super::request::ChatRequest;
use bytes::Bytes;
use futures_util::Stream;
use haltline_types::{AttemptId, Fault, Tokens};
use serde_json::{Value, json};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep};

/// What it says, over and over: one piece is one token.
const TOKENS: [&str; 20] = [
    "This",
    " answer",
    " was",
    " made",
    " up",
    " by",
    " a",
    " simulated",
    " model",
    ".",
    " Nobody",
    " thought",
    " about",
    " it",
    ",",
    " but",
    " its",
    " tokens",
    " count",
    ". ",
];

/// How long an answer is and how it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Generation {
    /// Tokens of each choice.
    length: u64,
    choices: u32,
    finish_reason: &'static str,
    input: Tokens,
}

impl Generation {
    pub(super) fn plan(request: &ChatRequest, wanted: Tokens) -> Self {
        let (length, finish_reason) = match request.cap {
            Some(cap) if cap < wanted => (cap, "length"),
            _ => (wanted, "stop"),
        };
        Self { length: length.get(), choices: request.choices, finish_reason, input: request.input }
    }

    /// Tokens of all choices.
    pub(super) fn output(&self) -> Tokens {
        Tokens::new(self.length.saturating_mul(u64::from(self.choices)))
    }

    fn usage(&self) -> Value {
        let (input, output) = (self.input.get(), self.output().get());
        json!({
            "prompt_tokens": input,
            "completion_tokens": output,
            "total_tokens": input.saturating_add(output),
            "prompt_tokens_details": { "cached_tokens": 0, "audio_tokens": 0 },
            "completion_tokens_details": {
                "reasoning_tokens": 0,
                "audio_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        })
    }

    /// The whole answer as one JSON object.
    pub(super) fn whole(&self, attempt: AttemptId, request: &ChatRequest) -> Vec<u8> {
        let text: String = (0..self.length).map(token).collect();
        let choices: Vec<Value> = (0..self.choices)
            .map(|index| {
                json!({
                    "index": index,
                    "message": { "role": "assistant", "content": text, "refusal": null },
                    "logprobs": null,
                    "finish_reason": self.finish_reason,
                })
            })
            .collect();
        json!({
            "id": id(attempt),
            "object": "chat.completion",
            "created": created(attempt),
            "model": request.model,
            "choices": choices,
            "usage": self.usage(),
            "service_tier": "default",
        })
        .to_string()
        .into_bytes()
    }
}

/// An answer as server-sent events, one token an event, at the model's pace. What is taken from
/// it is billed as it is taken.
pub(super) struct StreamedAnswer {
    generation: Generation,
    next: Step,
    interval: Duration,
    pause: Pin<Box<Sleep>>,
    till: Arc<Till>,
    include_usage: bool,
    /// `{"id":…,"object":…,"created":…,"model":…,"choices":` as it stands in every event.
    opening: String,
}

#[derive(Clone, Copy)]
enum Step {
    Role,
    Token(u64),
    Finish,
    Usage,
    Done,
    Over,
}

impl StreamedAnswer {
    pub(super) fn new(
        attempt: AttemptId,
        request: &ChatRequest,
        generation: Generation,
        interval: Duration,
        till: Arc<Till>,
    ) -> Self {
        let opening = format!(
            "data: {{\"id\":\"{}\",\"object\":\"chat.completion.chunk\",\"created\":{},\"model\":{},\"service_tier\":\"default\",\"choices\":",
            id(attempt),
            created(attempt),
            Value::from(request.model.as_str()),
        );
        Self {
            generation,
            next: Step::Role,
            interval,
            pause: Box::pin(sleep(Duration::ZERO)),
            till,
            include_usage: request.include_usage,
            opening,
        }
    }

    /// One event for each choice.
    fn events(&self, delta: &str, finish_reason: Option<&str>) -> String {
        let finish_reason = finish_reason.map_or(Value::Null, Value::from);
        let usage = if self.include_usage { ",\"usage\":null" } else { "" };
        (0..self.generation.choices)
            .map(|index| {
                format!(
                    "{}[{{\"index\":{index},\"delta\":{delta},\"logprobs\":null,\"finish_reason\":{finish_reason}}}]{usage}}}\n\n",
                    self.opening
                )
            })
            .collect()
    }

    fn after_token(&self, index: u64) -> Step {
        if index < self.generation.length { Step::Token(index) } else { Step::Finish }
    }
}

impl Stream for StreamedAnswer {
    type Item = Result<Bytes, Fault>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        let events = match this.next {
            Step::Role => {
                this.next = this.after_token(0);
                this.events("{\"role\":\"assistant\",\"content\":\"\",\"refusal\":null}", None)
            }
            Step::Token(index) => {
                if !this.interval.is_zero() {
                    ready!(this.pause.as_mut().poll(cx));
                    this.pause.as_mut().reset(Instant::now() + this.interval);
                }
                this.next = this.after_token(index + 1);
                this.till.charge(Tokens::ZERO, Tokens::new(u64::from(this.generation.choices)));
                this.events(&json!({ "content": token(index) }).to_string(), None)
            }
            Step::Finish => {
                this.next = if this.include_usage { Step::Usage } else { Step::Done };
                this.events("{}", Some(this.generation.finish_reason))
            }
            Step::Usage => {
                this.next = Step::Done;
                format!("{}[],\"usage\":{}}}\n\n", this.opening, this.generation.usage())
            }
            Step::Done => {
                this.next = Step::Over;
                "data: [DONE]\n\n".to_owned()
            }
            Step::Over => return Poll::Ready(None),
        };
        Poll::Ready(Some(Ok(Bytes::from(events))))
    }
}

fn token(index: u64) -> &'static str {
    let length = u64::try_from(TOKENS.len()).unwrap_or(1);
    usize::try_from(index % length).ok().and_then(|index| TOKENS.get(index)).copied().unwrap_or("")
}

fn id(attempt: AttemptId) -> String {
    format!("chatcmpl-{:032x}-{}", attempt.request.as_u128(), attempt.number)
}

/// Seconds since the epoch, out of the request's id, which begins with its time.
fn created(attempt: AttemptId) -> u64 {
    u64::try_from(attempt.request.as_u128() >> 80).unwrap_or(0) / 1000
}
