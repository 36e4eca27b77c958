//! A request as a client sent it: read once, kept as bytes.
//!
//! Refuses what we do not know and what hides cost. Does not know prices, providers or who asks;
//! the bytes that a provider gets are made by `rewrite`.

use super::contents::{read_contents, read_system};
use super::fields::{BODY, Field, Known, is_spelling_of, members, must_be_false, not};
use super::{config, tools};
use crate::json::walk;
use crate::refusal::RequestError;
use crate::{Measure, PassFields};
use bytes::Bytes;
use haltline_types::{Code, Tokens};
use std::ops::Range;

/// Candidates that one request may ask for.
pub(super) const N_MAX: u32 = 16;

/// Bytes of a model's name.
pub(super) const MODEL_BYTES_MAX: usize = 256;

/// A request of `generateContent` or `streamGenerateContent` that was accepted.
#[derive(Clone, Debug)]
pub struct GeminiRequest {
    pub(super) body: Bytes,
    pub(super) members: Vec<Known>,
    /// The members of `generationConfig`, where there is one.
    pub(super) config: Vec<Known>,
    model: String,
    stream: bool,
    n: u32,
    client_cap: Option<Tokens>,
    user: Option<String>,
    vouched: Vec<String>,
    measure: Measure,
    /// The last message is to be written on with.
    pub(crate) open_ended: bool,
}

/// What reading adds up on its way through the body.
pub(super) struct Reader<'a> {
    pub(super) body: &'a [u8],
    pub(super) pass: &'a PassFields,
    pub(super) vouched: Vec<String>,
    pub(super) measure: Measure,
}

impl GeminiRequest {
    /// Reads a body. `model` and `stream` come from the address; a `models/` before the model's
    /// name is left out. Fields in `pass` are let through though we do not know them.
    ///
    /// # Errors
    /// What a client must change, with the field's path.
    pub fn parse(model: &str, stream: bool, body: Bytes, pass: &PassFields) -> Result<Self, RequestError> {
        let plain = |message: String| RequestError { code: Code::InvalidRequest, message, param: None };
        let model = model.strip_prefix("models/").unwrap_or(model);
        if model.is_empty() || model.len() > MODEL_BYTES_MAX || model.chars().any(char::is_control) {
            return Err(RequestError::invalid(
                "model",
                format!(
                    "`model`, in the address, must be a name of 1 to {MODEL_BYTES_MAX} bytes without control characters."
                ),
            ));
        }
        crate::json::check(&body).map_err(|error| plain(format!("The body is not acceptable JSON: {error}.")))?;
        let bytes = body.clone();
        if !bytes.trim_ascii_start().starts_with(b"{") {
            return Err(plain("The body must be a JSON object.".to_owned()));
        }
        let mut reader = Reader { body: &bytes, pass, vouched: Vec::new(), measure: Measure::default() };
        let mut request = Self {
            body,
            members: Vec::new(),
            config: Vec::new(),
            model: model.to_owned(),
            stream,
            n: 1,
            client_cap: None,
            user: None,
            vouched: Vec::new(),
            measure: Measure::default(),
            open_ended: false,
        };
        request.read(&mut reader)?;
        request.vouched = reader.vouched;
        request.measure = reader.measure;
        let turns = request.value(Field::Contents).is_some_and(|turns| walk_any(&bytes, &turns));
        if turns { Ok(request) } else { Err(RequestError::invalid("contents", "`contents` is missing or empty.")) }
    }

    /// Reads a body of `countTokens`: what is to be counted stands in it as in `generateContent`,
    /// or under `generateContentRequest`.
    ///
    /// # Errors
    /// As `parse`.
    pub fn parse_count(model: &str, body: &Bytes, pass: &PassFields) -> Result<Self, RequestError> {
        const WRAPPED: &str = "generateContentRequest";
        // Only JSON that was checked may be walked.
        if crate::json::check(body).is_ok() {
            let mut members = walk::members(body, 0);
            let wrapped = members.find(|member| is_spelling_of(&String::from_utf8_lossy(&member.name(body)), WRAPPED));
            if let Some(wrapped) = wrapped.filter(|member| body.get(member.value.start) == Some(&b'{')) {
                return Self::parse(model, false, body.slice(wrapped.value), pass)
                    .map_err(|error| error.below(WRAPPED));
            }
        }
        Self::parse(model, false, body.clone(), pass)
    }

    fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), RequestError> {
        let body = reader.body;
        let start = body.iter().position(|byte| *byte == b'{').unwrap_or(0);
        self.members = members(body, &(start..body.len()), &BODY, "", reader.pass, &mut reader.vouched)?;
        for known in &self.members {
            let value = &known.member.value;
            if known.is_null {
                continue;
            }
            match known.field {
                Field::Contents => read_contents(reader, value)?,
                Field::System => read_system(reader, value)?,
                Field::Tools => tools::read_tools(reader, value)?,
                Field::ToolConfig => tools::read_config(reader, value)?,
                Field::Config => {
                    let config = config::read(reader, value)?;
                    (self.n, self.client_cap, self.config) = (config.n, config.cap, config.members);
                }
                Field::Labels => self.user = user(body, value)?,
                Field::Model => self.check_model(body, value)?,
                Field::MustBeFalse => must_be_false(body, value, &known.name)?,
                Field::ServiceTier => read_service_tier(body, value)?,
                // Vouched for as to its price, not as to its length.
                Field::Other => reader.measure.add_value(body, value),
                _ => {}
            }
        }
        Ok(())
    }

    /// Some clients repeat the model in the body; it must be the one of the address.
    fn check_model(&self, body: &[u8], value: &Range<usize>) -> Result<(), RequestError> {
        let named = text(body, value).ok_or_else(|| not("model", "a string"))?;
        let named = named.rsplit_once("models/").map_or(named.as_str(), |(_, name)| name);
        if named == self.model {
            return Ok(());
        }
        Err(RequestError::invalid("model", "`model` in the body is another one than that in the address."))
    }

    /// The model as the client asked for it, without `models/`.
    #[must_use]
    pub fn model(&self) -> &str {
        &self.model
    }

    /// Does the client want a stream?
    #[must_use]
    pub const fn stream(&self) -> bool {
        self.stream
    }

    /// Candidates asked for (`candidateCount`), from 1 to 16. Each may use the whole cap.
    #[must_use]
    pub const fn n(&self) -> u32 {
        self.n
    }

    /// The output cap that the client set (`maxOutputTokens`); thoughts count towards it.
    #[must_use]
    pub const fn client_cap(&self) -> Option<Tokens> {
        self.client_cap
    }

    /// The label `user` or `user_id`; the dialect has no field for it.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// How much there is to read.
    #[must_use]
    pub const fn measure(&self) -> Measure {
        self.measure
    }

    /// The bytes that, with the model and the method of the address, make two requests the same
    /// request: the body as it was sent.
    #[must_use]
    pub fn fingerprint_material(&self) -> &[u8] {
        &self.body
    }

    /// Names of the fields that passed only because the operator vouches for them, on any level.
    pub fn vouched_fields(&self) -> impl Iterator<Item = String> + '_ {
        self.vouched.iter().cloned()
    }

    /// Where the value of `field` stands, unless it is null.
    pub(super) fn value(&self, field: Field) -> Option<Range<usize>> {
        self.members.iter().find(|known| known.field == field && !known.is_null).map(|known| known.member.value.clone())
    }
}

fn walk_any(body: &[u8], turns: &Range<usize>) -> bool {
    body.get(turns.start) == Some(&b'{') || walk::elements(body, turns.start).next().is_some()
}

fn user(body: &[u8], labels: &Range<usize>) -> Result<Option<String>, RequestError> {
    if body.get(labels.start) != Some(&b'{') {
        return Err(not("labels", "an object"));
    }
    let label = |name: &[u8]| {
        let mut labels = walk::members(body, labels.start);
        labels.find(|label| *label.name(body) == *name).and_then(|label| text(body, &label.value))
    };
    Ok(label(b"user").or_else(|| label(b"user_id")))
}

fn read_service_tier(body: &[u8], value: &Range<usize>) -> Result<(), RequestError> {
    if text(body, value).is_some_and(|tier| tier.eq_ignore_ascii_case("standard")) {
        return Ok(());
    }
    Err(RequestError::invalid("serviceTier", "`serviceTier` must be `standard`: other tiers have other prices."))
}

pub(super) fn text(body: &[u8], value: &Range<usize>) -> Option<String> {
    walk::string(body, value).map(|text| String::from_utf8_lossy(&text).into_owned())
}
