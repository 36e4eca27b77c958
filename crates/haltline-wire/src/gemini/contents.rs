//! Turns and their parts: what is known of them, and how much text they hold.
//!
//! Refuses what brings input whose size in tokens is not in the body: files at addresses, and
//! media other than pictures.

use super::fields::{BLOB, CONTENT, Field, Known, PART, RESPONSE, below, members, not};
use super::request::{Reader, text};
use super::tools::list;
use crate::refusal::RequestError;
use std::ops::Range;

/// Turns that one request may hold.
pub(super) const CONTENTS_MAX: usize = 5_000;

/// Reads `contents` and adds them to the measure.
pub(super) fn read_contents(reader: &mut Reader<'_>, value: &Range<usize>) -> Result<(), RequestError> {
    let turns = list(reader.body, value, "contents")?;
    if turns.len() > CONTENTS_MAX {
        return Err(RequestError::invalid("contents", format!("`contents` holds more than {CONTENTS_MAX}.")));
    }
    for (index, turn) in turns.iter().enumerate() {
        read_content(reader, turn, &format!("contents[{index}]"))?;
    }
    Ok(())
}

/// Reads `systemInstruction` and adds it to the measure.
pub(super) fn read_system(reader: &mut Reader<'_>, value: &Range<usize>) -> Result<(), RequestError> {
    read_content(reader, value, "systemInstruction")
}

fn read_content(reader: &mut Reader<'_>, turn: &Range<usize>, path: &str) -> Result<(), RequestError> {
    let body = reader.body;
    reader.measure.messages = reader.measure.messages.saturating_add(1);
    for known in members(body, turn, &CONTENT, path, reader.pass, &mut reader.vouched)? {
        let value = &known.member.value;
        if known.is_null {
            continue;
        }
        match known.field {
            Field::Contents => read_parts(reader, value, &below(path, "parts"))?,
            // The role: a word that the provider judges.
            _ => reader.measure.add_value(body, value),
        }
    }
    Ok(())
}

fn read_parts(reader: &mut Reader<'_>, value: &Range<usize>, path: &str) -> Result<(), RequestError> {
    let body = reader.body;
    for (index, part) in list(body, value, path)?.iter().enumerate() {
        let path = format!("{path}[{index}]");
        for known in members(body, part, &PART, &path, reader.pass, &mut reader.vouched)? {
            if !known.is_null {
                read_member(reader, &known, &path)?;
            }
        }
    }
    Ok(())
}

fn read_member(reader: &mut Reader<'_>, known: &Known, path: &str) -> Result<(), RequestError> {
    let (body, value) = (reader.body, &known.member.value);
    match &*known.name {
        "text" if body.get(value.start) != Some(&b'"') => return Err(not(&below(path, "text"), "a string")),
        "inlineData" => return read_blob(reader, value, &below(path, "inlineData")),
        "functionResponse" => return read_response(reader, value, &below(path, "functionResponse")),
        _ => {}
    }
    reader.measure.add_value(body, value);
    Ok(())
}

/// What a function gave: JSON, and perhaps pictures.
fn read_response(reader: &mut Reader<'_>, value: &Range<usize>, path: &str) -> Result<(), RequestError> {
    let body = reader.body;
    for known in members(body, value, &RESPONSE, path, reader.pass, &mut reader.vouched)? {
        let value = &known.member.value;
        match known.field {
            Field::Contents if !known.is_null => read_parts(reader, value, &below(path, "parts"))?,
            _ => reader.measure.add_value(body, value),
        }
    }
    Ok(())
}

/// A picture is counted, not measured: its tokens come from its size in pixels, and have a cap.
fn read_blob(reader: &mut Reader<'_>, value: &Range<usize>, path: &str) -> Result<(), RequestError> {
    let body = reader.body;
    let blob = members(body, value, &BLOB, path, reader.pass, &mut reader.vouched)?;
    let kind = blob.iter().find(|known| known.name == "mimeType").and_then(|known| text(body, &known.member.value));
    if !kind.is_some_and(|kind| kind.trim_start().to_ascii_lowercase().starts_with("image/")) {
        return Err(RequestError::invalid(
            below(path, "mimeType"),
            "Only pictures (`image/…`) are accepted as `inlineData`: the size of other media in tokens is not in the \
             body, or they are priced apart from text.",
        ));
    }
    reader.measure.images = reader.measure.images.saturating_add(1);
    for known in blob.iter().filter(|known| known.name != "data" && !known.is_null) {
        reader.measure.add_value(body, &known.member.value);
    }
    Ok(())
}
