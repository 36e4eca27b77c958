//! A request with the turns before it: every dialect says the same conversation, its own checks
//! still hold, and a page may send its newest message alone.

use super::traffic::{CLIENTS, parse, smallest};
use bytes::Bytes;
use haltline_types::Tokens;
use haltline_wire::PassFields;
use haltline_wire::canon::{Call, Media, MediaSource, Message, Part, Role, Text, ToolResult, joined};
use haltline_wire::client::{ClientDialect, ClientRequest};
use haltline_wire::ui_stream::{UiRequest, ui_messages};
use proptest::prelude::*;
use serde_json::{Value, json};

fn say(role: Role, parts: Vec<Part>) -> Message {
    Message { role, name: None, parts }
}

fn call(id: &str, arguments: &str) -> Part {
    Part::Call(Call {
        id: id.to_owned(),
        name: "weather".to_owned(),
        arguments: arguments.to_owned(),
        signature: None,
        cache: None,
    })
}

fn result(id: &str, text: &str) -> Part {
    let (id, name, parts) = (id.to_owned(), Some("weather".to_owned()), vec![Part::text(text)]);
    Part::Result(ToolResult { id, name, parts, is_error: false, cache: None })
}

fn thought(signature: &str) -> Part {
    Part::Reasoning { text: "hm".to_owned(), signature: Some(signature.to_owned()), redacted: None, id: None }
}

fn fingerprints(messages: &[Message]) -> Vec<String> {
    let text = |message: &Message| String::from_utf8(message.fingerprint_material()).expect("JSON");
    joined(messages).iter().map(text).collect()
}

fn with(request: &ClientRequest, history: &[Message]) -> ClientRequest {
    request.with_history(history, &PassFields::none()).expect("a history")
}

fn words() -> impl Strategy<Value = String> {
    // No white space at the ends: Anthropic's blocks are never of white space alone.
    "[a-zA-Z0-9é\"\\\\{}<>]{1,12}( [a-z]{1,5}){0,3}"
}

/// Some rounds of a conversation, with and without tools.
fn conversation() -> impl Strategy<Value = Vec<Message>> {
    let round = (words(), words(), prop::collection::vec((words(), words()), 0..3), any::<bool>());
    prop::collection::vec(round, 0..4).prop_map(|rounds| {
        let mut messages = Vec::new();
        let mut calls = 0;
        for (asked, answered, tools, ends) in rounds {
            messages.push(say(Role::User, vec![Part::text(asked)]));
            let (mut called, mut given) = (Vec::new(), Vec::new());
            for (argument, text) in tools {
                let id = format!("call.{calls}");
                calls += 1;
                called.push(call(&id, &json!({"z": argument, "a": 1}).to_string()));
                given.push(result(&id, &text));
            }
            if !called.is_empty() {
                messages.push(say(Role::Assistant, called));
                messages.push(say(Role::User, given));
            }
            if ends {
                messages.push(say(Role::Assistant, vec![Part::text(answered)]));
            }
        }
        messages
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn every_dialect_says_the_same_conversation(history in conversation()) {
        for client in CLIENTS {
            let request = smallest(client);
            let whole = with(&request, &history);
            let expected: Vec<Message> = history.iter().cloned().chain(request.new_messages().expect("its own")).collect();
            let read = whole.canonical().expect("it crosses").messages;
            prop_assert_eq!(fingerprints(&read), fingerprints(&expected), "{:?}", client);
            prop_assert_eq!(fingerprints(&whole.new_messages().expect("turns")), fingerprints(&expected));
            prop_assert_eq!(whole.model(), request.model());
            let bytes = |request: &ClientRequest| request.measure().ascii_bytes;
            prop_assert!(history.is_empty() || bytes(&whole) > bytes(&request), "{:?} is measured", client);
        }
    }

    #[test]
    fn any_message_that_can_be_kept_is_written_or_refused(message in super::message_json::message()) {
        for client in CLIENTS {
            let _ = smallest(client).with_history(std::slice::from_ref(&message), &PassFields::none());
        }
    }
}

#[test]
fn ids_signatures_and_thoughts_come_back_where_the_dialect_has_a_place() {
    let history = [
        say(Role::User, vec![Part::text("Rome?")]),
        say(Role::Assistant, vec![thought("c2lnbmVk"), Part::text("Let me see."), call("t:1", r#"{"city":"Rome"}"#)]),
        say(Role::User, vec![result("t:1", "20")]),
    ];
    for client in CLIENTS {
        let messages = with(&smallest(client), &history).canonical().expect("it crosses").messages;
        let parts: Vec<&Part> = messages.iter().flat_map(|message| &message.parts).collect();
        let id = |part: &&&Part| match part {
            Part::Call(call) => Some(call.id.clone()),
            Part::Result(result) => Some(result.id.clone()),
            _ => None,
        };
        assert_eq!(parts.iter().filter_map(|part| id(&part)).collect::<Vec<_>>(), ["t:1", "t:1"], "{client:?}");
        let thoughts = parts.iter().any(|part| matches!(part, Part::Reasoning { .. }));
        let visible = matches!(client, ClientDialect::Chat | ClientDialect::Messages | ClientDialect::UiStream);
        assert_eq!(thoughts, visible, "{client:?}");
        let signed =
            |part: &&&Part| matches!(part, Part::Reasoning { signature: Some(proof), .. } if proof == "c2lnbmVk");
        let keeps = matches!(client, ClientDialect::Messages | ClientDialect::UiStream);
        assert_eq!(parts.iter().any(|part| signed(&part)), keeps, "{client:?}");
    }
}

#[test]
fn calls_that_nobody_answered_are_left_out_and_the_next_turn_may_answer() {
    let history = [
        say(Role::User, vec![Part::text("Rome and Oslo?")]),
        say(Role::Assistant, vec![call("c1", r#"{"city":"Rome"}"#), call("c2", r#"{"city":"Oslo"}"#)]),
    ];
    let answers: [(ClientDialect, &str); 4] = [
        (ClientDialect::Chat, r#"{"model":"m","messages":[{"role":"tool","tool_call_id":"c1","content":"20"}]}"#),
        (
            ClientDialect::Responses,
            r#"{"model":"m","input":[{"type":"function_call_output","call_id":"c1","output":"20"}]}"#,
        ),
        (
            ClientDialect::Messages,
            r#"{"model":"m","max_tokens":9,"messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"c1","content":"20"}]}]}"#,
        ),
        (
            ClientDialect::Gemini,
            r#"{"contents":[{"role":"user","parts":[{"functionResponse":{"id":"c1","name":"weather","response":{"result":"20"}}}]}]}"#,
        ),
    ];
    let ids = |request: &ClientRequest| -> Vec<String> {
        let messages = request.canonical().expect("it crosses").messages;
        let id = |part: &Part| match part {
            Part::Call(call) => Some(format!("call {}", call.id)),
            Part::Result(result) => Some(format!("result {}", result.id)),
            _ => None,
        };
        messages.iter().flat_map(|message| &message.parts).filter_map(id).collect()
    };
    for (client, body) in answers {
        let request = parse(client, body.as_bytes()).expect("acceptable");
        assert_eq!(request.new_messages().expect("its own").len(), 1, "{client:?}");
        assert_eq!(ids(&with(&request, &history)), ["call c1", "result c1"], "{client:?}");
        // Nobody answers: the user asks something else.
        assert_eq!(ids(&with(&smallest(client), &history)), Vec::<String>::new(), "{client:?}");
        let orphan = [say(Role::User, vec![result("c9", "20")]), history[0].clone()];
        assert_eq!(ids(&with(&smallest(client), &orphan)), Vec::<String>::new(), "{client:?}");
    }
}

#[test]
fn what_the_operator_says_stays_first_and_marks_are_left_out() {
    let text = Text { text: "old".to_owned(), cache: Some(json!({"type": "ephemeral", "ttl": "1h"})) };
    let history = [say(Role::User, vec![Part::Text(text)]), say(Role::Assistant, vec![Part::text("answer")])];
    for (client, body) in [
        (
            ClientDialect::Chat,
            r#"{"model":"m","messages":[{"role":"system","content":"S"},{"role":"developer","content":"D"},{"role":"user","content":"new"}],"max_tokens":9,"top_p":0.5}"#,
        ),
        (
            ClientDialect::Responses,
            r#"{"model":"m","input":"new","instructions":"S","previous_response_id":"resp_1","conversation":"conv_1"}"#,
        ),
        (
            ClientDialect::Messages,
            r#"{"model":"m","max_tokens":9,"system":"S","messages":[{"role":"user","content":"new"}]}"#,
        ),
        (
            ClientDialect::Gemini,
            r#"{"contents":{"parts":[{"text":"new"}]},"systemInstruction":{"parts":[{"text":"S"}]}}"#,
        ),
        (
            ClientDialect::UiStream,
            r#"{"id":"c","messages":[{"id":"0","role":"system","parts":[{"type":"text","text":"S"}]},{"id":"1","role":"user","parts":[{"type":"text","text":"new"}]}]}"#,
        ),
    ] {
        let request = parse(client, body.as_bytes()).expect("acceptable");
        let whole = with(&request, &history);
        assert_eq!(whole.cache_ttl(), None);
        let canonical = whole.canonical().expect("it crosses");
        assert_eq!(canonical.system.first().map(|text| text.text.as_str()), Some("S"), "{client:?}");
        let said: Vec<String> = canonical
            .messages
            .iter()
            .flat_map(|message| &message.parts)
            .filter_map(|part| if let Part::Text(text) = part { Some(text.text.clone()) } else { None })
            .collect();
        assert_eq!(said, ["old", "answer", "new"], "{client:?}");
        assert_eq!(canonical.cap, request.client_cap(), "{client:?}");
    }
}

#[test]
fn a_history_that_is_too_long_is_refused_as_a_body_is() {
    let history = vec![say(Role::User, vec![Part::text("x")]); 5_000];
    for client in [ClientDialect::Chat, ClientDialect::Messages, ClientDialect::Gemini, ClientDialect::UiStream] {
        let error = smallest(client).with_history(&history, &PassFields::none()).expect_err("too long");
        assert!(error.message.contains("5000"), "{client:?}: {error}");
    }
    let pdf = MediaSource::Base64 { media_type: "application/pdf".to_owned(), data: "AAAA".to_owned() };
    let media = Media { source: pdf, detail: None, name: None, cache: None };
    let history = [say(Role::User, vec![Part::Document(media)])];
    for client in CLIENTS {
        smallest(client).with_history(&history, &PassFields::none()).expect_err("documents are not offered");
    }
}

fn page(body: &Value) -> UiRequest {
    UiRequest::parse(Bytes::from(body.to_string()), &PassFields::none()).expect("acceptable")
}

#[test]
fn a_page_may_send_its_newest_message_alone() {
    let newest = json!({"id": "m3", "role": "user", "parts": [{"type": "text", "text": "And Oslo?"}]});
    let sent = json!({"id": "chat-1", "message": newest, "trigger": "submit-message", "maxOutputTokens": 7});
    let request = page(&sent);
    assert!(request.needs_history() && !request.regenerates());
    assert_eq!((request.chat_id(), request.last_message_id()), (Some("chat-1"), Some("m3")));
    assert_eq!(request.canonical().expect("canonical").messages.len(), 1);
    let request = ClientRequest::Ui(Box::new(request));
    let history = [say(Role::User, vec![Part::text("Rome?")]), say(Role::Assistant, vec![Part::text("20.")])];
    let ClientRequest::Ui(whole) = with(&request, &history) else { panic!("a page's request") };
    assert!(!whole.needs_history());
    assert_eq!((whole.last_message_id(), whole.client_cap()), (Some("m3"), Some(Tokens::new(7))));
    let body: Value = serde_json::from_slice(whole.fingerprint_material()).expect("JSON");
    assert_eq!(body["messages"].as_array().expect("a list").len(), 3);
    assert_eq!(body["messages"][2], newest);

    let full = page(&json!({"id": "c", "messages": [newest], "trigger": "regenerate-message", "messageId": "m2"}));
    assert!(!full.needs_history() && full.regenerates());
    assert_eq!(full.last_message_id(), Some("m2"));
    let both = json!({"message": newest, "messages": [newest]}).to_string();
    let error = UiRequest::parse(Bytes::from(both), &PassFields::none()).expect_err("one of them");
    assert_eq!(error.param.as_deref(), Some("message"));
    for bad in [json!({"message": []}), json!({"message": "hi"}), json!({"message": {"role": "user"}})] {
        UiRequest::parse(Bytes::from(bad.to_string()), &PassFields::none()).expect_err("no message");
    }
}

#[test]
fn a_page_that_ran_a_tool_sends_its_copy_of_the_answer() {
    let answer = json!({"id": "m2", "role": "assistant", "parts": [
        {"type": "step-start"}, {"type": "text", "text": "Let me see."},
        {"type": "tool-weather", "toolCallId": "c1", "state": "output-available", "input": {"city": "Rome"}, "output": "20"}]});
    let request = ClientRequest::Ui(Box::new(page(&json!({"id": "c", "message": answer}))));
    let history = [
        say(Role::User, vec![Part::text("Rome?")]),
        say(Role::Assistant, vec![Part::text("Let me see."), call("c1", r#"{"city":"Rome"}"#)]),
    ];
    let messages = with(&request, &history).canonical().expect("canonical").messages;
    let expected = [&history[..], &[say(Role::User, vec![result("c1", "20")])]].concat();
    assert_eq!(fingerprints(&messages), fingerprints(&expected));
}

#[test]
fn a_conversation_is_shown_as_pages_have_it() {
    let turns = [
        say(Role::User, vec![Part::text("Rome?")]),
        say(Role::Assistant, vec![call("c1", r#"{"city":"Rome"}"#), call("c2", "{")]),
        say(Role::User, vec![result("c1", "20")]),
        say(Role::Assistant, vec![Part::text("20.")]),
    ];
    let shown = ui_messages(&turns, "m");
    let expected = json!([
        {"id": "m0", "role": "user", "parts": [{"type": "text", "text": "Rome?", "state": "done"}]},
        {"id": "m1", "role": "assistant", "parts": [
            {"type": "step-start"},
            {"type": "tool-weather", "toolCallId": "c1", "state": "output-available", "input": {"city": "Rome"}, "output": "20"},
            {"type": "tool-weather", "toolCallId": "c2", "state": "input-available", "input": "{"},
            {"type": "step-start"},
            {"type": "text", "text": "20.", "state": "done"}]}]);
    assert_eq!(Value::Array(shown), expected);
}
