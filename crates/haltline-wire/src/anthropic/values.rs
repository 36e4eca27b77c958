//! Single fields: what they must look like, and which of their values could raise the price.

use super::fields::{is_known_beta, is_long_context_beta, why_refused};
use super::request::{CacheTtl, MODEL_BYTES_MAX};
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

pub(super) fn read_service_tier(body: &[u8], value: &Range<usize>) -> Result<(), RequestError> {
    match walk::string(body, value).as_deref() {
        Some(b"auto" | b"standard_only") => Ok(()),
        _ => Err(RequestError::invalid(
            "service_tier",
            "`service_tier` must be `auto` or `standard_only`: other tiers have other prices. \
             It is sent as `standard_only`.",
        )),
    }
}

pub(super) fn read_inference_geo(body: &[u8], value: &Range<usize>) -> Result<(), RequestError> {
    match walk::string(body, value).as_deref() {
        Some(b"global") => Ok(()),
        _ => Err(RequestError::invalid(
            "inference_geo",
            "`inference_geo` must be `global`, or be left out: inference bound to a region costs a surcharge.",
        )),
    }
}

pub(super) fn read_speed(body: &[u8], value: &Range<usize>) -> Result<(), RequestError> {
    match walk::string(body, value).as_deref() {
        Some(b"standard") => Ok(()),
        _ => Err(RequestError::invalid(
            "speed",
            "`speed` must be `standard`, or be left out: fast mode multiplies the price of every token.",
        )),
    }
}

/// The betas that clouds take in the body, and SDKs as a parameter: those that change no price.
pub(super) fn read_betas(body: &[u8], value: &Range<usize>, name: &str) -> Result<(), RequestError> {
    array(body, value, name)?;
    for (index, beta) in walk::elements(body, value.start).enumerate() {
        // In the header it is taken out again where the model's price does not know of it.
        if !text(body, &beta).is_some_and(|beta| is_known_beta(&beta) && !is_long_context_beta(&beta)) {
            let message = "This beta is not known, and may change what the request costs; leave it out.";
            return Err(RequestError::invalid(format!("{name}[{index}]"), message));
        }
    }
    Ok(())
}

/// A cache breakpoint: what is written to the cache costs more than plain input, by how long it is
/// kept.
pub(super) fn read_cache_control(
    body: &[u8],
    value: &Range<usize>,
    pass: &PassFields,
) -> Result<CacheTtl, RequestError> {
    object(body, value, "cache_control")?;
    let mut ttl = CacheTtl::FiveMinutes;
    for member in walk::members(body, value.start) {
        let name = member.name(body);
        if walk::is_null(body, &member.value) {
            continue;
        }
        match &*name {
            b"type" => one_of(body, &member.value, "cache_control.type", &["ephemeral"])?,
            b"ttl" => {
                one_of(body, &member.value, "cache_control.ttl", &["5m", "1h"])?;
                if walk::string(body, &member.value).as_deref() == Some(b"1h") {
                    ttl = CacheTtl::OneHour;
                }
            }
            // Older clients say the cache's scope; it moves no price.
            b"scope" => is_string(body, &member.value, "cache_control.scope")?,
            other => unknown_unless_passed(other, "cache_control", pass)?,
        }
    }
    Ok(ttl)
}

/// `output_config`: effort, format and an advisory budget. Returns where the format stands.
pub(super) fn read_output_config(
    body: &[u8],
    value: &Range<usize>,
    pass: &PassFields,
) -> Result<Option<Range<usize>>, RequestError> {
    object(body, value, "output_config")?;
    let mut format = None;
    for member in walk::members(body, value.start) {
        if walk::is_null(body, &member.value) {
            continue;
        }
        match &*member.name(body) {
            b"effort" => is_string(body, &member.value, "output_config.effort")?,
            b"format" => {
                object(body, &member.value, "output_config.format")?;
                format = Some(member.value);
            }
            b"task_budget" => object(body, &member.value, "output_config.task_budget")?,
            other => unknown_unless_passed(other, "output_config", pass)?,
        }
    }
    Ok(format)
}

/// A member that is not known may change the price.
pub(super) fn unknown_unless_passed(name: &[u8], parent: &str, pass: &PassFields) -> Result<(), RequestError> {
    let name = String::from_utf8_lossy(name);
    if pass.contains(&name) {
        return Ok(());
    }
    let path = if parent.is_empty() { shorten(&name) } else { format!("{parent}.{}", shorten(&name)) };
    Err(RequestError::unknown(path, None))
}

pub(super) fn refused(name: &str) -> RequestError {
    RequestError::invalid(name, format!("`{name}` is not accepted: {}.", why_refused(name)))
}

pub(super) fn one_of(body: &[u8], value: &Range<usize>, param: &str, words: &[&str]) -> Result<(), RequestError> {
    let said = walk::string(body, value);
    if said.is_some_and(|said| words.iter().any(|word| word.as_bytes() == &*said)) {
        return Ok(());
    }
    Err(RequestError::invalid(param, format!("`{param}` must be one of {}.", words.join(", "))))
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
    let what = if param.is_empty() { "This".to_owned() } else { format!("`{param}`") };
    Err(RequestError::invalid(param, format!("{what} must be an object.")))
}

pub(super) fn array(body: &[u8], value: &Range<usize>, param: &str) -> Result<(), RequestError> {
    if body.get(value.start) == Some(&b'[') {
        return Ok(());
    }
    Err(RequestError::invalid(param, format!("`{param}` must be a list.")))
}

pub(super) fn is_string(body: &[u8], value: &Range<usize>, param: &str) -> Result<(), RequestError> {
    if body.get(value.start) == Some(&b'"') {
        return Ok(());
    }
    Err(RequestError::invalid(param, format!("`{param}` must be a string.")))
}

/// A whole number as plain digits: `1e3` and `5.0` are for others to argue about.
pub(super) fn whole_number(body: &[u8], value: &Range<usize>) -> Option<u64> {
    std::str::from_utf8(body.get(value.clone())?).ok()?.parse().ok()
}
