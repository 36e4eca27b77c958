//! What the simulated model reads of a request. It is no judge of requests: what it does not know
//! it ignores.

use haltline_types::Tokens;
use serde::Deserialize;

/// Bytes of text that count as one token.
const BYTES_PER_TOKEN: u64 = 4;

/// The most answers to one request, as at OpenAI.
const CHOICES_MAX: u32 = 128;

/// A request, as far as it shapes the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ChatRequest {
    pub(super) model: String,
    pub(super) stream: bool,
    pub(super) include_usage: bool,
    /// Answers wanted.
    pub(super) choices: u32,
    /// The output cap of each.
    pub(super) cap: Option<Tokens>,
    /// What it counts as input.
    pub(super) input: Tokens,
}

#[derive(Deserialize)]
struct Body {
    model: String,
    messages: Vec<Message>,
    stream: Option<bool>,
    stream_options: Option<StreamOptions>,
    n: Option<u32>,
    max_tokens: Option<u64>,
    max_completion_tokens: Option<u64>,
}

#[derive(Deserialize)]
struct StreamOptions {
    include_usage: Option<bool>,
}

#[derive(Deserialize)]
struct Message {
    content: Option<Content>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Parts(Vec<Part>),
}

#[derive(Deserialize)]
struct Part {
    text: Option<String>,
}

impl ChatRequest {
    /// # Errors
    /// A message for the client.
    pub(super) fn read(body: &[u8]) -> Result<Self, String> {
        let body: Body = serde_json::from_slice(body)
            .map_err(|error| format!("We could not parse the JSON body of your request: {error}"))?;
        let choices = body.n.unwrap_or(1);
        if !(1..=CHOICES_MAX).contains(&choices) {
            return Err(format!("Invalid 'n': expected a number from 1 to {CHOICES_MAX}, but got {choices} instead."));
        }
        let bytes: usize = body.messages.iter().map(Message::text_bytes).sum();
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        Ok(Self {
            model: body.model,
            stream: body.stream.unwrap_or(false),
            include_usage: body.stream_options.and_then(|options| options.include_usage).unwrap_or(false),
            choices,
            cap: [body.max_completion_tokens, body.max_tokens].into_iter().flatten().min().map(Tokens::new),
            input: Tokens::new(bytes.div_ceil(BYTES_PER_TOKEN)),
        })
    }
}

impl Message {
    fn text_bytes(&self) -> usize {
        match &self.content {
            None => 0,
            Some(Content::Text(text)) => text.len(),
            Some(Content::Parts(parts)) => parts.iter().filter_map(|part| part.text.as_ref()).map(String::len).sum(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smaller_cap_counts_and_text_is_measured() {
        let body = br#"{"model":"m","max_tokens":9,"max_completion_tokens":7,"n":2,"stream":true,"future":{},
            "stream_options":{"include_usage":true},
            "messages":[{"role":"user","content":"12345"},{"role":"assistant","content":null},
                        {"role":"user","content":[{"type":"text","text":"1234"},{"type":"image_url"}]}]}"#;
        let request = ChatRequest::read(body).expect("body");
        let expected = ChatRequest {
            model: "m".to_owned(),
            stream: true,
            include_usage: true,
            choices: 2,
            cap: Some(Tokens::new(7)),
            input: Tokens::new(3),
        };
        assert_eq!(request, expected);
        for wrong in ["{}", r#"{"model":"m","messages":[],"n":0}"#, r#"{"model":"m","messages":[],"n":129}"#] {
            assert!(ChatRequest::read(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }
}
