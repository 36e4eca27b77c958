//! Walks a value and collects its texts.

use super::{By, Spoken, roles};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

/// The most texts of one request; what comes after is joined to the last one.
const TEXTS_MAX: usize = 4096;

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
            .is_some_and(|kind| kind.starts_with("text/") || kind.starts_with("application/json"));
        for (name, member) in members {
            if roles::is_silent(name) {
                continue;
            }
            let place = format!("{place}.{name}");
            match (&**name, member) {
                ("data" | "file_data" | "url" | "image_url" | "fileUri" | "file_uri", Value::String(text)) => {
                    self.data(by, &place, text, is_text);
                }
                (name, member) => self.take(member, roles::of_member(name, by), &place),
            }
        }
    }

    /// A medium says nothing that a rule could read, unless it is a text in base64 or as it stands.
    fn data(&mut self, by: By, place: &str, text: &str, is_text: bool) {
        let decoded = |data: &str| STANDARD.decode(data.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        if let Some((kind, data)) = text.strip_prefix("data:").and_then(|rest| rest.split_once(',')) {
            if kind.starts_with("text/") || kind.starts_with("application/json") || kind.is_empty() {
                let said = if kind.ends_with(";base64") { decoded(data) } else { Some(data.to_owned()) };
                self.push(by, place, said.as_deref().unwrap_or(data));
            }
        } else if is_text {
            self.push(by, place, decoded(text).as_deref().unwrap_or(text));
        } else if text.len() < 8192 && !text.starts_with("http") && text.contains(' ') {
            self.push(by, place, text);
        }
    }

    pub(super) fn push(&mut self, by: By, place: &str, text: &str) {
        if text.trim().is_empty() {
            return;
        }
        if self.texts.len() >= TEXTS_MAX
            && let Some(last) = self.texts.last_mut()
        {
            last.text.push('\n');
            last.text.push_str(text);
            return;
        }
        self.texts.push(Spoken { by, place: place.to_owned(), text: text.to_owned() });
    }
}
