//! Why a request is not accepted, in words for the client.

use haltline_types::Code;
use std::fmt;

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
    /// A field that cannot be accepted as it is.
    pub(crate) fn invalid(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: Code::InvalidRequest, message: message.into(), param: Some(param.into()) }
    }

    /// The same error, its field's path put below `parent`.
    pub(crate) fn below(self, parent: &str) -> Self {
        let param = self.param.unwrap_or_default();
        if param.is_empty() {
            return Self { param: Some(parent.to_owned()), ..self };
        }
        let path = format!("{parent}.{param}");
        let message = self.message.replacen(&format!("`{param}`"), &format!("`{path}`"), 1);
        Self { message, param: Some(path), ..self }
    }

    /// A field that is not known and may change the price.
    pub(crate) fn unknown(param: impl Into<String>, meant: Option<&str>) -> Self {
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

/// A client's own name for something, short enough to be shown back.
pub(crate) fn shorten(name: &str) -> String {
    let shown: String = name.chars().take(60).collect();
    shown.escape_debug().to_string()
}
