//! `/admin/v1/budgets`.

use super::dto::{Account, HistoryLine, NewAdjustment, NewOverride, Said};
use super::{Operator, timestamp};
use crate::problem::admin_problem;
use crate::router::App;
use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use haltline_ledger::{AccountId, Balance, Entry, EntryKind};
use haltline_ports::{BookError, Correction, LimitOverride};
use haltline_types::{Amount, Name};
use http::StatusCode;

pub(super) async fn list(_: Operator, State(app): State<App>) -> Response {
    let balances = app.gateway.book().balances(app.gateway.clock().now());
    Json(balances.iter().map(account).collect::<Vec<_>>()).into_response()
}

pub(super) async fn limit_override(
    operator: Operator,
    State(app): State<App>,
    Json(wanted): Json<NewOverride>,
) -> Response {
    let read = || -> Result<LimitOverride, String> {
        audited(&wanted.by, &wanted.reason)?;
        Ok(LimitOverride {
            budget: Name::new(&wanted.budget),
            subject: wanted.subject.clone(),
            limit: wanted.limit.parse()?,
            until: timestamp(&wanted.until)?,
            by: operator.or_named(&wanted.by),
            reason: wanted.reason.clone(),
        })
    };
    let order = match read() {
        Ok(order) => order,
        Err(why) => return admin_problem(StatusCode::BAD_REQUEST, "Not an override", &why),
    };
    operator.on(&match &wanted.subject {
        Some(subject) => format!("{}[{subject}]", wanted.budget),
        None => wanted.budget.clone(),
    });
    let said = format!("{} is {} until {}.", wanted.budget, order.limit, order.until);
    operator.detail(format!("{said} {}", wanted.reason));
    answer(app.gateway.book().limit_override(order, app.gateway.clock().now()).await, said)
}

pub(super) async fn adjust(operator: Operator, State(app): State<App>, Json(wanted): Json<NewAdjustment>) -> Response {
    let read = || audited(&wanted.by, &wanted.reason).and_then(|()| wanted.delta.parse());
    let delta: Amount = match read() {
        Ok(delta) => delta,
        Err(why) => return admin_problem(StatusCode::BAD_REQUEST, "Not an adjustment", &why),
    };
    let now = app.gateway.clock().now();
    let open = app
        .gateway
        .book()
        .balances(now)
        .into_iter()
        .find(|balance| *balance.account.budget == wanted.budget && balance.account.subject == wanted.subject);
    let Some(open) = open else {
        let why = format!(
            "`{}` has no open account for the subject `{}`; GET budgets lists those there are",
            wanted.budget, wanted.subject
        );
        return admin_problem(StatusCode::NOT_FOUND, "No such account", &why);
    };
    let account: AccountId = open.account;
    let said = format!("{delta} on {account}.");
    operator.on(&account.to_string());
    operator.detail(format!("{delta}, from {} spent: {}", open.spent, wanted.reason));
    let correction = Correction { account, delta, by: operator.or_named(&wanted.by), reason: wanted.reason };
    answer(app.gateway.book().adjust(correction, now).await, said)
}

pub(super) async fn history(_: Operator, State(app): State<App>, Path(name): Path<String>) -> Response {
    match app.gateway.book().history(&Name::new(&name)).await {
        Ok(entries) => Json(entries.iter().filter_map(history_line).collect::<Vec<_>>()).into_response(),
        Err(error) => failed(&error),
    }
}

/// Who and why are kept for ever, so they are neither empty nor endless.
fn audited(by: &str, reason: &str) -> Result<(), String> {
    let fits = |text: &str, most: usize| !text.trim().is_empty() && text.len() <= most;
    if !fits(by, 128) || !fits(reason, 1000) {
        return Err("say who asks (at most 128 bytes) and why (at most 1,000 bytes)".to_owned());
    }
    Ok(())
}

fn answer(done: Result<(), BookError>, said: String) -> Response {
    match done {
        Ok(()) => Json(Said { message: said }).into_response(),
        Err(error) => failed(&error),
    }
}

fn failed(error: &BookError) -> Response {
    let (status, title) = match error {
        BookError::Stopped(_) => (StatusCode::SERVICE_UNAVAILABLE, "The store has stopped"),
        BookError::NotAllowed(_) => (StatusCode::BAD_REQUEST, "The ledger does not allow it"),
    };
    admin_problem(status, title, &error.to_string())
}

/// An account as it is shown.
#[must_use]
pub fn account(balance: &Balance) -> Account {
    let used = i128::from(balance.spent.value()) + i128::from(balance.held.value());
    let used_per_mille = used.saturating_mul(1000).checked_div(i128::from(balance.limit.value())).unwrap_or(0);
    Account {
        budget: balance.account.budget.to_string(),
        scope: balance.scope.to_string(),
        subject: balance.account.subject.clone(),
        window: balance.account.window.to_string(),
        spent: balance.spent.to_string(),
        held: balance.held.to_string(),
        limit: balance.limit.to_string(),
        used_per_mille: i64::try_from(used_per_mille).unwrap_or(i64::MAX),
        resets_at: balance.resets_at.map(|at| at.to_string()),
    }
}

/// A correction, override or recovery as it is shown.
#[must_use]
pub fn history_line(entry: &Entry) -> Option<HistoryLine> {
    let (what, subject, amount, until, by, reason) = match &entry.kind {
        EntryKind::Adjust { account, delta, by, reason } => {
            ("adjust", account.subject.clone(), delta.to_string(), None, by.to_string(), reason.clone())
        }
        EntryKind::Override { subject, limit, until, by, reason, .. } => (
            "override",
            subject.clone().unwrap_or_default(),
            limit.to_string(),
            Some(until.to_string()),
            by.to_string(),
            reason.clone(),
        ),
        EntryKind::Recover { account, amount } => (
            "recover",
            account.subject.clone(),
            amount.to_string(),
            None,
            "haltline".to_owned(),
            "what a power loss may have hidden".to_owned(),
        ),
        _ => return None,
    };
    Some(HistoryLine { at: entry.at.to_string(), what: what.to_owned(), subject, amount, until, by, reason })
}
