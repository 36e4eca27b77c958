//! The normal form of a request's body: two bodies that ask for the same have the same one. Keys
//! are sorted, white space is gone, and what changes nothing in the answer is left out. Numbers and
//! strings stay as they are written: a number that is only written in another way is another one,
//! which costs a hit and can never give a wrong one.
//!
//! Expects a body that its dialect has accepted.

use crate::client::ClientDialect;
use crate::json::walk::{elements, members};
use std::ops::Range;

/// Top-level members that do not change what is answered, but for those that are told apart
/// otherwise: the model, and whether a stream is asked for. A Responses object repeats most of its
/// request, so there hardly any.
const fn left_out(dialect: ClientDialect) -> &'static [&'static str] {
    match dialect {
        ClientDialect::Chat => &[
            "metadata",
            "model",
            "prompt_cache_key",
            "prompt_cache_options",
            "prompt_cache_retention",
            "safety_identifier",
            "store",
            "stream",
            "stream_options",
            "user",
        ],
        ClientDialect::Responses => &["model", "stream", "stream_options"],
        ClientDialect::Embeddings => &["model", "user"],
        ClientDialect::Messages => &["metadata", "model", "stream"],
        ClientDialect::Gemini => &["model"],
        ClientDialect::UiStream => &["id", "messageId", "model", "trigger", "user"],
    }
}

/// Members of a page's messages that no model sees.
const PAGE_MESSAGE: &[&str] = &["createdAt", "id", "metadata"];

/// Appends the normal form of `body`.
pub fn normal_form(dialect: ClientDialect, body: &[u8], out: &mut Vec<u8>) {
    out.reserve(body.len());
    let inner = if dialect == ClientDialect::UiStream { PAGE_MESSAGE } else { &[] };
    object(body, 0, left_out(dialect), inner, out);
}

/// Writes the object that begins at `from`, without some members; `messages` are written without
/// others.
fn object(body: &[u8], from: usize, without: &[&str], in_messages: &[&str], out: &mut Vec<u8>) {
    let key = |place: &Range<usize>| body.get(place.clone()).unwrap_or_default();
    let mut all: Vec<_> =
        members(body, from).filter(|member| !without.iter().any(|name| name.as_bytes() == key(&member.key))).collect();
    all.sort_by(|a, b| key(&a.key).cmp(key(&b.key)));
    out.push(b'{');
    for (place, member) in all.iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        out.push(b'"');
        out.extend_from_slice(key(&member.key));
        out.extend_from_slice(b"\":");
        if !in_messages.is_empty() && key(&member.key) == b"messages" {
            list(body, &member.value, in_messages, out);
        } else {
            value(body, &member.value, &[], out);
        }
    }
    out.push(b'}');
}

fn list(body: &[u8], place: &Range<usize>, without: &[&str], out: &mut Vec<u8>) {
    out.push(b'[');
    for (number, element) in elements(body, place.start).enumerate() {
        if number > 0 {
            out.push(b',');
        }
        value(body, &element, without, out);
    }
    out.push(b']');
}

fn value(body: &[u8], place: &Range<usize>, without: &[&str], out: &mut Vec<u8>) {
    match body.get(place.start) {
        Some(b'{') => object(body, place.start, without, &[], out),
        Some(b'[') => list(body, place, &[], out),
        _ => out.extend_from_slice(body.get(place.clone()).unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normal(dialect: ClientDialect, body: &str) -> String {
        let mut out = Vec::new();
        normal_form(dialect, body.as_bytes(), &mut out);
        String::from_utf8(out).expect("utf-8")
    }

    #[test]
    fn the_order_of_keys_and_white_space_say_nothing() {
        let one = r#"{"model":"m","messages":[{"role":"user","content":"a \"b\" {c}"}],"temperature":0.5}"#;
        let two = "{ \"temperature\" : 0.5,\n \"messages\" : [ { \"content\":\"a \\\"b\\\" {c}\" , \"role\":\"user\"} ], \"model\":\"m\" }";
        assert_eq!(normal(ClientDialect::Chat, one), normal(ClientDialect::Chat, two));
        assert_eq!(
            normal(ClientDialect::Chat, one),
            r#"{"messages":[{"content":"a \"b\" {c}","role":"user"}],"temperature":0.5}"#
        );
    }

    #[test]
    fn what_changes_nothing_is_left_out_and_nothing_else() {
        for (dialect, one, two, same) in [
            (ClientDialect::Chat, r#"{"user":"a","messages":[]}"#, r#"{"messages":[]}"#, true),
            (ClientDialect::Chat, r#"{"stream":true,"stream_options":{},"messages":[]}"#, r#"{"messages":[]}"#, true),
            (ClientDialect::Chat, r#"{"seed":1,"messages":[]}"#, r#"{"messages":[]}"#, false),
            (ClientDialect::Chat, r#"{"seed":1}"#, r#"{"seed":1.0}"#, false),
            (ClientDialect::Chat, r#"{"messages":[1,2]}"#, r#"{"messages":[2,1]}"#, false),
            (ClientDialect::Chat, r#"{"messages":[{"user":"a"}]}"#, r#"{"messages":[{}]}"#, false),
            (ClientDialect::Messages, r#"{"metadata":{"user_id":"u"}}"#, "{}", true),
            (ClientDialect::Responses, r#"{"metadata":{"a":"b"}}"#, "{}", false),
            (
                ClientDialect::UiStream,
                r#"{"id":"c1","messages":[{"id":"1","x":2}]}"#,
                r#"{"messages":[{"x":2}]}"#,
                true,
            ),
            (
                ClientDialect::UiStream,
                r#"{"messages":[{"parts":[{"id":"1"}]}]}"#,
                r#"{"messages":[{"parts":[{}]}]}"#,
                false,
            ),
        ] {
            assert_eq!(normal(dialect, one) == normal(dialect, two), same, "{one} and {two}");
        }
    }
}
