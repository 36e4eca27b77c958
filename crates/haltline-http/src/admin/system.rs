//! `/admin/v1/store/verify` and `/admin/v1/reload`.

use super::{Operator, dto::Said};
use crate::problem::admin_problem;
use crate::router::App;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;

pub(super) async fn verify(_: Operator, State(app): State<App>) -> Response {
    match (app.admin.verify)().await {
        Ok(message) => Json(Said { message }).into_response(),
        Err(why) => admin_problem(StatusCode::INTERNAL_SERVER_ERROR, "The store is not sound", &why),
    }
}

pub(super) async fn reload(operator: Operator, State(app): State<App>) -> Response {
    match (app.admin.reload)().await {
        Ok(message) => {
            operator.detail(message.clone());
            Json(Said { message }).into_response()
        }
        Err(why) => admin_problem(StatusCode::UNPROCESSABLE_ENTITY, "The old configuration stays in force", &why),
    }
}
