//! Canonical messages as JSON: nothing is lost, strangers are tolerated, and fingerprints see what
//! was said and nothing else.

use haltline_wire::canon::{Call, Media, MediaSource, Message, Part, Role, Text, ToolResult, joined};
use proptest::option;
use proptest::prelude::*;
use serde_json::{Value, json};

fn cache() -> impl Strategy<Value = Option<Value>> {
    option::of(any::<u8>().prop_map(|ttl| json!({"type": "ephemeral", "ttl": ttl})))
}

fn media() -> impl Strategy<Value = Media> {
    let source = prop_oneof![
        (".*", ".*").prop_map(|(media_type, data)| MediaSource::Base64 { media_type, data }),
        ".*".prop_map(MediaSource::Url),
        ".*".prop_map(MediaSource::Text),
    ];
    (source, option::of(".*"), option::of(".*"), cache()).prop_map(|(source, detail, name, cache)| Media {
        source,
        detail,
        name,
        cache,
    })
}

fn part() -> impl Strategy<Value = Part> {
    let leaf = prop_oneof![
        (".*", cache()).prop_map(|(text, cache)| Part::Text(Text { text, cache })),
        media().prop_map(Part::Image),
        media().prop_map(Part::Document),
        media().prop_map(Part::Audio),
        (".*", ".*", ".*", option::of(".*"), cache()).prop_map(|(id, name, arguments, signature, cache)| {
            Part::Call(Call { id, name, arguments, signature, cache })
        }),
        (".*", option::of(".*"), option::of(".*"), option::of(".*"))
            .prop_map(|(text, signature, redacted, id)| Part::Reasoning { text, signature, redacted, id }),
        ".*".prop_map(Part::Refusal),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        (".*", option::of(".*"), prop::collection::vec(inner, 0..3), any::<bool>(), cache()).prop_map(
            |(id, name, parts, is_error, cache)| Part::Result(ToolResult { id, name, parts, is_error, cache }),
        )
    })
}

pub(crate) fn message() -> impl Strategy<Value = Message> {
    let role = prop_oneof![Just(Role::System), Just(Role::User), Just(Role::Assistant)];
    (role, option::of(".*"), prop::collection::vec(part(), 0..5)).prop_map(|(role, name, parts)| Message {
        role,
        name,
        parts,
    })
}

proptest! {
    #[test]
    fn a_message_comes_back_as_it_was(message in message()) {
        prop_assert_eq!(Message::from_json(&message.to_json()).expect("readable"), message);
    }

    #[test]
    fn marks_and_ids_have_no_part_in_a_fingerprint(message in message()) {
        prop_assert_eq!(message.without_marks().fingerprint_material(), message.fingerprint_material());
        let mut other = message.clone();
        for part in &mut other.parts {
            match part {
                Part::Call(call) => call.id.push('x'),
                Part::Result(result) => result.id.push('x'),
                _ => {}
            }
        }
        prop_assert_eq!(other.fingerprint_material(), message.fingerprint_material());
        other.parts.push(Part::text("more"));
        prop_assert_ne!(other.fingerprint_material(), message.fingerprint_material());
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in any::<Vec<u8>>()) {
        let _ = Message::from_json(&bytes);
    }
}

#[test]
fn the_form_is_compact_and_stays() {
    let call = Call {
        id: "c1".to_owned(),
        name: "f".to_owned(),
        arguments: r#"{"a":1}"#.to_owned(),
        signature: None,
        cache: None,
    };
    let message = Message { role: Role::Assistant, name: None, parts: vec![Part::text("Hi"), Part::Call(call)] };
    let kept = r#"{"role":"assistant","parts":[{"type":"text","text":"Hi"},{"type":"call","id":"c1","name":"f","arguments":"{\"a\":1}"}]}"#;
    assert_eq!(message.to_json(), kept.as_bytes());
}

#[test]
fn what_a_later_version_adds_is_left_out() {
    let later = br#"{"role":"user","mood":1,"parts":[{"type":"smell","of":"rain"},{"type":"text","text":"a","font":"b"},{"type":"image"}]}"#;
    let read = Message::from_json(later).expect("readable");
    assert_eq!(read, Message { role: Role::User, name: None, parts: vec![Part::text("a")] });
    for bad in [&b"{}"[..], br#"{"role":"nobody","parts":[]}"#, b"[]", br#"{"role":"user","parts":3}"#] {
        assert!(Message::from_json(bad).expect_err("not a message").detail.starts_with("a kept message"), "{bad:?}");
    }
}

#[test]
fn a_fingerprint_is_of_what_was_said() {
    let call = |arguments: &str| {
        let call = Call {
            id: "x".to_owned(),
            name: "f".to_owned(),
            arguments: arguments.to_owned(),
            signature: None,
            cache: None,
        };
        Message { role: Role::Assistant, name: None, parts: vec![Part::Call(call)] }.fingerprint_material()
    };
    assert_eq!(call(r#"{"a":1,"b":{"d":1,"c":2}}"#), call(r#"{ "b": {"c":2,"d":1}, "a": 1 }"#));
    assert_eq!(call(""), call("{}"));
    assert_ne!(call(r#"{"a":1}"#), call(r#"{"a":2}"#));
    let said = |parts: Vec<Part>| Message { role: Role::Assistant, name: None, parts }.fingerprint_material();
    let thought = Part::Reasoning { text: "hm".to_owned(), signature: None, redacted: None, id: None };
    assert_eq!(said(vec![thought, Part::text("a"), Part::text("b")]), said(vec![Part::text("ab")]));
    assert_ne!(said(vec![Part::text("ab")]), said(vec![Part::text("abc")]));
}

#[test]
fn turns_of_one_role_are_one() {
    let say = |role, text: &str| Message { role, name: None, parts: vec![Part::text(text)] };
    let turns =
        joined(&[say(Role::User, "a"), say(Role::Assistant, "b"), say(Role::Assistant, "c"), say(Role::User, "d")]);
    let roles: Vec<(Role, usize)> = turns.iter().map(|turn| (turn.role, turn.parts.len())).collect();
    assert_eq!(roles, [(Role::User, 1), (Role::Assistant, 2), (Role::User, 1)]);
}
