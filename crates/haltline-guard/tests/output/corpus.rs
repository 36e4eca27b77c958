//! Reads the labelled vectors, which live outside of the repository.

use haltline_guard::output::{Channel, Hit, OutputOptions, OutputRules, Pass, RuleSet, SecretOptions};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// A text with a fake secret in it.
pub(crate) struct Vector {
    pub(crate) id: String,
    pub(crate) rule: String,
    pub(crate) text: String,
    pub(crate) before: String,
    pub(crate) after: String,
    /// What must not get out.
    pub(crate) core: String,
}

fn rows(file: &str) -> Option<Vec<Value>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let shared = std::env::var_os("HALTLINE_SHARED").map_or_else(|| root.join("../shared"), PathBuf::from);
    let path = shared.join("data/guard/dev").join(file);
    let Ok(text) = std::fs::read_to_string(&path) else {
        assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "vectors are missing at {}", path.display());
        eprintln!("NOT TESTED: vectors are missing at {}; set HALTLINE_SHARED", path.display());
        return None;
    };
    Some(text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

/// Texts of a file, with what a text says should be found in it.
pub(crate) fn texts(file: &str) -> Option<Vec<(String, String, Option<String>)>> {
    let text = |row: &Value, field: &str| row[field].as_str().map(str::to_owned);
    Some(
        rows(file)?
            .iter()
            .map(|row| (text(row, "text").unwrap(), text(row, "kind").unwrap_or_default(), text(row, "match")))
            .collect(),
    )
}

/// Ordinary texts.
pub(crate) fn ordinary() -> Option<Vec<String>> {
    let benign = |row: &&Value| row["label"] == 0;
    Some(rows("prompts.jsonl")?.iter().filter(benign).map(|row| row["text"].as_str().unwrap().to_owned()).collect())
}

pub(crate) fn secrets() -> Option<Vec<Vector>> {
    Some(rows("secrets.jsonl")?.iter().map(vector).collect())
}

fn vector(row: &Value) -> Vector {
    let parts: Vec<&str> = row["parts"].as_array().unwrap().iter().map(|part| part.as_str().unwrap()).collect();
    let first = usize::try_from(row["secret_parts"][0].as_u64().unwrap()).unwrap();
    let last = usize::try_from(row["secret_parts"][1].as_u64().unwrap()).unwrap();
    let rule = row["rule"].as_str().unwrap().to_owned();
    let core = match rule.as_str() {
        "url_password" => parts[first + 1],
        _ => parts[first..=last].iter().max_by_key(|part| part.len()).unwrap(),
    };
    Vector {
        id: row["id"].as_str().unwrap().to_owned(),
        rule,
        text: parts.concat(),
        before: parts[..first].concat(),
        after: parts[last + 1..].concat(),
        core: core.trim_end_matches('"').to_owned(),
    }
}

pub(crate) fn rules(set: RuleSet) -> OutputRules {
    let secrets = SecretOptions { rules: set, ..SecretOptions::default() };
    OutputRules::new(&OutputOptions { secrets, ..OutputOptions::default() }).unwrap()
}

/// What comes out of a stream, the hits, and the most that was held.
pub(crate) struct Streamed {
    pub(crate) text: String,
    pub(crate) hits: Vec<Hit>,
    pub(crate) held: usize,
    pub(crate) cut: bool,
}

pub(crate) fn stream<'a>(rules: &OutputRules, channel: Channel, pieces: impl IntoIterator<Item = &'a str>) -> Streamed {
    let mut filter = rules.filter(channel);
    let mut streamed = Streamed { text: String::new(), hits: Vec::new(), held: 0, cut: false };
    for piece in pieces {
        let before = streamed.text.len();
        let pass = filter.push(rules, piece, &mut streamed.text, &mut streamed.hits);
        assert!(pass != Pass::Unchanged || &streamed.text[before..] == piece, "not unchanged: {piece:?}");
        streamed.held = streamed.held.max(filter.held());
        streamed.cut |= pass == Pass::Cut;
    }
    streamed.cut |= filter.finish(rules, &mut streamed.text, &mut streamed.hits) == Pass::Cut;
    assert_eq!(filter.held(), 0);
    streamed
}

/// A text in pieces of about the size of tokens, between characters.
pub(crate) fn tokens(text: &str, seed: u64) -> Vec<&str> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut pieces = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let size = [1, 2, 3, 4, 4, 5, 6, 7][usize::try_from(state >> 61).unwrap()];
        let at = (size..=rest.len()).find(|&at| rest.is_char_boundary(at)).unwrap_or(rest.len());
        let (piece, after) = rest.split_at(at);
        pieces.push(piece);
        rest = after;
    }
    pieces
}

/// One character at a time.
pub(crate) fn characters(text: &str) -> impl Iterator<Item = &str> {
    text.char_indices().map(|(at, character)| &text[at..at + character.len_utf8()])
}
