//! `/admin/v1/keys/leaked`: which keys leaked secrets are, what was done with them, and ending that. What is
//! reported is never written anywhere, and an unknown secret is said to be unknown.

use super::dto::{LeakedKey, LeakedReport, LeakedSecret};
use super::keys::rotate_key;
use super::{Operator, secret_hint, timestamp};
use crate::problem::admin_problem;
use crate::router::App;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use haltline_gateway::KeyChange;
use haltline_ports::{Admins, KeyRecord, Keys, SpendKey, SpendQuery};
use haltline_types::Timestamp;
use http::StatusCode;
use std::sync::Arc;
use std::time::Duration;

const SECRETS_MAX: usize = 1_000;
const SECRET_BYTES_MAX: usize = 1_024;
/// As much of a secret as lists show.
const HINT: usize = 12;
const DAY: Duration = Duration::from_secs(86_400);

/// What is done to a key whose secret has leaked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    Nothing,
    Freeze,
    Rotate,
}

/// What a text turned out to be.
pub enum Found {
    /// The secret of a key.
    Key(Arc<KeyRecord>),
    /// The one before it, and whether that works yet.
    Old(Arc<KeyRecord>, bool),
    /// The beginning of a key's secret.
    Hint(Arc<KeyRecord>),
    /// An administrator's.
    Admin(String),
    /// Nothing that is known here.
    Unknown,
}

/// What a text is. The beginning of a secret counts where no more of it is given than lists show.
#[must_use]
pub fn find_leaked(text: &str, keys: &dyn Keys, admins: &dyn Admins, now: Timestamp) -> Found {
    let hash = keys.hash(text);
    if let Some(key) = keys.find(&hash) {
        return Found::Key(key);
    }
    if let Some(key) = keys.find_old(&hash) {
        let works = key.old.as_ref().is_some_and(|old| now < old.until);
        return Found::Old(key, works);
    }
    if let Some(admin) = admins.find_admin(&admins.admin_hash(text)) {
        return Found::Admin(admin.name.to_string());
    }
    let begin = text.trim_end_matches('…');
    if begin.chars().count() == HINT {
        let hint = secret_hint(begin);
        if let Some(key) = keys.list().into_iter().find(|key| key.hint == hint) {
            return Found::Hint(key);
        }
    }
    Found::Unknown
}

/// What was reported: the texts, and where each was found.
///
/// # Errors
/// When there is too much of it.
pub fn read_leaked(found: &[LeakedSecret]) -> Result<Vec<(&str, Option<&str>)>, String> {
    if found.len() > SECRETS_MAX {
        return Err(format!("a report has at most {SECRETS_MAX} secrets; send more of them"));
    }
    let read: Vec<_> = found
        .iter()
        .map(|secret| match secret {
            LeakedSecret::Text(text) => (text.trim(), None),
            LeakedSecret::Report { token, url, .. } => (token.trim(), url.as_deref()),
        })
        .filter(|(text, _)| !text.is_empty())
        .collect();
    if read.iter().any(|(text, _)| text.len() > SECRET_BYTES_MAX) {
        return Err(format!("a secret has at most {SECRET_BYTES_MAX} bytes"));
    }
    Ok(read)
}

pub(super) async fn report(operator: Operator, State(app): State<App>, Json(report): Json<LeakedReport>) -> Response {
    match answer(&operator, &app, &report).await {
        Ok(found) => Json(found).into_response(),
        Err(why) => admin_problem(StatusCode::BAD_REQUEST, "Not a report", &why),
    }
}

async fn answer(operator: &Operator, app: &App, report: &LeakedReport) -> Result<Vec<LeakedKey>, String> {
    let (found, then, since) = match report {
        LeakedReport::Bare(found) => (found, None, None),
        LeakedReport::With { found, then, since } => (found, then.as_deref(), since.as_deref()),
    };
    let then = match then {
        None => Then::Nothing,
        Some("freeze") => Then::Freeze,
        Some("rotate") => Then::Rotate,
        Some(other) => return Err(format!("`then` is freeze or rotate, not `{other}`")),
    };
    let now = app.gateway.clock().now();
    let since = since.map_or(Ok(now.saturating_sub(DAY)), timestamp)?;
    app.gateway.flush_key_uses();
    let mut answers: Vec<LeakedKey> = Vec::new();
    for (text, url) in read_leaked(found)? {
        let done_before = |name: &str| answers.iter().find(|answer| answer.key.as_deref() == Some(name));
        let keys = app.gateway.keys().as_ref();
        let mut answer = LeakedKey {
            hint: secret_hint(text),
            url: url.map(|url| url.chars().take(500).collect()),
            is: "unknown".to_owned(),
            key: None,
            works: false,
            last_used: None,
            last_from: None,
            spent: None,
            done: None,
            secret: None,
        };
        let (key, is, works) = match find_leaked(text, keys, app.admin.admins.as_ref(), now) {
            Found::Key(key) => (key, "key", true),
            Found::Old(key, works) => (key, "old secret", works),
            Found::Hint(key) => (key, "hint", true),
            Found::Admin(name) => {
                (answer.is, answer.key, answer.works) = ("admin".to_owned(), Some(name), true);
                answers.push(answer);
                continue;
            }
            Found::Unknown => {
                answers.push(answer);
                continue;
            }
        };
        let used = keys.last_use(&key.name);
        answer.is = is.to_owned();
        answer.key = Some(key.name.to_string());
        answer.works = works && !key.frozen && key.expires.is_none_or(|at| now < at);
        answer.last_used = used.as_ref().map(|used| used.at.to_string());
        answer.last_from = used.and_then(|used| used.from);
        answer.spent = spent(app, &key, since).await;
        if let Some(earlier) = done_before(&key.name) {
            answer.done.clone_from(&earlier.done);
        } else {
            (answer.done, answer.secret) = end(operator, app, &key, then).await?;
        }
        operator.detail(format!(
            "{} is {is} of {}{}",
            answer.hint,
            key.name,
            match &answer.done {
                Some(done) => format!(", {done}"),
                None => String::new(),
            }
        ));
        answers.push(answer);
    }
    let unknown = answers.iter().filter(|answer| answer.is == "unknown").count();
    operator.on("leaked secrets");
    operator.detail(format!("{} reported, {unknown} unknown", answers.len()));
    Ok(answers)
}

/// Ends what the leaked secret can do, if that was asked for.
async fn end(
    operator: &Operator,
    app: &App,
    key: &KeyRecord,
    then: Then,
) -> Result<(Option<String>, Option<String>), String> {
    match then {
        Then::Nothing => Ok((None, None)),
        Then::Freeze => {
            let freeze = KeyChange::Change(key.name.clone(), Box::new(|key| Ok(KeyRecord { frozen: true, ..key })));
            app.gateway.change_key(freeze).await.map_err(|error| error.to_string())?;
            Ok((Some("frozen".to_owned()), None))
        }
        Then::Rotate => {
            // At once: an overlap would leave the leaked one working.
            let made = rotate_key(app, operator, &key.name, None).await.map_err(|error| error.to_string())?;
            Ok((Some("rotated".to_owned()), Some(made.secret)))
        }
    }
}

/// What the key has spent since; none if the records cannot say.
async fn spent(app: &App, key: &KeyRecord, since: Timestamp) -> Option<String> {
    let until = app.gateway.clock().now().saturating_add(Duration::from_secs(1));
    let query = SpendQuery { by: vec![SpendKey::Key], since, until };
    let rows = app.gateway.records().spend(query).await.ok()?;
    let own = rows.iter().find(|row| row.group.first().is_some_and(|name| *name == *key.name));
    Some(own.map_or_else(|| "0".to_owned(), |row| row.cost.to_decimal()))
}
