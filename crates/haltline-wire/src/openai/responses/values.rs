//! Single values: what they must look like, and what is said when they do not.

use crate::json::walk;
use crate::refusal::RequestError;
use std::ops::Range;

/// Bytes of a model's name.
pub(in crate::openai) const MODEL_BYTES_MAX: usize = 256;

pub(in crate::openai) fn model(body: &[u8], value: &Range<usize>) -> Result<String, RequestError> {
    let model = string(body, value, "model")?;
    if model.is_empty() || model.len() > MODEL_BYTES_MAX || model.chars().any(char::is_control) {
        return Err(RequestError::invalid(
            "model",
            format!("`model` must be a name of 1 to {MODEL_BYTES_MAX} bytes without control characters."),
        ));
    }
    Ok(model)
}

pub(in crate::openai) fn string(body: &[u8], value: &Range<usize>, param: &str) -> Result<String, RequestError> {
    walk::string(body, value)
        .map(|text| String::from_utf8_lossy(&text).into_owned())
        .ok_or_else(|| RequestError::invalid(param, format!("`{param}` must be a string.")))
}

pub(super) fn boolean(body: &[u8], value: &Range<usize>, param: &str) -> Result<bool, RequestError> {
    match body.get(value.clone()) {
        Some(b"true") => Ok(true),
        Some(b"false") => Ok(false),
        _ => Err(RequestError::invalid(param, format!("`{param}` must be true or false."))),
    }
}

pub(super) fn object(body: &[u8], value: &Range<usize>, param: &str) -> Result<(), RequestError> {
    if body.get(value.start) == Some(&b'{') {
        return Ok(());
    }
    Err(RequestError::invalid(param, format!("`{param}` must be an object.")))
}

pub(super) fn array(body: &[u8], value: &Range<usize>, param: &str) -> Result<(), RequestError> {
    if body.get(value.start) == Some(&b'[') {
        return Ok(());
    }
    Err(RequestError::invalid(param, format!("`{param}` must be a list.")))
}

/// A whole number as plain digits: `1e3` and `5.0` are for others to argue about.
pub(in crate::openai) fn whole_number(body: &[u8], value: &Range<usize>) -> Option<u64> {
    std::str::from_utf8(body.get(value.clone())?).ok()?.parse().ok()
}

/// The string that the object at `value` holds under `name`.
pub(super) fn member(body: &[u8], value: &Range<usize>, name: &str) -> Option<String> {
    walk::members(body, value.start)
        .find(|member| *member.name(body) == *name.as_bytes())
        .and_then(|member| walk::string(body, &member.value))
        .map(|text| String::from_utf8_lossy(&text).into_owned())
}
