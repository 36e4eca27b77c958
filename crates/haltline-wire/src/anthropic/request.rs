//! A request as a client sent it: read once, kept as bytes.
//!
//! Refuses what we do not know and what hides cost. Does not know prices, providers or who asks;
//! the bytes that a provider gets are made by `rewrite`.

use super::context::{read_context_management, read_thinking};
use super::fields::{Field, field, meant};
use super::messages::{Reader, read_messages, read_system};
use super::tools::{read_tool_choice, read_tools};
use super::values;
use crate::json::walk::{self, Cursor};
use crate::refusal::{RequestError, shorten};
use crate::{Measure, PassFields};
use bytes::Bytes;
use haltline_types::{Code, Tokens};
use std::ops::Range;

/// Messages that one request may hold.
pub(super) const MESSAGES_MAX: usize = 5_000;

/// Bytes of a model's name.
pub(super) const MODEL_BYTES_MAX: usize = 256;

/// How long a cache breakpoint keeps what it writes. Longer is dearer: at Anthropic 1.25 times the
/// price of input for five minutes, twice for an hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CacheTtl {
    /// The default.
    FiveMinutes,
    /// `"ttl":"1h"`.
    OneHour,
}

/// The thinking budget of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Budget {
    /// Where its number stands.
    pub(super) at: Range<usize>,
    pub(super) tokens: Tokens,
}

/// A top-level member and where its parts stand.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) field: Field,
    /// The inside of the key's string.
    pub(super) key: Range<usize>,
    pub(super) value: Range<usize>,
}

/// A Messages request that was accepted.
#[derive(Clone, Debug)]
pub struct MessagesRequest {
    pub(super) body: Bytes,
    pub(super) members: Vec<Member>,
    model: String,
    stream: bool,
    cap: Option<Tokens>,
    user: Option<String>,
    pub(super) budget: Option<Budget>,
    cache: Option<CacheTtl>,
    client_tools: bool,
    unsigned_thinking: bool,
    measure: Measure,
    /// The last message is to be written on with.
    pub(crate) open_ended: bool,
}

impl MessagesRequest {
    /// Reads a body. Fields in `pass` are let through though we do not know them. `max_tokens`,
    /// which Anthropic wants, may be missing: the gateway sets it.
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
            cap: None,
            user: None,
            budget: None,
            cache: None,
            client_tools: false,
            unsigned_thinking: false,
            measure: Measure::default(),
            open_ended: false,
        };
        // Cheap: the bytes are shared.
        let body = request.body.clone();
        let mut reader = Reader::new(pass);
        let messages = request.read(&body, &mut reader)?;
        if request.model.is_empty() {
            return Err(RequestError::invalid("model", "`model` is missing."));
        }
        if messages == 0 {
            return Err(RequestError::invalid("messages", "`messages` is missing or empty."));
        }
        request.measure = reader.total();
        request.cache = reader.cache;
        request.client_tools = reader.client_tools;
        request.unsigned_thinking = reader.unsigned_thinking;
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

    /// Answers asked for: always one.
    #[must_use]
    pub const fn n(&self) -> u32 {
        1
    }

    /// The output cap that the client set. Thinking is within it.
    #[must_use]
    pub const fn client_cap(&self) -> Option<Tokens> {
        self.cap
    }

    /// `metadata.user_id`. Claude Code puts JSON there, with device, account and session.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// The conversation that Claude Code names in `metadata.user_id`.
    #[must_use]
    pub fn session(&self) -> Option<String> {
        let user: serde_json::Value = serde_json::from_str(self.user.as_deref()?).ok()?;
        user.get("session_id")?.as_str().map(str::to_owned)
    }

    /// How much there is to read.
    #[must_use]
    pub const fn measure(&self) -> Measure {
        self.measure
    }

    /// The longest time for which the request asks the provider's cache to keep input. `None` when
    /// it writes nothing to the cache. Any of its input may be billed as such a write.
    #[must_use]
    pub const fn cache(&self) -> Option<CacheTtl> {
        self.cache
    }

    /// Does it use tools that Anthropic defines and the client runs? It can then not be asked of
    /// another dialect.
    #[must_use]
    pub const fn has_client_tools(&self) -> bool {
        self.client_tools
    }

    /// Does it send thinking back that carries no signature, as it comes from another provider by
    /// our own `Encoder`? Anthropic refuses such a block: send `write(canonical())` there, which
    /// leaves it out, instead of `rewrite`.
    #[must_use]
    pub const fn has_unsigned_thinking(&self) -> bool {
        self.unsigned_thinking
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

    /// Reads all members; returns the number of messages.
    fn read(&mut self, body: &[u8], reader: &mut Reader<'_>) -> Result<usize, RequestError> {
        let mut cursor = Cursor::new(body, 0);
        if cursor.peek() != Some(b'{') {
            let message = "The body must be a JSON object.".to_owned();
            return Err(RequestError { code: Code::InvalidRequest, message, param: None });
        }
        let mut messages = 0;
        cursor.enter();
        while let Some(key) = cursor.next_key() {
            let name = walk::name(body, &key);
            let name = String::from_utf8_lossy(&name);
            let start = cursor.at();
            let is_null = cursor.peek() == Some(b'n');
            let field = match field(&name) {
                Some(field) => field,
                None if is_null => Field::Pass,
                None if reader.pass.contains(&name) => Field::Vouched,
                None => return Err(RequestError::unknown(shorten(&name), meant(&name))),
            };
            let value = if field == Field::Messages && !is_null {
                messages = read_messages(body, &mut cursor, reader)?;
                start..cursor.at()
            } else {
                cursor.skip()
            };
            if !is_null {
                self.accept(body, field, &name, &value, reader)?;
            }
            self.members.push(Member { field, key, value });
        }
        Ok(messages)
    }

    fn accept(
        &mut self,
        body: &[u8],
        field: Field,
        name: &str,
        value: &Range<usize>,
        reader: &mut Reader<'_>,
    ) -> Result<(), RequestError> {
        match field {
            Field::Model => self.model = values::read_model(body, value)?,
            Field::Stream => self.stream = values::boolean(body, value, name)?,
            Field::System => read_system(body, value, reader)?,
            Field::MaxTokens => self.cap = Some(read_cap(body, value)?),
            Field::Tools => read_tools(body, value, reader)?,
            Field::ToolChoice => read_tool_choice(body, value, reader)?,
            Field::Metadata => self.user = read_user(body, value)?,
            Field::Thinking => self.budget = read_thinking(body, value, reader.pass)?,
            Field::OutputConfig => {
                if let Some(format) = values::read_output_config(body, value, reader.pass)? {
                    reader.measure.add_value(body, &format);
                }
            }
            Field::OutputFormat => {
                values::object(body, value, name)?;
                reader.measure.add_value(body, value);
            }
            Field::CacheControl => reader.read_cache(body, value)?,
            Field::ServiceTier => values::read_service_tier(body, value)?,
            Field::InferenceGeo => values::read_inference_geo(body, value)?,
            Field::Speed => values::read_speed(body, value)?,
            Field::ContextManagement => read_context_management(body, value, reader.pass)?,
            Field::Betas => values::read_betas(body, value, name)?,
            Field::Refused => return Err(values::refused(name)),
            // Vouched for as to its price, not as to its length.
            Field::Vouched => reader.measure.add_value(body, value),
            Field::Messages | Field::Pass => {}
        }
        Ok(())
    }
}

fn read_cap(body: &[u8], value: &Range<usize>) -> Result<Tokens, RequestError> {
    values::whole_number(body, value)
        .filter(|cap| *cap > 0)
        .map(Tokens::new)
        .ok_or_else(|| RequestError::invalid("max_tokens", "`max_tokens` must be a whole number above zero."))
}

/// Other members of `metadata` than the user are for the provider to judge.
fn read_user(body: &[u8], value: &Range<usize>) -> Result<Option<String>, RequestError> {
    values::object(body, value, "metadata")?;
    let user = walk::members(body, value.start).find(|member| *member.name(body) == *b"user_id");
    match user.filter(|member| !walk::is_null(body, &member.value)) {
        Some(member) => values::string(body, &member.value, "metadata.user_id").map(Some),
        None => Ok(None),
    }
}
