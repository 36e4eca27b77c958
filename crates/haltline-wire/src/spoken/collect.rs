//! Walks a value and collects its texts.

use super::{By, Spoken, roles};
use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Map, Value};

/// The most texts of one request; what comes after is joined to the last one.
const TEXTS_MAX: usize = 4096;
/// The longest name of a member that stands in a place as it is. Names are the client's own.
const NAME_MAX: usize = 40;
/// So much of a medium in base64 shows whether it is a text.
const PROBE_CHARS: usize = 4096;
/// Either alphabet, with padding or without: what providers take, is read here.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

#[derive(Default)]
pub(super) struct Collect {
    pub(super) texts: Vec<Spoken>,
}

impl Collect {
    pub(super) fn take(&mut self, value: &Value, by: By, place: &str) {
        match value {
            Value::String(text) => self.push(by, place, text),
            Value::Array(elements) => {
                for (index, element) in elements.iter().enumerate() {
                    self.take(element, by, &format!("{place}[{index}]"));
                }
            }
            Value::Object(members) => self.object(members, by, place),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn object(&mut self, members: &Map<String, Value>, by: By, place: &str) {
        let kind = members.get("type").and_then(Value::as_str).unwrap_or_default();
        let by = roles::of_part(kind, by);
        let is_text = ["media_type", "mediaType", "mimeType", "mime_type"]
            .iter()
            .find_map(|name| members.get(*name).and_then(Value::as_str))
            .is_some_and(is_text_kind);
        for (name, member) in members {
            if roles::is_silent(name) {
                continue;
            }
            let place = step(place, name);
            let by = roles::of_member(name, by);
            match (&**name, member) {
                ("data" | "file_data" | "url" | "image_url" | "fileUri" | "file_uri", Value::String(text)) => {
                    self.data(by, &place, text, is_text);
                }
                ("response" | "output", Value::Object(_)) if by == By::Tool => self.result(member, by, &place),
                _ => self.take(member, by, &place),
            }
        }
    }

    /// What a tool gave, in a form of its own: every string and every name is said to the model.
    fn result(&mut self, value: &Value, by: By, place: &str) {
        match value {
            Value::Array(elements) => {
                for (index, element) in elements.iter().enumerate() {
                    self.result(element, by, &format!("{place}[{index}]"));
                }
            }
            Value::Object(members) => {
                for (name, member) in members {
                    let place = step(place, name);
                    // A name that is one word says nothing by itself.
                    if name.contains(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '_' | '-')) {
                        self.push(by, &place, name);
                    }
                    match (&**name, member) {
                        ("data" | "url", Value::String(text)) => self.data(by, &place, text, false),
                        _ => self.result(member, by, &place),
                    }
                }
            }
            value => self.take(value, by, place),
        }
    }

    /// A medium says nothing that a rule could read, unless it is a text in base64 or as it stands.
    fn data(&mut self, by: By, place: &str, text: &str, is_text: bool) {
        if let Some((kind, data)) = text.strip_prefix("data:").and_then(|rest| rest.split_once(',')) {
            if kind.to_ascii_lowercase().ends_with(";base64") {
                self.encoded(by, place, data, is_text_kind(kind));
            } else {
                self.push(by, place, data);
            }
        } else if is_text {
            self.encoded(by, place, text, true);
        } else if !self.encoded(by, place, text, false) && text.contains(' ') && !text.starts_with("http") {
            self.push(by, place, text);
        }
    }

    /// Base64 of what may be a text, whatever its kind is said to be. `is_text`: it is one, if it is
    /// not in base64 after all. Says whether it was.
    fn encoded(&mut self, by: By, place: &str, text: &str, is_text: bool) -> bool {
        let decoded = |text: &str| {
            let code = |byte: u8| match byte {
                b'-' => b'+',
                b'_' => b'/',
                other => other,
            };
            let code: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).map(code).collect();
            BASE64.decode(code).ok()
        };
        let said = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        if is_text {
            self.push(by, place, decoded(text).map(said).as_deref().unwrap_or(text));
            return true;
        }
        let probe: String = text.chars().filter(|c| !c.is_ascii_whitespace()).take(PROBE_CHARS).collect();
        let is_said = |bytes: &Vec<u8>| match std::str::from_utf8(bytes) {
            Ok(_) => true,
            Err(error) => error.error_len().is_none(),
        };
        let is_readable = |bytes: &Vec<u8>| is_said(bytes) && !bytes.contains(&0);
        if decoded(&probe).is_some_and(|bytes| is_readable(&bytes))
            && let Some(bytes) = decoded(text)
        {
            self.push(by, place, &said(bytes));
            return true;
        }
        false
    }

    pub(super) fn push(&mut self, by: By, place: &str, text: &str) {
        if text.trim().is_empty() {
            return;
        }
        if self.texts.len() >= TEXTS_MAX
            && let Some(last) = self.texts.last_mut()
        {
            // Nobody's words pass for somebody's who is not looked at.
            if last.by != by {
                last.by = By::User;
            }
            last.text.push('\n');
            last.text.push_str(text);
            return;
        }
        self.texts.push(Spoken { by, place: place.to_owned(), text: text.to_owned(), joined: false });
    }

    /// What somebody says in several texts, from `begin` on, is read in one as well: an attack may
    /// come in pieces. `place` is what they have in common.
    pub(super) fn join(&mut self, begin: usize, place: &str) {
        for by in [By::User, By::Tool, By::Document] {
            let said = self.texts.get(begin..).unwrap_or_default().iter();
            let pieces: Vec<&str> = said.filter(|text| text.by == by && !text.joined).map(|text| &*text.text).collect();
            if pieces.len() > 1 {
                let text = pieces.join("\n");
                self.texts.push(Spoken { by, place: place.to_owned(), text, joined: true });
            }
        }
    }
}

/// The place of a member. A name that could be mistaken, or is long, is a star.
fn step(place: &str, name: &str) -> String {
    let is_plain =
        name.len() <= NAME_MAX && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    format!("{place}.{}", if is_plain { name } else { "*" })
}

/// Is what has this kind a text?
fn is_text_kind(kind: &str) -> bool {
    let kind = kind.to_ascii_lowercase();
    let bare = kind.split(';').next().unwrap_or_default().trim();
    bare.is_empty()
        || bare.starts_with("text/")
        || ["json", "xml", "yaml", "javascript"].iter().any(|end| bare.ends_with(end))
}
