//! From claims to an identity, as the operator has said. What is named and not there, or of a type
//! that means nothing, refuses the token: a user without a team must not escape the team's budget.

use crate::auth::Identity;
use crate::auth::note::virtual_key;
use crate::auth::settings::{Mapping, Said};
use haltline_jwt::{ClaimPath, Verified};
use haltline_types::Name;
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The longest user, team, tier, tag and model.
const NAME_BYTES_MAX: usize = 256;
/// The most models that a token may name.
const MODELS_MAX: usize = 200;

/// The identity that a token proves.
///
/// # Errors
/// Which claim is wrong and how; a sentence without a full stop.
pub(in crate::auth) fn identity(mapping: &Mapping, key: &Name, token: &Verified) -> Result<Identity, String> {
    let user = match word(&mapping.user, token)? {
        Some(user) => Name::from(format!("{}{user}", mapping.user_prefix)),
        None => return Err(missing(&mapping.user, "the user")),
    };
    let team = said(&mapping.team, token, "the team")?;
    let tier = said(&mapping.tier, token, "the tier")?;
    let mut tags = Vec::new();
    for (name, by) in &mapping.tags {
        if let Some(value) = said(by, token, "a tag")? {
            tags.push((name.clone(), value));
        }
    }
    let models = match &mapping.models {
        None => mapping.models_are.clone(),
        Some(path) => match models(path, token)? {
            Some(models) => models,
            None if !mapping.models_are.is_empty() => mapping.models_are.clone(),
            None => return Err(missing(path, "the models")),
        },
    };
    Ok(Identity {
        key: Arc::new(virtual_key(key.clone(), team, tier, user.clone(), models)),
        user: Some(user),
        tags,
        issued: token.issued,
    })
}

fn said(by: &Said, token: &Verified, what: &str) -> Result<Option<Name>, String> {
    let Some(path) = &by.claim else { return Ok(by.fixed.clone()) };
    match word(path, token)? {
        Some(word) => Ok(Some(Name::from(word))),
        None if by.fixed.is_some() => Ok(by.fixed.clone()),
        None => Err(missing(path, what)),
    }
}

fn missing(path: &ClaimPath, what: &str) -> String {
    format!("the token has no claim `{path}`, which names {what} here")
}

/// A string, a whole number or a truth value, as text; `None` when it is absent or null.
fn word(path: &ClaimPath, token: &Verified) -> Result<Option<String>, String> {
    let text = match token.claim(path) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Bool(yes)) => yes.to_string(),
        Some(Value::Number(number)) if number.is_i64() || number.is_u64() => number.to_string(),
        Some(_) => return Err(format!("the token's claim `{path}` is neither a string nor a whole number")),
    };
    if is_name(&text) { Ok(Some(text)) } else { Err(no_name(path)) }
}

fn no_name(path: &ClaimPath) -> String {
    format!("the token's claim `{path}` is empty, longer than {NAME_BYTES_MAX} bytes, or has control characters")
}

fn is_name(text: &str) -> bool {
    !text.trim().is_empty() && text.len() <= NAME_BYTES_MAX && !text.chars().any(char::is_control)
}

/// A list of strings, or one string with spaces between them. An empty list is refused: to a key it
/// would mean all models.
fn models(path: &ClaimPath, token: &Verified) -> Result<Option<Vec<Name>>, String> {
    let words: Vec<&str> = match token.claim(path) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) => text.split_ascii_whitespace().collect(),
        Some(Value::Array(items)) => {
            let words = items.iter().map(Value::as_str).collect::<Option<_>>();
            words.ok_or_else(|| format!("the token's claim `{path}` is a list of other things than strings"))?
        }
        Some(_) => return Err(format!("the token's claim `{path}` is neither a list nor a string of models")),
    };
    if words.is_empty() {
        return Err(format!("the token's claim `{path}` names no model"));
    }
    if words.len() > MODELS_MAX {
        return Err(format!("the token's claim `{path}` names more than {MODELS_MAX} models"));
    }
    if !words.iter().all(|word| is_name(word)) {
        return Err(no_name(path));
    }
    let words: BTreeSet<&str> = words.into_iter().collect();
    Ok(Some(words.into_iter().map(Name::new).collect()))
}
