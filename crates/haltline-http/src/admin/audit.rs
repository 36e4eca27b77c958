//! `/admin/v1/audit`: what administrators did.

use super::dto::{AuditEntry, AuditReport};
use super::{Operator, timestamp};
use crate::problem::admin_problem;
use crate::router::App;
use axum::Json;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use haltline_ports::{ActQuery, ActsReport, SealedAct};
use haltline_types::Name;
use http::StatusCode;
use serde::Deserialize;

const PAGE: usize = 100;
const PAGE_MAX: usize = 500;

#[derive(Deserialize)]
pub(super) struct Asked {
    since: Option<String>,
    by: Option<String>,
    what: Option<String>,
    #[serde(default)]
    after: u64,
    limit: Option<usize>,
}

pub(super) async fn list(_: Operator, State(app): State<App>, Query(asked): Query<Asked>) -> Response {
    let since = match asked.since.as_deref().map(timestamp).transpose() {
        Ok(since) => since,
        Err(why) => return admin_problem(StatusCode::BAD_REQUEST, "Not a question", &why),
    };
    let query = ActQuery {
        since,
        by: asked.by.as_deref().map(Name::new),
        what: asked.what,
        after: asked.after,
        limit: asked.limit.unwrap_or(PAGE).clamp(1, PAGE_MAX),
    };
    match app.admin.acts.acts(query).await {
        Ok(acts) => Json(acts.iter().map(audit_entry).collect::<Vec<_>>()).into_response(),
        Err(error) => admin_problem(StatusCode::SERVICE_UNAVAILABLE, "The store failed", &error.to_string()),
    }
}

pub(super) async fn verify(_: Operator, State(app): State<App>) -> Response {
    match app.admin.acts.verify_acts().await {
        Ok(report) => Json(audit_report(report)).into_response(),
        Err(error) => admin_problem(StatusCode::SERVICE_UNAVAILABLE, "The store failed", &error.to_string()),
    }
}

/// An act as it is shown.
#[must_use]
pub fn audit_entry(sealed: &SealedAct) -> AuditEntry {
    let act = &sealed.act;
    AuditEntry {
        number: sealed.number,
        at: act.at.to_string(),
        by: act.by.to_string(),
        from: act.from.clone(),
        what: act.what.clone(),
        on: act.on.clone(),
        detail: act.detail.clone(),
        outcome: act.outcome.word().to_owned(),
        seal: sealed.seal.clone(),
    }
}

/// What a verification found, as it is shown.
#[must_use]
pub fn audit_report(report: ActsReport) -> AuditReport {
    AuditReport { entries: report.entries, last_seal: report.last_seal, wrong: report.wrong }
}
