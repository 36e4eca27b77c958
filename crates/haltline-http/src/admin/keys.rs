//! `/admin/v1/keys`.

use super::dto::{Key, MadeKey, NewKey};
use super::{Operator, new_secret, secret_hint, timestamp};
use crate::problem::admin_problem;
use crate::router::App;
use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use haltline_ports::{KeyRecord, KeysError, UserClaims};
use haltline_types::{Name, Timestamp};
use http::StatusCode;
use std::sync::Mutex;

pub(super) async fn list(_: Operator, State(app): State<App>) -> Response {
    let keys: Vec<Key> = app.gateway.keys().list().iter().map(|key| key_dto(key)).collect();
    Json(keys).into_response()
}

pub(super) async fn create(_: Operator, State(app): State<App>, Json(wanted): Json<NewKey>) -> Response {
    let secret = match new_secret("hl-live-") {
        Ok(secret) => secret,
        Err(error) => return failed(&KeysError::Store(error.to_string())),
    };
    let record = match key_record(&wanted, &secret, app.gateway.keys().hash(&secret), app.gateway.clock().now()) {
        Ok(record) => record,
        Err(why) => return admin_problem(StatusCode::BAD_REQUEST, "Not a key", &why),
    };
    let key = key_dto(&record);
    match app.gateway.keys().add(record) {
        Ok(()) => (StatusCode::CREATED, Json(MadeKey { secret, key })).into_response(),
        Err(error) => failed(&error),
    }
}

pub(super) async fn rotate(_: Operator, State(app): State<App>, Path(name): Path<String>) -> Response {
    let secret = match new_secret("hl-live-") {
        Ok(secret) => secret,
        Err(error) => return failed(&KeysError::Store(error.to_string())),
    };
    let hash = app.gateway.keys().hash(&secret);
    let hint = secret_hint(&secret);
    match change(&app, &name, |key| KeyRecord { hash, hint, ..key }) {
        Ok(key) => Json(MadeKey { secret, key }).into_response(),
        Err(error) => failed(&error),
    }
}

pub(super) async fn freeze(_: Operator, State(app): State<App>, Path(name): Path<String>) -> Response {
    answer(change(&app, &name, |key| KeyRecord { frozen: true, ..key }))
}

pub(super) async fn unfreeze(_: Operator, State(app): State<App>, Path(name): Path<String>) -> Response {
    answer(change(&app, &name, |key| KeyRecord { frozen: false, ..key }))
}

pub(super) async fn remove(_: Operator, State(app): State<App>, Path(name): Path<String>) -> Response {
    let key = Name::new(&name);
    match app.gateway.keys().remove(&key, app.gateway.clock().now()) {
        Ok(()) => {
            app.gateway.end_key(&key).await;
            StatusCode::NO_CONTENT.into_response()
        }
        Err(error) => failed(&error),
    }
}

/// Changes of keys take turns: each reads a key and writes it back.
static TURN: Mutex<()> = Mutex::new(());

fn change(app: &App, name: &str, with: impl FnOnce(KeyRecord) -> KeyRecord) -> Result<Key, KeysError> {
    let _turn = TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let keys = app.gateway.keys();
    let known =
        keys.list().into_iter().find(|key| &*key.name == name).ok_or_else(|| KeysError::Unknown(Name::new(name)))?;
    let record = with(KeyRecord::clone(&known));
    let key = key_dto(&record);
    keys.replace(record)?;
    Ok(key)
}

fn answer(changed: Result<Key, KeysError>) -> Response {
    match changed {
        Ok(key) => Json(key).into_response(),
        Err(error) => failed(&error),
    }
}

fn failed(error: &KeysError) -> Response {
    let (status, title) = match error {
        KeysError::Exists(_) => (StatusCode::CONFLICT, "The name is taken"),
        KeysError::Used(..) => (StatusCode::CONFLICT, "The name was another key's"),
        KeysError::Unknown(_) => (StatusCode::NOT_FOUND, "No such key"),
        KeysError::Store(_) => (StatusCode::SERVICE_UNAVAILABLE, "The store failed"),
    };
    admin_problem(status, title, &error.to_string())
}

/// A key as it is shown.
#[must_use]
pub fn key_dto(key: &KeyRecord) -> Key {
    let users = match &key.users {
        UserClaims::None => "none".to_owned(),
        UserClaims::Any => "any".to_owned(),
        UserClaims::Listed(users) => users.iter().map(|user| &**user).collect::<Vec<_>>().join(","),
    };
    Key {
        name: key.name.to_string(),
        hint: key.hint.clone(),
        team: key.team.as_ref().map(ToString::to_string),
        tier: key.tier.as_ref().map(ToString::to_string),
        users,
        models: key.models.iter().map(ToString::to_string).collect(),
        created: key.created.to_string(),
        expires: key.expires.map(|at| at.to_string()),
        frozen: key.frozen,
    }
}

/// The record of a key to be made.
///
/// # Errors
/// A sentence about what cannot be read.
pub fn key_record(wanted: &NewKey, secret: &str, hash: [u8; 32], now: Timestamp) -> Result<KeyRecord, String> {
    let name = wanted.name.trim();
    if name.is_empty() || name.len() > 128 || !name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) {
        return Err(format!("`{name}` is not a name for a key: use letters, digits, `-`, `_` and `.`, at most 128"));
    }
    let users = match wanted.users.as_deref().map(str::trim) {
        None | Some("none" | "") => UserClaims::None,
        Some("any") => UserClaims::Any,
        Some(listed) => UserClaims::Listed(
            listed.split(',').map(str::trim).filter(|user| !user.is_empty()).map(Name::new).collect(),
        ),
    };
    let expires = wanted.expires.as_deref().map(timestamp).transpose()?;
    if expires.is_some_and(|at| at <= now) {
        return Err("the key would have expired already".to_owned());
    }
    Ok(KeyRecord {
        name: Name::new(name),
        hash,
        hint: secret_hint(secret),
        team: wanted.team.as_deref().map(Name::new),
        tier: wanted.tier.as_deref().map(Name::new),
        users,
        models: wanted.models.iter().map(|model| Name::new(model)).collect(),
        created: now,
        expires,
        frozen: false,
    })
}
