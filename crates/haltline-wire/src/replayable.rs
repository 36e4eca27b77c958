//! May an answer be given again to whoever asks the same? Judged by what the client was sent, in
//! its own dialect: an answer that is whole, calls no tool and was not cut or refused by a filter.

use crate::client::ClientDialect;
use serde_json::Value;
use std::fmt;

/// Why an answer is given once and not again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// It ended before the model was done, or does not say why it ended.
    Unfinished,
    /// It calls a tool: whoever gets it would act.
    CallsTools,
    /// A filter kept some of it back, or the model declined.
    Blocked,
    /// It is not in the shape of its dialect.
    Unreadable,
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unfinished => "unfinished",
            Self::CallsTools => "calls tools",
            Self::Blocked => "blocked",
            Self::Unreadable => "unreadable",
        })
    }
}

/// Judges a whole answer.
///
/// # Errors
/// Why it must not be given again.
pub fn judge_whole(dialect: ClientDialect, body: &[u8]) -> Result<(), Unfit> {
    let answer: Value = serde_json::from_slice(body).map_err(|_| Unfit::Unreadable)?;
    match dialect {
        ClientDialect::Embeddings => {
            let vectors = answer.get("data").and_then(Value::as_array);
            if vectors.is_some_and(|vectors| !vectors.is_empty()) { Ok(()) } else { Err(Unfit::Unreadable) }
        }
        ClientDialect::Responses => response(&answer),
        _ => {
            let mut judge = StreamJudge::new(dialect);
            judge.value(&answer);
            judge.verdict()
        }
    }
}

/// Judges a stream, event by event.
#[derive(Clone, Debug)]
pub struct StreamJudge {
    dialect: ClientDialect,
    finished: bool,
    unfit: Option<Unfit>,
}

impl StreamJudge {
    /// At the begin of a stream.
    #[must_use]
    pub const fn new(dialect: ClientDialect) -> Self {
        Self { dialect, finished: false, unfit: None }
    }

    /// Takes the `data` of one event. Is it a part of the answer? News of the journey are not: they
    /// were true once.
    pub fn take(&mut self, data: &[u8]) -> bool {
        if data == b"[DONE]" {
            return true;
        }
        let Ok(event) = serde_json::from_slice::<Value>(data) else {
            self.note(Unfit::Unreadable);
            return true;
        };
        if event.get("transient") == Some(&Value::Bool(true)) {
            return false;
        }
        self.value(&event);
        true
    }

    /// The verdict once all is taken.
    ///
    /// # Errors
    /// Why the answer must not be given again.
    pub fn verdict(&self) -> Result<(), Unfit> {
        match self.unfit {
            Some(why) => Err(why),
            None if self.finished => Ok(()),
            None => Err(Unfit::Unfinished),
        }
    }

    fn value(&mut self, event: &Value) {
        match self.dialect {
            ClientDialect::Chat | ClientDialect::Embeddings => self.chat(event),
            ClientDialect::Messages => self.messages(event),
            ClientDialect::Gemini => self.gemini(event),
            ClientDialect::Responses => self.responses(event),
            ClientDialect::UiStream => self.page(event),
        }
    }

    fn note(&mut self, why: Unfit) {
        self.unfit = self.unfit.or(Some(why));
    }

    /// The reasons that a dialect has for a whole answer, for tools, and for a filter; every other
    /// one is no proof that it is whole.
    fn end(&mut self, reason: Option<&str>, whole: &[&str], tools: &[&str], blocked: &[&str]) {
        let Some(reason) = reason else { return };
        if whole.contains(&reason) {
            self.finished = true;
        } else if tools.contains(&reason) {
            self.note(Unfit::CallsTools);
        } else if blocked.contains(&reason) {
            self.note(Unfit::Blocked);
        } else {
            self.note(Unfit::Unfinished);
        }
    }

    fn chat(&mut self, event: &Value) {
        for choice in list(event, "choices") {
            for said in ["message", "delta"].into_iter().filter_map(|name| choice.get(name)) {
                let calls = said.get("tool_calls").and_then(Value::as_array).is_some_and(|calls| !calls.is_empty());
                if calls || said.get("function_call").is_some_and(|call| !call.is_null()) {
                    self.note(Unfit::CallsTools);
                }
                if said.get("refusal").and_then(Value::as_str).is_some_and(|text| !text.is_empty()) {
                    self.note(Unfit::Blocked);
                }
            }
            let reason = choice.get("finish_reason").and_then(Value::as_str);
            self.end(reason, &["stop"], &["tool_calls", "function_call"], &["content_filter"]);
        }
        if event.get("error").is_some_and(|error| !error.is_null()) {
            self.note(Unfit::Unfinished);
        }
    }

    fn messages(&mut self, event: &Value) {
        let started = event.get("content_block").into_iter();
        for block in list(event, "content").chain(started) {
            if !matches!(word(block, "type"), Some("text" | "thinking" | "redacted_thinking")) {
                self.note(Unfit::CallsTools);
            }
        }
        let reason = word(event, "stop_reason").or_else(|| word(event.get("delta")?, "stop_reason"));
        self.end(reason, &["end_turn", "stop_sequence"], &["tool_use"], &["refusal"]);
        if word(event, "type") == Some("error") {
            self.note(Unfit::Unfinished);
        }
    }

    fn gemini(&mut self, event: &Value) {
        const BLOCKED: [&str; 7] =
            ["SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "IMAGE_SAFETY", "LANGUAGE"];
        if event.get("promptFeedback").is_some_and(|feedback| feedback.get("blockReason").is_some()) {
            self.note(Unfit::Blocked);
        }
        for candidate in list(event, "candidates") {
            let parts = candidate.get("content").into_iter().flat_map(|content| list(content, "parts"));
            for part in parts {
                if ["functionCall", "executableCode", "codeExecutionResult"]
                    .iter()
                    .any(|call| part.get(*call).is_some())
                {
                    self.note(Unfit::CallsTools);
                }
            }
            let tools = ["MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL"];
            self.end(word(candidate, "finishReason"), &["STOP"], &tools, &BLOCKED);
        }
    }

    fn responses(&mut self, event: &Value) {
        match word(event, "type") {
            Some("response.completed") => match event.get("response").map(response) {
                Some(Ok(())) => self.finished = true,
                Some(Err(why)) => self.note(why),
                None => self.note(Unfit::Unreadable),
            },
            Some("response.incomplete" | "response.failed" | "response.cancelled" | "error") => {
                self.note(Unfit::Unfinished);
            }
            _ => {}
        }
    }

    fn page(&mut self, event: &Value) {
        match word(event, "type") {
            Some("finish") => {
                self.end(word(event, "finishReason"), &["stop"], &["tool-calls"], &["content-filter"]);
            }
            Some("error" | "abort") => self.note(Unfit::Unfinished),
            Some(kind) if kind.starts_with("tool-") => self.note(Unfit::CallsTools),
            Some(_) => {}
            None => self.note(Unfit::Unreadable),
        }
    }
}

/// Judges a Responses object.
fn response(object: &Value) -> Result<(), Unfit> {
    if word(object, "status") != Some("completed") {
        return Err(Unfit::Unfinished);
    }
    for item in list(object, "output") {
        match word(item, "type") {
            Some("message") if list(item, "content").all(|part| word(part, "type") == Some("output_text")) => {}
            Some("message") => return Err(Unfit::Blocked),
            Some("reasoning") => {}
            _ => return Err(Unfit::CallsTools),
        }
    }
    Ok(())
}

fn word<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name).and_then(Value::as_str)
}

fn list<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    value.get(name).and_then(Value::as_array).into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_answers() {
        use ClientDialect::{Chat, Embeddings, Gemini, Messages, Responses};
        for (dialect, body, verdict) in [
            (Chat, r#"{"choices":[{"message":{"content":"a","refusal":null},"finish_reason":"stop"}]}"#, Ok(())),
            (Chat, r#"{"choices":[{"message":{"content":"a"},"finish_reason":"length"}]}"#, Err(Unfit::Unfinished)),
            (Chat, r#"{"choices":[{"message":{"tool_calls":[{}]},"finish_reason":"stop"}]}"#, Err(Unfit::CallsTools)),
            (Chat, r#"{"choices":[{"message":{"content":""},"finish_reason":"content_filter"}]}"#, Err(Unfit::Blocked)),
            (Chat, r#"{"choices":[{"message":{"refusal":"no"},"finish_reason":"stop"}]}"#, Err(Unfit::Blocked)),
            (Chat, r#"{"choices":[{"finish_reason":"stop"},{"finish_reason":"length"}]}"#, Err(Unfit::Unfinished)),
            (Chat, r#"{"choices":[]}"#, Err(Unfit::Unfinished)),
            (Chat, "not json", Err(Unfit::Unreadable)),
            (Embeddings, r#"{"data":[{"embedding":[1]}]}"#, Ok(())),
            (Embeddings, r#"{"data":[]}"#, Err(Unfit::Unreadable)),
            (Messages, r#"{"content":[{"type":"thinking"},{"type":"text"}],"stop_reason":"end_turn"}"#, Ok(())),
            (Messages, r#"{"content":[{"type":"tool_use"}],"stop_reason":"end_turn"}"#, Err(Unfit::CallsTools)),
            (Messages, r#"{"content":[{"type":"text"}],"stop_reason":"max_tokens"}"#, Err(Unfit::Unfinished)),
            (Messages, r#"{"content":[],"stop_reason":"refusal"}"#, Err(Unfit::Blocked)),
            (Gemini, r#"{"candidates":[{"content":{"parts":[{"text":"a"}]},"finishReason":"STOP"}]}"#, Ok(())),
            (
                Gemini,
                r#"{"candidates":[{"content":{"parts":[{"functionCall":{}}]},"finishReason":"STOP"}]}"#,
                Err(Unfit::CallsTools),
            ),
            (Gemini, r#"{"promptFeedback":{"blockReason":"SAFETY"}}"#, Err(Unfit::Blocked)),
            (
                Responses,
                r#"{"status":"completed","output":[{"type":"message","content":[{"type":"output_text"}]}]}"#,
                Ok(()),
            ),
            (
                Responses,
                r#"{"status":"completed","output":[{"type":"message","content":[{"type":"refusal"}]}]}"#,
                Err(Unfit::Blocked),
            ),
            (Responses, r#"{"status":"completed","output":[{"type":"function_call"}]}"#, Err(Unfit::CallsTools)),
            (Responses, r#"{"status":"incomplete","output":[]}"#, Err(Unfit::Unfinished)),
        ] {
            assert_eq!(judge_whole(dialect, body.as_bytes()), verdict, "{body}");
        }
    }

    #[test]
    fn streams() {
        use ClientDialect::{Chat, Messages, Responses, UiStream};
        let completed =
            r#"{"type":"response.completed","response":{"status":"completed","output":[{"type":"reasoning"}]}}"#;
        let cases: [(ClientDialect, &[&str], Result<(), Unfit>); 9] = [
            (
                Chat,
                &[r#"{"choices":[{"delta":{"content":"a"}}]}"#, r#"{"choices":[{"finish_reason":"stop"}]}"#, "[DONE]"],
                Ok(()),
            ),
            (Chat, &[r#"{"choices":[{"delta":{"content":"a"}}]}"#, "[DONE]"], Err(Unfit::Unfinished)),
            (
                Chat,
                &[r#"{"choices":[{"delta":{"tool_calls":[{}]}}]}"#, r#"{"choices":[{"finish_reason":"stop"}]}"#],
                Err(Unfit::CallsTools),
            ),
            (
                Messages,
                &[
                    r#"{"type":"content_block_start","content_block":{"type":"text"}}"#,
                    r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"}}"#,
                ],
                Ok(()),
            ),
            (
                Messages,
                &[
                    r#"{"type":"content_block_start","content_block":{"type":"server_tool_use"}}"#,
                    r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"}}"#,
                ],
                Err(Unfit::CallsTools),
            ),
            (Responses, &[completed], Ok(())),
            (Responses, &[r#"{"type":"response.incomplete","response":{}}"#], Err(Unfit::Unfinished)),
            (UiStream, &[r#"{"type":"start"}"#, r#"{"type":"finish","finishReason":"stop"}"#, "[DONE]"], Ok(())),
            (
                UiStream,
                &[r#"{"type":"tool-input-start"}"#, r#"{"type":"finish","finishReason":"stop"}"#],
                Err(Unfit::CallsTools),
            ),
        ];
        for (dialect, events, verdict) in cases {
            let mut judge = StreamJudge::new(dialect);
            for event in events {
                assert!(judge.take(event.as_bytes()), "{event}");
            }
            assert_eq!(judge.verdict(), verdict, "{events:?}");
        }
    }

    #[test]
    fn news_of_the_journey_are_no_part_of_the_answer() {
        let mut judge = StreamJudge::new(ClientDialect::UiStream);
        assert!(!judge.take(br#"{"type":"data-status","data":{"state":"fallback"},"transient":true}"#));
        assert!(judge.take(br#"{"type":"text-delta","id":"0","delta":"transient"}"#));
    }
}
