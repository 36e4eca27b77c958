//! A request as a client sent it: read once, kept as bytes.
//!
//! Refuses what we do not know and what hides cost. Does not know prices, providers or who asks;
//! the bytes that a provider gets are made by `rewrite`.

use super::CapField;
use super::fields::{Field, field, meant};
use super::messages::read_messages;
use super::tools::{read_functions, read_tool_choice, read_tools};
use super::values;
use crate::json::walk::{self, Cursor};
use crate::refusal::{RequestError, shorten};
use crate::{Measure, PassFields};
use bytes::Bytes;
use haltline_types::{Code, Tokens};
use std::ops::Range;

/// Choices that one request may ask for.
pub const N_MAX: u32 = 16;

/// Messages that one request may hold.
pub const MESSAGES_MAX: usize = 5_000;

/// Bytes of a model's name.
pub const MODEL_BYTES_MAX: usize = 256;

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
    /// The last message is to be written on with.
    pub(crate) open_ended: bool,
}

impl ChatRequest {
    /// Reads a body. Fields in `pass` are let through though we do not know them.
    ///
    /// # Errors
    /// What a client must change, with the field's path.
    pub fn parse(body: Bytes, pass: &PassFields) -> Result<Self, RequestError> {
        crate::json::check(&body).map_err(|error| RequestError {
            code: Code::InvalidRequest,
            message: format!("The body is not acceptable JSON: {error}."),
            param: None,
        })?;
        let mut request = Self {
            body,
            members: Vec::with_capacity(12),
            model: String::new(),
            stream: false,
            include_usage: false,
            n: 1,
            client_cap: None,
            user: None,
            safety_identifier: None,
            metadata: None,
            measure: Measure::default(),
            open_ended: false,
        };
        // Cheap: the bytes are shared.
        let body = request.body.clone();
        request.read(&body, pass)?;
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
            .and_then(|member| values::text(&self.body, &member.value))
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

    fn read(&mut self, body: &[u8], pass: &PassFields) -> Result<(), RequestError> {
        let mut cursor = Cursor::new(body, 0);
        if cursor.peek() != Some(b'{') {
            let message = "The body must be a JSON object.".to_owned();
            return Err(RequestError { code: Code::InvalidRequest, message, param: None });
        }
        cursor.enter();
        while let Some(key) = cursor.next_key() {
            let name = walk::name(body, &key);
            let name = String::from_utf8_lossy(&name);
            let start = cursor.at();
            let is_null = cursor.peek() == Some(b'n');
            let field = match field(&name) {
                Some(field) => field,
                None if is_null => Field::Pass,
                None if pass.contains(&name) => Field::Vouched,
                None => return Err(RequestError::unknown(shorten(&name), meant(&name))),
            };
            let value = if field == Field::Messages && !is_null {
                read_messages(body, &mut cursor, pass, &mut self.measure)?;
                start..cursor.at()
            } else {
                cursor.skip()
            };
            if !is_null {
                self.accept(body, field, &name, &value, pass)?;
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
    ) -> Result<(), RequestError> {
        match field {
            Field::Model => self.model = values::read_model(body, value)?,
            Field::Stream => self.stream = values::boolean(body, value, name)?,
            Field::StreamOptions => self.include_usage = values::read_stream_options(body, value, pass)?,
            Field::MaxTokens => self.accept_cap(body, value, CapField::MaxTokens)?,
            Field::MaxCompletionTokens => self.accept_cap(body, value, CapField::MaxCompletionTokens)?,
            Field::N => self.n = values::read_n(body, value)?,
            Field::User => self.user = Some(values::string(body, value, name)?),
            Field::SafetyIdentifier => self.safety_identifier = Some(values::string(body, value, name)?),
            Field::Metadata => {
                values::object(body, value, name)?;
                self.metadata = Some(value.clone());
            }
            Field::Tools => read_tools(body, value, pass, &mut self.measure)?,
            Field::Functions => read_functions(body, value, &mut self.measure)?,
            Field::ToolChoice => read_tool_choice(body, value)?,
            Field::ResponseFormat => {
                values::object(body, value, name)?;
                self.measure.add_value(body, value);
            }
            Field::ServiceTier => values::read_service_tier(body, value)?,
            Field::Store => {
                if values::boolean(body, value, name)? {
                    return Err(values::refused(name));
                }
            }
            Field::Modalities => values::read_modalities(body, value)?,
            Field::CacheOptions => values::read_cache_options(body, value)?,
            Field::CacheRetention => values::read_cache_retention(body, value)?,
            Field::Refused => return Err(values::refused(name)),
            // Vouched for as to its price, not as to its length.
            Field::Vouched => self.measure.add_value(body, value),
            Field::Messages | Field::Pass => {}
        }
        Ok(())
    }

    fn accept_cap(&mut self, body: &[u8], value: &Range<usize>, field: CapField) -> Result<(), RequestError> {
        let name = field.name();
        let Some(cap) = values::whole_number(body, value).filter(|cap| *cap > 0) else {
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
