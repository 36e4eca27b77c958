//! The dialects of the storm's clients: how they ask, where they go on, and what an event says.

use haltline_testkit::http_client::Call;
use serde_json::{Value, json};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Surface {
    Chat,
    Responses,
    Messages,
    Ui,
    Gemini,
}

/// What the last event of a stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Complete,
    Error,
}

/// What the events of a stream say together.
#[derive(Debug, Default)]
pub(super) struct Said {
    pub(super) text: String,
    /// How often it is said that the answer is whole.
    pub(super) finishes: usize,
    pub(super) errors: usize,
    pub(super) end: Option<End>,
}

impl Surface {
    pub(super) const ALL: [Self; 5] = [Self::Chat, Self::Responses, Self::Messages, Self::Ui, Self::Gemini];

    pub(super) fn ask(self, origin: &str, chat: &str, text: &str) -> Call {
        let messages = json!([{"role": "user", "content": text}]);
        let (path, body) = match self {
            Self::Chat => ("/v1/chat/completions", json!({"model": "chat", "stream": true, "messages": messages})),
            Self::Responses => ("/v1/responses", json!({"model": "chat", "stream": true, "input": text})),
            Self::Messages => (
                "/v1/messages",
                json!({"model": "chat", "stream": true, "max_tokens": super::CAP, "messages": messages}),
            ),
            Self::Ui => (
                "/api/chat",
                json!({"id": chat, "model": "chat", "trigger": "submit-message",
                    "messages": [{"id": "m1", "role": "user", "parts": [{"type": "text", "text": text}]}]}),
            ),
            Self::Gemini => (
                "/v1beta/models/chat:streamGenerateContent?alt=sse",
                json!({"contents": [{"role": "user", "parts": [{"text": text}]}]}),
            ),
        };
        let call = Call::post(format!("{origin}{path}")).json(&body);
        if self == Self::Ui { call.header("x-haltline-event-ids", "1") } else { call }
    }

    /// Do the events of the first connection say their number? Google's clients bear none.
    pub(super) fn is_numbered_at_first(self) -> bool {
        self != Self::Gemini
    }

    /// How its own clients come back.
    pub(super) fn come_back(self, origin: &str, chat: &str, id: &str) -> Call {
        match self {
            Self::Ui => Call::get(format!("{origin}/api/chat/{chat}/stream")).header("x-haltline-event-ids", "1"),
            _ => Call::get(format!("{origin}/v1/streams/{id}")),
        }
    }

    pub(super) fn said(self, events: &[String]) -> Said {
        let mut said = Said::default();
        for event in events {
            let data = event.lines().find_map(|line| line.strip_prefix("data: ")).unwrap_or_default();
            said.end = None;
            let Ok(value) = serde_json::from_str::<Value>(data) else {
                if data == "[DONE]" {
                    // The words that closed the answer came before.
                    said.end = (said.errors == 0).then_some(End::Complete);
                }
                continue;
            };
            self.note(&value, &mut said);
        }
        said
    }

    fn note(self, value: &Value, said: &mut Said) {
        let kind = value["type"].as_str().unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (is_finish, is_end) = match self {
            Self::Chat => {
                let choice = &value["choices"][0];
                said.text.push_str(&text(&choice["delta"]["content"]));
                (choice["finish_reason"].is_string(), false)
            }
            Self::Responses => {
                if kind == "response.output_text.delta" {
                    said.text.push_str(&text(&value["delta"]));
                }
                let is_finish = matches!(kind, "response.completed" | "response.incomplete");
                (is_finish, is_finish)
            }
            Self::Messages => {
                said.text.push_str(&text(&value["delta"]["text"]));
                (kind == "message_stop", kind == "message_stop")
            }
            Self::Ui => {
                if kind == "text-delta" {
                    said.text.push_str(&text(&value["delta"]));
                }
                (kind == "finish", false)
            }
            Self::Gemini => {
                let candidate = &value["candidates"][0];
                for part in candidate["content"]["parts"].as_array().into_iter().flatten() {
                    said.text.push_str(&text(&part["text"]));
                }
                (candidate["finishReason"].is_string(), candidate["finishReason"].is_string())
            }
        };
        said.finishes += usize::from(is_finish);
        if is_end {
            said.end = Some(End::Complete);
        }
        if !value["error"].is_null() || kind == "error" || kind == "response.failed" {
            said.errors += 1;
            said.end = Some(End::Error);
        }
    }
}
