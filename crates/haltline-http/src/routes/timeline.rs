//! `GET /v1/requests/{id}/timeline` and `GET /v1/sessions/{id}/timeline`: what happened, for the
//! owner. What belongs to somebody else is not there.

use super::notes_without_a_journey;
use crate::headers;
use crate::problem::chat_problem;
use crate::router::App;
use crate::timeline::{self, Audience, Timeline, Timelines, before, time_tools, time_tools_of, timelines};
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use haltline_gateway::Problem;
use haltline_ports::{
    Order, Owner, REQUESTS_MAX, Records, RecordsError, RequestRecord, RequestsQuery, Together, Whose,
};
use haltline_types::{Code, Name, RequestId};
use http::HeaderMap;
use serde::Deserialize;

/// As many requests as a page has when nothing is said.
const PAGE: usize = 50;

/// Which page of a list of requests.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Page {
    after: Option<String>,
    limit: Option<usize>,
    order: Option<String>,
}

impl Page {
    /// As a question.
    ///
    /// # Errors
    /// The parameter that cannot be read, and what is wrong with it.
    pub(crate) fn of(&self, together: Together, whose: Whose) -> Result<RequestsQuery, (&'static str, String)> {
        let after = self.after.as_deref().map(str::parse).transpose();
        let after = after.map_err(|error: haltline_types::IdError| ("after", error.to_string()))?;
        let limit = self.limit.unwrap_or(PAGE);
        if limit == 0 || limit > REQUESTS_MAX {
            return Err(("limit", format!("limit is a number from 1 to {REQUESTS_MAX}.")));
        }
        let order = match self.order.as_deref() {
            None | Some("asc") => Order::OldestFirst,
            Some("desc") => Order::NewestFirst,
            Some(_) => return Err(("order", "order is asc or desc.".to_owned())),
        };
        Ok(RequestsQuery { together, whose, order, after, limit })
    }
}

pub(crate) async fn of_request(State(app): State<App>, Path(id): Path<String>, head: HeaderMap) -> Response {
    answer(&app, &head, request(&app, &id, &head).await)
}

pub(crate) async fn of_session(
    State(app): State<App>,
    Path(id): Path<String>,
    Query(page): Query<Page>,
    head: HeaderMap,
) -> Response {
    answer(&app, &head, session(&app, &id, &page, &head).await)
}

fn answer(app: &App, head: &HeaderMap, found: Result<impl serde::Serialize, Problem>) -> Response {
    match found {
        Ok(found) => Json(found).into_response(),
        Err(problem) => chat_problem(&problem, &notes_without_a_journey(&app.gateway, head)),
    }
}

async fn request(app: &App, id: &str, head: &HeaderMap) -> Result<Timeline, Problem> {
    let owner = owner(app, head)?;
    let missing = || Problem::new(Code::NotFound, format!("There is no request {} of yours.", shown(id)));
    // What is no id is no request either.
    let id: RequestId = id.parse().map_err(|_| missing())?;
    let records = app.gateway.records();
    let found = records.generation(id).await.map_err(|error| unreadable(&error))?;
    let mut record = found.filter(|record| is_of(record, &owner)).ok_or_else(missing)?;
    time(records.as_ref(), &mut record).await.map_err(|error| unreadable(&error))?;
    Ok(timeline::timeline(&record, Audience::Owner))
}

async fn session(app: &App, id: &str, page: &Page, head: &HeaderMap) -> Result<Timelines, Problem> {
    let owner = owner(app, head)?;
    let asked = page.of(Together::Session(Name::new(id)), Whose::Owner(owner));
    let asked = asked.map_err(|(param, why)| Problem::new(Code::InvalidRequest, why).about(param))?;
    let (limit, is_first) = (asked.limit, asked.after.is_none());
    let mut found = app.gateway.records().requests(asked).await.map_err(|error| unreadable(&error))?;
    if found.is_empty() && is_first {
        return Err(Problem::new(Code::NotFound, format!("There is no session {} of yours.", shown(id))));
    }
    time_tools_of(&mut found);
    Ok(timelines(&found, limit, Audience::Owner))
}

/// Finds how long the tools took whose results a request brings.
///
/// # Errors
/// When the records cannot be read.
pub(crate) async fn time(records: &dyn Records, record: &mut RequestRecord) -> Result<(), RecordsError> {
    if let Some(query) = before(record) {
        let earlier = records.requests(query).await?;
        time_tools(record, earlier.iter());
    }
    Ok(())
}

fn owner(app: &App, head: &HeaderMap) -> Result<Owner, Problem> {
    let claims = headers::claims(head).map_err(|why| Problem::new(Code::InvalidRequest, why))?;
    app.gateway.owner_of(&headers::presented(head), &claims)
}

fn is_of(record: &RequestRecord, owner: &Owner) -> bool {
    record.subjects.key.as_ref() == Some(&owner.key) && record.subjects.user == owner.user
}

/// What a client sent, cut to what is worth repeating.
fn shown(id: &str) -> String {
    id.chars().filter(|c| !c.is_control()).take(64).collect()
}

fn unreadable(error: &RecordsError) -> Problem {
    tracing::error!(%error, "a record could not be read");
    Problem::new(Code::StoreUnavailable, "The gateway's store cannot be read at present.")
}
