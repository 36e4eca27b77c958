//! Single fields: what they must look like, and which of their values could raise the price.

use super::fields::why_refused;
use super::request::{MODEL_BYTES_MAX, N_MAX};
use crate::PassFields;
use crate::json::walk;
use crate::refusal::{RequestError, shorten};
use std::ops::Range;

pub(super) fn read_model(body: &[u8], value: &Range<usize>) -> Result<String, RequestError> {
    let model = string(body, value, "model")?;
    if model.is_empty() || model.len() > MODEL_BYTES_MAX || model.chars().any(char::is_control) {
        return Err(RequestError::invalid(
            "model",
            format!("`model` must be a name of 1 to {MODEL_BYTES_MAX} bytes without control characters."),
        ));
    }
    Ok(model)
}

pub(super) fn read_n(body: &[u8], value: &Range<usize>) -> Result<u32, RequestError> {
    whole_number(body, value)
        .and_then(|n| u32::try_from(n).ok())
        .filter(|n| (1..=N_MAX).contains(n))
        .ok_or_else(|| RequestError::invalid("n", format!("`n` must be a whole number from 1 to {N_MAX}.")))
}

pub(super) fn read_stream_options(body: &[u8], value: &Range<usize>, pass: &PassFields) -> Result<bool, RequestError> {
    object(body, value, "stream_options")?;
    let mut include_usage = false;
    for member in walk::members(body, value.start) {
        let name = member.name(body);
        if walk::is_null(body, &member.value) {
            continue;
        }
        match &*name {
            b"include_usage" => include_usage = boolean(body, &member.value, "stream_options.include_usage")?,
            b"include_obfuscation" => {
                boolean(body, &member.value, "stream_options.include_obfuscation")?;
            }
            other => {
                let name = String::from_utf8_lossy(other);
                if !pass.contains(&name) {
                    let meant = crate::suggest::nearest(&name, ["include_usage", "include_obfuscation"]);
                    return Err(RequestError::unknown(format!("stream_options.{}", shorten(&name)), meant));
                }
            }
        }
    }
    Ok(include_usage)
}

pub(super) fn read_service_tier(body: &[u8], value: &Range<usize>) -> Result<(), RequestError> {
    match walk::string(body, value).as_deref() {
        Some(b"auto" | b"default") => Ok(()),
        _ => Err(RequestError::invalid(
            "service_tier",
            "`service_tier` must be `auto` or `default`: other tiers have other prices. It is sent as `default`.",
        )),
    }
}

pub(super) fn read_modalities(body: &[u8], value: &Range<usize>) -> Result<(), RequestError> {
    let text_only = body.get(value.start) == Some(&b'[')
        && walk::elements(body, value.start).all(|item| walk::string(body, &item).as_deref() == Some(b"text"));
    if text_only {
        return Ok(());
    }
    Err(RequestError::invalid("modalities", "Only `[\"text\"]` is offered: other output is priced apart from tokens."))
}

pub(super) fn read_cache_options(body: &[u8], value: &Range<usize>) -> Result<(), RequestError> {
    object(body, value, "prompt_cache_options")?;
    for member in walk::members(body, value.start) {
        let short = *member.name(body) == *b"ttl" && walk::string(body, &member.value).as_deref() == Some(b"30m");
        if !short && !walk::is_null(body, &member.value) {
            return Err(RequestError::invalid(
                "prompt_cache_options",
                "Only `{\"ttl\":\"30m\"}` is taken: longer retention and prewarming raise the price.",
            ));
        }
    }
    Ok(())
}

pub(super) fn read_cache_retention(body: &[u8], value: &Range<usize>) -> Result<(), RequestError> {
    match walk::string(body, value).as_deref() {
        Some(b"in_memory" | b"in-memory") => Ok(()),
        _ => Err(RequestError::invalid(
            "prompt_cache_retention",
            "`prompt_cache_retention` must be `in_memory`: longer retention can raise the price.",
        )),
    }
}

pub(super) fn refused(name: &str) -> RequestError {
    RequestError::invalid(name, format!("`{name}` is not accepted: {}.", why_refused(name)))
}

pub(super) fn string(body: &[u8], value: &Range<usize>, param: &str) -> Result<String, RequestError> {
    text(body, value).ok_or_else(|| RequestError::invalid(param, format!("`{param}` must be a string.")))
}

pub(super) fn text(body: &[u8], value: &Range<usize>) -> Option<String> {
    walk::string(body, value).map(|text| String::from_utf8_lossy(&text).into_owned())
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

pub(super) fn is_string(body: &[u8], value: &Range<usize>, param: &str, message: &str) -> Result<(), RequestError> {
    if body.get(value.start) == Some(&b'"') { Ok(()) } else { Err(RequestError::invalid(param, message)) }
}

/// A whole number as plain digits: `1e3` and `5.0` are for others to argue about.
pub(super) fn whole_number(body: &[u8], value: &Range<usize>) -> Option<u64> {
    std::str::from_utf8(body.get(value.clone())?).ok()?.parse().ok()
}
