//! What `useChat` sends: the whole conversation as UI messages, and what the page adds to the body.
//!
//! Nothing of the body reaches a provider as it stands: what is known is made canonical, and what is
//! not known is refused by name, so that a misspelt field is not lost in silence.

use super::parts::Conversation;
use crate::canon::{MediaSource, Part, Request, Text, Tool};
use crate::refusal::{RequestError, shorten};
use crate::{Measure, PassFields};
use bytes::Bytes;
use haltline_types::{Code, Tokens};
use serde_json::{Map, Value};

/// Fields of the body: those of `DefaultChatTransport`, and what pages usually add to it.
const KNOWN: [&str; 12] = [
    "id",
    "maxOutputTokens",
    "message",
    "messageId",
    "messages",
    "model",
    "system",
    "temperature",
    "tools",
    "trigger",
    "user",
    "webSearch",
];

/// All fields that are known.
pub fn known_fields() -> impl Iterator<Item = crate::client::KnownField> {
    KNOWN.into_iter().map(|name| crate::client::KnownField { name, refused: None })
}

/// Messages that one request may hold.
const MESSAGES_MAX: usize = 5_000;

/// A request that was accepted.
#[derive(Clone, Debug)]
pub struct UiRequest {
    pub(super) body: Bytes,
    chat_id: Option<String>,
    last_message_id: Option<String>,
    pub(super) canonical: Request,
    pub(super) measure: Measure,
    vouched: Vec<String>,
    single: bool,
    regenerates: bool,
    /// The last message is to be written on with.
    pub(crate) open_ended: bool,
}

impl UiRequest {
    /// Reads a body. Fields in `pass` are ignored instead of refused.
    ///
    /// # Errors
    /// What the page must change, with the field's path.
    pub fn parse(body: Bytes, pass: &PassFields) -> Result<Self, RequestError> {
        let unacceptable = |message: String| RequestError { code: Code::InvalidRequest, message, param: None };
        crate::json::check(&body)
            .map_err(|error| unacceptable(format!("The body is not acceptable JSON: {error}.")))?;
        let Ok(Value::Object(fields)) = serde_json::from_slice::<Value>(&body) else {
            return Err(unacceptable("The body must be a JSON object.".to_owned()));
        };
        let mut vouched = Vec::new();
        for (name, value) in &fields {
            if KNOWN.contains(&name.as_str()) || value.is_null() {
                continue;
            }
            if !pass.contains(name) {
                return Err(RequestError::unknown(shorten(name), crate::suggest::nearest(name, KNOWN)));
            }
            vouched.push(name.clone());
        }
        let canonical = canonical(&fields)?;
        let word = |name: &str| fields.get(name).and_then(Value::as_str).map(str::to_owned);
        let single = fields.get("message").filter(|message| !message.is_null());
        let messages = fields.get("messages").and_then(Value::as_array);
        let last = single.or_else(|| messages?.last());
        let last = last.and_then(|message| message.get("id")?.as_str()).map(str::to_owned);
        let regenerates = fields.get("trigger").and_then(Value::as_str) == Some("regenerate-message");
        let single = single.is_some();
        let measure = measure(&canonical);
        let (chat_id, last_message_id) = (word("id"), word("messageId").or(last));
        Ok(Self { body, chat_id, last_message_id, canonical, measure, vouched, single, regenerates, open_ended: false })
    }

    /// The model that the page names; empty when it leaves it to the gateway.
    #[must_use]
    pub fn model(&self) -> &str {
        &self.canonical.model
    }

    /// Always a stream.
    #[must_use]
    pub const fn stream(&self) -> bool {
        true
    }

    /// Always one answer.
    #[must_use]
    pub const fn n(&self) -> u32 {
        1
    }

    /// The page's output cap.
    #[must_use]
    pub const fn client_cap(&self) -> Option<Tokens> {
        self.canonical.cap
    }

    /// Whom the page names as its user. A page can name anybody: it is a claim.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.canonical.user.as_deref()
    }

    /// The chat's id, under which its stream can be resumed.
    #[must_use]
    pub fn chat_id(&self) -> Option<&str> {
        self.chat_id.as_deref()
    }

    /// The message that is answered or made again: with the chat's id it tells a repeated request.
    #[must_use]
    pub fn last_message_id(&self) -> Option<&str> {
        self.last_message_id.as_deref()
    }

    /// Does the page send its newest `message` alone, as `prepareSendMessagesRequest` is often told
    /// to? Then the turns before it are the gateway's to supply (`ClientRequest::with_history`).
    #[must_use]
    pub const fn needs_history(&self) -> bool {
        self.single
    }

    /// Is the last answer to be made anew (`trigger: regenerate-message`)? `last_message_id` then
    /// names it, or, when the page names none, the message that it answered.
    #[must_use]
    pub const fn regenerates(&self) -> bool {
        self.regenerates
    }

    /// How much there is to read.
    #[must_use]
    pub const fn measure(&self) -> Measure {
        self.measure
    }

    /// The bytes that make two requests the same request: the body as it was sent.
    #[must_use]
    pub fn fingerprint_material(&self) -> &[u8] {
        &self.body
    }

    /// Names of the fields that were ignored because the operator vouches for them.
    pub fn vouched_fields(&self) -> impl Iterator<Item = String> + '_ {
        self.vouched.iter().cloned()
    }

    /// What it means.
    ///
    /// # Errors
    /// None; all dialects have the same signature.
    pub fn canonical(&self) -> Result<Request, RequestError> {
        Ok(self.canonical.clone())
    }
}

fn canonical(fields: &Map<String, Value>) -> Result<Request, RequestError> {
    let value = |name: &str| fields.get(name).filter(|value| !value.is_null());
    let word = |name: &'static str| match value(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(RequestError::invalid(name, format!("`{name}` must be a string."))),
    };
    let single = value("message");
    if single.is_some() && value("messages").is_some() {
        return Err(RequestError::invalid("message", "Both `message` and `messages` are set; send one of them."));
    }
    let messages = match single {
        Some(message) => Some(std::slice::from_ref(message)),
        None => value("messages").and_then(Value::as_array).map(Vec::as_slice).filter(|messages| !messages.is_empty()),
    };
    let messages = messages.ok_or_else(|| RequestError::invalid("messages", "`messages` is missing or empty."))?;
    if messages.len() > MESSAGES_MAX {
        return Err(RequestError::invalid("messages", format!("`messages` holds more than {MESSAGES_MAX}.")));
    }
    if value("webSearch").is_some_and(|search| *search != Value::Bool(false)) {
        return Err(RequestError::invalid(
            "webSearch",
            "`webSearch` is not accepted: web searches have fees of their own that a budget cannot hold.",
        ));
    }
    let mut conversation = Conversation::read(messages)?;
    if let Some(text) = word("system")?.filter(|text| !text.is_empty()) {
        conversation.system.insert(0, Text { text, cache: None });
    }
    let mut request = Request {
        model: word("model")?.unwrap_or_default(),
        system: conversation.system,
        messages: conversation.messages,
        tools: value("tools").map_or(Ok(Vec::new()), tools)?,
        stream: true,
        user: word("user")?,
        ..Request::default()
    };
    if request.model.len() > 256 || request.model.chars().any(char::is_control) {
        return Err(RequestError::invalid(
            "model",
            "`model` must be a name of at most 256 bytes without control characters.",
        ));
    }
    if let Some(cap) = value("maxOutputTokens") {
        let cap = cap.as_u64().filter(|cap| *cap > 0).map(Tokens::new);
        request.cap = Some(cap.ok_or_else(|| {
            RequestError::invalid("maxOutputTokens", "`maxOutputTokens` must be a whole number above zero.")
        })?);
    }
    match value("temperature") {
        None => {}
        Some(Value::Number(number)) => request.sampling.temperature = Some(number.clone()),
        Some(_) => return Err(RequestError::invalid("temperature", "`temperature` must be a number.")),
    }
    Ok(request)
}

/// Tools that the page runs: an object of them by name, or a list.
fn tools(value: &Value) -> Result<Vec<Tool>, RequestError> {
    let tool = |name: Option<&str>, path: String, value: &Value| {
        let inner = value.get("function").filter(|inner| inner.is_object()).unwrap_or(value);
        let word = |name: &str| inner.get(name).and_then(Value::as_str);
        let name = name.or_else(|| word("name")).filter(|name| !name.is_empty());
        let schema = ["inputSchema", "parameters"].iter().find_map(|name| inner.get(*name));
        // What `jsonSchema()` of the AI SDK wraps.
        let schema =
            schema.map(|schema| schema.get("jsonSchema").unwrap_or(schema)).filter(|schema| schema.is_object());
        Ok(Tool {
            name: name.ok_or_else(|| RequestError::invalid(path, "A tool has no `name`."))?.to_owned(),
            description: word("description").map(str::to_owned),
            schema: schema.cloned(),
            strict: None,
            cache: None,
        })
    };
    match value {
        Value::Object(named) => named.iter().map(|(name, value)| tool(Some(name), "tools".to_owned(), value)).collect(),
        Value::Array(items) => {
            items.iter().enumerate().map(|(index, value)| tool(None, format!("tools[{index}]"), value)).collect()
        }
        _ => Err(RequestError::invalid("tools", "`tools` must be an object or a list.")),
    }
}

pub(super) fn measure(request: &Request) -> Measure {
    let mut measure = Measure::default();
    request.system.iter().for_each(|text| measure.add_text(text.text.as_bytes()));
    for message in &request.messages {
        measure.messages = measure.messages.saturating_add(1);
        message.parts.iter().for_each(|part| add(&mut measure, part));
    }
    if !request.system.is_empty() {
        measure.messages = measure.messages.saturating_add(1);
    }
    for tool in &request.tools {
        measure.tools = measure.tools.saturating_add(1);
        measure.add_text(tool.name.as_bytes());
        measure.add_text(tool.description.as_deref().unwrap_or_default().as_bytes());
        if let Some(schema) = &tool.schema {
            measure.add_text(schema.to_string().as_bytes());
        }
    }
    measure
}

fn add(measure: &mut Measure, part: &Part) {
    match part {
        Part::Text(text) => measure.add_text(text.text.as_bytes()),
        Part::Refusal(text) => measure.add_text(text.as_bytes()),
        Part::Reasoning { text, signature, redacted, .. } => {
            for text in [Some(text), signature.as_ref(), redacted.as_ref()].into_iter().flatten() {
                measure.add_text(text.as_bytes());
            }
        }
        Part::Call(call) => {
            measure.add_text(call.id.as_bytes());
            measure.add_text(call.name.as_bytes());
            measure.add_text(call.arguments.as_bytes());
        }
        Part::Result(result) => {
            // A result is a turn of its own in some dialects.
            measure.messages = measure.messages.saturating_add(1);
            measure.add_text(result.id.as_bytes());
            measure.add_text(result.name.as_deref().unwrap_or_default().as_bytes());
            result.parts.iter().for_each(|part| add(measure, part));
        }
        Part::Image(_) => measure.images = measure.images.saturating_add(1),
        Part::Document(media) | Part::Audio(media) => {
            if let MediaSource::Text(text) | MediaSource::Base64 { data: text, .. } = &media.source {
                measure.add_text(text.as_bytes());
            }
        }
    }
}
