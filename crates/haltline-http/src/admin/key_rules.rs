//! Records of keys from what administrators ask for, and how they are shown. Used by the admin API and
//! by commands on the store itself.

use super::dto::{ChangedKey, Key, NewKey};
use super::{secret_hint, timestamp};
use haltline_ports::{KeyRecord, KeyRules, KeyUse, OldSecret, UserClaims};
use haltline_types::{Name, Timestamp, format_duration, parse_duration};
use std::str::FromStr;
use std::time::Duration;

/// The longest time that an old secret works beside the new one.
pub const OVERLAP_MAX: Duration = Duration::from_secs(31 * 86_400);
const DESCRIPTION_MAX: usize = 500;

/// A key as it is shown.
#[must_use]
pub fn key_dto(key: &KeyRecord, used: Option<&KeyUse>, now: Timestamp) -> Key {
    let users = match &key.users {
        UserClaims::None => "none".to_owned(),
        UserClaims::Any => "any".to_owned(),
        UserClaims::Listed(users) => users.iter().map(|user| &**user).collect::<Vec<_>>().join(","),
    };
    let old = key.old.as_ref().filter(|old| now < old.until);
    Key {
        name: key.name.to_string(),
        hint: key.hint.clone(),
        team: key.team.as_ref().map(ToString::to_string),
        tier: key.tier.as_ref().map(ToString::to_string),
        users,
        models: shown(&key.models),
        created: key.created.to_string(),
        expires: key.expires.map(|at| at.to_string()),
        frozen: key.frozen,
        description: key.description.clone(),
        created_by: key.created_by.as_ref().map(ToString::to_string),
        old_hint: old.map(|old| old.hint.clone()),
        old_until: old.map(|old| old.until.to_string()),
        budgets: shown(&key.rules.budgets),
        limits: shown(&key.rules.limits),
        routes: shown(&key.rules.routes),
        from: shown(&key.rules.networks),
        last_used: used.map(|used| used.at.to_string()),
        last_from: used.and_then(|used| used.from.clone()),
    }
}

fn shown<T: ToString>(values: &[T]) -> Vec<String> {
    values.iter().map(ToString::to_string).collect()
}

/// The record of a key to be made.
///
/// # Errors
/// A sentence about what cannot be read.
pub fn key_record(
    wanted: &NewKey,
    secret: &str,
    hash: [u8; 32],
    by: &Name,
    now: Timestamp,
) -> Result<KeyRecord, String> {
    let name = name(&wanted.name)?;
    let rules = KeyRules {
        budgets: parsed(&wanted.budgets)?,
        limits: parsed(&wanted.limits)?,
        routes: parsed(&wanted.routes)?,
        networks: parsed(&wanted.from)?,
    };
    rules.check()?;
    Ok(KeyRecord {
        name,
        hash,
        hint: secret_hint(secret),
        team: wanted.team.as_deref().map(Name::new),
        tier: wanted.tier.as_deref().map(Name::new),
        users: users(wanted.users.as_deref()),
        models: wanted.models.iter().map(|model| Name::new(model)).collect(),
        created: now,
        expires: wanted.expires.as_deref().map(|text| expiry(text, now)).transpose()?,
        frozen: false,
        old: None,
        description: description(&wanted.description)?,
        created_by: Some(by.clone()),
        rules,
    })
}

/// A name for a key or an administrator.
pub(super) fn name(text: &str) -> Result<Name, String> {
    let name = text.trim();
    if name.is_empty() || name.len() > 128 || !name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) {
        return Err(format!("`{name}` is not a name for a key: use letters, digits, `-`, `_` and `.`, at most 128"));
    }
    Ok(Name::new(name))
}

/// When something ends that must not have ended already.
pub(super) fn expiry(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    let at = timestamp(text)?;
    if at <= now { Err("it would have expired already".to_owned()) } else { Ok(at) }
}

fn users(text: Option<&str>) -> UserClaims {
    match text.map(str::trim) {
        None | Some("none" | "") => UserClaims::None,
        Some("any") => UserClaims::Any,
        Some(listed) => UserClaims::Listed(
            listed.split(',').map(str::trim).filter(|user| !user.is_empty()).map(Name::new).collect(),
        ),
    }
}

fn description(text: &str) -> Result<String, String> {
    if text.len() > DESCRIPTION_MAX {
        return Err(format!("a description has at most {DESCRIPTION_MAX} bytes"));
    }
    Ok(text.trim().to_owned())
}

fn parsed<T: FromStr<Err = String>>(texts: &[String]) -> Result<Vec<T>, String> {
    texts.iter().map(|text| text.parse()).collect()
}

/// The key with other rules.
///
/// # Errors
/// A sentence about what cannot be read.
pub fn changed(key: KeyRecord, wanted: &ChangedKey, now: Timestamp) -> Result<KeyRecord, String> {
    let mut key = key;
    if let Some(text) = &wanted.users {
        key.users = users(Some(text));
    }
    if let Some(models) = &wanted.models {
        key.models = models.iter().map(|model| Name::new(model)).collect();
    }
    if let Some(text) = &wanted.expires {
        key.expires = if text == "never" { None } else { Some(expiry(text, now)?) };
    }
    if let Some(text) = &wanted.description {
        key.description = description(text)?;
    }
    if let Some(budgets) = &wanted.budgets {
        key.rules.budgets = parsed(budgets)?;
    }
    if let Some(limits) = &wanted.limits {
        key.rules.limits = parsed(limits)?;
    }
    if let Some(routes) = &wanted.routes {
        key.rules.routes = parsed(routes)?;
    }
    if let Some(networks) = &wanted.from {
        key.rules.networks = parsed(networks)?;
    }
    key.rules.check()?;
    Ok(key)
}

/// The key with a new secret; the one that it had works for `overlap` yet, one before that no more.
///
/// # Errors
/// A sentence about the overlap.
pub fn rotated(
    key: KeyRecord,
    secret: &str,
    hash: [u8; 32],
    overlap: Option<&str>,
    now: Timestamp,
) -> Result<KeyRecord, String> {
    let overlap = match overlap {
        None | Some("0") => Duration::ZERO,
        Some(text) => parse_duration(text)?,
    };
    if overlap > OVERLAP_MAX {
        return Err(format!(
            "two secrets work for {} at most, not {}",
            format_duration(OVERLAP_MAX),
            format_duration(overlap)
        ));
    }
    let until = now.saturating_add(overlap);
    let old = (!overlap.is_zero()).then(|| OldSecret { hash: key.hash, hint: key.hint.clone(), until });
    Ok(KeyRecord { hash, hint: secret_hint(secret), old, ..key })
}
