//! Walks a parsed file and collects everything that is wrong on the way: a section is asked for
//! its keys, and what it cannot give becomes a diagnostic and `None`, never the end of the walk.

use super::codes::ConfigCode;
use super::diagnostic::Diagnostic;
use super::outside::{Outside, Secrets};
use super::value::{Text, Value, pick};
use haltline_ports::Secret;
use haltline_types::{Tokens, parse_duration};
use std::cell::RefCell;
use std::ops::{Range, RangeInclusive};
use std::time::Duration;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// What the walk needs and collects.
pub(super) struct Walk<'w> {
    pub(super) outside: &'w Outside<'w>,
    pub(super) secrets: Secrets,
    pub(super) found: RefCell<Vec<Diagnostic>>,
    pub(super) secret_spans: RefCell<Vec<Range<usize>>>,
}

impl Walk<'_> {
    pub(super) fn report(&self, diagnostic: Diagnostic) {
        self.found.borrow_mut().push(diagnostic);
    }
}

/// The keys of a section.
pub(super) struct Keys {
    /// What may stand there.
    pub(super) known: &'static [&'static str],
    /// What may stand there in a later version.
    pub(super) later: &'static [&'static str],
}

impl Keys {
    pub(super) const fn of(known: &'static [&'static str]) -> Self {
        Self { known, later: &[] }
    }
}

/// A section; an absent one is empty.
#[derive(Clone)]
pub(super) struct Section<'w> {
    pub(super) walk: &'w Walk<'w>,
    /// As messages call it: `[retry]`.
    pub(super) title: String,
    /// Its header, or the place where it should stand.
    pub(super) span: Range<usize>,
    pub(super) map: Option<&'w DeTable<'w>>,
}

impl<'w> Section<'w> {
    pub(super) fn root(walk: &'w Walk<'w>, map: &'w DeTable<'w>, keys: &Keys) -> Self {
        let root = Self { walk, title: "the file".to_owned(), span: 0..0, map: Some(map) };
        root.check_keys(keys);
        root
    }

    /// Reports every key that is not known.
    pub(super) fn check_keys(&self, keys: &Keys) {
        for key in self.map.into_iter().flat_map(|map| map.keys()) {
            let name = key.get_ref().as_ref();
            if keys.known.contains(&name) {
                continue;
            }
            if keys.later.contains(&name) {
                if self.value(name).is_some_and(|value| value.is_empty()) {
                    let message = format!("`{name}` has no effect yet: it comes in a later version");
                    self.walk.report(Diagnostic::new(ConfigCode::NoEffect, message).at(key.span()));
                    continue;
                }
                let message = format!("`{name}` comes in a later version");
                self.walk
                    .report(Diagnostic::new(ConfigCode::NotInThisVersion, message).at(key.span()).help("remove it"));
                continue;
            }
            let message = format!("unknown key `{name}` in {}", self.title);
            let known = keys.known.iter().chain(keys.later).copied();
            let unknown = Diagnostic::new(ConfigCode::UnknownKey, message).at(key.span()).suggest(name, known);
            self.walk.report(unknown.allowed(keys.known));
        }
    }

    pub(super) fn is_present(&self) -> bool {
        self.map.is_some()
    }

    /// The place of a key's name; the header when it is absent.
    pub(super) fn key_span(&self, key: &str) -> Range<usize> {
        let found = self.map.and_then(|map| map.keys().find(|name| name.get_ref() == key));
        found.map_or(self.span.clone(), Spanned::span)
    }

    pub(super) fn value(&self, key: &str) -> Option<Value<'w>> {
        let value = self.map?.get(key)?;
        Some(Value { walk: self.walk, key: key.to_owned(), span: value.span(), value: value.get_ref() })
    }

    /// Reports a key that must be there; `example` shows how to write it.
    pub(super) fn missing(&self, key: &str, example: &str) {
        let message = format!("{} needs `{key}`", self.title);
        self.walk.report(
            Diagnostic::new(ConfigCode::MissingKey, message).at(self.span.clone()).help(format!("write {example}")),
        );
    }

    /// A sub-section with a fixed set of keys.
    pub(super) fn section(&self, key: &str, keys: &Keys) -> Section<'w> {
        let title = format!("[{key}]");
        let Some(value) = self.value(key) else {
            return Section { walk: self.walk, title, span: self.span.clone(), map: None };
        };
        let section = value.into_section(title, self.key_span(key));
        section.check_keys(keys);
        section
    }

    /// The sections of a section of free names, in the order of the file.
    pub(super) fn named(&self, key: &str) -> Vec<(Text, Section<'w>)> {
        self.named_but(key, "")
    }

    /// As `named`, without the one key that is no free name.
    pub(super) fn named_but(&self, key: &str, except: &str) -> Vec<(Text, Section<'w>)> {
        let Some(value) = self.value(key) else { return Vec::new() };
        let outer = value.into_section(format!("[{key}]"), self.key_span(key));
        let mut sections: Vec<(Text, Section<'w>)> = Vec::new();
        for (name, inner) in
            outer.map.into_iter().flat_map(|map| map.iter()).filter(|(name, _)| name.get_ref() != except)
        {
            let text = Text { text: name.get_ref().to_string(), span: name.span() };
            let value = Value { walk: self.walk, key: text.text.clone(), span: inner.span(), value: inner.get_ref() };
            let title = format!("[{}.{}]", self.inner_title(key), quoted_if_needed(&text.text));
            let section = value.into_section(title, name.span());
            sections.push((text, section));
        }
        sections.sort_by_key(|(name, _)| name.span.start);
        sections
    }

    /// What a section within this one is called.
    fn inner_title(&self, key: &str) -> String {
        let own = self.title.strip_prefix('[').and_then(|title| title.strip_suffix(']'));
        own.map_or_else(|| key.to_owned(), |own| format!("{own}.{key}"))
    }

    /// The names in a section of free names, without reading what they stand for.
    pub(super) fn keys_of(&self, key: &str) -> Vec<String> {
        match self.value(key).map(|value| value.value) {
            Some(DeValue::Table(map)) => map.keys().map(|name| name.get_ref().to_string()).collect(),
            _ => Vec::new(),
        }
    }

    /// The sections of a list of sections.
    pub(super) fn list(&self, key: &str, keys: &Keys) -> Vec<Section<'w>> {
        let Some(value) = self.value(key) else { return Vec::new() };
        let DeValue::Array(items) = value.value else {
            value.wrong_type("a list of tables", &format!("write [[{key}]]"));
            return Vec::new();
        };
        items
            .iter()
            .map(|item| {
                let value = Value { walk: self.walk, key: key.to_owned(), span: item.span(), value: item.get_ref() };
                let section = value.into_section(format!("[[{key}]]"), item.span());
                section.check_keys(keys);
                section
            })
            .collect()
    }

    pub(super) fn text(&self, key: &str) -> Option<Text> {
        self.value(key)?.text()
    }

    /// A string that `parse` understands.
    pub(super) fn parsed<T>(&self, key: &str, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let text = self.text(key)?;
        match parse(&text.text) {
            Ok(parsed) => Some(parsed),
            Err(why) => {
                self.walk.report(Diagnostic::new(ConfigCode::NotUnderstood, why).at(text.span));
                None
            }
        }
    }

    /// One of a few words.
    pub(super) fn choice(&self, key: &str, words: &[&'static str], later: &[&str]) -> Option<&'static str> {
        let text = self.text(key)?;
        pick(self.walk, key, &text, words, later)
    }

    /// A duration between two bounds.
    pub(super) fn duration(&self, key: &str, range: RangeInclusive<Duration>) -> Option<Duration> {
        let span = self.value(key)?.span;
        let duration = self.parsed(key, parse_duration)?;
        if range.contains(&duration) {
            return Some(duration);
        }
        let shown = haltline_types::format_duration;
        let message = format!("`{key}` is from {} to {}", shown(*range.start()), shown(*range.end()));
        self.walk.report(Diagnostic::new(ConfigCode::OutOfRange, message).at(span));
        None
    }

    /// A whole number between two bounds.
    pub(super) fn integer(&self, key: &str, range: RangeInclusive<u64>) -> Option<u64> {
        self.value(key)?.integer(range)
    }

    pub(super) fn tokens(&self, key: &str) -> Option<Tokens> {
        self.integer(key, 1..=100_000_000).map(Tokens::new)
    }

    pub(super) fn boolean(&self, key: &str) -> Option<bool> {
        let value = self.value(key)?;
        let DeValue::Boolean(boolean) = value.value else {
            value.wrong_type("true or false", "");
            return None;
        };
        Some(*boolean)
    }

    /// The items of a list that is there.
    pub(super) fn items(&self, key: &str) -> Option<Vec<Value<'w>>> {
        let value = self.value(key)?;
        let DeValue::Array(items) = value.value else {
            value.wrong_type("a list", &format!("write {key} = [ … ]"));
            return None;
        };
        let item = |item: &'w Spanned<DeValue<'w>>| Value {
            walk: self.walk,
            key: key.to_owned(),
            span: item.span(),
            value: item.get_ref(),
        };
        Some(items.iter().map(item).collect())
    }

    /// A list of strings; a single one counts as a list of one.
    pub(super) fn texts(&self, key: &str) -> Option<Vec<Text>> {
        let value = self.value(key)?;
        if matches!(value.value, DeValue::String(_)) {
            return value.text().map(|text| vec![text]);
        }
        Some(self.items(key)?.iter().filter_map(Value::text).collect())
    }

    /// A secret, or `None` when there is none or secrets are ignored.
    pub(super) fn secret(&self, key: &str) -> Option<Secret> {
        self.value(key)?.secret(&self.title)
    }
}

fn quoted_if_needed(name: &str) -> String {
    let bare = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    if bare { name.to_owned() } else { format!("\"{name}\"") }
}
