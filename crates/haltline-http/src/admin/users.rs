//! `/admin/v1/users`: forgetting what is kept of a user.

use super::{Operator, dto::Said};
use crate::problem::admin_problem;
use crate::router::App;
use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use haltline_gateway::Forgotten;
use haltline_types::Name;
use http::StatusCode;

pub(super) async fn forget(operator: Operator, State(app): State<App>, Path(user): Path<String>) -> Response {
    match app.gateway.forget_user(&Name::new(&user)).await {
        Ok(forgotten) => {
            let Forgotten { requests, jobs, streams, cached_answers, documents } = forgotten;
            let message = format!(
                "{documents} documents (sessions, responses, jobs, messages), {streams} streams and {cached_answers} cached answers of the user `{user}` are removed; {requests} requests and {jobs} jobs were stopped. The ledger and the records of what was spent stay, because they are the bill."
            );
            operator
                .detail(format!("{documents} documents, {streams} streams, {cached_answers} cached answers removed"));
            Json(Said { message }).into_response()
        }
        Err(problem) => admin_problem(StatusCode::SERVICE_UNAVAILABLE, "The user is not forgotten", &problem.message),
    }
}
