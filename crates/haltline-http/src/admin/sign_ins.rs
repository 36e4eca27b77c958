//! `/admin/v1/sign-ins`: browsers that are signed in, and signing them out.

use super::Operator;
use super::dto::{RevokeSignIns, Said, SignIn};
use crate::problem::admin_problem;
use crate::router::App;
use axum::Json;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use haltline_gateway::{ShownSignIn, SignInsOf};
use haltline_types::Name;
use http::StatusCode;
use serde::Deserialize;

/// A page of them when nothing is said.
const PAGE: usize = 100;

#[derive(Deserialize)]
pub(super) struct Ask {
    key: Option<String>,
    user: Option<String>,
    after: Option<String>,
    limit: Option<usize>,
}

pub(super) async fn list(_: Operator, State(app): State<App>, Query(ask): Query<Ask>) -> Response {
    let whose = whose(ask.key.as_deref(), ask.user.as_deref(), None);
    match app.gateway.sign_ins(&whose, ask.after.as_deref(), ask.limit.unwrap_or(PAGE).clamp(1, 500)) {
        Ok(shown) => Json(shown.into_iter().map(sign_in).collect::<Vec<_>>()).into_response(),
        Err(problem) => admin_problem(StatusCode::SERVICE_UNAVAILABLE, "Not known yet", &problem.message),
    }
}

pub(super) async fn revoke(operator: Operator, State(app): State<App>, Json(order): Json<RevokeSignIns>) -> Response {
    let whose = match order.whose() {
        Ok(whose) => whose,
        Err(why) => return admin_problem(StatusCode::BAD_REQUEST, "Nobody is named", &why),
    };
    operator.on(&whose.to_string());
    match app.gateway.revoke_sign_ins(&whose, order.stop).await {
        Ok(revoked) => {
            operator.detail(format!("{} ended, {} answers stopped", revoked.sign_ins, revoked.stopped));
            let message = if order.stop {
                format!(
                    "{} browser sign-ins are ended, and {} answers were stopped.",
                    revoked.sign_ins, revoked.stopped
                )
            } else {
                format!("{} browser sign-ins are ended.", revoked.sign_ins)
            };
            Json(Said { message }).into_response()
        }
        Err(problem) => admin_problem(StatusCode::SERVICE_UNAVAILABLE, "Not ended for good", &problem.message),
    }
}

fn whose(key: Option<&str>, user: Option<&str>, id: Option<&str>) -> SignInsOf {
    SignInsOf { key: key.map(Name::new), user: user.map(Name::new), id: id.map(str::to_owned) }
}

impl RevokeSignIns {
    /// Whose sign-ins are to end.
    ///
    /// # Errors
    /// A sentence, when nobody is named or everybody and somebody.
    pub fn whose(&self) -> Result<SignInsOf, String> {
        let is_named = self.key.is_some() || self.user.is_some() || self.id.is_some();
        if is_named == self.all {
            return Err("name `user`, `key` or `id`, or say `all`: {\"user\": \"alice\"}".to_owned());
        }
        Ok(whose(self.key.as_deref(), self.user.as_deref(), self.id.as_deref()))
    }
}

/// A sign-in as it is shown.
#[must_use]
pub fn sign_in(shown: ShownSignIn) -> SignIn {
    SignIn {
        id: shown.id,
        user: shown.user.to_string(),
        key: shown.key.to_string(),
        origin: shown.origin,
        models: shown.models,
        budget: shown.budget.map(|budget| budget.to_decimal()),
        created: shown.created.to_string(),
        used: shown.used.to_string(),
        ends: shown.ends.to_string(),
        entered: shown.is_entered,
    }
}
