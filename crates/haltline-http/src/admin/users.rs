//! `/admin/v1/users`: forgetting what is kept of a user.

use super::{Operator, dto::Said};
use crate::problem::admin_problem;
use crate::router::App;
use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use haltline_types::Name;
use http::StatusCode;

pub(super) async fn forget(_: Operator, State(app): State<App>, Path(user): Path<String>) -> Response {
    match app.gateway.forget_user(&Name::new(&user)).await {
        Ok(forgotten) => {
            let message = format!(
                "{} documents of the user `{user}` are removed: sessions, kept answers, jobs. The ledger and the records stay, because they are the bill.",
                forgotten.documents
            );
            Json(Said { message }).into_response()
        }
        Err(problem) => admin_problem(StatusCode::SERVICE_UNAVAILABLE, "The user is not forgotten", &problem.message),
    }
}
