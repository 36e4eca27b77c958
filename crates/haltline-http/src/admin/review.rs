//! `/admin/v1/review`: what guards have refused, cut, taken out or flagged, and what operators make
//! of it.

use super::Operator;
use super::dto::{AllowedRule, DecideCase, ReviewCase, ReviewFinding};
use crate::problem::admin_problem;
use crate::router::App;
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use haltline_gateway::Problem;
use haltline_gateway::guard::{Case, CaseState, Ruling};
use haltline_types::{Code, Timestamp};
use http::StatusCode;
use serde::Deserialize;

/// Cases of one page unless said otherwise.
const PAGE: usize = 50;
const PAGE_MAX: usize = 5_000;

#[derive(Deserialize)]
pub(super) struct Asked {
    /// Only cases of this state.
    state: Option<String>,
    limit: Option<usize>,
}

#[derive(Deserialize)]
pub(super) struct WhoseRule {
    key: Option<String>,
}

pub(super) async fn list(_: Operator, State(app): State<App>, Query(asked): Query<Asked>) -> Response {
    let state = match asked.state.as_deref().map(state_of).transpose() {
        Ok(state) => state,
        Err(why) => return admin_problem(StatusCode::BAD_REQUEST, "Not a state", &why),
    };
    match app.gateway.cases(state).await {
        Ok(mut cases) => {
            cases.truncate(asked.limit.unwrap_or(PAGE).min(PAGE_MAX));
            Json(cases.iter().map(case_dto).collect::<Vec<_>>()).into_response()
        }
        Err(problem) => failed(&problem),
    }
}

pub(super) async fn show(_: Operator, State(app): State<App>, Path(id): Path<String>) -> Response {
    one(app.gateway.case(&id, false).await)
}

/// The text itself, where it was kept.
pub(super) async fn reveal(_: Operator, State(app): State<App>, Path(id): Path<String>) -> Response {
    one(app.gateway.case(&id, true).await)
}

pub(super) async fn decide(
    operator: Operator,
    State(app): State<App>,
    Path(id): Path<String>,
    Json(wanted): Json<DecideCase>,
) -> Response {
    let ruling = match wanted.ruling.as_str() {
        "allow_once" => Ruling::AllowOnce,
        "allow_rule" if wanted.for_all => Ruling::AllowRuleForAll,
        "allow_rule" => Ruling::AllowRule,
        "confirm" => Ruling::Confirm,
        other => {
            let shown: String = other.chars().take(64).collect();
            let why = format!("`{shown}` is no ruling; there are allow_once, allow_rule and confirm.");
            return admin_problem(StatusCode::BAD_REQUEST, "Not a ruling", &why);
        }
    };
    operator.detail(format!("{}{}", wanted.ruling, if wanted.for_all { " for all" } else { "" }));
    one(app.gateway.decide_case(&id, ruling, &operator.by, wanted.note.as_deref().unwrap_or_default()).await)
}

pub(super) async fn rules(_: Operator, State(app): State<App>) -> Response {
    match app.gateway.allowed_rules().await {
        Ok(rules) => {
            let dto = |rule: haltline_gateway::guard::AllowedRule| AllowedRule {
                rule: rule.rule,
                key: rule.key,
                case: rule.case,
                by: rule.by,
                at: Timestamp::from_millis(rule.at).to_string(),
            };
            Json(rules.into_iter().map(dto).collect::<Vec<_>>()).into_response()
        }
        Err(problem) => failed(&problem),
    }
}

pub(super) async fn restore_rule(
    _: Operator,
    State(app): State<App>,
    Path(rule): Path<String>,
    Query(whose): Query<WhoseRule>,
) -> Response {
    match app.gateway.restore_rule(&rule, whose.key.as_deref()).await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(problem) => failed(&problem),
    }
}

fn one(case: Result<Case, Problem>) -> Response {
    match case {
        Ok(case) => Json(case_dto(&case)).into_response(),
        Err(problem) => failed(&problem),
    }
}

fn state_of(word: &str) -> Result<CaseState, String> {
    CaseState::ALL.into_iter().find(|state| state.word() == word).ok_or_else(|| {
        let shown: String = word.chars().take(64).collect();
        let known: Vec<&str> = CaseState::ALL.into_iter().map(CaseState::word).collect();
        format!("`{shown}` is no state of a case; there are {}.", known.join(", "))
    })
}

fn case_dto(case: &Case) -> ReviewCase {
    let at = |millis: i64| Timestamp::from_millis(millis).to_string();
    ReviewCase {
        id: case.id.clone(),
        state: case.state.word().to_owned(),
        direction: case.direction.clone(),
        verdict: case.verdict.clone(),
        first_at: at(case.first),
        last_at: at(case.last),
        times: case.times,
        request_id: case.request.clone(),
        key: case.key.clone(),
        user: case.user.clone(),
        session: case.session.clone(),
        model: case.model.clone(),
        findings: case
            .findings
            .iter()
            .map(|finding| ReviewFinding {
                rule: finding.rule.clone(),
                category: finding.category.clone(),
                place: finding.place.clone(),
                span: finding.span.map(|(from, until)| [from, until]),
                points: finding.points,
                view: finding.view.clone(),
            })
            .collect(),
        rules_version: case.rules_version.clone(),
        bytes: case.bytes,
        excerpt: case.excerpt.clone(),
        text: case.raw.clone(),
        decided_by: case.decision.as_ref().map(|decision| decision.by.clone()),
        decided_at: case.decision.as_ref().map(|decision| at(decision.at)),
        note: case.decision.as_ref().map(|decision| decision.note.clone()).filter(|note| !note.is_empty()),
    }
}

fn failed(problem: &Problem) -> Response {
    let (status, title) = match problem.code {
        Code::NotFound => (StatusCode::NOT_FOUND, "Not found"),
        Code::StoreUnavailable => (StatusCode::SERVICE_UNAVAILABLE, "The store failed"),
        _ => (StatusCode::UNPROCESSABLE_ENTITY, "It cannot be done"),
    };
    admin_problem(status, title, &problem.message)
}
