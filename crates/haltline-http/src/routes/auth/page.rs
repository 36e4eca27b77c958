//! Which page asks, as its browser says in headers that scripts cannot write. A browser sends cookies
//! along whatever page asks, so whoever cannot be told to be a script of a listed page is refused.

use super::cookie::{Cookie, is_loopback};
use crate::router::App;
use haltline_gateway::Problem;
use haltline_types::Code;
use http::header::{CONTENT_TYPE, HOST, ORIGIN};
use http::{HeaderMap, HeaderValue};
use std::time::Duration;

/// A listed page.
pub(super) struct Page {
    /// `https://app.example.com`.
    pub(super) origin: String,
    cookie: Cookie,
}

impl Page {
    /// The page, by `Origin` and Fetch Metadata.
    ///
    /// # Errors
    /// `csrf` when it is not listed, or no script of it asks; `not_found` where browsers cannot sign in.
    pub(super) fn of(app: &App, head: &HeaderMap) -> Result<Self, Problem> {
        let Some(rules) = app.gateway.browser() else {
            let message = "Browsers cannot sign in here: the operator has to write [auth.browser] first.";
            return Err(Problem::new(Code::NotFound, message));
        };
        let is_listed = |origin: &str| rules.origins.iter().any(|known| known == origin);
        let origin = match one(head, ORIGIN.as_str())? {
            Some(origin) if is_listed(origin) => origin.to_owned(),
            Some(_) => return Err(csrf_problem("This page is not in [auth.browser] origins.")),
            // Browsers leave it out where a page only looks at its own server.
            None if one(head, "sec-fetch-site")? == Some("same-origin") => {
                let host = one(head, HOST.as_str())?.unwrap_or_default();
                let own = ["https", "http"].map(|scheme| format!("{scheme}://{host}")).into_iter();
                own.into_iter().find(|origin| is_listed(origin)).ok_or_else(no_origin)?
            }
            None => return Err(no_origin()),
        };
        let by_script = [
            ("sec-fetch-site", &["same-origin", "same-site", "cross-site"][..]),
            ("sec-fetch-mode", &["cors", "same-origin"][..]),
            ("sec-fetch-dest", &["empty"][..]),
        ];
        for (name, usual) in by_script {
            if one(head, name)?.is_some_and(|value| !usual.contains(&value)) {
                return Err(csrf_problem("Only scripts may ask for this, with fetch: no form, frame or link."));
            }
        }
        let is_insecure =
            rules.insecure_cookies_on_loopback && is_loopback(one(head, HOST.as_str())?.unwrap_or_default());
        let mark = app.gateway.mark_of_page(&origin);
        Ok(Self { cookie: Cookie { mark, is_insecure, same_site: rules.same_site }, origin })
    }

    /// What stands in the page's cookie; several, where another host of the domain set one too.
    pub(super) fn cookies(&self, head: &HeaderMap) -> Vec<String> {
        self.cookie.read(head)
    }

    pub(super) fn cookie(&self, value: &str, life: Duration) -> HeaderValue {
        self.cookie.set(value, life)
    }

    pub(super) fn no_cookie(&self) -> HeaderValue {
        self.cookie.set("", Duration::ZERO)
    }
}

/// What the page repeats to prove that it could read an answer of ours.
pub(super) fn csrf(head: &HeaderMap) -> &str {
    head.get("x-haltline-csrf").and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// A form cannot send JSON, and a script of another page cannot without asking first.
pub(super) fn must_be_json(head: &HeaderMap) -> Result<(), Problem> {
    let kind = head.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err(csrf_problem("Send this as JSON: `content-type: application/json`."))
}

fn one<'a>(head: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Problem> {
    let mut values = head.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => {
            value.to_str().map(Some).map_err(|_| csrf_problem("What the browser says of the page cannot be read."))
        }
        (Some(_), Some(_)) => Err(csrf_problem("The browser says twice which page asks.")),
    }
}

fn no_origin() -> Problem {
    csrf_problem("There is no `Origin` that says which page asks. Use fetch, and keep proxies from removing it.")
}

fn csrf_problem(message: &str) -> Problem {
    Problem::new(Code::Csrf, message)
}
