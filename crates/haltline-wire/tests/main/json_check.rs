//! `json::check` against serde_json: the same grammar, and stricter where two parsers could differ.

use haltline_wire::json::{DEPTH_MAX, JsonErrorKind, check};
use proptest::prelude::*;
use serde::de::IgnoredAny;

fn serde_accepts(body: &[u8]) -> bool {
    std::str::from_utf8(body).is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok())
}

fn kind(body: &str) -> Option<JsonErrorKind> {
    check(body.as_bytes()).err().map(|error| error.kind)
}

#[test]
fn a_key_stands_once_whatever_its_spelling_and_depth() {
    for body in [
        r#"{"model":"cheap","model":"dear"}"#,
        r#"{"model":"cheap","mod\u0065l":"dear"}"#,
        r#"{"\u006dodel":1,"m\u006Fdel":2}"#,
        r#"{"a":{"b":[{"c":1,"d":2,"c":3}]}}"#,
        r#"{"":1,"":2}"#,
        r#"{"ü":1,"\u00fc":2}"#,
        r#"{"😀":1,"\ud83d\ude00":2}"#,
        r#"{"a/b":1,"a\/b":2}"#,
    ] {
        assert!(matches!(kind(body), Some(JsonErrorKind::DuplicateKey(_))), "{body}");
    }
    for body in [r#"{"a":1,"A":2}"#, r#"{"a":{"a":{"a":1}}}"#, r#"[{"a":1},{"a":2}]"#, r#"{"\ud800":1,"\ud801":2}"#] {
        assert_eq!(kind(body), None, "{body}");
    }
}

#[test]
fn large_objects_are_searched_as_well() {
    let members = |count: usize| (0..count).map(|n| format!("\"k{n}\":{n}")).collect::<Vec<_>>().join(",");
    assert_eq!(kind(&format!("{{{}}}", members(1000))), None);
    for twin in ["k0", "k999", "k\\u0035"] {
        let body = format!("{{{},\"{twin}\":0}}", members(1000));
        assert!(matches!(kind(&body), Some(JsonErrorKind::DuplicateKey(_))), "{twin}");
    }
    assert_eq!(kind(&format!("{{{}}}", members(100_001))), Some(JsonErrorKind::TooManyKeys));
}

#[test]
fn depth_is_bounded_and_hostile_depth_costs_nothing() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(kind(&nested(DEPTH_MAX)), None);
    assert_eq!(kind(&nested(DEPTH_MAX + 1)), Some(JsonErrorKind::TooDeep));
    assert_eq!(kind(&"[".repeat(4_000_000)), Some(JsonErrorKind::TooDeep));
    assert_eq!(kind(&r#"{"a":"#.repeat(1_000_000)), Some(JsonErrorKind::TooDeep));
}

#[test]
fn errors_say_where() {
    let error = check(b"{\n  \"a\": 1,\n  \"a\": 2\n}").expect_err("duplicate");
    assert_eq!((error.offset, error.line, error.column), (15, 3, 4));
    let error = check(b"{\"a\":\"\xff\"}").expect_err("encoding");
    assert_eq!((error.kind, error.offset), (JsonErrorKind::Encoding, 6));
    assert_eq!(kind(" \n"), Some(JsonErrorKind::Empty));
    assert!(kind("\u{feff}{}").is_some(), "a byte order mark");
    assert!(kind("{\"a\":\"\u{1}\"}").is_some(), "a control character");
    assert!(kind("{\"a\":\"x\0\"}").is_some(), "a NUL");
    assert_eq!(kind(r#"{"a":"\u0000"}"#), None, "a NUL as an escape is legal");
    assert!(kind(&format!("{{\"a\":\"{}\u{1}\"}}", "x".repeat(100))).is_some(), "late in a long string");
}

#[test]
fn small_wrongs_are_told_apart_from_small_rights() {
    for body in [
        "",
        "{",
        "}",
        "[1,]",
        "{\"a\":1,}",
        "{,}",
        "[,]",
        "{\"a\" 1}",
        "{a:1}",
        "01",
        "-",
        "1.",
        ".5",
        "1e",
        "+1",
        "tru",
        "nul",
        "truefalse",
        "1 2",
        "{}{}",
        "\"a",
        "\"\\x\"",
        "\"\\u12g4\"",
        "\"\\u12\"",
        "[1 2]",
        "{\"a\":}",
        "NaN",
        "'a'",
        "[}",
        "{]",
        "\"\\",
        "{\"a\":1]",
        "/**/1",
    ] {
        assert!(check(body.as_bytes()).is_err(), "{body}");
        assert!(!serde_accepts(body.as_bytes()), "{body}");
    }
    for body in [
        "0",
        "-0",
        "1e9",
        "1E+9",
        "1.5e-3",
        "\"\"",
        "[]",
        "{}",
        "[ ]",
        "{ }",
        " null ",
        "[[],{}]",
        "123456789012345678901234567890",
        "1.10000000000000000001e5",
        "\"\\ud800\"",
        "\t[\r\n]\t",
        "1e999",
    ] {
        assert!(check(body.as_bytes()).is_ok(), "{body}");
        assert!(serde_accepts(body.as_bytes()), "{body}");
    }
}

/// JSON as a tree, written with random white space and escapes.
fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,5})?([eE][+-]?[0-9]{1,2})?",
        string(),
    ];
    leaf.prop_recursive(5, 64, 6, |inner| {
        prop_oneof![
            prop::collection::vec((space(), inner.clone(), space()), 0..6).prop_map(|items| format!(
                "[{}]",
                items.iter().map(|(a, v, b)| format!("{a}{v}{b}")).collect::<Vec<_>>().join(",")
            )),
            prop::collection::vec((space(), "[a-d]{1,3}", space(), inner), 0..6).prop_map(|items| {
                let members = items.iter().map(|(a, k, b, v)| format!("{a}\"{k}\"{b}:{v}")).collect::<Vec<_>>();
                format!("{{{}}}", members.join(","))
            }),
        ]
    })
}

fn space() -> impl Strategy<Value = String> {
    "[ \\n\\t\\r]{0,2}"
}

fn string() -> impl Strategy<Value = String> {
    "([ -!#-\\[\\]-~]|é|中|😀|\\\\[\"\\\\/bfnrt]|\\\\u[0-9a-fA-F]{4}){0,40}".prop_map(|inside| format!("\"{inside}\""))
}

fn has_duplicates(value: &str) -> bool {
    // A map that keeps all keys, by way of serde's own reader.
    struct Keys(bool);
    impl<'de> serde::Deserialize<'de> for Keys {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer.deserialize_any(Visitor)
        }
    }
    struct Visitor;
    impl<'de> serde::de::Visitor<'de> for Visitor {
        type Value = Keys;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("anything")
        }
        fn visit_unit<E>(self) -> Result<Keys, E> {
            Ok(Keys(false))
        }
        fn visit_bool<E>(self, _: bool) -> Result<Keys, E> {
            Ok(Keys(false))
        }
        fn visit_u64<E>(self, _: u64) -> Result<Keys, E> {
            Ok(Keys(false))
        }
        fn visit_i64<E>(self, _: i64) -> Result<Keys, E> {
            Ok(Keys(false))
        }
        fn visit_f64<E>(self, _: f64) -> Result<Keys, E> {
            Ok(Keys(false))
        }
        fn visit_bytes<E>(self, _: &[u8]) -> Result<Keys, E> {
            Ok(Keys(false))
        }
        fn visit_str<E>(self, _: &str) -> Result<Keys, E> {
            Ok(Keys(false))
        }
        fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<Keys, A::Error> {
            let mut any = false;
            while let Some(Keys(found)) = seq.next_element()? {
                any |= found;
            }
            Ok(Keys(any))
        }
        fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Keys, A::Error> {
            let mut seen = std::collections::HashSet::new();
            let mut any = false;
            while let Some((key, Keys(found))) = map.next_entry::<String, Keys>()? {
                any |= found | !seen.insert(key);
            }
            Ok(Keys(any))
        }
    }
    serde_json::from_str::<Keys>(value).is_ok_and(|keys| keys.0)
}

/// Strings with lone surrogates are JSON, but serde cannot read them as text.
fn without_surrogates(value: &str) -> bool {
    !value.to_ascii_lowercase().contains("\\ud")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn what_is_json_is_accepted_unless_a_key_stands_twice(value in json()) {
        prop_assert!(serde_accepts(value.as_bytes()), "the strategy writes JSON: {value}");
        match check(value.as_bytes()) {
            Ok(()) => prop_assert!(!has_duplicates(&value), "{value}"),
            Err(error) => {
                prop_assert!(matches!(error.kind, JsonErrorKind::DuplicateKey(_)), "{value}: {error}");
                prop_assert!(!without_surrogates(&value) || has_duplicates(&value), "{value}");
            }
        }
    }

    #[test]
    fn damaged_json_is_judged_as_serde_judges_it(value in json(), at in any::<prop::sample::Index>(), byte in any::<u8>(), how in 0..3) {
        let mut bytes = value.into_bytes();
        let at = at.index(bytes.len());
        match how {
            0 => bytes[at] = byte,
            1 => { bytes.remove(at); }
            _ => bytes.insert(at, byte),
        }
        agree(&bytes)?;
    }

    #[test]
    fn noise_is_judged_as_serde_judges_it(bytes in prop::collection::vec(prop::sample::select(b"{}[]\":,\\u0aeE+-.1 tfnrl\n\x01\xc3\xa9".to_vec()), 0..24)) {
        agree(&bytes)?;
    }
}

fn agree(bytes: &[u8]) -> Result<(), TestCaseError> {
    match check(bytes) {
        Ok(()) => prop_assert!(serde_accepts(bytes), "{}", String::from_utf8_lossy(bytes)),
        Err(error) if matches!(error.kind, JsonErrorKind::DuplicateKey(_)) => {}
        Err(error) => {
            prop_assert!(!serde_accepts(bytes), "{}: {error}", String::from_utf8_lossy(bytes));
        }
    }
    Ok(())
}
