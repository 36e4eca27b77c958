//! `generationConfig`: the cap, the number of candidates, and what could raise the price.

use super::fields::{CONFIG, Field, Known, THINKING, below, members};
use super::request::{N_MAX, Reader, text};
use crate::json::walk;
use crate::refusal::RequestError;
use haltline_types::Tokens;
use std::ops::Range;

/// What was read.
pub(super) struct Config {
    pub(super) n: u32,
    pub(super) cap: Option<Tokens>,
    pub(super) members: Vec<Known>,
}

pub(super) const PATH: &str = "generationConfig";

/// Reads the object at `value` and adds its schemas to the measure.
pub(super) fn read(reader: &mut Reader<'_>, value: &Range<usize>) -> Result<Config, RequestError> {
    let body = reader.body;
    let members = members(body, value, &CONFIG, PATH, reader.pass, &mut reader.vouched)?;
    let mut config = Config { n: 1, cap: None, members: Vec::new() };
    for known in members.iter().filter(|known| !known.is_null) {
        let value = &known.member.value;
        match known.field {
            Field::Cap => {
                let cap = number(body, value).filter(|cap| *cap > 0);
                config.cap = Some(Tokens::new(cap.ok_or_else(|| wrong(&known.name, "a whole number above zero"))?));
            }
            Field::Candidates => {
                let n = number(body, value).and_then(|n| u32::try_from(n).ok()).filter(|n| (1..=N_MAX).contains(n));
                config.n = n.ok_or_else(|| wrong(&known.name, &format!("a whole number from 1 to {N_MAX}")))?;
            }
            Field::Schema => reader.measure.add_value(body, value),
            Field::Modalities => read_modalities(reader, value)?,
            Field::Thinking => read_thinking(reader, value)?,
            // Vouched for as to its price, not as to its length.
            Field::Other => reader.measure.add_value(body, value),
            _ => {}
        }
    }
    config.members = members;
    Ok(config)
}

fn wrong(name: &str, what: &str) -> RequestError {
    let param = below(PATH, name);
    let message = format!("`{param}` must be {what}.");
    RequestError::invalid(param, message)
}

/// A whole number as plain digits, or as a string of digits, which Google reads too.
fn number(body: &[u8], value: &Range<usize>) -> Option<u64> {
    let raw = walk::inside(body, value).or_else(|| body.get(value.clone()))?;
    let digits = !raw.is_empty() && raw.iter().all(u8::is_ascii_digit);
    if digits { std::str::from_utf8(raw).ok()?.parse().ok() } else { None }
}

/// Text only, unless the operator vouches for this field by its name: pictures and speech are
/// priced apart from tokens of text.
fn read_modalities(reader: &mut Reader<'_>, value: &Range<usize>) -> Result<(), RequestError> {
    const NAME: &str = "responseModalities";
    let body = reader.body;
    let is_text = |item: &Range<usize>| {
        text(body, item).is_some_and(|word| word.eq_ignore_ascii_case("text")) || body.get(item.clone()) == Some(b"1")
    };
    if body.get(value.start) == Some(&b'[') && walk::elements(body, value.start).all(|item| is_text(&item)) {
        return Ok(());
    }
    if reader.pass.contains(NAME) && !reader.pass.is_all() {
        reader.vouched.push(NAME.to_owned());
        return Ok(());
    }
    Err(RequestError::invalid(
        below(PATH, NAME),
        "Only `[\"TEXT\"]` is offered as `responseModalities`: other output is priced apart from tokens of text.",
    ))
}

fn read_thinking(reader: &mut Reader<'_>, value: &Range<usize>) -> Result<(), RequestError> {
    let path = below(PATH, "thinkingConfig");
    members(reader.body, value, &THINKING, &path, reader.pass, &mut reader.vouched)?;
    Ok(())
}
