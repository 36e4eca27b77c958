//! A request as a client sent it: read once, kept as bytes. Knows no price.

use crate::canon::Target;
use crate::edit::{Writer, quoted};
use crate::json::walk::{self, Cursor};
use crate::openai::responses::values;
use crate::refusal::{RequestError, shorten};
use crate::{Measure, PassFields};
use bytes::Bytes;
use haltline_types::{Code, Tokens};
use std::ops::Range;

/// Inputs of one request: what OpenAI takes.
pub const INPUTS_MAX: u32 = 2048;

/// An embeddings request that was accepted.
#[derive(Clone, Debug)]
pub struct EmbeddingsRequest {
    body: Bytes,
    members: Vec<Member>,
    model: String,
    user: Option<String>,
    dimensions: Option<u64>,
    inputs: u32,
    tokens: Tokens,
    measure: Measure,
}

#[derive(Clone, Debug)]
struct Member {
    is_model: bool,
    vouched: bool,
    key: Range<usize>,
    value: Range<usize>,
}

const KNOWN: [&str; 6] = ["model", "input", "dimensions", "encoding_format", "user", "input_type"];

/// All fields that are known.
pub fn known_fields() -> impl Iterator<Item = crate::client::KnownField> {
    KNOWN.into_iter().map(|name| crate::client::KnownField { name, refused: None })
}

impl EmbeddingsRequest {
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
            members: Vec::with_capacity(6),
            model: String::new(),
            user: None,
            dimensions: None,
            inputs: 0,
            tokens: Tokens::ZERO,
            measure: Measure::default(),
        };
        // Cheap: the bytes are shared.
        let body = request.body.clone();
        request.read(&body, pass)?;
        if request.model.is_empty() {
            return Err(RequestError::invalid("model", "`model` is missing."));
        }
        if request.inputs == 0 {
            return Err(RequestError::invalid("input", "`input` is missing or empty."));
        }
        Ok(request)
    }

    /// The model as the client asked for it.
    #[must_use]
    pub fn model(&self) -> &str {
        &self.model
    }

    /// The `user` field.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// The length of the vectors that is asked for.
    #[must_use]
    pub const fn dimensions(&self) -> Option<u64> {
        self.dimensions
    }

    /// How many inputs there are: so many vectors come back.
    #[must_use]
    pub const fn inputs(&self) -> u32 {
        self.inputs
    }

    /// Input that came as token ids: so many tokens, which `measure` leaves out.
    #[must_use]
    pub const fn tokens(&self) -> Tokens {
        self.tokens
    }

    /// How much text there is to read. Each input counts as a message.
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
        let vouched = self.members.iter().filter(|member| member.vouched);
        vouched.map(|member| String::from_utf8_lossy(&walk::name(&self.body, &member.key)).into_owned())
    }

    /// The body with the model's id at the provider, and everything else as it was. There is no
    /// output to cap.
    #[must_use]
    pub fn rewrite(&self, target: &Target<'_>) -> Bytes {
        let mut writer = Writer::new(&self.body);
        for member in &self.members {
            if member.is_model {
                writer.replaced(&member.key, &member.value, &quoted(target.model));
            } else {
                writer.kept(&member.key, &member.value);
            }
        }
        writer.finish()
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
            let value = cursor.skip();
            let is_null = walk::is_null(body, &value);
            let known = KNOWN.contains(&&*name);
            if !known && !is_null && !pass.contains(&name) {
                let meant = crate::suggest::nearest(&name, KNOWN);
                return Err(RequestError::unknown(shorten(&name), meant));
            }
            if !is_null {
                self.accept(body, &name, &value)?;
            }
            let (is_model, vouched) = (name == "model", !known && !is_null);
            self.members.push(Member { is_model, vouched, key, value });
        }
        Ok(())
    }

    fn accept(&mut self, body: &[u8], name: &str, value: &Range<usize>) -> Result<(), RequestError> {
        match name {
            "model" => self.model = values::model(body, value)?,
            "user" => self.user = Some(values::string(body, value, name)?),
            "input" => self.read_input(body, value)?,
            "dimensions" => {
                let dimensions = values::whole_number(body, value).filter(|dimensions| *dimensions > 0);
                self.dimensions =
                    Some(dimensions.ok_or_else(|| {
                        RequestError::invalid(name, "`dimensions` must be a whole number above zero.")
                    })?);
            }
            "encoding_format" => match walk::string(body, value).as_deref() {
                Some(b"float" | b"base64" | b"base64_int8" | b"base64_binary") => {}
                _ => return Err(RequestError::invalid(name, "`encoding_format` must be `float` or `base64`.")),
            },
            "input_type" => {
                values::string(body, value, name)?;
                self.measure.add_value(body, value);
            }
            // Vouched for as to its price, not as to its length.
            _ => self.measure.add_value(body, value),
        }
        Ok(())
    }

    /// A text, texts, tokens, or lists of tokens.
    fn read_input(&mut self, body: &[u8], value: &Range<usize>) -> Result<(), RequestError> {
        if walk::inside(body, value).is_some() {
            return self.one_input(body, value);
        }
        if body.get(value.start) != Some(&b'[') {
            return Err(RequestError::invalid("input", "`input` must be a string or a list."));
        }
        let first = walk::elements(body, value.start).next();
        if first.is_some_and(|first| is_number(body, &first)) {
            return self.one_input(body, value);
        }
        for (index, element) in walk::elements(body, value.start).enumerate() {
            self.one_input(body, &element).map_err(|mut error| {
                error.param = error.param.map(|_| format!("input[{index}]"));
                error
            })?;
        }
        Ok(())
    }

    fn one_input(&mut self, body: &[u8], value: &Range<usize>) -> Result<(), RequestError> {
        if self.inputs == INPUTS_MAX {
            return Err(RequestError::invalid("input", format!("`input` holds more than {INPUTS_MAX} inputs.")));
        }
        self.inputs += 1;
        self.measure.messages += 1;
        if walk::inside(body, value).is_some() {
            self.measure.add_value(body, value);
            return Ok(());
        }
        if body.get(value.start) != Some(&b'[') {
            return Err(RequestError::invalid("input", "An input must be a string or a list of tokens."));
        }
        for token in walk::elements(body, value.start) {
            if values::whole_number(body, &token).is_none() {
                return Err(RequestError::invalid("input", "A token must be a whole number."));
            }
            let more = self.tokens.checked_add(Tokens::new(1));
            self.tokens = more.ok_or_else(|| RequestError::invalid("input", "There are too many tokens."))?;
        }
        Ok(())
    }
}

fn is_number(body: &[u8], value: &Range<usize>) -> bool {
    matches!(body.get(value.start), Some(b'-' | b'0'..=b'9'))
}
