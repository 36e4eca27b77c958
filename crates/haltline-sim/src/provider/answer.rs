//! The bytes of a simulated provider's answers, in OpenAI's form, and the ways in which they stop
//! before their end.

use super::Ending;
use super::production::Production;
use super::request::Request;
use super::tariff::Used;
use super::temper::{Honesty, Script};
use bytes::Bytes;
use haltline_ports::AnswerBody;
use haltline_types::{Fault, FaultKind, Origin};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::time::Duration;

/// What is to be answered.
pub(crate) struct Plan {
    pub(crate) request: Request,
    pub(crate) script: Script,
    pub(crate) honesty: Honesty,
    /// Tokens of each choice.
    pub(crate) length: u64,
    /// Billed beyond them, all choices together.
    pub(crate) extra: u64,
    pub(crate) interval: Duration,
    /// Does every event say what was used so far?
    pub(crate) running_reports: bool,
}

impl Plan {
    fn finish_reason(&self) -> &'static str {
        if self.length >= self.request.cap { "length" } else { "stop" }
    }

    /// The usage report, true or not.
    fn usage(&self, used: Used) -> Value {
        let output = match self.honesty {
            Honesty::UnderReports(divisor) => used.output.checked_div(divisor).unwrap_or(0),
            Honesty::Honest | Honesty::OverReports(_) | Honesty::IgnoresCap(_) => used.output,
        };
        json!({
            "prompt_tokens": used.input,
            "completion_tokens": output,
            "total_tokens": used.input + output,
            "prompt_tokens_details": { "cached_tokens": used.cached },
        })
    }

    /// The whole answer as one object.
    pub(crate) fn whole(&self, used: Used) -> Bytes {
        let text = "tok ".repeat(usize::try_from(self.length).unwrap_or(0));
        let choices: Vec<Value> = (0..self.request.choices)
            .map(|index| {
                json!({ "index": index, "finish_reason": self.finish_reason(),
                        "message": { "role": "assistant", "content": text } })
            })
            .collect();
        let mut answer = json!({
            "id": "chatcmpl-sim", "object": "chat.completion", "created": 1, "model": self.request.model, "choices": choices,
        });
        if self.script != Script::OmitsUsage
            && let Some(object) = answer.as_object_mut()
        {
            object.insert("usage".to_owned(), self.usage(used));
        }
        Bytes::from(answer.to_string())
    }

    fn event(&self, choices: &Value, usage: Option<Value>) -> Bytes {
        let mut chunk = json!({
            "id": "chatcmpl-sim", "object": "chat.completion.chunk", "created": 1, "model": self.request.model, "choices": choices,
        });
        if let (Some(usage), Some(object)) = (usage, chunk.as_object_mut()) {
            object.insert("usage".to_owned(), usage);
        }
        Bytes::from(format!("data: {chunk}\n\n"))
    }

    fn deltas(&self, delta: &Value, finish_reason: Option<&str>, used: Used) -> Bytes {
        let mut events = Vec::new();
        for index in 0..self.request.choices {
            let choice = json!([{ "index": index, "delta": delta, "finish_reason": finish_reason }]);
            let reports = self.running_reports && finish_reason.is_none();
            events.extend_from_slice(&self.event(&choice, reports.then(|| self.usage(used))));
        }
        Bytes::from(events)
    }
}

/// The body of a whole answer: the work is done, only its way back can fail.
pub(crate) fn whole_body(plan: &Plan, production: Production) -> AnswerBody {
    let bytes = plan.whole(production.used());
    let half = bytes.slice(..bytes.len() / 2);
    let (pieces, ending) = match plan.script {
        Script::Truncates | Script::StallsInside => (vec![Ok(half)], Ending::Abandoned),
        Script::BreaksInside => (vec![Ok(half), Err(broken())], Ending::Abandoned),
        Script::ErrorInside => (vec![Ok(error_object())], Ending::Abandoned),
        Script::OmitsUsage => (vec![Ok(bytes)], Ending::Abandoned),
        _ => (vec![Ok(bytes)], Ending::Complete),
    };
    let stalls = plan.script == Script::StallsInside;
    let whole = Whole { pieces: pieces.into(), production, ending, stalls };
    Box::pin(futures_util::stream::unfold(
        whole,
        |mut whole| async move { whole.next().await.map(|next| (next, whole)) },
    ))
}

struct Whole {
    pieces: VecDeque<Result<Bytes, Fault>>,
    production: Production,
    ending: Ending,
    stalls: bool,
}

impl Whole {
    async fn next(&mut self) -> Option<Result<Bytes, Fault>> {
        let next = self.pieces.pop_front();
        if next.is_none() && self.stalls {
            std::future::pending::<()>().await;
        }
        if self.pieces.is_empty() && !self.stalls {
            self.production.end(self.ending);
        }
        next
    }
}

/// The body of a stream.
pub(crate) fn stream_body(plan: Plan, production: Production) -> AnswerBody {
    // Trouble comes after half of the tokens.
    let trouble_at = match plan.script {
        Script::Truncates | Script::StallsInside | Script::BreaksInside | Script::ErrorInside => Some(plan.length / 2),
        _ => None,
    };
    let streaming = Streaming { plan, production, step: Step::Role, trouble_at };
    Box::pin(futures_util::stream::unfold(streaming, |mut streaming| async move {
        streaming.next().await.map(|next| (next, streaming))
    }))
}

struct Streaming {
    plan: Plan,
    production: Production,
    step: Step,
    trouble_at: Option<u64>,
}

#[derive(Clone, Copy)]
enum Step {
    Role,
    Token(u64),
    Usage,
    Done,
    Over,
}

impl Streaming {
    async fn next(&mut self) -> Option<Result<Bytes, Fault>> {
        let plan = &self.plan;
        match self.step {
            Step::Role => {
                self.step = Step::Token(0);
                Some(Ok(plan.deltas(&json!({ "role": "assistant", "content": "" }), None, self.production.used())))
            }
            Step::Token(index) if self.trouble_at == Some(index) => self.trouble().await,
            Step::Token(index) if index == plan.length => {
                self.step = if plan.request.wants_usage && plan.script != Script::OmitsUsage {
                    Step::Usage
                } else {
                    Step::Done
                };
                self.production.produce(plan.extra);
                Some(Ok(plan.deltas(&json!({}), Some(plan.finish_reason()), self.production.used())))
            }
            Step::Token(index) => {
                if !plan.interval.is_zero() {
                    tokio::time::sleep(plan.interval).await;
                }
                self.step = Step::Token(index + 1);
                self.production.produce(plan.request.choices);
                Some(Ok(plan.deltas(&json!({ "content": "tok " }), None, self.production.used())))
            }
            Step::Usage => {
                self.step = Step::Done;
                Some(Ok(plan.event(&json!([]), Some(plan.usage(self.production.used())))))
            }
            Step::Done => {
                self.step = Step::Over;
                let reported = plan.request.wants_usage && plan.script != Script::OmitsUsage;
                self.production.end(if reported { Ending::Complete } else { Ending::Abandoned });
                Some(Ok(Bytes::from_static(b"data: [DONE]\n\n")))
            }
            Step::Over => None,
        }
    }

    async fn trouble(&mut self) -> Option<Result<Bytes, Fault>> {
        self.step = Step::Over;
        match self.plan.script {
            Script::StallsInside => std::future::pending().await,
            Script::BreaksInside => {
                self.production.abandon();
                Some(Err(broken()))
            }
            Script::ErrorInside => {
                self.production.abandon();
                let error = error_object();
                let text = String::from_utf8_lossy(&error);
                Some(Ok(Bytes::from(format!("data: {text}\n\n"))))
            }
            _ => {
                self.production.abandon();
                None
            }
        }
    }
}

fn broken() -> Fault {
    Fault::new(FaultKind::ConnectionLost, Origin::Network, "the simulated connection broke")
}

fn error_object() -> Bytes {
    let error = json!({ "error": { "message": "The server had an error", "type": "server_error", "code": null } });
    Bytes::from(error.to_string())
}
