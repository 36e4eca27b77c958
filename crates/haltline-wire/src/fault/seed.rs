//! The parts of a provider's error, out of the many shapes in which they come. Judges nothing.

use serde_json::Value;
use std::time::Duration;

/// Bytes of a provider's text that are kept for operators.
const DETAIL_BYTES_MAX: usize = 500;

/// What a provider said when it failed.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct FaultSeed {
    /// A status named in the body itself: the only one, when the error came with HTTP 200.
    pub status: Option<u16>,
    /// `type`, or what stands for it.
    pub kind: Option<String>,
    /// `code`, numbers as text.
    pub code: Option<String>,
    /// The message; may quote the request.
    pub message: String,
    /// OpenRouter: the money is held by requests in flight, not spent.
    pub in_flight: bool,
    /// OpenRouter: a limit that its operator set is reached.
    pub limit_reached: bool,
    /// Google: the wait that `google.rpc.RetryInfo` in the details names.
    pub retry_delay: Option<Duration>,
}

impl FaultSeed {
    /// Reads an error. `None` when the JSON says nothing that could be one, or is none.
    #[must_use]
    pub fn read(body: &[u8]) -> Option<Self> {
        let value: Value = serde_json::from_slice(body).ok()?;
        let value = match &value {
            Value::Array(items) => items.first()?,
            other => other,
        };
        let object = value.as_object()?;
        let seed = match object.get("error") {
            Some(Value::Object(error)) if !error.is_empty() => Self::of_object(error),
            // xAI, Ollama, Groq inside a chunk.
            Some(Value::String(error)) if !error.is_empty() => Self {
                message: error.clone(),
                kind: word(object.get("type")),
                code: word(object.get("code")),
                ..Self::default()
            },
            _ => match object.get("x_groq").and_then(|groq| groq.get("error")) {
                Some(Value::String(error)) => Self { message: error.clone(), ..Self::default() },
                Some(Value::Object(error)) => Self::of_object(error),
                _ => Self::of_bare(object)?,
            },
        };
        Some(seed)
    }

    /// From a body that is no JSON in the shape of an error.
    #[must_use]
    pub fn of_text(body: &[u8]) -> Self {
        let text = String::from_utf8_lossy(&body[..body.len().min(DETAIL_BYTES_MAX)]).into_owned();
        Self { message: text, ..Self::default() }
    }

    /// For operators' logs.
    #[must_use]
    pub fn detail(&self) -> String {
        let mut end = self.message.len().min(DETAIL_BYTES_MAX);
        while !self.message.is_char_boundary(end) {
            end -= 1;
        }
        let message = &self.message[..end];
        match (&self.kind, &self.code) {
            (None, None) => message.to_owned(),
            (Some(kind), None) => format!("{kind}: {message}"),
            (None, Some(code)) => format!("{code}: {message}"),
            (Some(kind), Some(code)) => format!("{kind}/{code}: {message}"),
        }
    }

    /// Does Azure's content filter speak?
    #[must_use]
    pub fn is_azure_filter(&self) -> bool {
        [&self.kind, &self.code].into_iter().flatten().any(|word| {
            let word = word.to_ascii_lowercase();
            word.contains("content_filter") || word.contains("responsibleai")
        })
    }

    /// `{"error":{…}}`.
    fn of_object(error: &serde_json::Map<String, Value>) -> Self {
        let inner = error.get("inner_error").or_else(|| error.get("innererror"));
        let metadata = error.get("metadata");
        let meta = |name: &str| metadata.and_then(|metadata| metadata.get(name)).filter(|value| !value.is_null());
        Self {
            status: ["status_code", "status", "code"].iter().find_map(|name| status(error.get(*name))),
            kind: word(error.get("type"))
                .or_else(|| error.get("status").and_then(Value::as_str).map(str::to_owned))
                .or_else(|| word(error.get("error_type"))),
            // Anthropic tells rate limits and spend limits apart in `details` only.
            code: word(error.get("details").and_then(|details| details.get("error_code")))
                .or_else(|| word(error.get("code")))
                .or_else(|| word(inner.and_then(|inner| inner.get("code")))),
            message: message(error.get("message")),
            in_flight: meta("reason").and_then(Value::as_str) == Some("in_flight_budget_exhausted"),
            limit_reached: meta("limit_source").is_some(),
            retry_delay: retry_delay(error.get("details")),
        }
    }

    /// `{"object":"error","message":…}`, `{"type":"error",…}`, `{"detail":…}`.
    fn of_bare(object: &serde_json::Map<String, Value>) -> Option<Self> {
        let is = |name: &str| object.get(name).and_then(Value::as_str) == Some("error");
        if is("object") || is("type") || object.contains_key("message") {
            let kind =
                word(object.get("error_type")).or_else(|| word(object.get("type")).filter(|kind| kind != "error"));
            return Some(Self {
                status: ["raw_status_code", "status_code", "status", "code"]
                    .iter()
                    .find_map(|name| status(object.get(*name))),
                kind,
                code: word(object.get("code")),
                message: message(object.get("message")),
                ..Self::default()
            });
        }
        let detail = object.get("detail")?;
        Some(Self { message: message(Some(detail)), ..Self::default() })
    }
}

/// `"retryDelay": "48s"` of a list of details, fractions allowed.
fn retry_delay(details: Option<&Value>) -> Option<Duration> {
    let stated = details?.as_array()?.iter().find_map(|detail| detail.get("retryDelay")?.as_str());
    crate::retry_after::duration(stated?)
}

/// A word, or a number as text.
fn word(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn message(value: Option<&Value>) -> String {
    match value {
        Some(Value::String(text)) => text.clone(),
        None | Some(Value::Null) => String::new(),
        Some(other) => other.to_string(),
    }
}

/// An HTTP error status as number or text.
fn status(value: Option<&Value>) -> Option<u16> {
    let status = match value? {
        Value::Number(number) => number.as_u64().and_then(|number| u16::try_from(number).ok())?,
        Value::String(text) if text.len() == 3 => text.parse().ok()?,
        _ => return None,
    };
    (400..600).contains(&status).then_some(status)
}
