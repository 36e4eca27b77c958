//! What providers of every kind answer: the same words, in the dialect in which they are asked, with
//! the usage report of that dialect.

use super::clients::Client;
use haltline_types::NanoUsd;
use serde_json::{Value, json};

/// A kind of provider in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Compatible,
    OpenAi,
    Mistral,
    Azure,
    /// With deployments in its addresses.
    AzureDated,
    Anthropic,
    Google,
}

/// The dialect in which a provider is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spoken {
    Chat,
    Responses,
    Messages,
    Gemini,
}

/// What every answer says.
pub(super) const TEXT: &str = "Grüße, world: 1 < 2.";
/// In these pieces.
const PIECES: [&str; 3] = ["Grüße", ", world:", " 1 < 2."];
/// What the model thought before it.
pub(super) const THOUGHT: &str = "The user wants a greeting.";

impl Kind {
    pub(super) const ALL: [Self; 7] =
        [Self::Compatible, Self::OpenAi, Self::Mistral, Self::Azure, Self::AzureDated, Self::Anthropic, Self::Google];

    /// One of each dialect and of each rule of billing.
    pub(super) const EACH_DIALECT: [(Self, Spoken); 3] =
        [(Self::Compatible, Spoken::Chat), (Self::Anthropic, Spoken::Messages), (Self::Google, Spoken::Gemini)];

    const fn name(self) -> &'static str {
        match self {
            Self::Compatible => "compatible",
            Self::OpenAi => "openai",
            Self::Mistral => "mistral",
            Self::Azure => "azure",
            Self::AzureDated => "azure-dated",
            Self::Anthropic => "anthropic",
            Self::Google => "google",
        }
    }

    /// What a client asks for.
    pub(super) const fn model(self) -> &'static str {
        match self {
            Self::Compatible => "compatible/m",
            Self::OpenAi => "openai/m",
            Self::Mistral => "mistral/m",
            Self::Azure => "azure/m",
            Self::AzureDated => "azure-dated/m",
            Self::Anthropic => "anthropic/m",
            Self::Google => "google/m",
        }
    }

    /// Its part of the configuration: $1 and $10 for a million tokens, and rates of the cache.
    pub(super) fn config(self, origin: &str) -> String {
        let name = self.name();
        let (kind, more) = match self {
            Self::Compatible => ("openai-compatible", ""),
            Self::AzureDated => ("azure", "api_version = \"2024-10-21\"\n"),
            _ => (name, ""),
        };
        format!(
            "[providers.{name}]\nkind = \"{kind}\"\nbase_url = \"{origin}/{name}\"\napi_key = \"k-{name}\"\n{more}\
             [prices.\"{name}/m\"]\ninput = \"1\"\ncached_input = \"0.1\"\ncache_write = \"1.25\"\n\
             cache_write_long = \"2\"\noutput = \"10\"\n"
        )
    }

    /// In what it is asked for this client.
    pub(super) const fn spoken(self, client: Client) -> Spoken {
        match (self, client) {
            (Self::Anthropic, _) => Spoken::Messages,
            (Self::Google, _) => Spoken::Gemini,
            (Self::OpenAi | Self::Azure | Self::AzureDated, Client::Responses) => Spoken::Responses,
            _ => Spoken::Chat,
        }
    }

    /// The path at which it is asked.
    pub(super) fn path(self, client: Client, stream: bool) -> String {
        let name = self.name();
        let rest = match (self, self.spoken(client)) {
            (Self::AzureDated, Spoken::Chat) => "deployments/m/chat/completions?api-version=2024-10-21",
            (Self::AzureDated, _) => "responses?api-version=2024-10-21",
            (_, Spoken::Chat) => "chat/completions",
            (_, Spoken::Responses) => "responses",
            (_, Spoken::Messages) => "messages",
            (_, Spoken::Gemini) if stream => "models/m:streamGenerateContent?alt=sse",
            (_, Spoken::Gemini) => "models/m:generateContent",
        };
        format!("/{name}/{rest}")
    }

    /// The header that tells it who asks.
    pub(super) fn credential(self) -> (&'static str, String) {
        let key = format!("k-{}", self.name());
        match self {
            Self::Anthropic => ("x-api-key", key),
            Self::Google => ("x-goog-api-key", key),
            Self::Azure | Self::AzureDated => ("api-key", key),
            _ => ("authorization", format!("Bearer {key}")),
        }
    }
}

impl Spoken {
    /// In what a provider is asked at this path.
    pub(super) fn at(path: &str) -> Self {
        let path = path.split('?').next().unwrap_or_default();
        match path.rsplit('/').next() {
            Some("responses") => Self::Responses,
            Some("messages") => Self::Messages,
            Some(last) if last.contains(':') => Self::Gemini,
            _ => Self::Chat,
        }
    }

    /// What the usage report of `whole` and `events` costs, to the billionth: 153 tokens of input,
    /// 100 of them from the cache, and 17 of output, 5 of them thoughts. In Messages 50 of the
    /// input were written to the cache, 30 of them for an hour.
    pub(super) fn cost(self) -> NanoUsd {
        let output = 17 * 10_000;
        NanoUsd::new(match self {
            Self::Messages => 3 * 1_000 + 100 * 100 + 20 * 1_250 + 30 * 2_000 + output,
            Self::Chat | Self::Responses | Self::Gemini => 53 * 1_000 + 100 * 100 + output,
        })
    }

    fn usage(self) -> Value {
        match self {
            Self::Chat => json!({"prompt_tokens": 153, "completion_tokens": 17, "total_tokens": 170,
                "prompt_tokens_details": {"cached_tokens": 100}, "completion_tokens_details": {"reasoning_tokens": 5}}),
            Self::Responses => json!({"input_tokens": 153, "output_tokens": 17, "total_tokens": 170,
                "input_tokens_details": {"cached_tokens": 100}, "output_tokens_details": {"reasoning_tokens": 5}}),
            Self::Messages => json!({"input_tokens": 3, "cache_read_input_tokens": 100,
                "cache_creation_input_tokens": 50, "output_tokens": 17,
                "cache_creation": {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 30},
                "output_tokens_details": {"thinking_tokens": 5}}),
            Self::Gemini => json!({"promptTokenCount": 153, "cachedContentTokenCount": 100,
                "candidatesTokenCount": 12, "thoughtsTokenCount": 5, "totalTokenCount": 170}),
        }
    }

    /// A whole answer.
    pub(super) fn whole(self) -> String {
        let usage = self.usage();
        match self {
            Self::Chat => json!({"id": "chatcmpl-1", "object": "chat.completion", "created": 1_700_000_000, "model": "m",
                "choices": [{"index": 0, "finish_reason": "stop",
                    "message": {"role": "assistant", "content": TEXT, "reasoning_content": THOUGHT}}],
                "usage": usage}),
            Self::Responses => self.response("completed", &usage),
            Self::Messages => json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "m",
                "content": [{"type": "thinking", "thinking": THOUGHT, "signature": "c2ln"}, {"type": "text", "text": TEXT}],
                "stop_reason": "end_turn", "stop_sequence": null, "usage": usage}),
            Self::Gemini => json!({"candidates": [{"index": 0, "finishReason": "STOP", "content": {"role": "model",
                "parts": [{"text": THOUGHT, "thought": true}, {"text": TEXT}]}}],
                "usageMetadata": usage, "modelVersion": "m", "responseId": "r1"}),
        }
        .to_string()
    }

    fn response(self, status: &str, usage: &Value) -> Value {
        let output = json!([
            {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": THOUGHT}]},
            {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
             "content": [{"type": "output_text", "text": TEXT, "annotations": []}]}]);
        let output = if status == "completed" { output } else { json!([]) };
        json!({"id": "resp_1", "object": "response", "created_at": 1_700_000_000, "model": "m", "status": status,
            "output": output, "usage": usage, "error": null, "incomplete_details": null})
    }

    /// A stream, event by event: the first ones say nothing, then come thoughts and text, then the
    /// end.
    pub(super) fn events(self) -> Vec<String> {
        let usage = self.usage();
        let mut events = Vec::new();
        match self {
            Self::Chat => {
                let mut chunk = |delta: Value, finish: Value| {
                    events.push(data(
                        &json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_700_000_000,
                        "model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}),
                    ));
                };
                chunk(json!({"role": "assistant", "content": ""}), Value::Null);
                chunk(json!({"reasoning_content": THOUGHT}), Value::Null);
                for piece in PIECES {
                    chunk(json!({"content": piece}), Value::Null);
                }
                chunk(json!({}), json!("stop"));
                events.push(data(
                    &json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_700_000_000,
                    "model": "m", "choices": [], "usage": usage}),
                ));
                events.push("data: [DONE]\n\n".to_owned());
            }
            Self::Messages => {
                let begin = json!({"input_tokens": 3, "cache_read_input_tokens": 100, "cache_creation_input_tokens": 50,
                    "cache_creation": {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 30}, "output_tokens": 1});
                let mut event = |value: Value| events.push(named(&value));
                event(
                    json!({"type": "message_start", "message": {"id": "msg_1", "type": "message", "role": "assistant",
                    "model": "m", "content": [], "stop_reason": null, "stop_sequence": null, "usage": begin}}),
                );
                event(json!({"type": "content_block_start", "index": 0,
                    "content_block": {"type": "thinking", "thinking": "", "signature": ""}}));
                let delta =
                    |index: u32, delta: Value| json!({"type": "content_block_delta", "index": index, "delta": delta});
                event(delta(0, json!({"type": "thinking_delta", "thinking": THOUGHT})));
                event(delta(0, json!({"type": "signature_delta", "signature": "c2ln"})));
                event(json!({"type": "content_block_stop", "index": 0}));
                event(
                    json!({"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}}),
                );
                for piece in PIECES {
                    event(delta(1, json!({"type": "text_delta", "text": piece})));
                }
                event(json!({"type": "content_block_stop", "index": 1}));
                event(
                    json!({"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": null}, "usage": usage}),
                );
                event(json!({"type": "message_stop"}));
            }
            Self::Gemini => {
                let mut chunk = |part: Value, finish: Option<&str>, usage: Option<&Value>| {
                    let mut candidate = json!({"index": 0, "content": {"role": "model", "parts": [part]}});
                    if let Some(finish) = finish {
                        candidate["finishReason"] = finish.into();
                    }
                    let mut response = json!({"candidates": [candidate], "modelVersion": "m", "responseId": "r1"});
                    response["usageMetadata"] = usage.cloned().unwrap_or_else(|| json!({"promptTokenCount": 153}));
                    // Google ends its lines as HTTP does.
                    events.push(format!("data: {response}\r\n\r\n"));
                };
                chunk(json!({"text": THOUGHT, "thought": true}), None, None);
                let [first, second, last] = PIECES;
                chunk(json!({"text": first}), None, None);
                chunk(json!({"text": second}), None, None);
                chunk(json!({"text": last}), Some("STOP"), Some(&usage));
            }
            Self::Responses => self.response_events(&usage, &mut events),
        }
        events
    }

    fn response_events(self, usage: &Value, events: &mut Vec<String>) {
        let mut number = 0;
        let mut event = |mut value: Value| {
            value["sequence_number"] = number.into();
            number += 1;
            events.push(named(&value));
        };
        event(json!({"type": "response.created", "response": self.response("in_progress", &Value::Null)}));
        event(json!({"type": "response.in_progress", "response": self.response("in_progress", &Value::Null)}));
        let whole = self.response("completed", usage);
        event(json!({"type": "response.output_item.added", "output_index": 0,
            "item": {"type": "reasoning", "id": "rs_1", "summary": []}}));
        event(json!({"type": "response.reasoning_summary_part.added", "item_id": "rs_1", "output_index": 0,
            "summary_index": 0, "part": {"type": "summary_text", "text": ""}}));
        event(json!({"type": "response.reasoning_summary_text.delta", "item_id": "rs_1", "output_index": 0,
            "summary_index": 0, "delta": THOUGHT}));
        event(json!({"type": "response.output_item.done", "output_index": 0, "item": whole["output"][0]}));
        event(json!({"type": "response.output_item.added", "output_index": 1,
            "item": {"type": "message", "id": "msg_1", "role": "assistant", "status": "in_progress", "content": []}}));
        event(json!({"type": "response.content_part.added", "item_id": "msg_1", "output_index": 1, "content_index": 0,
            "part": {"type": "output_text", "text": "", "annotations": []}}));
        for piece in PIECES {
            event(json!({"type": "response.output_text.delta", "item_id": "msg_1", "output_index": 1,
                "content_index": 0, "delta": piece}));
        }
        event(json!({"type": "response.output_text.done", "item_id": "msg_1", "output_index": 1, "content_index": 0,
            "text": TEXT}));
        event(json!({"type": "response.output_item.done", "output_index": 1, "item": whole["output"][1]}));
        event(json!({"type": "response.completed", "response": whole}));
    }

    /// How many events of `events` come before the first that holds text or thoughts.
    pub(super) const fn silent_events(self) -> usize {
        match self {
            Self::Chat => 1,
            Self::Responses => 4,
            Self::Messages => 2,
            Self::Gemini => 0,
        }
    }

    /// An error document of this dialect, as it comes with a status.
    pub(super) fn error(self, status: u16) -> String {
        let (openai, anthropic, google) = match status {
            400 => ("invalid_request_error", "invalid_request_error", "INVALID_ARGUMENT"),
            401 => ("invalid_api_key", "authentication_error", "UNAUTHENTICATED"),
            402 => ("insufficient_quota", "billing_error", "RESOURCE_EXHAUSTED"),
            403 => ("forbidden", "permission_error", "PERMISSION_DENIED"),
            404 => ("model_not_found", "not_found_error", "NOT_FOUND"),
            429 => ("rate_limit_exceeded", "rate_limit_error", "RESOURCE_EXHAUSTED"),
            503 | 529 => ("server_overloaded", "overloaded_error", "UNAVAILABLE"),
            _ => ("server_error", "api_error", "INTERNAL"),
        };
        let message = "The provider's own words, which no client may see.";
        match self {
            Self::Chat | Self::Responses => {
                json!({"error": {"message": message, "type": openai, "param": null, "code": openai}})
            }
            Self::Messages => json!({"type": "error", "error": {"type": anthropic, "message": message}}),
            Self::Gemini => json!({"error": {"code": status, "message": message, "status": google}}),
        }
        .to_string()
    }

    /// The event with which a stream of this dialect says that it failed.
    pub(super) fn error_event(self) -> String {
        let body: Value = serde_json::from_str(&self.error(500)).expect("JSON");
        match self {
            Self::Messages => named(&body),
            Self::Responses => {
                let mut response = self.response("failed", &Value::Null);
                response["error"] =
                    json!({"code": "server_error", "message": "The provider's own words, which no client may see."});
                named(&json!({"type": "response.failed", "sequence_number": 7, "response": response}))
            }
            Self::Chat | Self::Gemini => data(&body),
        }
    }
}

pub(super) fn data(value: &Value) -> String {
    format!("data: {value}\n\n")
}

/// With the type of the data as the event's name.
fn named(value: &Value) -> String {
    format!("event: {}\ndata: {value}\n\n", value["type"].as_str().expect("a type"))
}
