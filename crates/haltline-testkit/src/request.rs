//! A chat request as the provider understands it: what is billed as input, and what bounds the
//! output. Fields that change neither are not looked at.

use haltline_types::Tokens;
use serde_json::Value;

/// What matters of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ChatRequest {
    pub(crate) model: String,
    /// All text of all messages.
    pub(crate) prompt: String,
    pub(crate) input: Tokens,
    /// The cap of each choice: the smaller one when both fields are given.
    pub(crate) cap: Option<Tokens>,
    /// Choices, from 1 to 128.
    pub(crate) choices: u64,
    pub(crate) stream: bool,
    pub(crate) include_usage: bool,
    /// The name of the first tool.
    pub(crate) tool: Option<String>,
}

impl ChatRequest {
    /// Reads a body. Input tokens are the bytes of all message text divided by
    /// `bytes_per_token`, rounded up; text is `content` as a string and the `text` of its parts.
    ///
    /// # Errors
    /// What a provider would answer with status 400.
    pub(crate) fn parse(body: &[u8], bytes_per_token: u64) -> Result<Self, String> {
        let value: Value = serde_json::from_slice(body).map_err(|error| format!("the body is not JSON: {error}"))?;
        let model = value.get("model").and_then(Value::as_str).ok_or("`model` must be a string")?.to_owned();
        let messages = value.get("messages").and_then(Value::as_array).ok_or("`messages` must be a list")?;
        let mut prompt = String::new();
        for message in messages {
            push_text(message.get("content").unwrap_or(&Value::Null), &mut prompt);
        }
        let bytes = u64::try_from(prompt.len()).map_err(|_| "the prompt is too long")?;
        let number = |name: &str| match value.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(given) => given.as_u64().map(Some).ok_or_else(|| format!("`{name}` must be a whole number")),
        };
        let cap = match (number("max_tokens")?, number("max_completion_tokens")?) {
            (Some(old), Some(new)) => Some(old.min(new)),
            (old, new) => old.or(new),
        };
        if cap == Some(0) {
            return Err("the cap on output must be at least 1".to_owned());
        }
        let choices = number("n")?.unwrap_or(1);
        if !(1..=128).contains(&choices) {
            return Err("`n` must be from 1 to 128".to_owned());
        }
        let option = value.get("stream_options").and_then(|options| options.get("include_usage"));
        Ok(Self {
            model,
            input: Tokens::new(bytes.div_ceil(bytes_per_token.max(1))),
            prompt,
            cap: cap.map(Tokens::new),
            choices,
            stream: value.get("stream").and_then(Value::as_bool).unwrap_or(false),
            include_usage: option.and_then(Value::as_bool).unwrap_or(false),
            tool: first_tool(&value),
        })
    }

    /// Output tokens of each choice: what is wanted, within the cap. Without a cap and without a
    /// wish of the behaviour, what an uncapped model would write.
    pub(crate) fn output_of_choice(&self, wished: Option<Tokens>, usual: Tokens, uncapped: Tokens) -> Tokens {
        match (wished, self.cap) {
            (Some(wished), Some(cap)) => wished.min(cap),
            (Some(wished), None) => wished,
            (None, Some(cap)) => usual.min(cap),
            (None, None) => uncapped,
        }
    }
}

fn push_text(content: &Value, out: &mut String) {
    match content {
        Value::String(text) => out.push_str(text),
        Value::Array(parts) => {
            for part in parts {
                if let Some(text) = part.get("text").and_then(Value::as_str) {
                    out.push_str(text);
                }
            }
        }
        _ => {}
    }
}

fn first_tool(value: &Value) -> Option<String> {
    let tool = value.get("tools")?.as_array()?.first()?;
    tool.get("function")?.get("name")?.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(body: &str) -> ChatRequest {
        ChatRequest::parse(body.as_bytes(), 4).expect(body)
    }

    #[test]
    fn input_is_a_quarter_of_the_text_rounded_up() {
        for (content, tokens) in
            [(r#""""#, 0), (r#""a""#, 1), (r#""abcd""#, 1), (r#""abcde""#, 2), (r#"[{"type":"text","text":"äöü"}]"#, 2)]
        {
            let request = parse(&format!(r#"{{"model":"m","messages":[{{"role":"user","content":{content}}}]}}"#));
            assert_eq!(request.input, Tokens::new(tokens), "{content}");
        }
    }

    #[test]
    fn the_smaller_cap_counts() {
        for (fields, cap) in [
            ("", None),
            (r#","max_tokens":7"#, Some(7)),
            (r#","max_completion_tokens":9"#, Some(9)),
            (r#","max_tokens":7,"max_completion_tokens":9"#, Some(7)),
            (r#","max_tokens":null"#, None),
        ] {
            let request = parse(&format!(r#"{{"model":"m","messages":[]{fields}}}"#));
            assert_eq!(request.cap, cap.map(Tokens::new), "{fields}");
        }
    }

    #[test]
    fn the_cap_bounds_every_wish() {
        let capped = parse(r#"{"model":"m","messages":[],"max_tokens":5}"#);
        let free = parse(r#"{"model":"m","messages":[]}"#);
        let (usual, uncapped) = (Tokens::new(16), Tokens::new(400));
        assert_eq!(capped.output_of_choice(None, usual, uncapped), Tokens::new(5));
        assert_eq!(capped.output_of_choice(Some(Tokens::new(99)), usual, uncapped), Tokens::new(5));
        assert_eq!(capped.output_of_choice(Some(Tokens::new(2)), usual, uncapped), Tokens::new(2));
        assert_eq!(free.output_of_choice(None, usual, uncapped), uncapped);
        assert_eq!(free.output_of_choice(Some(Tokens::new(99)), usual, uncapped), Tokens::new(99));
    }

    #[test]
    fn what_is_not_a_chat_request_is_named() {
        for (body, named) in [
            ("{", "JSON"),
            ("{}", "model"),
            (r#"{"model":"m"}"#, "messages"),
            (r#"{"model":"m","messages":[],"max_tokens":"9"}"#, "max_tokens"),
            (r#"{"model":"m","messages":[],"max_tokens":0}"#, "cap"),
            (r#"{"model":"m","messages":[],"n":129}"#, "`n`"),
        ] {
            let error = ChatRequest::parse(body.as_bytes(), 4).expect_err(body);
            assert!(error.contains(named), "{error}");
        }
    }
}
