//! The gate before every admin route: who asks, whether the role suffices, and the audit log. An act is
//! written down before it is done, and what came of it before that is answered: an act that cannot be
//! written is not done. A route that the table says nothing of is for owners only, and an act.

use crate::came::came;
use crate::openapi::Operation;
use crate::problem::admin_problem;
use crate::router::App;
use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::MethodRouter;
use haltline_ports::{Act, ActOutcome, Acts, ActsError, Role, masked};
use haltline_types::{Name, Timestamp};
use http::request::Parts;
use http::{Method, StatusCode};
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;
use subtle::ConstantTimeEq;

/// Who has the token of the process.
const BOOTSTRAP: &str = "bootstrap";
/// So many refused logins are written down at once, and one more in each stretch of time: the log must not
/// be filled by whoever knocks.
const REFUSALS_AT_ONCE: u32 = 20;
const REFUSAL_EACH: Duration = Duration::from_secs(30);

/// An administrator who was let in, and the act that is being done.
#[derive(Clone)]
pub(crate) struct Operator {
    /// Who.
    pub(crate) by: Name,
    told: Arc<Mutex<Told>>,
}

/// What a handler tells of its act.
#[derive(Default)]
struct Told {
    on: Option<String>,
    detail: Vec<String>,
}

impl Operator {
    /// What the act is done to, where the address does not say.
    pub(crate) fn on(&self, what: &str) {
        self.told.lock().on = Some(what.to_owned());
    }

    /// What is asked for, or changed; no secrets.
    pub(crate) fn detail(&self, text: impl Into<String>) {
        self.told.lock().detail.push(text.into());
    }

    /// Whom the ledger remembers: the administrator, or whoever the owner of the process's token names.
    pub(crate) fn or_named(&self, name: &str) -> Name {
        if *self.by == *BOOTSTRAP { Name::new(name) } else { self.by.clone() }
    }
}

impl FromRequestParts<App> for Operator {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _app: &App) -> Result<Self, Response> {
        let let_in = parts.extensions.get::<Self>().cloned();
        let_in.ok_or_else(|| {
            admin_problem(StatusCode::INTERNAL_SERVER_ERROR, "No gate", "This route does not stand behind the gate.")
        })
    }
}

/// How many refused logins are written down, and how many were not.
#[derive(Debug)]
pub struct RefusedLogins(Mutex<Refused>);

#[derive(Debug)]
struct Refused {
    left: u32,
    since: Option<Timestamp>,
    unwritten: u64,
}

impl Default for RefusedLogins {
    fn default() -> Self {
        Self(Mutex::new(Refused { left: REFUSALS_AT_ONCE, since: None, unwritten: 0 }))
    }
}

impl RefusedLogins {
    /// Whether this one is written down, and how many were not since the last that was.
    fn take(&self, now: Timestamp) -> Option<u64> {
        let mut refused = self.0.lock();
        let since = *refused.since.get_or_insert(now);
        let millis = now.since(since).as_millis() / REFUSAL_EACH.as_millis();
        let more = u32::try_from(millis).unwrap_or(u32::MAX);
        if more > 0 {
            refused.left = refused.left.saturating_add(more).min(REFUSALS_AT_ONCE);
            refused.since = Some(now);
        }
        if refused.left == 0 {
            refused.unwritten += 1;
            return None;
        }
        refused.left -= 1;
        Some(std::mem::take(&mut refused.unwritten))
    }
}

/// What the table says of one method.
#[derive(Clone)]
struct Row {
    method: &'static str,
    role: Role,
    act: Option<&'static str>,
}

#[derive(Clone)]
struct Gate {
    app: App,
    rows: Arc<[Row]>,
}

/// The routes behind the gate.
pub(super) fn guarded(methods: MethodRouter<App>, operations: &[Operation], app: &App) -> MethodRouter<App> {
    let rows = operations.iter().map(|operation| Row {
        method: operation.method,
        role: operation.role.unwrap_or(Role::Owner),
        act: operation.act,
    });
    methods.layer(from_fn_with_state(Gate { app: app.clone(), rows: rows.collect() }, pass))
}

async fn pass(State(gate): State<Gate>, mut request: Request, next: Next) -> Response {
    let app = &gate.app;
    let method = request.method().clone();
    let row = gate.rows.iter().find(|row| row.method.eq_ignore_ascii_case(method.as_str()));
    let needed = row.map_or(Role::Owner, |row| row.role);
    let is_look = matches!(method, Method::GET | Method::HEAD);
    let what = row.and_then(|row| row.act).or((!is_look).then_some("unknown"));
    let path = request.uri().path();
    let on = path.strip_prefix("/admin/v1").unwrap_or(path).to_owned();

    let (by, role) = match who(app, request.headers()) {
        Ok(known) => known,
        Err(response) => {
            refuse_login(app, &on).await;
            return response;
        }
    };
    let mut act = Act {
        at: app.gateway.clock().now(),
        by: by.clone(),
        from: came().from.map(|from| from.to_string()),
        what: what.unwrap_or("look").to_owned(),
        on,
        detail: String::new(),
        outcome: ActOutcome::Denied,
    };
    if role < needed {
        act.detail = format!("a {role}, where a {needed} is needed");
        if let Err(error) = app.admin.acts.note_act(act).await {
            return unwritten(&error);
        }
        return admin_problem(
            StatusCode::FORBIDDEN,
            "The role does not suffice",
            &format!("`{by}` is a {role}, and this needs the role {needed}."),
        );
    }
    let told = Arc::new(Mutex::new(Told::default()));
    request.extensions_mut().insert(Operator { by, told: Arc::clone(&told) });
    if what.is_none() {
        return next.run(request).await;
    }
    act.outcome = ActOutcome::Begun;
    if let Err(error) = app.admin.acts.note_act(act.clone()).await {
        return unwritten(&error);
    }
    // An administrator who leaves must not leave an act half done, or done and not written down.
    let (app, done) = (app.clone(), next.run(request));
    let ended = tokio::spawn(async move {
        let response = done.await;
        let told = std::mem::take(&mut *told.lock());
        act.at = app.gateway.clock().now();
        act.on = told.on.unwrap_or(act.on);
        act.detail = told.detail.join("; ");
        act.outcome = if response.status().is_success() { ActOutcome::Done } else { ActOutcome::Failed };
        if act.outcome == ActOutcome::Failed {
            act.detail = format!("{} {}", response.status().as_u16(), act.detail);
        }
        match app.admin.acts.note_act(act).await {
            Ok(_) => response,
            Err(error) => unwritten(&error),
        }
    });
    ended.await.unwrap_or_else(|_| {
        admin_problem(StatusCode::INTERNAL_SERVER_ERROR, "It failed in the middle", "See the gateway's log.")
    })
}

/// Who presents this, and what the role is.
fn who(app: &App, head: &http::HeaderMap) -> Result<(Name, Role), Response> {
    let presented = crate::headers::presented_key(head).unwrap_or_default();
    let token = &app.admin.token;
    let is_bootstrap: bool = presented.as_bytes().ct_eq(token.as_bytes()).into();
    if is_bootstrap && !token.is_empty() {
        return Ok((Name::new(BOOTSTRAP), Role::Owner));
    }
    let named = app.admin.admins.find_admin(&app.admin.admins.admin_hash(&presented));
    let now = app.gateway.clock().now();
    match named {
        Some(admin) if admin.expires.is_none_or(|at| now < at) => Ok((admin.name.clone(), admin.role)),
        _ => Err(admin_problem(
            StatusCode::UNAUTHORIZED,
            "Not an administrator",
            "Send the secret of an administrator as `Authorization: Bearer …`: one of `haltline admin create`, or the \
             token that stands in admin.json in the data directory.",
        )),
    }
}

async fn refuse_login(app: &App, on: &str) {
    let now = app.gateway.clock().now();
    let Some(unwritten) = app.admin.refusals.take(now) else { return };
    let more = if unwritten > 0 { format!("; {unwritten} more were not written down") } else { String::new() };
    let act = Act {
        at: now,
        by: Name::new("unknown"),
        from: came().from.map(masked),
        what: "login".to_owned(),
        on: on.chars().take(200).collect(),
        detail: format!("no such administrator{more}"),
        outcome: ActOutcome::Denied,
    };
    if let Err(error) = app.admin.acts.note_act(act).await {
        tracing::error!(%error, "a refused login is not in the audit log");
    }
}

fn unwritten(error: &ActsError) -> Response {
    admin_problem(StatusCode::SERVICE_UNAVAILABLE, "The audit log cannot be written", &error.to_string())
}

/// Writes an act of a command on the store itself: before it is done, and what came of it.
///
/// # Errors
/// When it cannot be written, or the act fails.
pub async fn local_act<T, E: ToString>(
    acts: &dyn Acts,
    (what, on): (&str, &str),
    now: impl Fn() -> Timestamp,
    act: impl Future<Output = Result<(T, String), E>>,
) -> Result<Result<T, E>, ActsError> {
    let mut entry = Act {
        at: now(),
        by: Name::new("local"),
        from: None,
        what: what.to_owned(),
        on: on.to_owned(),
        detail: String::new(),
        outcome: ActOutcome::Begun,
    };
    acts.note_act(entry.clone()).await?;
    let done = act.await;
    entry.at = now();
    (entry.outcome, entry.detail) = match &done {
        Ok((_, detail)) => (ActOutcome::Done, detail.clone()),
        Err(error) => (ActOutcome::Failed, error.to_string()),
    };
    acts.note_act(entry).await?;
    Ok(done.map(|(value, _)| value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::table::entries;

    #[test]
    fn every_route_has_a_role_and_whatever_changes_something_is_an_act() {
        let mut seen = 0;
        for entry in entries() {
            for operation in &entry.operations {
                let (method, path) = (operation.method, entry.path);
                assert!(operation.role.is_some(), "{method} {path} says no role");
                assert!(method == "get" || operation.act.is_some(), "{method} {path} is not audited");
                assert!(method == "get" || operation.role > Some(Role::Viewer), "{method} {path}: a viewer only looks");
                seen += 1;
            }
        }
        assert!(seen > 30);
    }

    #[test]
    fn whoever_knocks_does_not_fill_the_log() {
        let refusals = RefusedLogins::default();
        let at = |seconds: i64| Timestamp::from_secs(1_000 + seconds);
        let written = (0..1_000).filter(|_| refusals.take(at(0)).is_some()).count();
        assert_eq!(written, 20);
        assert_eq!(refusals.take(at(29)), None);
        assert_eq!(refusals.take(at(31)), Some(981), "and says how many were not");
        assert_eq!(refusals.take(at(31)), None);
        let written = (0..1_000).filter(|_| refusals.take(at(100_000)).is_some()).count();
        assert_eq!(written, 20, "no more than at once");
    }
}
