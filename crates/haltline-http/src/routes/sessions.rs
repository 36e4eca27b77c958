//! Sessions: `GET /v1/sessions`, `GET` and `DELETE /v1/sessions/{id}`.

use super::notes_without_a_journey;
use crate::headers::{claims, presented};
use crate::problem::chat_problem;
use crate::router::App;
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use haltline_gateway::{Claims, Order, Page, Problem, Shape};
use haltline_types::Code;
use http::HeaderMap;
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
pub(crate) struct ListPage {
    after: Option<String>,
    limit: Option<usize>,
}

pub(crate) async fn list(State(app): State<App>, Query(page): Query<ListPage>, head: HeaderMap) -> Response {
    let listed = async {
        let claims = read_claims(&head)?;
        app.gateway.sessions(&presented(&head), &claims, page.after.as_deref(), page.limit).await
    };
    answer(&app, &head, listed.await)
}

#[derive(Deserialize)]
pub(crate) struct MessagePage {
    after: Option<String>,
    limit: Option<usize>,
    order: Option<String>,
    format: Option<String>,
}

pub(crate) async fn show(
    State(app): State<App>,
    Path(id): Path<String>,
    Query(page): Query<MessagePage>,
    head: HeaderMap,
) -> Response {
    let shown = async {
        let claims = read_claims(&head)?;
        let page = read_page(page)?;
        app.gateway.session(&presented(&head), &claims, &id, &page).await
    };
    answer(&app, &head, shown.await)
}

pub(crate) async fn forget(State(app): State<App>, Path(id): Path<String>, head: HeaderMap) -> Response {
    let forgotten = async {
        let claims = read_claims(&head)?;
        app.gateway.forget_session(&presented(&head), &claims, &id).await?;
        Ok(json!({"id": id, "object": "session", "deleted": true}))
    };
    answer(&app, &head, forgotten.await)
}

fn read_claims(head: &HeaderMap) -> Result<Claims, Problem> {
    claims(head).map_err(|message| Problem::new(Code::InvalidRequest, message))
}

fn read_page(page: MessagePage) -> Result<Page, Problem> {
    let order = match page.order.as_deref() {
        None | Some("asc") => Order::Oldest,
        Some("desc") => Order::Newest,
        Some(_) => return Err(Problem::new(Code::InvalidRequest, "`order` is asc or desc.").about("order")),
    };
    let shape = match page.format.as_deref() {
        None => Shape::Canonical,
        Some("ui") => Shape::Ui,
        Some(_) => return Err(Problem::new(Code::InvalidRequest, "`format` is ui, or left out.").about("format")),
    };
    Ok(Page { after: page.after, limit: page.limit, order, shape })
}

fn answer(app: &App, head: &HeaderMap, answered: Result<Value, Problem>) -> Response {
    match answered {
        Ok(value) => Json(value).into_response(),
        Err(problem) => chat_problem(&problem, &notes_without_a_journey(&app.gateway, head)),
    }
}
