//! One value of a section: a string with its variables filled in, a number within its bounds, or
//! a diagnostic that says what should stand there.

use super::codes::ConfigCode;
use super::diagnostic::{Diagnostic, nearest};
use super::outside::{Missing, Secrets, fill, fill_secret};
use super::reader::{Section, Walk};
use haltline_ports::Secret;
use std::ops::{Range, RangeInclusive};
use toml::de::{DeTable, DeValue};

/// A value of a section.
#[derive(Clone)]
pub(super) struct Value<'w> {
    pub(super) walk: &'w Walk<'w>,
    pub(super) key: String,
    pub(super) span: Range<usize>,
    pub(super) value: &'w DeValue<'w>,
}

/// A string with its place.
#[derive(Clone, Debug)]
pub(super) struct Text {
    pub(super) text: String,
    pub(super) span: Range<usize>,
}

impl<'w> Value<'w> {
    /// Reports that the value is of another type.
    pub(super) fn wrong_type(&self, wanted: &str, help: &str) {
        let message = format!("`{}` must be {wanted}, not {}", self.key, type_word(self.value));
        let wrong = Diagnostic::new(ConfigCode::WrongType, message).at(self.span.clone());
        self.walk.report(if help.is_empty() { wrong } else { wrong.help(help) });
    }

    /// A string, variables filled in.
    pub(super) fn text(&self) -> Option<Text> {
        match self.value {
            DeValue::String(raw) => {
                let text = self.filled(fill(raw, self.walk.outside))?;
                Some(Text { text, span: self.span.clone() })
            }
            DeValue::Integer(number) => {
                self.wrong_type("a string", &format!("write it in quotes: \"{number}\""));
                None
            }
            DeValue::Float(number) => {
                self.wrong_type("a string", &format!("write it in quotes: \"{}\"", number.as_str()));
                None
            }
            _ => {
                self.wrong_type("a string", "");
                None
            }
        }
    }

    pub(super) fn integer(&self, range: RangeInclusive<u64>) -> Option<u64> {
        let digits = match self.value {
            DeValue::Integer(number) => Some((number.as_str().to_owned(), number.radix())),
            DeValue::String(raw) if raw.contains("${") => Some((self.text()?.text, 10)),
            _ => None,
        };
        let Some((digits, radix)) = digits else {
            self.wrong_type("a whole number", "write it without quotes");
            return None;
        };
        let plain: String = digits.chars().filter(|c| *c != '_').collect();
        match u64::from_str_radix(plain.trim_start_matches('+'), radix) {
            Ok(number) if range.contains(&number) => Some(number),
            _ => {
                let message = format!("`{}` is from {} to {}", self.key, range.start(), range.end());
                self.walk.report(Diagnostic::new(ConfigCode::OutOfRange, message).at(self.span.clone()));
                None
            }
        }
    }

    /// The value as a section; an empty one with a diagnostic when it is something else.
    pub(super) fn into_section(self, title: String, header: Range<usize>) -> Section<'w> {
        let map = match self.value {
            DeValue::Table(map) => Some(map),
            _ => {
                self.wrong_type("a table", &format!("write {title} on a line of its own, and the keys below"));
                None
            }
        };
        Section { walk: self.walk, title, span: header, map }
    }

    /// What stands in it, if it is a table.
    pub(super) fn table(&self) -> Option<&'w DeTable<'w>> {
        match self.value {
            DeValue::Table(map) => Some(map),
            _ => None,
        }
    }

    /// A table, or a list of tables, without a key.
    pub(super) fn is_empty(&self) -> bool {
        match self.value {
            DeValue::Table(map) => map.is_empty(),
            DeValue::Array(items) => {
                items.iter().all(|item| matches!(item.get_ref(), DeValue::Table(map) if map.is_empty()))
            }
            _ => false,
        }
    }

    /// Is it a table?
    pub(super) fn is_table(&self) -> bool {
        matches!(self.value, DeValue::Table(_))
    }

    /// Is it a list?
    pub(super) fn is_list(&self) -> bool {
        matches!(self.value, DeValue::Array(_))
    }

    /// Is it a single string?
    pub(super) fn is_text(&self) -> bool {
        matches!(self.value, DeValue::String(_))
    }

    /// A secret, or `None` when it cannot be had or secrets are ignored. `title` is its section's.
    pub(super) fn secret(&self, title: &str) -> Option<Secret> {
        self.secret_if(self.walk.secrets, title)
    }

    /// A secret that commands need as well which look at the store alone.
    pub(super) fn secret_of_store(&self, title: &str) -> Option<Secret> {
        self.secret_if(Secrets::Needed, title)
    }

    fn secret_if(&self, needed: Secrets, title: &str) -> Option<Secret> {
        self.walk.secret_spans.borrow_mut().extend(self.is_plain_secret().then(|| self.span.clone()));
        let DeValue::String(raw) = self.value else {
            self.wrong_type("a string", &format!("write {} = \"${{NAME}}\" or \"file:/path\"", self.key));
            return None;
        };
        if self.is_plain_secret() && self.is_api_key() {
            let message = format!("{title}: `{}` stands in the file in the clear", self.key);
            self.walk.report(Diagnostic::new(ConfigCode::PlainSecret, message).at(self.span.clone()));
        }
        if needed == Secrets::Ignored {
            return None;
        }
        self.filled(fill_secret(raw, self.walk.outside)).map(Secret::trimmed)
    }

    /// Does it stand where a provider's key or a secret that signs stands?
    fn is_api_key(&self) -> bool {
        matches!(
            self.key.as_str(),
            "api_key"
                | "api_keys"
                | "key"
                | "secret"
                | "webhook_secret"
                | "encryption_key"
                | "old_encryption_keys"
                | "secret_access_key"
                | "session_token"
        )
    }

    pub(super) fn is_plain_secret(&self) -> bool {
        match self.value {
            DeValue::String(raw) => {
                let reference = raw.starts_with("${") && !raw.replace(":-}", "}").contains(":-");
                !raw.starts_with("file:") && !reference && !raw.trim().is_empty()
            }
            _ => true,
        }
    }

    pub(super) fn filled<T>(&self, result: Result<T, Missing>) -> Option<T> {
        let missing = match result {
            Ok(text) => return Some(text),
            Err(missing) => missing,
        };
        let diagnostic = match missing {
            Missing::Variable(name) => {
                let message = format!("the environment variable {name} is not set");
                let help = if self.is_api_key() {
                    "set it, or write \"file:/path\"".to_owned()
                } else {
                    format!("set it, or write ${{{name}:-default}}")
                };
                Diagnostic::new(ConfigCode::MissingVariable, message).help(help)
            }
            Missing::Form(text) => {
                let message = format!("`{text}` is not a reference to an environment variable");
                Diagnostic::new(ConfigCode::NotUnderstood, message).help("write ${NAME} or ${NAME:-default}")
            }
            Missing::File(path, why) => {
                let message = format!("the file {} cannot be read: {why}", path.display());
                Diagnostic::new(ConfigCode::SecretFile, message)
            }
        };
        self.walk.report(diagnostic.at(self.span.clone()));
        None
    }
}

/// The word that `text` is, or a diagnostic.
pub(super) fn pick(
    walk: &Walk<'_>,
    key: &str,
    text: &Text,
    words: &[&'static str],
    later: &[&str],
) -> Option<&'static str> {
    if let Some(word) = words.iter().find(|word| **word == text.text) {
        return Some(word);
    }
    if later.contains(&text.text.as_str()) {
        let message = format!("`{key} = \"{}\"` comes in a later version", text.text);
        walk.report(Diagnostic::new(ConfigCode::NotInThisVersion, message).at(text.span.clone()).allowed(words));
        return None;
    }
    let message = format!("`{}` is not a value of `{key}`", text.text);
    let wrong = Diagnostic::new(ConfigCode::NotUnderstood, message).at(text.span.clone());
    let near = nearest(&text.text, words.iter().chain(later).copied());
    let wrong = near.map_or(wrong.clone(), |near| wrong.label(format!("did you mean \"{near}\"?")));
    walk.report(wrong.allowed(words));
    None
}

fn type_word(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a point",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
