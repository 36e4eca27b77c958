//! Clients of every dialect: how they ask, and what they make of a stream. What they accept is what
//! the official SDKs accept, so a stream that passes here ends well there, or fails as it should.

use haltline_testkit::http_client::Call;
use serde_json::{Value, json};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Client {
    Chat,
    Responses,
    Messages,
    Gemini,
    /// Without `alt=sse`: one JSON array, element by element.
    GeminiArray,
    Ui,
}

/// What a client reads of a stream.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// All text, without thoughts.
    pub(super) text: String,
    /// The stream said that it is complete, in the way of its dialect.
    pub(super) complete: bool,
    /// The error that ended it.
    pub(super) error: Option<Value>,
    /// The usage report as the client's dialect words it.
    pub(super) usage: Option<Value>,
}

impl Client {
    pub(super) const ALL: [Self; 6] =
        [Self::Chat, Self::Responses, Self::Messages, Self::Gemini, Self::GeminiArray, Self::Ui];

    /// Can it ask for a whole answer? The array is a way to stream, and pages always stream.
    pub(super) const fn asks_for_whole(self) -> bool {
        !matches!(self, Self::GeminiArray | Self::Ui)
    }

    pub(super) fn call(self, origin: &str, model: &str, text: &str, stream: bool) -> Call {
        let messages = json!([{"role": "user", "content": text}]);
        let (path, body) = match self {
            Self::Chat if stream => (
                "/v1/chat/completions".to_owned(),
                json!({"model": model, "messages": messages, "stream": true, "stream_options": {"include_usage": true}}),
            ),
            Self::Chat => ("/v1/chat/completions".to_owned(), json!({"model": model, "messages": messages})),
            Self::Responses => ("/v1/responses".to_owned(), json!({"model": model, "input": text, "stream": stream})),
            Self::Messages => (
                "/v1/messages".to_owned(),
                json!({"model": model, "max_tokens": 1000, "messages": messages, "stream": stream}),
            ),
            Self::Gemini | Self::GeminiArray => {
                let verb = match (self, stream) {
                    (Self::Gemini, true) => "streamGenerateContent?alt=sse",
                    (_, true) => "streamGenerateContent",
                    (_, false) => "generateContent",
                };
                let contents = json!([{"role": "user", "parts": [{"text": text}]}]);
                (format!("/v1beta/models/{model}:{verb}"), json!({"contents": contents}))
            }
            Self::Ui => (
                "/api/chat".to_owned(),
                json!({"id": "chat-1", "model": model, "trigger": "submit-message",
                    "messages": [{"id": "m1", "role": "user", "parts": [{"type": "text", "text": text}]}]}),
            ),
        };
        Call::post(format!("{origin}{path}")).json(&body)
    }

    pub(super) const fn stream_type(self) -> &'static str {
        match self {
            Self::GeminiArray => "application/json; charset=utf-8",
            _ => "text/event-stream; charset=utf-8",
        }
    }

    /// The text of a whole answer.
    pub(super) fn text_of_whole(self, body: &Value) -> String {
        let all = |list: &Value, of: &dyn Fn(&Value) -> Option<String>| -> String {
            list.as_array().into_iter().flatten().filter_map(of).collect()
        };
        let text = |value: &Value| value.as_str().map(str::to_owned);
        match self {
            Self::Chat => text(&body["choices"][0]["message"]["content"]).unwrap_or_default(),
            Self::Responses => {
                let message = |item: &Value| {
                    (item["type"] == "message").then(|| all(&item["content"], &|part| text(&part["text"])))
                };
                all(&body["output"], &message)
            }
            Self::Messages => {
                all(&body["content"], &|block| (block["type"] == "text").then(|| text(&block["text"]))?)
            }
            Self::Gemini | Self::GeminiArray | Self::Ui => {
                let part = |part: &Value| if part["thought"] == true { None } else { text(&part["text"]) };
                all(&body["candidates"][0]["content"]["parts"], &part)
            }
        }
    }

    /// The usage report of a whole answer.
    pub(super) fn usage_of_whole(self, body: &Value) -> Value {
        match self {
            Self::Gemini | Self::GeminiArray => body["usageMetadata"].clone(),
            _ => body["usage"].clone(),
        }
    }

    /// Input, cached input and output of a usage report in this dialect, all as Chat Completions
    /// counts them.
    pub(super) fn counts(self, usage: &Value) -> [u64; 3] {
        let number = |value: &Value| value.as_u64().unwrap_or(0);
        match self {
            Self::Chat => [
                number(&usage["prompt_tokens"]),
                number(&usage["prompt_tokens_details"]["cached_tokens"]),
                number(&usage["completion_tokens"]),
            ],
            Self::Responses => [
                number(&usage["input_tokens"]),
                number(&usage["input_tokens_details"]["cached_tokens"]),
                number(&usage["output_tokens"]),
            ],
            Self::Messages => {
                let cached = number(&usage["cache_read_input_tokens"]);
                let written = number(&usage["cache_creation_input_tokens"]);
                [number(&usage["input_tokens"]) + cached + written, cached, number(&usage["output_tokens"])]
            }
            Self::Gemini | Self::GeminiArray => [
                number(&usage["promptTokenCount"]),
                number(&usage["cachedContentTokenCount"]),
                number(&usage["candidatesTokenCount"]) + number(&usage["thoughtsTokenCount"]),
            ],
            Self::Ui => {
                [number(&usage["inputTokens"]), number(&usage["cachedInputTokens"]), number(&usage["outputTokens"])]
            }
        }
    }

    /// Reads a stream as a client does, and fails where a client would: at a gap in the numbers, at
    /// data that is not of the dialect, at anything behind the end.
    pub(super) fn hear(self, stream: &str) -> Heard {
        let mut heard = Heard::default();
        if self == Self::GeminiArray {
            let array: Vec<Value> = serde_json::from_str(stream).unwrap_or_else(|error| panic!("{error}: {stream}"));
            for element in &array {
                self.hear_one(None, element, stream, &mut heard);
            }
            heard.complete &= heard.error.is_none();
            return heard;
        }
        let mut ids = Vec::new();
        for block in stream.split_inclusive("\n\n") {
            let mut name = None;
            let mut data = Vec::new();
            assert!(block.ends_with("\n\n"), "an event without its end: {block:?} in {stream}");
            for line in block.lines().filter(|line| !line.is_empty() && !line.starts_with(':')) {
                let (field, value) = line.split_once(": ").unwrap_or_else(|| panic!("{line:?} in {stream}"));
                match field {
                    "id" => ids.push(value.parse::<u64>().expect("a number")),
                    "event" => name = Some(value),
                    "data" => data.push(value),
                    other => panic!("a field `{other}` in {stream}"),
                }
            }
            assert!(!data.is_empty(), "a block without data: {block:?}");
            let data = data.join("\n");
            assert!(heard.error.is_none(), "something behind an error: {block:?} in {stream}");
            if data == "[DONE]" {
                assert!(matches!(self, Self::Chat | Self::Ui), "{self:?} knows no [DONE]: {stream}");
                assert!(!heard.complete, "two ends: {stream}");
                heard.complete = true;
                continue;
            }
            // Google's stream ends with its bytes, and usage may follow the finish.
            assert!(!heard.complete || self == Self::Gemini, "something behind the end: {block:?} in {stream}");
            let value = serde_json::from_str(&data).unwrap_or_else(|error| panic!("{error}: {data:?} in {stream}"));
            self.hear_one(name, &value, stream, &mut heard);
        }
        // Their own clients stumble over any line but `data`.
        if matches!(self, Self::Ui | Self::Gemini) {
            assert!(ids.is_empty(), "{stream}");
        } else {
            let expected: Vec<u64> = (1..).take(ids.len()).collect();
            assert_eq!(ids, expected, "{stream}");
            // Signs of life are no events of the answer.
            let pings = stream.matches("event: ping\ndata: {\"type\":\"ping\"}\n").count();
            assert!(ids.len() + pings >= stream.matches("data: ").count(), "each event has a number: {stream}");
        }
        if self == Self::Responses {
            let numbers: Vec<u64> = stream
                .lines()
                .filter_map(|line| serde_json::from_str::<Value>(line.strip_prefix("data: ")?).ok())
                .map(|event| event["sequence_number"].as_u64().expect("a sequence number"))
                .collect();
            let expected: Vec<u64> = (0..).take(numbers.len()).collect();
            assert_eq!(numbers, expected, "{stream}");
        }
        heard.complete &= heard.error.is_none();
        heard
    }

    fn hear_one(self, name: Option<&str>, event: &Value, stream: &str, heard: &mut Heard) {
        let kind = event["type"].as_str().unwrap_or_default();
        let mut say = |text: &Value| heard.text.push_str(text.as_str().unwrap_or_default());
        match self {
            Self::Chat => {
                if event["error"].is_object() {
                    heard.error = Some(event["error"].clone());
                    return;
                }
                assert_eq!(event["object"], "chat.completion.chunk", "{stream}");
                say(&event["choices"][0]["delta"]["content"]);
                if event["usage"].is_object() {
                    heard.usage = Some(event["usage"].clone());
                }
            }
            Self::Responses => {
                assert_eq!(name, Some(kind), "{stream}");
                match kind {
                    "response.output_text.delta" => say(&event["delta"]),
                    "response.completed" => {
                        heard.complete = true;
                        heard.usage = Some(event["response"]["usage"].clone());
                    }
                    "error" => heard.error = Some(event["error"].clone()),
                    other => assert!(other.starts_with("response.") && other != "response.failed", "{stream}"),
                }
            }
            Self::Messages => {
                assert_eq!(name, Some(kind), "{stream}");
                match kind {
                    "content_block_delta" if event["delta"]["type"] == "text_delta" => say(&event["delta"]["text"]),
                    "message_delta" => heard.usage = Some(event["usage"].clone()),
                    "message_stop" => heard.complete = true,
                    "error" => heard.error = Some(event["error"].clone()),
                    "message_start" | "content_block_start" | "content_block_delta" | "content_block_stop" | "ping" => {
                    }
                    other => panic!("`{other}` in {stream}"),
                }
            }
            Self::Gemini | Self::GeminiArray => {
                if event["error"].is_object() {
                    heard.error = Some(event["error"].clone());
                    return;
                }
                for part in event["candidates"][0]["content"]["parts"].as_array().into_iter().flatten() {
                    if part["thought"] != true {
                        say(&part["text"]);
                    }
                }
                heard.complete |= event["candidates"][0]["finishReason"].is_string();
                if event["usageMetadata"].is_object() {
                    heard.usage = Some(event["usageMetadata"].clone());
                }
            }
            Self::Ui => match kind {
                "text-delta" => say(&event["delta"]),
                "error" => {
                    let text = event["errorText"].as_str().expect("a text");
                    heard.error = Some(serde_json::from_str(text).expect("the problem as JSON"));
                }
                "finish" => {
                    heard.usage = Some(event["messageMetadata"]["usage"].clone()).filter(Value::is_object);
                }
                other => assert!(!other.is_empty(), "{stream}"),
            },
        }
    }

    /// Our own code in an error of this dialect: `error` of the body or of the last event.
    pub(super) fn code(self, error: &Value) -> &str {
        let code = match self {
            Self::Chat | Self::Responses | Self::Ui => &error["code"],
            Self::Messages => &error["haltline"]["code"],
            Self::Gemini | Self::GeminiArray => &error["details"][0]["metadata"]["code"],
        };
        code.as_str().unwrap_or_default()
    }

    /// The error of an HTTP answer, after a look at its shape.
    pub(super) fn error_of(self, status: u16, body: &str) -> Value {
        let value: Value = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {body}"));
        let error = match self {
            Self::Ui => return value,
            Self::Messages => {
                assert_eq!(value["type"], "error", "{body}");
                assert!(value["error"]["type"].is_string() && value["request_id"].is_string(), "{body}");
                &value["error"]
            }
            Self::Gemini | Self::GeminiArray => {
                assert_eq!(value["error"]["code"], status, "{body}");
                assert!(value["error"]["status"].is_string(), "{body}");
                &value["error"]
            }
            Self::Chat | Self::Responses => {
                assert!(value["error"]["type"].is_string(), "{body}");
                &value["error"]
            }
        };
        assert!(error["message"].is_string(), "{body}");
        error.clone()
    }
}
