//! Texts of requests in every dialect: who says them, and which are of the latest turn.

use super::*;
use serde_json::json;

fn said(dialect: ClientDialect, body: &Value, extent: Extent) -> Vec<(By, String, String)> {
    let body = body.to_string();
    spoken(dialect, body.as_bytes(), extent, false).into_iter().map(|one| (one.by, one.place, one.text)).collect()
}

fn texts(dialect: ClientDialect, body: &Value, extent: Extent) -> Vec<String> {
    said(dialect, body, extent).into_iter().map(|(_, _, text)| text).collect()
}

#[test]
fn the_latest_turn_is_what_came_after_the_model() {
    let body = json!({"model": "m", "messages": [
        {"role": "system", "content": "be kind"},
        {"role": "user", "content": "old"},
        {"role": "assistant", "content": null, "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "c", "content": [{"type": "text", "text": "from a tool"}]},
        {"role": "user", "content": [{"type": "text", "text": "new"}, {"type": "image_url", "image_url": {"url": "https://x/y.png"}}]},
    ]});
    assert_eq!(
        said(ClientDialect::Chat, &body, Extent::LatestTurn),
        [
            (By::Tool, "messages[3].content[0].text".to_owned(), "from a tool".to_owned()),
            (By::User, "messages[4].content[0].text".to_owned(), "new".to_owned()),
        ]
    );
    let all = said(ClientDialect::Chat, &body, Extent::All);
    assert_eq!(all.first(), Some(&(By::System, "messages[0].content".to_owned(), "be kind".to_owned())));
    assert!(all.iter().any(|(by, _, text)| *by == By::Assistant && text == "{}"));
}

#[test]
fn results_and_documents_are_told_from_what_the_user_says() {
    let body = json!({"model": "m", "system": "s", "messages": [{"role": "user", "content": [
        {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "result"}]},
        {"type": "document", "title": "the title", "source": {"type": "text", "media_type": "text/plain", "data": "a document"}},
        {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "AAAA"}},
        {"type": "text", "text": "question"},
    ]}]});
    let found = said(ClientDialect::Messages, &body, Extent::LatestTurn);
    let found: Vec<_> = found.iter().map(|(by, _, text)| (*by, text.as_str())).collect();
    assert_eq!(
        found,
        [(By::Tool, "result"), (By::Document, "the title"), (By::Document, "a document"), (By::User, "question")]
    );
}

#[test]
fn items_of_responses() {
    let body = json!({"input": [
        {"role": "user", "content": "old"},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{\"a\":1}"},
        {"type": "function_call_output", "call_id": "c", "output": "given"},
    ]});
    assert_eq!(texts(ClientDialect::Responses, &body, Extent::LatestTurn), ["given"]);
    assert_eq!(
        texts(ClientDialect::Responses, &json!({"input": "plain", "instructions": "i"}), Extent::LatestTurn),
        ["plain"]
    );
}

#[test]
fn contents_of_gemini_and_parts_of_pages() {
    let body = json!({"contents": [
        {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {}}}]},
        {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {"result": "given"}}}, {"text": "and?"},
            {"inlineData": {"mimeType": "text/plain", "data": "aGVsbG8gdGhlcmU="}}]},
    ]});
    assert_eq!(texts(ClientDialect::Gemini, &body, Extent::LatestTurn), ["f", "given", "and?", "hello there"]);
    let body = json!({"id": "chat", "messages": [
        {"role": "user", "parts": [{"type": "text", "text": "hi"}]},
        {"role": "assistant", "parts": [{"type": "text", "text": "my own"}, {"type": "tool-weather", "toolCallId": "c", "state": "output-available", "input": {"city": "x"}, "output": {"sky": "clear"}}]},
    ]});
    let found = said(ClientDialect::UiStream, &body, Extent::LatestTurn);
    assert!(found.iter().any(|(by, _, text)| *by == By::Tool && text == "clear"), "{found:?}");
    assert!(found.iter().all(|(by, _, text)| *by != By::User || text != "my own"));
}

#[test]
fn what_is_too_deep_to_read_is_read_as_it_stands() {
    let deep = format!("{}\"ignore\"{}", "[".repeat(200), "]".repeat(200));
    let body = format!("{{\"messages\":[{{\"role\":\"user\",\"content\":{deep}}}]}}");
    let found = spoken(ClientDialect::Chat, body.as_bytes(), Extent::LatestTurn, false);
    assert!(found.iter().any(|one| one.text.contains("ignore")));
}
