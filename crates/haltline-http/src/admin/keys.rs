//! `/admin/v1/keys`.

use super::dto::{ChangedKey, Key, MadeKey, NewKey, RotatedKey};
use super::key_rules::{changed, key_dto, key_record, rotated};
use super::{Operator, new_secret};
use crate::problem::admin_problem;
use crate::router::App;
use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use haltline_gateway::KeyChange;
use haltline_ports::{KeyRecord, KeysError};
use haltline_types::Name;
use http::StatusCode;

pub(super) async fn list(_: Operator, State(app): State<App>) -> Response {
    app.gateway.flush_key_uses();
    let keys: Vec<Key> = app.gateway.keys().list().iter().map(|key| dto(&app, key)).collect();
    Json(keys).into_response()
}

pub(super) async fn show(_: Operator, State(app): State<App>, Path(name): Path<String>) -> Response {
    app.gateway.flush_key_uses();
    let found = app.gateway.keys().list().into_iter().find(|key| *key.name == *name);
    match found {
        Some(key) => Json(dto(&app, &key)).into_response(),
        None => failed(&KeysError::Unknown(Name::new(&name))),
    }
}

pub(super) async fn create(operator: Operator, State(app): State<App>, Json(wanted): Json<NewKey>) -> Response {
    let secret = match new_secret("hl-live-") {
        Ok(secret) => secret,
        Err(error) => return failed(&KeysError::Store(error.to_string())),
    };
    operator.on(&wanted.name);
    let now = app.gateway.clock().now();
    let record = match key_record(&wanted, &secret, app.gateway.keys().hash(&secret), &operator.by, now) {
        Ok(record) => record,
        Err(why) => return admin_problem(StatusCode::BAD_REQUEST, "Not a key", &why),
    };
    let key = dto(&app, &record);
    operator.detail(rules(&record));
    match app.gateway.change_key(KeyChange::Add(Box::new(record))).await {
        Ok(_) => (StatusCode::CREATED, Json(MadeKey { secret, key })).into_response(),
        Err(error) => failed(&error),
    }
}

pub(super) async fn set(
    operator: Operator,
    State(app): State<App>,
    Path(name): Path<String>,
    Json(wanted): Json<ChangedKey>,
) -> Response {
    operator.on(&name);
    let now = app.gateway.clock().now();
    change(&app, &operator, &name, move |key| changed(key, &wanted, now)).await
}

pub(super) async fn rotate(
    operator: Operator,
    State(app): State<App>,
    Path(name): Path<String>,
    body: Bytes,
) -> Response {
    let wanted: Option<RotatedKey> = match body.as_ref() {
        b"" => None,
        bytes => match serde_json::from_slice(bytes) {
            Ok(wanted) => wanted,
            Err(error) => return admin_problem(StatusCode::BAD_REQUEST, "Not a rotation", &error.to_string()),
        },
    };
    operator.on(&name);
    match rotate_key(&app, &operator, &name, wanted.and_then(|wanted| wanted.overlap)).await {
        Ok(made) => Json(made).into_response(),
        Err(error) => failed(&error),
    }
}

/// Gives a key a new secret.
pub(super) async fn rotate_key(
    app: &App,
    operator: &Operator,
    name: &str,
    overlap: Option<String>,
) -> Result<MadeKey, KeysError> {
    let secret = new_secret("hl-live-").map_err(|error| KeysError::Store(error.to_string()))?;
    let hash = app.gateway.keys().hash(&secret);
    let now = app.gateway.clock().now();
    let given = secret.clone();
    let with = move |key| rotated(key, &given, hash, overlap.as_deref(), now);
    let (before, after) = app.gateway.change_key(KeyChange::Change(Name::new(name), Box::new(with))).await?;
    operator.detail(format!("{name}: {} instead of {}", after.hint, before.hint));
    if let Some(old) = &after.old {
        operator.detail(format!("which works until {}", old.until));
    }
    Ok(MadeKey { secret, key: dto(app, &after) })
}

pub(super) async fn freeze(operator: Operator, State(app): State<App>, Path(name): Path<String>) -> Response {
    operator.on(&name);
    change(&app, &operator, &name, |key| Ok(KeyRecord { frozen: true, ..key })).await
}

pub(super) async fn unfreeze(operator: Operator, State(app): State<App>, Path(name): Path<String>) -> Response {
    operator.on(&name);
    change(&app, &operator, &name, |key| Ok(KeyRecord { frozen: false, ..key })).await
}

pub(super) async fn remove(operator: Operator, State(app): State<App>, Path(name): Path<String>) -> Response {
    operator.on(&name);
    match app.gateway.change_key(KeyChange::Remove(Name::new(&name))).await {
        Ok((before, _)) => {
            operator.detail(format!("was {}", rules(&before)));
            StatusCode::NO_CONTENT.into_response()
        }
        Err(error) => failed(&error),
    }
}

async fn change(
    app: &App,
    operator: &Operator,
    name: &str,
    with: impl FnOnce(KeyRecord) -> Result<KeyRecord, String> + Send + 'static,
) -> Response {
    match app.gateway.change_key(KeyChange::Change(Name::new(name), Box::new(with))).await {
        Ok((before, after)) => {
            operator.detail(format!("from {} to {}", rules(&before), rules(&after)));
            Json(dto(app, &after)).into_response()
        }
        Err(error) => failed(&error),
    }
}

fn dto(app: &App, key: &KeyRecord) -> Key {
    key_dto(key, app.gateway.keys().last_use(&key.name).as_ref(), app.gateway.clock().now())
}

/// What a key may do, for the audit log.
fn rules(key: &KeyRecord) -> String {
    let list = |name: &str, values: Vec<String>| {
        if values.is_empty() { String::new() } else { format!(" {name}=[{}]", values.join(", ")) }
    };
    let texts = |values: &[Name]| values.iter().map(ToString::to_string).collect();
    let rules = &key.rules;
    format!(
        "{}{}{}{}{}{}{}",
        if key.frozen { "frozen" } else { "active" },
        key.team.as_ref().map(|team| format!(" team={team}")).unwrap_or_default(),
        list("models", texts(&key.models)),
        list("budgets", rules.budgets.iter().map(ToString::to_string).collect()),
        list("limits", rules.limits.iter().map(ToString::to_string).collect()),
        list("routes", rules.routes.iter().map(ToString::to_string).collect()),
        list("from", rules.networks.iter().map(ToString::to_string).collect()),
    )
}

pub(super) fn failed(error: &KeysError) -> Response {
    let (status, title) = match error {
        KeysError::Exists(_) => (StatusCode::CONFLICT, "The name is taken"),
        KeysError::Used(..) => (StatusCode::CONFLICT, "The name was another key's"),
        KeysError::Unknown(_) => (StatusCode::NOT_FOUND, "No such key"),
        KeysError::Rules(_) => (StatusCode::BAD_REQUEST, "Not a key"),
        KeysError::Store(_) => (StatusCode::SERVICE_UNAVAILABLE, "The store failed"),
    };
    admin_problem(status, title, &error.to_string())
}
