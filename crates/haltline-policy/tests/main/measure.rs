//! The measure of text against every normal form of every character.

use crate::fixed;
use haltline_policy::measure::{TextMeasure, measure_json, measure_json_bytes, measure_text};
use haltline_policy::quote::TokenBound;
use proptest::prelude::*;
use unicode_normalization::UnicodeNormalization;

fn normal_forms(text: &str) -> [u64; 5] {
    [
        text.len(),
        text.nfc().map(char::len_utf8).sum(),
        text.nfd().map(char::len_utf8).sum(),
        text.nfkc().map(char::len_utf8).sum(),
        text.nfkd().map(char::len_utf8).sum(),
    ]
    .map(|bytes| bytes as u64)
}

#[test]
fn examples() {
    for (text, ascii, other) in [
        ("", 0, 0),
        ("hello", 5, 0),
        ("naïve", 4, 3),
        ("日本", 0, 6),
        ("한", 0, 9),
        ("\u{fdfa}", 0, 33),
        ("\u{212a}elvin", 5, 3),
        ("🙂!", 1, 4),
    ] {
        assert_eq!(measure_text(text), TextMeasure { ascii, other }, "{text}");
    }
}

#[test]
fn no_character_is_longer_than_its_measure_in_any_normal_form() {
    for c in (0..=u32::from(char::MAX)).filter_map(char::from_u32) {
        let text = c.to_string();
        let measured = measure_text(&text).bytes().expect("small");
        let longest = normal_forms(&text).into_iter().max().unwrap_or(0);
        assert!(measured >= longest, "{c:?}: {measured} < {longest}");
        assert!(measured <= 33, "{c:?}");
    }
}

#[test]
fn escapes_count_as_what_they_stand_for() {
    for (json, ascii, other) in [
        (r#""a\nb""#, 6, 0),
        (r#""\u0041""#, 8, 0),
        (r#""\u00e9""#, 8, 0),
        (r#""\ufdfa""#, 2, 33),
        (r#""\uD55C""#, 2, 9),
        (r#""\\ufdfa""#, 9, 0),
        (r#""\ud83d\ude42""#, 14, 0),
        (r#""\ud834\udd63""#, 2, 12),
        (r#""\ud834\ufdfa""#, 8, 33),
        (r#""\ud834""#, 8, 0),
        ("\\é", 1, 3),
        ("\\", 1, 0),
        (r"\u12", 4, 0),
    ] {
        assert_eq!(measure_json(json), TextMeasure { ascii, other }, "{json}");
        // Also where an escape stands across what is looked at together.
        for before in [0, 4_090, 4_091, 4_092, 4_093, 4_094, 4_095, 4_096] {
            let body = format!("{}{json}", " ".repeat(before));
            let measure = TextMeasure { ascii: ascii + before as u64, other };
            assert_eq!(measure_json_bytes(body.as_bytes()), Some(measure), "{json} behind {before} bytes");
        }
    }
}

#[test]
fn what_is_not_utf8_has_no_measure() {
    assert_eq!(measure_json_bytes(b"\"\xff\""), None);
}

#[test]
fn bounds_round_up() {
    let text = TextMeasure { ascii: 1, other: 1 };
    assert_eq!(TokenBound::Bytes.of(text).map(|tokens| tokens.get()), Some(2));
    assert_eq!(TokenBound::Unpublished.of(text).map(|tokens| tokens.get()), Some(3));
    let huge = TextMeasure { ascii: u64::MAX / 4, other: 0 };
    assert_eq!(TokenBound::Unpublished.of(huge), None);
}

/// Text with long plain stretches and characters that decompose.
fn mixed() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[ -~]{0,200}",
        "\\PC{0,20}",
        "[а-яё ]{0,40}",
        "[가-힣]{0,10}",
        any::<char>().prop_map(String::from),
        prop::sample::select(vec!["\u{fdfa}", "\u{fb01}", "\u{958}", "e\u{301}\u{327}", "\u{1d160}", "\\", "\"", "\n"])
            .prop_map(String::from),
    ];
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

/// As the strictest of JSON writers: everything that is not ASCII is escaped.
fn escaped(text: &str) -> String {
    let mut json = String::new();
    for c in text.chars() {
        match c {
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            ' '..='~' => json.push(c),
            _ => c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| json.push_str(&format!("\\u{unit:04x}"))),
        }
    }
    json
}

proptest! {
    #![proptest_config(fixed(1500))]

    #[test]
    fn text_is_never_longer_than_its_measure_in_any_normal_form(text in mixed()) {
        let measure = measure_text(&text);
        let measured = measure.bytes().expect("small");
        for form in normal_forms(&text) {
            prop_assert!(measured >= form);
        }
        prop_assert_eq!(measure.ascii, text.bytes().filter(u8::is_ascii).count() as u64);
    }

    #[test]
    fn the_measure_of_a_whole_is_that_of_its_parts(one in mixed(), two in mixed()) {
        let parts = measure_text(&one).checked_add(measure_text(&two));
        prop_assert_eq!(Some(measure_text(&format!("{one}{two}"))), parts);
    }

    #[test]
    fn writing_text_as_json_never_makes_it_cheaper(text in mixed()) {
        let plain = measure_text(&text);
        for json in [escaped(&text), text.replace('\\', "\\\\").replace('"', "\\\"")] {
            let measure = measure_json(&json);
            for bound in [TokenBound::Bytes, TokenBound::Unpublished] {
                prop_assert!(bound.of(measure) >= bound.of(plain), "{:?}", json);
            }
            prop_assert!(measure.bytes() >= Some(json.len() as u64), "the bytes themselves count");
        }
    }

    #[test]
    fn anything_can_be_measured_as_json(text in "(\\\\|\\\\u|[0-9a-fA-F]|é|x|\\\\ud83d|\\\\ude42){0,30}") {
        prop_assert!(measure_json(&text).bytes() >= Some(text.len() as u64));
        prop_assert_eq!(measure_json_bytes(text.as_bytes()), Some(measure_json(&text)));
    }

    #[test]
    fn bytes_measure_as_their_text(text in mixed()) {
        for json in [escaped(&text), text] {
            prop_assert_eq!(measure_json_bytes(json.as_bytes()), Some(measure_json(&json)));
        }
    }
}
