//! The arguments of tools: JSON that is cut anywhere, escaped in any way.

use crate::corpus::{secrets, texts, tokens};
use haltline_guard::output::{
    Action, Channel, Hit, InArguments, OutputOptions, OutputRules, Pass, RuleSet, SecretOptions,
};
use serde_json::Value;
use std::fmt::Write as _;

fn rules(in_arguments: InArguments, action: Action) -> OutputRules {
    let secrets = SecretOptions { rules: RuleSet::All, in_arguments, action, ..SecretOptions::default() };
    OutputRules::new(&OutputOptions { secrets, ..OutputOptions::default() }).unwrap()
}

fn stream<'a>(rules: &OutputRules, pieces: impl IntoIterator<Item = &'a str>) -> (String, Vec<Hit>, bool) {
    let mut filter = rules.arguments();
    let (mut out, mut hits, mut cut) = (String::new(), Vec::new(), false);
    for piece in pieces {
        let before = out.len();
        let pass = filter.push(rules, piece, &mut out, &mut hits);
        assert!(pass != Pass::Unchanged || &out[before..] == piece, "not unchanged: {piece:?}");
        cut |= pass == Pass::Cut;
    }
    cut |= filter.finish(rules, &mut out, &mut hits) == Pass::Cut;
    assert_eq!(filter.held(), 0);
    (out, hits, cut)
}

/// A text as a string of JSON: plain, with every third letter escaped, and with every letter escaped.
fn strings(text: &str) -> [String; 3] {
    let plain = serde_json::to_string(text).unwrap();
    let escaped = |every: usize| {
        let mut out = String::from("\"");
        for (at, character) in text.chars().enumerate() {
            if at % every == 0 || matches!(character, '"' | '\\') || character.is_control() {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    write!(out, "\\u{unit:04x}").unwrap();
                }
            } else {
                out.push(character);
            }
        }
        out + "\""
    };
    [plain, escaped(3), escaped(1)]
}

#[test]
fn secrets_in_arguments_are_replaced_however_they_are_escaped_and_cut() {
    let Some(vectors) = secrets() else { return };
    let rules = rules(InArguments::AsInText, Action::Redact);
    for vector in &vectors {
        let wanted = rules.whole(Channel::Arguments, &vector.text).text.unwrap();
        for string in strings(&vector.text) {
            let json = format!(
                "{{\"path\": \"/tmp/a\\tb\", \"n\": -1.5e3, \"text\": {string}, \"list\": [true, \"é\\ud83d\\ude00\"]}}"
            );
            let (whole, whole_hits, _) = stream(&rules, [json.as_str()]);
            let value: Value = serde_json::from_str(&whole).unwrap();
            assert_eq!(value["text"], wanted.as_str(), "{}", vector.id);
            assert!(whole.starts_with("{\"path\": \"/tmp/a\\tb\", \"n\": -1.5e3, \"text\": \""), "{whole}");
            assert!(whole.ends_with("\", \"list\": [true, \"é\\ud83d\\ude00\"]}"), "{whole}");
            let step = if json.len() > 900 { 37 } else { 1 };
            for at in (0..=json.len()).step_by(step).filter(|&at| json.is_char_boundary(at)) {
                let (cut, hits, _) = stream(&rules, [&json[..at], &json[at..]]);
                assert_eq!((&cut, &hits), (&whole, &whole_hits), "{} cut at {at}", vector.id);
            }
            for seed in 1..6 {
                let (cut, hits, _) = stream(&rules, tokens(&json, seed));
                assert_eq!((&cut, &hits), (&whole, &whole_hits), "{} in tokens", vector.id);
            }
            let (cut, hits, _) = stream(&rules, crate::corpus::characters(&json));
            assert_eq!((&cut, &hits), (&whole, &whole_hits), "{} by characters", vector.id);
        }
    }
}

#[test]
fn look_alikes_in_arguments_pass_byte_for_byte() {
    let Some(rows) = texts("secrets_lookalikes.jsonl") else { return };
    let rules = rules(InArguments::AsInText, Action::Redact);
    for (text, kind, _) in rows {
        for string in strings(&text) {
            let json = format!("{{\"a\":{string}}}");
            for seed in 1..4 {
                let (out, hits, _) = stream(&rules, tokens(&json, seed));
                assert_eq!((out.as_str(), hits.len()), (json.as_str(), 0), "{kind}");
            }
        }
    }
}

#[test]
fn arguments_are_only_flagged_but_for_private_keys_and_keys_of_haltline() {
    let Some(vectors) = secrets() else { return };
    let rules = rules(InArguments::OnlyKeys, Action::Redact);
    for vector in &vectors {
        let json = format!("{{\"text\":{}}}", strings(&vector.text)[0]);
        let (out, hits, _) = stream(&rules, tokens(&json, 1));
        let keys = ["private_key", "haltline"].contains(&vector.rule.as_str());
        assert_eq!(out == json, !keys, "{}", vector.id);
        assert!(hits.iter().any(|hit| *hit.rule == *vector.rule && (hit.action == Action::Redact) == keys), "{hits:?}");
    }
}

#[test]
fn a_name_and_its_secret_in_two_strings_are_seen_together() {
    let rules = rules(InArguments::AsInText, Action::Redact);
    let secret = ["ed1c54277d23279b", "6877794c19360e0a"].concat();
    let json = format!("{{\"headers\": {{\"api-key\": \"{secret}\", \"x\": 1}}}}");
    let wanted = "{\"headers\": {\"api-key\": \"[REDACTED:azure_apikey_ctx]\", \"x\": 1}}";
    for seed in 0..20 {
        assert_eq!(stream(&rules, tokens(&json, seed)).0, wanted);
    }
}

#[test]
fn what_is_no_json_passes_as_it_is() {
    let rules = rules(InArguments::AsInText, Action::Redact);
    let odd = [
        r#"{"a": "\ud83d"}"#,
        r#"{"a": "\ud83dx"}"#,
        r#"{"a": "\ud83d\n"}"#,
        r#"{"a": "\ud83d\ud83d\ude00"}"#,
        r#"{"a": "\ud83d\u0041"}"#,
        r#"{"a": "\u00"}"#,
        r#"{"a": "\uzzzz"}"#,
        r#"{"a": "\ud8"#,
        r#"{"a": "\"#,
        "",
        r#"{"a": "b"#,
        r#""""" \ \u00e9 plain text"#,
        r#"{"a":"\ude00\ud83d""#,
        r#"{"a":"\ud83d\"}"#,
    ];
    for json in odd {
        for at in 0..=json.len() {
            let (out, hits, _) = stream(&rules, [&json[..at], &json[at..]]);
            assert_eq!((out.as_str(), hits.len()), (json, 0));
        }
        let (out, ..) = stream(&rules, crate::corpus::characters(json));
        assert_eq!(out, json);
    }
}

#[test]
fn arguments_can_be_cut() {
    let rules = rules(InArguments::AsInText, Action::Cut);
    let secret = ["gh", "p_", "0Of2HyTF0kZom5Q99rxrEdnIGdJ7V7k3AbCd"].concat();
    let json = format!("{{\"a\":\"see {secret} there\"}}");
    for seed in 0..20 {
        let (out, hits, cut) = stream(&rules, tokens(&json, seed));
        assert_eq!((out.as_str(), hits.len(), cut), ("{\"a\":\"see ", 1, true));
    }
}
