//! Asking a provider how many tokens a request has, where its dialect has an address for that:
//! from the request as it would be sent to the question, and from the answer to the number.
//!
//! Counting is free at both: "Token counting is free to use" (Anthropic,
//! platform.claude.com/docs/en/build-with-claude/token-counting) and "No, GetTokens API is not
//! billed" (Google, ai.google.dev/gemini-api/docs/billing). Whether to ask is not decided here.

use crate::chunk::Malformed;
use crate::edit::{Writer, quoted};
use crate::json::walk;
use crate::provider::{Outgoing, ProviderDialect};
use crate::{anthropic, gemini};
use bytes::Bytes;
use haltline_types::Tokens;

/// Members of a Messages request that its count takes; others are refused there. Source:
/// `MessageCountTokensParams` and its beta sister in Anthropic's Python SDK.
const COUNTED: [&[u8]; 12] = [
    b"model",
    b"messages",
    b"system",
    b"tools",
    b"tool_choice",
    b"thinking",
    b"cache_control",
    b"output_config",
    b"output_format",
    b"context_management",
    b"mcp_servers",
    b"speed",
];

/// What asks how many tokens `outgoing` has, which was written for `model` in this dialect. `None`
/// where the dialect has no such question.
#[must_use]
pub fn question(dialect: ProviderDialect, model: &str, outgoing: &Outgoing) -> Option<Outgoing> {
    let (path, body) = match dialect {
        ProviderDialect::Messages => ("/messages/count_tokens".to_owned(), counted_messages(&outgoing.body)),
        ProviderDialect::Gemini => {
            let path = format!("/{}", gemini::path(model, gemini::Method::Count));
            (path, wrapped_gemini(model, &outgoing.body))
        }
        ProviderDialect::Chat(_) | ProviderDialect::Responses(_) | ProviderDialect::Embeddings => return None,
    };
    Some(Outgoing { path, body, dropped: outgoing.dropped.clone() })
}

/// The number in the answer.
///
/// # Errors
/// When there is none, or the dialect has no such question.
pub fn read(dialect: ProviderDialect, answer: &[u8]) -> Result<Tokens, Malformed> {
    match dialect {
        ProviderDialect::Messages => anthropic::read_count(answer),
        ProviderDialect::Gemini => gemini::read_count(answer),
        ProviderDialect::Chat(_) | ProviderDialect::Responses(_) | ProviderDialect::Embeddings => {
            Err(Malformed { detail: "the dialect has no count of tokens".to_owned() })
        }
    }
}

fn counted_messages(body: &Bytes) -> Bytes {
    let mut writer = Writer::new(body);
    for member in walk::members(body, 0).filter(|member| COUNTED.contains(&&*member.name(body))) {
        writer.kept(&member.key, &member.value);
    }
    writer.finish()
}

/// The whole request, model included, as `generateContentRequest`: `contents` alone would leave
/// the system instruction and the tools uncounted (ai.google.dev/api/tokens).
fn wrapped_gemini(model: &str, body: &Bytes) -> Bytes {
    let mut writer = Writer::new(body);
    let model = model.strip_prefix("models/").unwrap_or(model);
    writer.added("model", &quoted(&format!("models/{model}")));
    for member in walk::members(body, 0).filter(|member| &*member.name(body) != b"model") {
        writer.kept(&member.key, &member.value);
    }
    Bytes::from([b"{\"generateContentRequest\":", &*writer.finish(), b"}"].concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn asked(dialect: ProviderDialect, body: &str) -> Option<(String, Value)> {
        let outgoing =
            Outgoing { path: "/x".to_owned(), body: Bytes::copy_from_slice(body.as_bytes()), dropped: Vec::new() };
        let question = question(dialect, "m-1", &outgoing)?;
        Some((question.path, serde_json::from_slice(&question.body).expect("JSON")))
    }

    #[test]
    fn a_count_of_messages_asks_for_what_is_read_and_for_nothing_else() {
        let body = r#"{"model":"m-1","max_tokens":9,"stream":true,"temperature":1,"service_tier":"standard_only",
            "metadata":{},"stop_sequences":[],"system":"s","messages":[{"role":"user","content":"x"}],"tools":[]}"#;
        let (path, body) = asked(ProviderDialect::Messages, body).expect("a question");
        assert_eq!(path, "/messages/count_tokens");
        let expected =
            json!({"model": "m-1", "system": "s", "messages": [{"role": "user", "content": "x"}], "tools": []});
        assert_eq!(body, expected);
    }

    #[test]
    fn a_count_of_contents_asks_with_instructions_and_tools() {
        for body in [r#" {"contents":[],"tools":[{}]} "#, r#"{"model":"other","contents":[],"tools":[{}]}"#] {
            let (path, body) = asked(ProviderDialect::Gemini, body).expect("a question");
            assert_eq!(path, "/models/m-1:countTokens");
            let request = json!({"model": "models/m-1", "contents": [], "tools": [{}]});
            assert_eq!(body, json!({"generateContentRequest": request}));
        }
        assert_eq!(
            asked(ProviderDialect::Gemini, "{}").expect("a question").1["generateContentRequest"]["model"],
            "models/m-1"
        );
    }

    #[test]
    fn other_dialects_cannot_be_asked() {
        assert_eq!(asked(ProviderDialect::Embeddings, "{}"), None);
        assert!(read(ProviderDialect::Embeddings, b"{}").is_err());
    }

    #[test]
    fn answers_are_read_in_either_dialect() {
        let nine = Ok(Tokens::new(9));
        assert_eq!(read(ProviderDialect::Messages, br#"{"input_tokens":9}"#), nine);
        assert_eq!(read(ProviderDialect::Gemini, br#"{"totalTokens":9}"#), nine);
        assert!(read(ProviderDialect::Messages, b"{}").is_err());
    }
}
