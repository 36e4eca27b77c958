//! What a simulated provider reads of a request.

use serde::Deserialize;

/// A request, as far as it decides work and bill.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) model: String,
    pub(crate) stream: bool,
    pub(crate) wants_usage: bool,
    pub(crate) choices: u64,
    /// The output cap of each choice; without one the provider's own.
    pub(crate) cap: u64,
    /// Bytes of text.
    pub(crate) text: u64,
    pub(crate) messages: u64,
}

/// What a choice may have where the request says nothing.
const OWN_CAP: u64 = 16_384;

#[derive(Deserialize)]
struct Body {
    model: String,
    messages: Vec<Message>,
    #[serde(default)]
    stream: bool,
    stream_options: Option<StreamOptions>,
    n: Option<u64>,
    max_tokens: Option<u64>,
    max_completion_tokens: Option<u64>,
    /// Read, as providers do; it decides nothing.
    #[serde(rename = "user")]
    _user: Option<String>,
}

#[derive(Deserialize)]
struct StreamOptions {
    #[serde(default)]
    include_usage: bool,
}

#[derive(Deserialize)]
struct Message {
    content: String,
}

impl Request {
    pub(crate) fn read(body: &[u8]) -> Result<Self, serde_json::Error> {
        let body: Body = serde_json::from_slice(body)?;
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        Ok(Self {
            model: body.model,
            stream: body.stream,
            wants_usage: body.stream_options.is_some_and(|options| options.include_usage),
            choices: body.n.unwrap_or(1).max(1),
            cap: body.max_completion_tokens.or(body.max_tokens).unwrap_or(OWN_CAP),
            text: body.messages.iter().map(|message| count(message.content.len())).sum(),
            messages: count(body.messages.len()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cap_and_the_text_are_read() {
        let body = br#"{"model":"m","max_tokens":9,"n":2,"stream":true,"stream_options":{"include_usage":true},
            "user":"u","messages":[{"role":"user","content":"12345"},{"role":"system","content":"123"}]}"#;
        let request = Request::read(body).expect("a request");
        assert_eq!((request.cap, request.choices, request.text, request.messages), (9, 2, 8, 2));
        assert!(request.stream && request.wants_usage);
        let bare = Request::read(br#"{"model":"m","messages":[]}"#).expect("a request");
        assert_eq!((bare.cap, bare.choices), (OWN_CAP, 1));
    }
}
