//! `/admin/v1/admins`.

use super::dto::{AdminDto, MadeAdmin, NewAdmin};
use super::key_rules::{expiry, name};
use super::{Operator, new_secret, secret_hint};
use crate::problem::admin_problem;
use crate::router::App;
use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use haltline_ports::{AdminRecord, AdminsError};
use haltline_types::{Name, Timestamp};
use http::StatusCode;

/// How the secrets of administrators begin.
const PREFIX: &str = "hl-admin-";

pub(super) async fn list(_: Operator, State(app): State<App>) -> Response {
    let admins: Vec<AdminDto> = app.admin.admins.list_admins().iter().map(|admin| admin_dto(admin)).collect();
    Json(admins).into_response()
}

pub(super) async fn create(operator: Operator, State(app): State<App>, Json(wanted): Json<NewAdmin>) -> Response {
    operator.on(&wanted.name);
    operator.detail(format!("role {}", wanted.role.chars().take(20).collect::<String>()));
    let secret = match new_secret(PREFIX) {
        Ok(secret) => secret,
        Err(error) => return failed(&AdminsError::Store(error.to_string())),
    };
    let admins = &app.admin.admins;
    let record = match admin_record(&wanted, &secret, admins.admin_hash(&secret), app.gateway.clock().now()) {
        Ok(record) => record,
        Err(why) => return admin_problem(StatusCode::BAD_REQUEST, "Not an administrator", &why),
    };
    let admin = admin_dto(&record);
    match admins.add_admin(record) {
        Ok(()) => (StatusCode::CREATED, Json(MadeAdmin { secret, admin })).into_response(),
        Err(error) => failed(&error),
    }
}

pub(super) async fn rotate(operator: Operator, State(app): State<App>, Path(name): Path<String>) -> Response {
    operator.on(&name);
    let secret = match new_secret(PREFIX) {
        Ok(secret) => secret,
        Err(error) => return failed(&AdminsError::Store(error.to_string())),
    };
    let admins = &app.admin.admins;
    let known = admins.list_admins().into_iter().find(|admin| *admin.name == *name);
    let Some(known) = known else { return failed(&AdminsError::Unknown(Name::new(&name))) };
    let record =
        AdminRecord { hash: admins.admin_hash(&secret), hint: secret_hint(&secret), ..AdminRecord::clone(&known) };
    let admin = admin_dto(&record);
    match admins.replace_admin(record) {
        Ok(()) => Json(MadeAdmin { secret, admin }).into_response(),
        Err(error) => failed(&error),
    }
}

pub(super) async fn remove(operator: Operator, State(app): State<App>, Path(name): Path<String>) -> Response {
    operator.on(&name);
    match app.admin.admins.remove_admin(&Name::new(&name)) {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => failed(&error),
    }
}

fn failed(error: &AdminsError) -> Response {
    let (status, title) = match error {
        AdminsError::Exists(_) => (StatusCode::CONFLICT, "The name is taken"),
        AdminsError::Unknown(_) => (StatusCode::NOT_FOUND, "No such administrator"),
        AdminsError::Store(_) => (StatusCode::SERVICE_UNAVAILABLE, "The store failed"),
    };
    admin_problem(status, title, &error.to_string())
}

/// An administrator as it is shown.
#[must_use]
pub fn admin_dto(admin: &AdminRecord) -> AdminDto {
    AdminDto {
        name: admin.name.to_string(),
        role: admin.role.word().to_owned(),
        hint: admin.hint.clone(),
        created: admin.created.to_string(),
        expires: admin.expires.map(|at| at.to_string()),
    }
}

/// The record of an administrator to be made.
///
/// # Errors
/// A sentence about what cannot be read.
pub fn admin_record(wanted: &NewAdmin, secret: &str, hash: [u8; 32], now: Timestamp) -> Result<AdminRecord, String> {
    let name = name(&wanted.name)?;
    if ["bootstrap", "local", "unknown", "haltline"].contains(&name.as_str()) {
        return Err(format!("`{name}` stands for something else in the audit log; choose another name"));
    }
    Ok(AdminRecord {
        name,
        hash,
        hint: secret_hint(secret),
        role: wanted.role.parse()?,
        created: now,
        expires: wanted.expires.as_deref().map(|text| expiry(text, now)).transpose()?,
    })
}
