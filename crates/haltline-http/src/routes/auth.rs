//! `/v1/auth`: browsers sign in. A backend grants a sign-in and revokes it with its API key; a page
//! exchanges, refreshes and leaves with a cookie, which is believed only together with what proves
//! which page asks (`page`).

mod cookie;
mod page;

use super::notes_without_a_journey;
use crate::headers::presented;
use crate::problem::chat_problem;
use crate::request_body;
use crate::router::App;
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use haltline_gateway::{Entered, NewSignIn, Problem};
use haltline_types::{Code, NanoUsd, parse_duration};
use http::header::{CACHE_CONTROL, SET_COOKIE};
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use page::Page;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The largest body.
const BYTES_MAX: usize = 64 * 1024;

/// A sign-in to be granted: `{"user":"alice","models":["chat"],"budget":"$0.50"}`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewTokens {
    /// Whom the browser speaks for.
    user: String,
    /// Models that it may ask for; those of the key when absent.
    #[serde(default)]
    models: Vec<String>,
    /// The most that the sign-in may spend in all, in dollars, besides every other budget.
    #[serde(default)]
    budget: Option<String>,
    /// The life of an access token, like `15m`.
    #[serde(default)]
    expires_in: Option<String>,
    /// The life of the sign-in, like `8h`.
    #[serde(default)]
    session_for: Option<String>,
    /// Tags that all of its requests have.
    #[serde(default)]
    tags: BTreeMap<String, String>,
    /// The page that it is for, as it stands in `[auth.browser] origins`.
    #[serde(default)]
    origin: Option<String>,
}

/// A sign-in that was granted.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct GrantedTokens {
    /// `sgn_…`: what it is called; no secret.
    id: String,
    /// `hl-web-…`: an access token.
    token: String,
    /// When the token ends.
    expires_at: String,
    /// `hl-code-…`: exchanged once, by the page, for a refresh cookie.
    code: String,
    /// When the code ends.
    code_expires_at: String,
    /// When the sign-in ends.
    session_ends_at: String,
}

/// A code to be exchanged.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CodeExchange {
    /// `hl-code-…`.
    code: String,
}

/// A new access token; the refresh token is in the cookie.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct PageTokens {
    /// `hl-web-…`: keep it in memory.
    token: String,
    /// When it ends.
    expires_at: String,
    /// To be repeated in `x-haltline-csrf` by whoever refreshes or leaves.
    csrf: String,
    /// Who is signed in.
    user: String,
    /// When the sign-in ends, however often it is refreshed.
    session_ends_at: String,
}

/// Who is signed in.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct PageSession {
    /// Who.
    user: String,
    /// To be repeated in `x-haltline-csrf` by whoever refreshes or leaves.
    csrf: String,
    /// When the sign-in ends.
    session_ends_at: String,
}

/// Whose sign-ins are to end.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RevokeOwn {
    /// Of this user; of all users of the key when absent.
    #[serde(default)]
    user: Option<String>,
}

/// What was ended.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct RevokedOwn {
    /// How many sign-ins.
    revoked: usize,
}

/// `POST /v1/auth/tokens`.
pub(crate) async fn grant(State(app): State<App>, request: Request<Body>) -> Response {
    let (head, body) = request.into_parts();
    let done = async {
        let presented = presented(&head.headers);
        app.gateway.backend_key(&presented)?;
        let wanted: NewTokens = read(&head.headers, body, "{\"user\": \"alice\"}").await?;
        let made = app.gateway.make_sign_in(&presented, new_sign_in(wanted)?).await?;
        Ok(GrantedTokens {
            id: made.id,
            token: made.token,
            expires_at: made.expires.to_string(),
            code: made.code,
            code_expires_at: made.code_expires.to_string(),
            session_ends_at: made.ends.to_string(),
        })
    };
    answer(&app, &head.headers, done.await.map(|granted| (StatusCode::CREATED, Json(granted)).into_response()))
}

/// `POST /v1/auth/revoke`.
pub(crate) async fn revoke(State(app): State<App>, request: Request<Body>) -> Response {
    let (head, body) = request.into_parts();
    let done = async {
        let presented = presented(&head.headers);
        app.gateway.backend_key(&presented)?;
        let wanted: RevokeOwn = read(&head.headers, body, "{\"user\": \"alice\"}, or {} for all users").await?;
        let revoked = app.gateway.revoke_own_sign_ins(&presented, wanted.user.as_deref()).await?;
        Ok(Json(RevokedOwn { revoked: revoked.sign_ins }).into_response())
    };
    answer(&app, &head.headers, done.await)
}

/// `POST /v1/auth/session`: exchanges a code.
pub(crate) async fn enter(State(app): State<App>, request: Request<Body>) -> Response {
    let (head, body) = request.into_parts();
    let done = async {
        let page = Page::of(&app, &head.headers)?;
        page::must_be_json(&head.headers)?;
        let wanted: CodeExchange = read(&head.headers, body, "{\"code\": \"hl-code-…\"}").await?;
        let entered = app.gateway.enter(&wanted.code, &page.origin).await?;
        Ok(with_cookie(&page, entered))
    };
    answer(&app, &head.headers, done.await)
}

/// `GET /v1/auth/session`: who is signed in.
pub(crate) async fn show(State(app): State<App>, head: HeaderMap) -> Response {
    let shown = Page::of(&app, &head).and_then(|page| {
        let signed_in = app.gateway.signed_in(&page.cookies(&head), &page.origin)?;
        let (user, csrf, session_ends_at) = (signed_in.user, signed_in.csrf, signed_in.ends.to_string());
        Ok(Json(PageSession { user, csrf, session_ends_at }).into_response())
    });
    answer(&app, &head, shown)
}

/// `POST /v1/auth/refresh`.
pub(crate) async fn refresh(State(app): State<App>, head: HeaderMap) -> Response {
    let page = match Page::of(&app, &head) {
        Ok(page) => page,
        Err(problem) => return answer(&app, &head, Err(problem)),
    };
    let cookies = page.cookies(&head);
    match app.gateway.refresh_sign_in(&cookies, page::csrf(&head), &page.origin).await {
        Ok(entered) => answer(&app, &head, Ok(with_cookie(&page, entered))),
        Err(problem) => {
            let is_over = problem.code == Code::KeyInvalid && !cookies.is_empty();
            let mut response = answer(&app, &head, Err(problem));
            if is_over {
                response.headers_mut().append(SET_COOKIE, page.no_cookie());
            }
            response
        }
    }
}

/// `POST /v1/auth/logout`.
pub(crate) async fn leave(State(app): State<App>, head: HeaderMap) -> Response {
    let done = async {
        let page = Page::of(&app, &head)?;
        app.gateway.leave(&page.cookies(&head), page::csrf(&head), &page.origin).await?;
        let mut response = StatusCode::NO_CONTENT.into_response();
        response.headers_mut().append(SET_COOKIE, page.no_cookie());
        Ok(response)
    };
    answer(&app, &head, done.await)
}

fn with_cookie(page: &Page, entered: Entered) -> Response {
    let cookie = page.cookie(&entered.refresh, entered.refresh_for);
    let mut response = Json(PageTokens {
        token: entered.token,
        expires_at: entered.expires.to_string(),
        csrf: entered.csrf,
        user: entered.user,
        session_ends_at: entered.ends.to_string(),
    })
    .into_response();
    response.headers_mut().append(SET_COOKIE, cookie);
    response
}

/// Nothing here may stand in any cache.
fn answer(app: &App, head: &HeaderMap, answered: Result<Response, Problem>) -> Response {
    let mut response =
        answered.unwrap_or_else(|problem| chat_problem(&problem, &notes_without_a_journey(&app.gateway, head)));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

async fn read<T: DeserializeOwned>(head: &HeaderMap, body: Body, like: &str) -> Result<T, Problem> {
    let body = request_body::read(head, body, BYTES_MAX).await?;
    let body = if body.is_empty() { &b"{}"[..] } else { &body };
    serde_json::from_slice(body).map_err(|error| {
        // The reader's own words may repeat what was sent, which may be a code.
        let place = format!("line {}, column {}", error.line(), error.column());
        Problem::new(Code::InvalidRequest, format!("The body must be JSON like {like}; it is not, at {place}."))
    })
}

fn new_sign_in(wanted: NewTokens) -> Result<NewSignIn, Problem> {
    let bad = |param: &'static str| move |why: String| Problem::new(Code::InvalidRequest, why).about(param);
    let life = |text: Option<String>, param| text.map(|text| parse_duration(&text)).transpose().map_err(bad(param));
    let budget = wanted.budget.map(|text| text.parse::<NanoUsd>().map_err(|why| format!("`budget`: {why}")));
    Ok(NewSignIn {
        user: wanted.user,
        models: wanted.models,
        budget: budget.transpose().map_err(bad("budget"))?,
        expires_in: life(wanted.expires_in, "expires_in")?,
        session_for: life(wanted.session_for, "session_for")?,
        tags: wanted.tags.into_iter().collect(),
        origin: wanted.origin,
    })
}
