//! A request as a client sent it: read once, kept as bytes.
//!
//! Refuses what we do not know and what hides cost. Does not know prices, providers or who asks;
//! the bytes that a provider gets are made by `rewrite`.

use super::fields::{Field, field, meant, why_refused};
use super::messages::read_messages;
use super::{CapField, Measure, PassFields};
use crate::json::{self, walk};
use bytes::Bytes;
use haltline_types::{Code, Tokens};
use std::fmt;
use std::ops::Range;

/// Choices that one request may ask for.
pub const N_MAX: u32 = 16;

/// Messages that one request may hold.
pub const MESSAGES_MAX: usize = 5_000;

/// Bytes of a model's name.
pub const MODEL_BYTES_MAX: usize = 256;

/// Why a request is not accepted. Safe to show to the client: it quotes names of fields only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestError {
    /// `InvalidRequest` or `UnknownField`.
    pub code: Code,
    /// One or two sentences for the client.
    pub message: String,
    /// The field, as a path: `messages[3].content`.
    pub param: Option<String>,
}

impl RequestError {
    pub(super) fn invalid(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: Code::InvalidRequest, message: message.into(), param: Some(param.into()) }
    }

    pub(super) fn unknown(param: impl Into<String>, meant: Option<&str>) -> Self {
        let param = param.into();
        let hint = meant.map_or_else(String::new, |meant| format!(" Did you mean `{meant}`?"));
        let message = format!(
            "Unknown field `{param}`: it could change the price, so it is not passed on.{hint} \
             An operator can allow it with `pass_fields`."
        );
        Self { code: Code::UnknownField, message, param: Some(param) }
    }
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for RequestError {}

/// A top-level member and where its parts stand.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) field: Field,
    /// The inside of the key's string.
    pub(super) key: Range<usize>,
    pub(super) value: Range<usize>,
}

/// A chat completion request that was accepted.
#[derive(Clone, Debug)]
pub struct ChatRequest {
    pub(super) body: Bytes,
    pub(super) members: Vec<Member>,
    model: String,
    stream: bool,
    include_usage: bool,
    n: u32,
    client_cap: Option<(CapField, Tokens)>,
    user: Option<String>,
    safety_identifier: Option<String>,
    metadata: Option<Range<usize>>,
    measure: Measure,
}

impl ChatRequest {
    /// Reads a body. Fields in `pass` are let through though we do not know them.
    ///
    /// # Errors
    /// What a client must change, with the field's path.
    pub fn parse(body: Bytes, pass: &PassFields) -> Result<Self, RequestError> {
        json::check(&body).map_err(|error| RequestError {
            code: Code::InvalidRequest,
            message: format!("The body is not acceptable JSON: {error}."),
            param: None,
        })?;
        let members = read_members(&body, pass)?;
        let mut request = Self {
            body,
            members: Vec::new(),
            model: String::new(),
            stream: false,
            include_usage: false,
            n: 1,
            client_cap: None,
            user: None,
            safety_identifier: None,
            metadata: None,
            measure: Measure::default(),
        };
        for member in &members {
            request.accept(member, pass)?;
        }
        request.members = members;
        if request.model.is_empty() {
            return Err(RequestError::invalid("model", "`model` is missing."));
        }
        if request.measure.messages == 0 {
            return Err(RequestError::invalid("messages", "`messages` is missing or empty."));
        }
        Ok(request)
    }

    /// The model as the client asked for it.
    #[must_use]
    pub fn model(&self) -> &str {
        &self.model
    }

    /// Does the client want a stream?
    #[must_use]
    pub const fn stream(&self) -> bool {
        self.stream
    }

    /// Does the client want the usage chunk of a stream?
    #[must_use]
    pub const fn include_usage(&self) -> bool {
        self.include_usage
    }

    /// Choices asked for, from 1 to `N_MAX`. Each may use the whole output cap.
    #[must_use]
    pub const fn n(&self) -> u32 {
        self.n
    }

    /// The output cap that the client set, and in which field.
    #[must_use]
    pub const fn client_cap(&self) -> Option<(CapField, Tokens)> {
        self.client_cap
    }

    /// The `user` field.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// The `safety_identifier` field.
    #[must_use]
    pub fn safety_identifier(&self) -> Option<&str> {
        self.safety_identifier.as_deref()
    }

    /// The string that `metadata` holds under `key`.
    #[must_use]
    pub fn metadata(&self, key: &str) -> Option<String> {
        let metadata = self.metadata.as_ref()?;
        walk::members(&self.body, metadata.start)
            .find(|member| *member.name(&self.body) == *key.as_bytes())
            .and_then(|member| text(&self.body, &member.value))
    }

    /// The user that `metadata` claims.
    #[must_use]
    pub fn metadata_user(&self) -> Option<String> {
        self.metadata("user_id").or_else(|| self.metadata("user"))
    }

    /// The conversation that `metadata` claims.
    #[must_use]
    pub fn metadata_session(&self) -> Option<String> {
        ["session_id", "conversation_id", "thread_id"].iter().find_map(|key| self.metadata(key))
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

    /// Names of the fields that passed only because the operator vouches for them.
    pub fn vouched_fields(&self) -> impl Iterator<Item = String> + '_ {
        self.members
            .iter()
            .filter(|member| member.field == Field::Vouched)
            .map(|member| String::from_utf8_lossy(&self.body[member.key.clone()]).into_owned())
    }

    fn accept(&mut self, member: &Member, pass: &PassFields) -> Result<(), RequestError> {
        let body = self.body.clone();
        let value = &member.value;
        if walk::is_null(&body, value) {
            return Ok(());
        }
        match member.field {
            Field::Model => self.model = read_model(&body, value)?,
            Field::Messages => read_messages(&body, value, pass, &mut self.measure)?,
            Field::Stream => self.stream = boolean(&body, value, "stream")?,
            Field::StreamOptions => self.include_usage = read_stream_options(&body, value, pass)?,
            Field::MaxTokens => self.accept_cap(&body, value, CapField::MaxTokens)?,
            Field::MaxCompletionTokens => self.accept_cap(&body, value, CapField::MaxCompletionTokens)?,
            Field::N => self.n = read_n(&body, value)?,
            Field::User => self.user = Some(string(&body, value, "user")?),
            Field::SafetyIdentifier => self.safety_identifier = Some(string(&body, value, "safety_identifier")?),
            Field::Metadata => {
                object(&body, value, "metadata")?;
                self.metadata = Some(value.clone());
            }
            Field::Tools => super::messages::read_tools(&body, value, pass, &mut self.measure)?,
            Field::Functions => super::messages::read_functions(&body, value, &mut self.measure)?,
            Field::ToolChoice => super::messages::read_tool_choice(&body, value)?,
            Field::ResponseFormat => {
                object(&body, value, "response_format")?;
                self.measure.add_value(&body, value);
            }
            Field::ServiceTier => read_service_tier(&body, value)?,
            Field::Store => {
                if boolean(&body, value, "store")? {
                    return Err(refused("store"));
                }
            }
            Field::Modalities => read_modalities(&body, value)?,
            Field::CacheOptions => read_cache_options(&body, value)?,
            Field::CacheRetention => read_cache_retention(&body, value)?,
            Field::Refused => {
                let name = body.get(member.key.clone()).and_then(|key| std::str::from_utf8(key).ok());
                return Err(refused(name.unwrap_or_default()));
            }
            Field::Pass | Field::Vouched => {}
        }
        Ok(())
    }

    fn accept_cap(&mut self, body: &[u8], value: &Range<usize>, field: CapField) -> Result<(), RequestError> {
        let name = field.name();
        let Some(cap) = whole_number(body, value).filter(|cap| *cap > 0) else {
            return Err(RequestError::invalid(name, format!("`{name}` must be a whole number above zero.")));
        };
        if self.client_cap.is_some() {
            return Err(RequestError::invalid(
                name,
                "Both `max_tokens` and `max_completion_tokens` are set; send one of them.",
            ));
        }
        self.client_cap = Some((field, Tokens::new(cap)));
        Ok(())
    }
}

fn read_members(body: &[u8], pass: &PassFields) -> Result<Vec<Member>, RequestError> {
    if body.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
        return Err(RequestError {
            code: Code::InvalidRequest,
            message: "The body must be a JSON object.".to_owned(),
            param: None,
        });
    }
    let mut members = Vec::with_capacity(12);
    for member in walk::members(body, 0) {
        let name = member.name(body);
        let name = String::from_utf8_lossy(&name);
        let field = match field(&name) {
            Some(field) => field,
            None if walk::is_null(body, &member.value) || pass.contains(&name) => Field::Vouched,
            None => return Err(RequestError::unknown(shorten(&name), meant(&name))),
        };
        members.push(Member { field, key: member.key, value: member.value });
    }
    Ok(members)
}

fn read_model(body: &[u8], value: &Range<usize>) -> Result<String, RequestError> {
    let model = string(body, value, "model")?;
    if model.is_empty() || model.len() > MODEL_BYTES_MAX || model.chars().any(char::is_control) {
        return Err(RequestError::invalid(
            "model",
            format!("`model` must be a name of 1 to {MODEL_BYTES_MAX} bytes without control characters."),
        ));
    }
    Ok(model)
}

fn read_n(body: &[u8], value: &Range<usize>) -> Result<u32, RequestError> {
    whole_number(body, value)
        .and_then(|n| u32::try_from(n).ok())
        .filter(|n| (1..=N_MAX).contains(n))
        .ok_or_else(|| RequestError::invalid("n", format!("`n` must be a whole number from 1 to {N_MAX}.")))
}

fn read_stream_options(body: &[u8], value: &Range<usize>, pass: &PassFields) -> Result<bool, RequestError> {
    object(body, value, "stream_options")?;
    let mut include_usage = false;
    for member in walk::members(body, value.start) {
        let name = member.name(body);
        if walk::is_null(body, &member.value) {
            continue;
        }
        match &*name {
            b"include_usage" => include_usage = boolean(body, &member.value, "stream_options.include_usage")?,
            b"include_obfuscation" => {
                boolean(body, &member.value, "stream_options.include_obfuscation")?;
            }
            other => {
                let name = String::from_utf8_lossy(other);
                if !pass.contains(&name) {
                    let meant = crate::suggest::nearest(&name, ["include_usage", "include_obfuscation"]);
                    return Err(RequestError::unknown(format!("stream_options.{}", shorten(&name)), meant));
                }
            }
        }
    }
    Ok(include_usage)
}

fn read_service_tier(body: &[u8], value: &Range<usize>) -> Result<(), RequestError> {
    match walk::string(body, value).as_deref() {
        Some(b"auto" | b"default") => Ok(()),
        _ => Err(RequestError::invalid(
            "service_tier",
            "`service_tier` must be `auto` or `default`: other tiers have other prices. It is sent as `default`.",
        )),
    }
}

fn read_modalities(body: &[u8], value: &Range<usize>) -> Result<(), RequestError> {
    let text_only = body.get(value.start) == Some(&b'[')
        && walk::elements(body, value.start).all(|item| walk::string(body, &item).as_deref() == Some(b"text"));
    if text_only {
        return Ok(());
    }
    Err(RequestError::invalid("modalities", "Only `[\"text\"]` is offered: other output is priced apart from tokens."))
}

fn read_cache_options(body: &[u8], value: &Range<usize>) -> Result<(), RequestError> {
    object(body, value, "prompt_cache_options")?;
    for member in walk::members(body, value.start) {
        let short = *member.name(body) == *b"ttl" && walk::string(body, &member.value).as_deref() == Some(b"30m");
        if !short && !walk::is_null(body, &member.value) {
            return Err(RequestError::invalid(
                "prompt_cache_options",
                "Only `{\"ttl\":\"30m\"}` is taken: longer retention and prewarming raise the price.",
            ));
        }
    }
    Ok(())
}

fn read_cache_retention(body: &[u8], value: &Range<usize>) -> Result<(), RequestError> {
    match walk::string(body, value).as_deref() {
        Some(b"in_memory" | b"in-memory") => Ok(()),
        _ => Err(RequestError::invalid(
            "prompt_cache_retention",
            "`prompt_cache_retention` must be `in_memory`: longer retention can raise the price.",
        )),
    }
}

fn refused(name: &str) -> RequestError {
    RequestError::invalid(name, format!("`{name}` is not accepted: {}.", why_refused(name)))
}

pub(super) fn string(body: &[u8], value: &Range<usize>, param: &str) -> Result<String, RequestError> {
    text(body, value).ok_or_else(|| RequestError::invalid(param, format!("`{param}` must be a string.")))
}

fn text(body: &[u8], value: &Range<usize>) -> Option<String> {
    walk::string(body, value).map(|text| String::from_utf8_lossy(&text).into_owned())
}

fn boolean(body: &[u8], value: &Range<usize>, param: &str) -> Result<bool, RequestError> {
    match body.get(value.clone()) {
        Some(b"true") => Ok(true),
        Some(b"false") => Ok(false),
        _ => Err(RequestError::invalid(param, format!("`{param}` must be true or false."))),
    }
}

pub(super) fn object(body: &[u8], value: &Range<usize>, param: &str) -> Result<(), RequestError> {
    if body.get(value.start) == Some(&b'{') {
        return Ok(());
    }
    Err(RequestError::invalid(param, format!("`{param}` must be an object.")))
}

/// A whole number as plain digits: `1e3` and `5.0` are for others to argue about.
fn whole_number(body: &[u8], value: &Range<usize>) -> Option<u64> {
    std::str::from_utf8(body.get(value.clone())?).ok()?.parse().ok()
}

/// A client's own name for something, short enough to be shown back.
pub(super) fn shorten(name: &str) -> String {
    let shown: String = name.chars().take(60).collect();
    shown.escape_debug().to_string()
}
