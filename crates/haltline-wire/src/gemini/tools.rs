//! Tools: only those that the client runs itself, and how much text their definitions hold.

use super::fields::{CALLING, Field, TOOL, TOOL_CONFIG, below, members, must_be_false, not};
use super::request::Reader;
use crate::json::walk;
use crate::refusal::RequestError;
use std::ops::Range;

/// Reads `tools` and adds them to the measure.
pub(super) fn read_tools(reader: &mut Reader<'_>, value: &Range<usize>) -> Result<(), RequestError> {
    let body = reader.body;
    for (index, tool) in list(body, value, "tools")?.into_iter().enumerate() {
        let path = format!("tools[{index}]");
        for known in members(body, &tool, &TOOL, &path, reader.pass, &mut reader.vouched)? {
            let value = &known.member.value;
            if known.field == Field::Tools && !known.is_null {
                read_functions(reader, value, &below(&path, &known.name))?;
            } else if known.field == Field::Other {
                reader.measure.add_value(body, value);
            }
        }
    }
    Ok(())
}

fn read_functions(reader: &mut Reader<'_>, value: &Range<usize>, path: &str) -> Result<(), RequestError> {
    let body = reader.body;
    for (index, function) in list(body, value, path)?.into_iter().enumerate() {
        if body.get(function.start) != Some(&b'{') {
            return Err(not(&format!("{path}[{index}]"), "an object"));
        }
        reader.measure.tools = reader.measure.tools.saturating_add(1);
        reader.measure.add_value(body, &function);
    }
    Ok(())
}

/// Reads `toolConfig`: it can only name functions, whose definitions are measured. Arguments in
/// pieces are not offered: no other dialect has their form, and whoever cuts a stream could not
/// tell how much of them came.
pub(super) fn read_config(reader: &mut Reader<'_>, value: &Range<usize>) -> Result<(), RequestError> {
    let body = reader.body;
    for known in members(body, value, &TOOL_CONFIG, "toolConfig", reader.pass, &mut reader.vouched)? {
        if known.is_null {
            continue;
        }
        let value = &known.member.value;
        reader.measure.add_value(body, value);
        if known.field == Field::Config {
            let path = below("toolConfig", &known.name);
            for known in members(body, value, &CALLING, &path, reader.pass, &mut reader.vouched)? {
                if known.field == Field::MustBeFalse && !known.is_null {
                    must_be_false(body, &known.member.value, &below(&path, &known.name))?;
                }
            }
        }
    }
    Ok(())
}

/// The elements of a list. Google takes a single object for a list of one.
pub(super) fn list(body: &[u8], value: &Range<usize>, path: &str) -> Result<Vec<Range<usize>>, RequestError> {
    match body.get(value.start) {
        Some(b'[') => Ok(walk::elements(body, value.start).collect()),
        Some(b'{') => Ok(vec![value.clone()]),
        _ => Err(not(path, "a list")),
    }
}
