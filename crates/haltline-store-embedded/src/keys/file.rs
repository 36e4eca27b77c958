//! The form of `keys.json`.

use crate::disk::Disk;
use crate::error::OpenError;
use haltline_ports::{KeyRecord, KeyRules, OldSecret, UserClaims};
use haltline_types::{Name, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::str::FromStr;
use std::sync::Arc;

pub(super) const NAME: &str = "keys.json";
const VERSION: u32 = 2;

#[derive(Serialize, Deserialize)]
struct KeysFile {
    version: u32,
    keys: Vec<KeyForm>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    used_names: Vec<UsedForm>,
}

/// The name of a key that was removed.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct UsedForm {
    name: String,
    removed_ms: i64,
}

/// What the file says.
#[derive(Default)]
pub(super) struct Kept {
    pub(super) records: Vec<KeyRecord>,
    /// Names of removed keys, and when they were removed.
    pub(super) used: BTreeMap<Name, Timestamp>,
}

/// Read before the rest, so that a newer file is named as such and not as damaged.
#[derive(Deserialize)]
struct VersionOnly {
    version: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyForm {
    name: String,
    hash: String,
    hint: String,
    team: Option<String>,
    tier: Option<String>,
    users: UsersForm,
    models: Vec<String>,
    created_ms: i64,
    expires_ms: Option<i64>,
    frozen: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    old: Option<OldForm>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    description: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    created_by: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    budgets: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    limits: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    routes: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    networks: Vec<String>,
}

/// The secret before this one.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct OldForm {
    hash: String,
    hint: String,
    until_ms: i64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum UsersForm {
    None,
    Any,
    Listed(Vec<String>),
}

pub(super) fn read(disk: &dyn Disk) -> Result<Kept, OpenError> {
    let bytes = disk.read_all(NAME).map_err(OpenError::io(format!("reading {NAME}")))?;
    let damaged = |why: String| OpenError::corrupt(NAME, 0, why);
    let VersionOnly { version } = serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
    if version > VERSION {
        return Err(OpenError::Newer { file: NAME.to_owned(), found: version, known: VERSION });
    }
    let file: KeysFile = serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
    let used = file.used_names.into_iter();
    let used = used.map(|form| (form.name.into(), Timestamp::from_millis(form.removed_ms))).collect();
    let records: Result<Vec<KeyRecord>, String> = file.keys.into_iter().map(record).collect();
    Ok(Kept { records: records.map_err(damaged)?, used })
}

fn record(form: KeyForm) -> Result<KeyRecord, String> {
    let name = form.name.clone();
    let hash = |digits: &str| from_hex(digits).ok_or_else(|| format!("the hash of key `{name}` is not 64 digits"));
    let old = match &form.old {
        None => None,
        Some(old) => Some(OldSecret {
            hash: hash(&old.hash)?,
            hint: old.hint.clone(),
            until: Timestamp::from_millis(old.until_ms),
        }),
    };
    Ok(KeyRecord {
        hash: hash(&form.hash)?,
        name: form.name.into(),
        hint: form.hint,
        team: form.team.map(Name::from),
        tier: form.tier.map(Name::from),
        users: match form.users {
            UsersForm::None => UserClaims::None,
            UsersForm::Any => UserClaims::Any,
            UsersForm::Listed(users) => UserClaims::Listed(users.into_iter().map(Name::from).collect()),
        },
        models: form.models.into_iter().map(Name::from).collect(),
        created: Timestamp::from_millis(form.created_ms),
        expires: form.expires_ms.map(Timestamp::from_millis),
        frozen: form.frozen,
        old,
        description: form.description,
        created_by: form.created_by.map(Name::from),
        rules: KeyRules {
            budgets: parsed(&form.budgets)?,
            limits: parsed(&form.limits)?,
            routes: parsed(&form.routes)?,
            networks: parsed(&form.networks)?,
        },
    })
}

fn parsed<T: FromStr<Err = String>>(texts: &[String]) -> Result<Vec<T>, String> {
    texts.iter().map(|text| text.parse()).collect()
}

fn shown<T: ToString>(values: &[T]) -> Vec<String> {
    values.iter().map(ToString::to_string).collect()
}

pub(super) fn write<'a>(
    records: impl Iterator<Item = &'a Arc<KeyRecord>>,
    used: &BTreeMap<Name, Timestamp>,
) -> serde_json::Result<Vec<u8>> {
    let keys = records
        .map(|record| KeyForm {
            name: record.name.to_string(),
            hash: to_hex(&record.hash),
            hint: record.hint.clone(),
            team: record.team.as_ref().map(ToString::to_string),
            tier: record.tier.as_ref().map(ToString::to_string),
            users: match &record.users {
                UserClaims::None => UsersForm::None,
                UserClaims::Any => UsersForm::Any,
                UserClaims::Listed(users) => UsersForm::Listed(shown(users)),
            },
            models: shown(&record.models),
            created_ms: record.created.as_millis(),
            expires_ms: record.expires.map(Timestamp::as_millis),
            frozen: record.frozen,
            old: record.old.as_ref().map(|old| OldForm {
                hash: to_hex(&old.hash),
                hint: old.hint.clone(),
                until_ms: old.until.as_millis(),
            }),
            description: record.description.clone(),
            created_by: record.created_by.as_ref().map(ToString::to_string),
            budgets: shown(&record.rules.budgets),
            limits: shown(&record.rules.limits),
            routes: shown(&record.rules.routes),
            networks: shown(&record.rules.networks),
        })
        .collect();
    let used_names =
        used.iter().map(|(name, at)| UsedForm { name: name.to_string(), removed_ms: at.as_millis() }).collect();
    serde_json::to_vec_pretty(&KeysFile { version: VERSION, keys, used_names })
}

pub(crate) fn to_hex(bytes: &[u8; 32]) -> String {
    bytes.iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

pub(crate) fn from_hex(text: &str) -> Option<[u8; 32]> {
    let digits = text.as_bytes();
    let mut bytes = [0; 32];
    if digits.len() != 64 {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}
