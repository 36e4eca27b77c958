//! A request as a client sent it: read once, kept as bytes.
//!
//! Refuses what we do not know and what hides cost. What refers to earlier turns is shown to the
//! gateway, which may know them. The bytes that a provider gets are made by `rewrite`.

use super::fields::{Field, field, meant, why_refused};
use super::input::{Input, read_input};
use super::tools::{read_tool_choice, read_tools};
use super::values;
use crate::json::walk::{self, Cursor};
use crate::refusal::{RequestError, shorten};
use crate::{Measure, PassFields};
use bytes::Bytes;
use haltline_types::{Code, Tokens};
use std::ops::Range;

pub use super::input::ITEMS_MAX;

/// What becomes of tools that the provider runs (web search, code interpreter, …).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum HostedTools {
    /// The request is refused.
    #[default]
    Refuse,
    /// They are left out of what is sent, and named in `dropped`; so are, in other dialects, tools
    /// that only this one has. For clients that offer them
    /// without being asked to, such as Codex.
    LeaveOut,
}

/// A top-level member and where its parts stand.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) field: Field,
    /// The inside of the key's string.
    pub(super) key: Range<usize>,
    pub(super) value: Range<usize>,
}

/// A Responses request that was accepted.
#[derive(Clone, Debug)]
pub struct ResponsesRequest {
    pub(super) body: Bytes,
    pub(super) members: Vec<Member>,
    pub(super) input: Input,
    pub(super) hosted: Vec<Range<usize>>,
    /// What becomes of tools that cannot be offered.
    pub(super) mode: HostedTools,
    model: String,
    stream: bool,
    background: bool,
    store: Option<bool>,
    client_cap: Option<Tokens>,
    user: Option<String>,
    safety_identifier: Option<String>,
    previous_response_id: Option<String>,
    conversation: Option<String>,
    has_input: bool,
    metadata: Option<Range<usize>>,
    measure: Measure,
    /// The last message is to be written on with.
    pub(crate) open_ended: bool,
}

impl ResponsesRequest {
    /// Reads a body. Fields in `pass` are let through though we do not know them. Tools that the
    /// provider runs are refused.
    ///
    /// # Errors
    /// What a client must change, with the field's path.
    pub fn parse(body: Bytes, pass: &PassFields) -> Result<Self, RequestError> {
        Self::parse_with(body, pass, HostedTools::Refuse)
    }

    /// The same, with a choice of what becomes of tools that the provider runs.
    ///
    /// # Errors
    /// What a client must change, with the field's path.
    pub fn parse_with(body: Bytes, pass: &PassFields, hosted: HostedTools) -> Result<Self, RequestError> {
        crate::json::check(&body).map_err(|error| RequestError {
            code: Code::InvalidRequest,
            message: format!("The body is not acceptable JSON: {error}."),
            param: None,
        })?;
        let mut request = Self {
            body,
            members: Vec::with_capacity(16),
            input: Input::default(),
            hosted: Vec::new(),
            mode: hosted,
            model: String::new(),
            stream: false,
            background: false,
            store: None,
            client_cap: None,
            user: None,
            safety_identifier: None,
            previous_response_id: None,
            conversation: None,
            has_input: false,
            metadata: None,
            measure: Measure::default(),
            open_ended: false,
        };
        // Cheap: the bytes are shared.
        let body = request.body.clone();
        request.read(&body, pass, hosted)?;
        if request.model.is_empty() {
            return Err(RequestError::invalid("model", "`model` is missing."));
        }
        if !request.has_input {
            return Err(RequestError::invalid("input", "`input` is missing or empty."));
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

    /// Answers asked for: this dialect knows one only.
    #[must_use]
    pub const fn n(&self) -> u32 {
        1
    }

    /// The output cap that the client set.
    #[must_use]
    pub const fn client_cap(&self) -> Option<Tokens> {
        self.client_cap
    }

    /// The `user` field, or else `safety_identifier`, which takes its place in newer clients.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref().or(self.safety_identifier.as_deref())
    }

    /// The `safety_identifier` field.
    #[must_use]
    pub fn safety_identifier(&self) -> Option<&str> {
        self.safety_identifier.as_deref()
    }

    /// The string that `metadata` holds under `key`.
    #[must_use]
    pub fn metadata(&self, key: &str) -> Option<String> {
        values::member(&self.body, self.metadata.as_ref()?, key)
    }

    /// The response that the conversation goes on from. Its turns are input that is not in the
    /// body: the gateway puts them there (`with_history`) or refuses. It is never sent.
    #[must_use]
    pub fn previous_response_id(&self) -> Option<&str> {
        self.previous_response_id.as_deref()
    }

    /// The stored conversation that is meant, by its id. As `previous_response_id`.
    #[must_use]
    pub fn conversation(&self) -> Option<&str> {
        self.conversation.as_deref()
    }

    /// Shall it run on while nobody listens? The gateway decides; it is never sent.
    #[must_use]
    pub const fn background(&self) -> bool {
        self.background
    }

    /// Does the client want its response to be kept? `None` leaves it to the default, which is
    /// to keep it. At the provider nothing is kept.
    #[must_use]
    pub const fn store(&self) -> Option<bool> {
        self.store
    }

    /// Files that are no plain text, such as PDF. Their bytes are measured, but what a model reads
    /// of them is not bounded by that: hold the model's whole context for them, or refuse.
    #[must_use]
    pub const fn documents(&self) -> u32 {
        self.input.documents
    }

    /// How much there is to read.
    #[must_use]
    pub const fn measure(&self) -> Measure {
        self.measure
    }

    /// What is left out of the bytes that a provider gets, for the client to be told.
    #[must_use]
    pub fn dropped(&self) -> Vec<&'static str> {
        if self.hosted.is_empty() { Vec::new() } else { vec!["hosted_tools"] }
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
            .map(|member| String::from_utf8_lossy(&walk::name(&self.body, &member.key)).into_owned())
    }

    fn read(&mut self, body: &[u8], pass: &PassFields, hosted: HostedTools) -> Result<(), RequestError> {
        let mut cursor = Cursor::new(body, 0);
        if cursor.peek() != Some(b'{') {
            let message = "The body must be a JSON object.".to_owned();
            return Err(RequestError { code: Code::InvalidRequest, message, param: None });
        }
        cursor.enter();
        while let Some(key) = cursor.next_key() {
            let name = walk::name(body, &key);
            let name = String::from_utf8_lossy(&name);
            let is_null = cursor.peek() == Some(b'n');
            let value = cursor.skip();
            let field = match field(&name) {
                Some(field) => field,
                None if is_null => Field::Pass,
                None if pass.contains(&name) => Field::Vouched,
                None => return Err(RequestError::unknown(shorten(&name), meant(&name))),
            };
            if !is_null {
                self.accept(body, field, &name, &value, pass, hosted)?;
            }
            self.members.push(Member { field, key, value });
        }
        Ok(())
    }

    fn accept(
        &mut self,
        body: &[u8],
        field: Field,
        name: &str,
        value: &Range<usize>,
        pass: &PassFields,
        hosted: HostedTools,
    ) -> Result<(), RequestError> {
        match field {
            Field::Model => self.model = values::model(body, value)?,
            Field::Stream => self.stream = values::boolean(body, value, name)?,
            Field::Background => self.background = values::boolean(body, value, name)?,
            Field::Store => self.store = Some(values::boolean(body, value, name)?),
            Field::MaxOutputTokens => {
                let cap = values::whole_number(body, value).filter(|cap| *cap > 0).ok_or_else(|| {
                    RequestError::invalid(name, "`max_output_tokens` must be a whole number above zero.")
                })?;
                self.client_cap = Some(Tokens::new(cap));
            }
            Field::User => self.user = Some(values::string(body, value, name)?),
            Field::SafetyIdentifier => self.safety_identifier = Some(values::string(body, value, name)?),
            Field::PreviousResponse => self.previous_response_id = Some(values::string(body, value, name)?),
            Field::Conversation => self.conversation = Some(conversation_id(body, value)?),
            Field::Metadata => {
                values::object(body, value, name)?;
                self.metadata = Some(value.clone());
            }
            Field::Instructions => {
                values::string(body, value, name)?;
                self.measure.messages = self.measure.messages.saturating_add(1);
                self.measure.add_value(body, value);
            }
            Field::Input => {
                self.input = read_input(body, value, pass, &mut self.measure)?;
                let is_empty =
                    body.get(value.start) == Some(&b'[') && walk::elements(body, value.start).next().is_none();
                self.has_input = !is_empty;
            }
            Field::Tools => self.hosted = read_tools(body, value, pass, hosted, &mut self.measure)?,
            Field::ToolChoice => read_tool_choice(body, value)?,
            Field::Text => read_text(body, value, pass, &mut self.measure)?,
            Field::Reasoning => read_reasoning(body, value, pass)?,
            Field::StreamOptions => read_stream_options(body, value, pass)?,
            Field::ServiceTier => match walk::string(body, value).as_deref() {
                Some(b"auto" | b"default") => {}
                _ => {
                    return Err(RequestError::invalid(
                        name,
                        "`service_tier` must be `auto` or `default`: other tiers have other prices. It is sent as \
                         `default`.",
                    ));
                }
            },
            Field::CacheOptions => read_cache_options(body, value)?,
            Field::CacheRetention => match walk::string(body, value).as_deref() {
                Some(b"in_memory" | b"in-memory") => {}
                _ => {
                    return Err(RequestError::invalid(
                        name,
                        "`prompt_cache_retention` must be `in_memory`: longer retention can raise the price.",
                    ));
                }
            },
            Field::Refused => {
                return Err(RequestError::invalid(name, format!("`{name}` is not accepted: {}.", why_refused(name))));
            }
            // Vouched for as to its price, not as to its length.
            Field::Vouched => self.measure.add_value(body, value),
            Field::Pass => {}
        }
        Ok(())
    }
}

/// `"conv_…"` or `{"id":"conv_…"}`.
fn conversation_id(body: &[u8], value: &Range<usize>) -> Result<String, RequestError> {
    if let Ok(id) = values::string(body, value, "conversation") {
        return Ok(id);
    }
    values::object(body, value, "conversation")?;
    values::member(body, value, "id")
        .ok_or_else(|| RequestError::invalid("conversation.id", "`conversation.id` must be a string."))
}

/// Every member of the object at `value` is in `known`, or vouched for.
fn only(
    body: &[u8],
    value: &Range<usize>,
    param: &str,
    known: &[&'static str],
    pass: &PassFields,
) -> Result<(), RequestError> {
    values::object(body, value, param)?;
    for member in walk::members(body, value.start) {
        let name = member.name(body);
        let name = String::from_utf8_lossy(&name);
        if !walk::is_null(body, &member.value) && !known.contains(&&*name) && !pass.contains(&name) {
            let meant = crate::suggest::nearest(&name, known.iter().copied());
            return Err(RequestError::unknown(format!("{param}.{}", shorten(&name)), meant));
        }
    }
    Ok(())
}

fn read_text(body: &[u8], value: &Range<usize>, pass: &PassFields, measure: &mut Measure) -> Result<(), RequestError> {
    only(body, value, "text", &["format", "verbosity"], pass)?;
    for member in walk::members(body, value.start).filter(|member| *member.name(body) == *b"format") {
        if !walk::is_null(body, &member.value) {
            values::object(body, &member.value, "text.format")?;
            measure.add_value(body, &member.value);
        }
    }
    Ok(())
}

fn read_reasoning(body: &[u8], value: &Range<usize>, pass: &PassFields) -> Result<(), RequestError> {
    let known = ["effort", "summary", "generate_summary", "context", "mode", "encrypted"];
    only(body, value, "reasoning", &known, pass)?;
    match values::member(body, value, "mode").as_deref() {
        None | Some("standard") => Ok(()),
        Some(_) => Err(RequestError::invalid(
            "reasoning.mode",
            "`reasoning.mode` must be `standard`: other modes run several models, outside the output cap.",
        )),
    }
}

fn read_stream_options(body: &[u8], value: &Range<usize>, pass: &PassFields) -> Result<(), RequestError> {
    only(body, value, "stream_options", &["include_obfuscation", "include_usage"], pass)
}

fn read_cache_options(body: &[u8], value: &Range<usize>) -> Result<(), RequestError> {
    values::object(body, value, "prompt_cache_options")?;
    for member in walk::members(body, value.start) {
        let text = walk::string(body, &member.value);
        let fits = match &*member.name(body) {
            b"ttl" => text.as_deref() == Some(b"30m"),
            b"mode" => matches!(text.as_deref(), Some(b"explicit" | b"implicit" | b"auto")),
            _ => false,
        };
        if !fits && !walk::is_null(body, &member.value) {
            return Err(RequestError::invalid(
                "prompt_cache_options",
                "Only a `mode` and `\"ttl\":\"30m\"` are taken: longer retention and prewarming raise the price.",
            ));
        }
    }
    Ok(())
}
