//! Reads rows of scenarios: words and `key=value` fields, before and after the arrow.

use crate::{Applies, Budget, OnFull, Window, Zone};
use haltline_types::{Amount, Demand, Name, NanoUsd, Scope, Subjects, Timestamp, Tokens, Unit, parse_duration};
use std::collections::BTreeMap;
use std::sync::Arc;

/// One side of a row's arrow.
#[derive(Debug, Default)]
pub(super) struct Words<'a> {
    words: Vec<&'a str>,
    fields: Vec<(&'a str, &'a str)>,
}

impl<'a> Words<'a> {
    /// A row without its comment: what to do, and what should come of it.
    pub(super) fn of_row(row: &'a str) -> (Self, Self) {
        let row = row.split('#').next().unwrap_or_default();
        let (step, outcome) = row.split_once("->").unwrap_or((row, ""));
        (Self::of(step), Self::of(outcome))
    }

    fn of(text: &'a str) -> Self {
        let mut words = Self::default();
        for word in text.split_whitespace() {
            match word.split_once('=') {
                Some(field) => words.fields.push(field),
                None => words.words.push(word),
            }
        }
        words
    }

    /// The next word; `None` at the end.
    pub(super) fn next(&mut self) -> Option<&'a str> {
        if self.words.is_empty() { None } else { Some(self.words.remove(0)) }
    }

    pub(super) fn word(&mut self, what: &str) -> Result<&'a str, String> {
        self.next().ok_or_else(|| format!("{what} is missing"))
    }

    pub(super) fn field(&mut self, key: &str) -> Option<&'a str> {
        let place = self.fields.iter().position(|(name, _)| *name == key)?;
        Some(self.fields.remove(place).1)
    }

    pub(super) fn needed(&mut self, key: &str) -> Result<&'a str, String> {
        self.field(key).ok_or_else(|| format!("`{key}=` is missing"))
    }

    /// Nothing may be left over: a misspelt field must not pass for one that holds.
    pub(super) fn end(&self) -> Result<(), String> {
        match (self.words.first(), self.fields.first()) {
            (None, None) => Ok(()),
            (Some(word), _) => Err(format!("`{word}` means nothing here")),
            (_, Some((key, _))) => Err(format!("`{key}=` means nothing here")),
        }
    }

    pub(super) fn budget(&mut self) -> Result<Budget, String> {
        let name = Name::new(self.word("the budget's name")?);
        let zone = self.field("zone").map_or_else(|| Ok(Zone::utc()), Zone::parse)?;
        Ok(Budget {
            name,
            scope: Scope::parse(self.field("scope").unwrap_or("global").split(','))?,
            limit: amount(self.needed("limit")?)?,
            window: Window::parse(self.needed("window")?, &zone)?,
            on_full: match self.field("on_full") {
                None | Some("refuse") => OnFull::Refuse,
                Some("warn") => OnFull::Warn,
                Some(other) => return Err(format!("`on_full={other}`")),
            },
            applies: self.field("applies").map_or(Ok(Applies::ToAll), applies)?,
        })
    }

    pub(super) fn subjects(&mut self) -> Subjects {
        let mut name = |key| self.field(key).map(Name::new);
        Subjects {
            team: name("team"),
            tier: name("tier"),
            key: name("key"),
            user: name("user"),
            session: name("session"),
            model: name("model"),
            provider: name("provider"),
            provider_model: name("provider_model"),
            browser_token: name("browser_token"),
            tags: name("env").map(|env| (Name::new("env"), env)).into_iter().collect(),
        }
    }

    /// `usd=`, `tokens=`, `requests=`, `retries=`; what is not mentioned is as in `otherwise`.
    pub(super) fn demand(&mut self, otherwise: Demand) -> Result<Demand, String> {
        let count = |text: &str| text.parse::<u64>().map_err(|_| format!("`{text}` is not a count"));
        let small = |text: &str| text.parse::<u32>().map_err(|_| format!("`{text}` is not a count"));
        Ok(Demand {
            usd: self.field("usd").map_or(Ok(otherwise.usd), money)?,
            tokens: self.field("tokens").map_or(Ok(otherwise.tokens), |text| count(text).map(Tokens::new))?,
            requests: self.field("requests").map_or(Ok(otherwise.requests), small)?,
            retries: self.field("retries").map_or(Ok(otherwise.retries), small)?,
        })
    }

    /// A field's amount is compared with what it is.
    pub(super) fn compare(&mut self, key: &str, actual: Amount) -> Result<(), String> {
        let Some(expected) = self.field(key) else { return Ok(()) };
        let expected = amount_of(actual.unit(), expected)?;
        if expected == actual { Ok(()) } else { Err(format!("{key} is {actual}, not {expected}")) }
    }

    /// The same for something that is shown as text.
    pub(super) fn compare_text(&mut self, key: &str, actual: &str) -> Result<(), String> {
        match self.field(key) {
            Some(expected) if expected != actual => Err(format!("{key} is `{actual}`, not `{expected}`")),
            _ => Ok(()),
        }
    }
}

/// `$1`, or `100_tokens`, since words end at blanks.
pub(super) fn amount(text: &str) -> Result<Amount, String> {
    text.replace('_', " ").parse()
}

/// `granted`, or a list of subjects with a limit each: `alice:$2,bob:$3`.
fn applies(text: &str) -> Result<Applies, String> {
    if text == "granted" {
        return Ok(Applies::Granted);
    }
    let mut limits = BTreeMap::new();
    for listed in text.split(',') {
        let (subject, limit) = listed.split_once(':').ok_or_else(|| format!("`{listed}` is not subject:limit"))?;
        limits.insert(subject.to_owned(), amount(limit)?);
    }
    Ok(Applies::Listed(Arc::new(limits)))
}

/// `$1`, or a bare number in the unit.
pub(super) fn amount_of(unit: Unit, text: &str) -> Result<Amount, String> {
    if unit == Unit::Usd {
        return money(text).map(Amount::usd);
    }
    text.parse().map(|value| Amount::new(unit, value)).map_err(|_| format!("`{text}` is not a count"))
}

fn money(text: &str) -> Result<NanoUsd, String> {
    text.parse().map_err(|error| format!("{error}"))
}

/// `2026-11-24T10:00:00Z`, or from `now`: `+5m`, `-5m`.
pub(super) fn instant(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    if let Some(later) = text.strip_prefix('+') {
        return parse_duration(later).map(|step| now.saturating_add(step));
    }
    if let Some(earlier) = text.strip_prefix('-') {
        return parse_duration(earlier).map(|step| now.saturating_sub(step));
    }
    let parsed: jiff::Timestamp = text.parse().map_err(|_| format!("`{text}` is not a time"))?;
    Ok(Timestamp::from_millis(parsed.as_millisecond()))
}
