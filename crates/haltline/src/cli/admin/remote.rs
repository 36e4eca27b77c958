//! The admin API of a running gateway, over HTTP. It is on this machine or behind an operator's
//! own tunnel, so plain HTTP is all that is spoken.

use super::{Admin, Answer, AuditAsk, SpendAsk, StreamPage, TimelinesAsk};
use crate::cli::exit::{CliError, Exit};
use bytes::Bytes;
use haltline_http::admin::dto::{
    Account, AllowedRule, CachePurgeOrder, CacheStanding, DeadLetter, DecideCase, HistoryLine, Key, MadeKey,
    NewAdjustment, NewKey, NewOverride, OpenedDeadLetter, Retried, RetryDeadLetter, ReviewCase, RevokeSignIns, Said,
    SignIn, SpendLine,
};
use haltline_http::admin::dto::{
    AdminDto, AuditEntry, AuditReport, ChangedKey, LeakedKey, LeakedReport, MadeAdmin, NewAdmin, RotatedKey,
};
use haltline_http::timeline::{BatchLine, StreamLine, Timeline, Timelines};
use haltline_ports::{REQUESTS_MAX, Together};
use haltline_types::NanoUsd;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;

const CONNECT: Duration = Duration::from_secs(3);
/// A verification reads the whole journal.
const WHOLE: Duration = Duration::from_secs(120);
const ANSWER_BYTES: usize = 64 << 20;

/// A running gateway.
pub(super) struct Remote {
    authority: String,
    token: String,
}

impl Remote {
    pub(super) fn new(url: &str, token: &str) -> Result<Self, CliError> {
        let bare = url.trim_end_matches('/').trim_end_matches("/admin/v1");
        let authority =
            bare.strip_prefix("http://").filter(|authority| !authority.is_empty() && !authority.contains('/'));
        match authority {
            Some(authority) => Ok(Self { authority: authority.to_owned(), token: token.to_owned() }),
            None => Err(CliError::usage(format!("`{url}` is not the address of a gateway"))
                .help("write one like http://127.0.0.1:4100; the admin API is not spoken to over TLS, use a tunnel")),
        }
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, CliError> {
        read(&self.send(Method::GET, path, Bytes::new()).await?)
    }

    async fn post<B: Serialize, T: DeserializeOwned>(&self, path: &str, body: &B) -> Result<T, CliError> {
        let body = serde_json::to_vec(body).map_err(|error| CliError::failed(error.to_string()))?;
        read(&self.send(Method::POST, path, body.into()).await?)
    }

    async fn send(&self, method: Method, path: &str, body: Bytes) -> Result<Bytes, CliError> {
        let away = |why: String| {
            let message = format!("the gateway at {} cannot be reached: {why}", self.authority);
            CliError::new(Exit::NotReachable, message)
        };
        let exchange = async {
            let stream = timeout(CONNECT, TcpStream::connect(&self.authority))
                .await
                .map_err(|_| away("no connection in time".to_owned()))?
                .map_err(|error| away(error.to_string()))?;
            let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
                .await
                .map_err(|error| away(error.to_string()))?;
            tokio::spawn(connection);
            let request = Request::builder()
                .method(method)
                .uri(format!("/admin/v1{path}"))
                .header(header::HOST, &self.authority)
                .header(header::AUTHORIZATION, format!("Bearer {}", self.token))
                .header(header::CONTENT_TYPE, "application/json")
                .body(Full::new(body))
                .map_err(|error| CliError::usage(format!("not a request: {error}")))?;
            let response = sender.send_request(request).await.map_err(|error| away(error.to_string()))?;
            let status = response.status();
            let collected = Limited::new(response.into_body(), ANSWER_BYTES).collect().await;
            let bytes = collected.map_err(|error| away(error.to_string()))?.to_bytes();
            if status.is_success() { Ok(bytes) } else { Err(refused(status, &bytes)) }
        };
        timeout(WHOLE, exchange).await.map_err(|_| away("no answer in time".to_owned()))?
    }
}

fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CliError> {
    serde_json::from_slice(bytes).map_err(|error| {
        CliError::failed(format!("the gateway's answer is not understood: {error}")).help("is it of another version?")
    })
}

/// A problem (RFC 9457) as an error with the exit code of its kind.
fn refused(status: StatusCode, body: &[u8]) -> CliError {
    let problem: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let detail = problem["detail"].as_str().or_else(|| problem["title"].as_str()).unwrap_or("no reason given");
    let exit = match status.as_u16() {
        401 | 403 => Exit::NotAllowed,
        404 | 409 => Exit::NotFound,
        400 | 415 | 422 => Exit::Usage,
        503 => Exit::NotReachable,
        _ => Exit::Failed,
    };
    CliError::new(exit, detail)
}

/// A part of a path, escaped.
fn part(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

impl Admin for Remote {
    fn keys(&self) -> Answer<'_, Vec<Key>> {
        Box::pin(self.get("/keys"))
    }

    fn create_key<'a>(&'a self, wanted: &'a NewKey) -> Answer<'a, MadeKey> {
        Box::pin(self.post("/keys", wanted))
    }

    fn key<'a>(&'a self, name: &'a str) -> Answer<'a, Key> {
        Box::pin(async move { self.get(&format!("/keys/{}", part(name))).await })
    }

    fn set_key<'a>(&'a self, name: &'a str, wanted: &'a ChangedKey) -> Answer<'a, Key> {
        Box::pin(async move {
            let body = serde_json::to_vec(wanted).map_err(|error| CliError::failed(error.to_string()))?;
            read(&self.send(Method::PATCH, &format!("/keys/{}", part(name)), body.into()).await?)
        })
    }

    fn rotate_key<'a>(&'a self, name: &'a str, wanted: &'a RotatedKey) -> Answer<'a, MadeKey> {
        Box::pin(async move { self.post(&format!("/keys/{}/rotate", part(name)), wanted).await })
    }

    fn leaked_keys<'a>(&'a self, report: &'a LeakedReport) -> Answer<'a, Vec<LeakedKey>> {
        Box::pin(self.post("/keys/leaked", report))
    }

    fn admins(&self) -> Answer<'_, Vec<AdminDto>> {
        Box::pin(self.get("/admins"))
    }

    fn create_admin<'a>(&'a self, wanted: &'a NewAdmin) -> Answer<'a, MadeAdmin> {
        Box::pin(self.post("/admins", wanted))
    }

    fn rotate_admin<'a>(&'a self, name: &'a str) -> Answer<'a, MadeAdmin> {
        Box::pin(async move { self.post(&format!("/admins/{}/rotate", part(name)), &()).await })
    }

    fn remove_admin<'a>(&'a self, name: &'a str) -> Answer<'a, ()> {
        Box::pin(async move {
            self.send(Method::DELETE, &format!("/admins/{}", part(name)), Bytes::new()).await.map(|_| ())
        })
    }

    fn audit<'a>(&'a self, ask: &'a AuditAsk) -> Answer<'a, Vec<AuditEntry>> {
        const PAGE: usize = 500;
        Box::pin(async move {
            let mut path = format!("/audit?limit={PAGE}");
            let since = ask.since.map(|since| since.to_string());
            for (name, value) in [("since", &since), ("by", &ask.by), ("what", &ask.what)] {
                if let Some(value) = value {
                    path.push_str(&format!("&{name}={}", part(value)));
                }
            }
            let mut acts: Vec<AuditEntry> = Vec::new();
            loop {
                let after = acts.last().map_or(0, |last| last.number);
                let page: Vec<AuditEntry> = self.get(&format!("{path}&after={after}")).await?;
                let is_last = page.len() < PAGE;
                acts.extend(page);
                if is_last {
                    return Ok(acts);
                }
            }
        })
    }

    fn verify_audit(&self) -> Answer<'_, AuditReport> {
        Box::pin(self.get("/audit/verify"))
    }

    fn freeze_key<'a>(&'a self, name: &'a str, frozen: bool) -> Answer<'a, Key> {
        let verb = if frozen { "freeze" } else { "unfreeze" };
        Box::pin(async move { self.post(&format!("/keys/{}/{verb}", part(name)), &()).await })
    }

    fn remove_key<'a>(&'a self, name: &'a str) -> Answer<'a, ()> {
        Box::pin(
            async move { self.send(Method::DELETE, &format!("/keys/{}", part(name)), Bytes::new()).await.map(|_| ()) },
        )
    }

    fn accounts(&self) -> Answer<'_, Vec<Account>> {
        Box::pin(self.get("/budgets"))
    }

    fn limit_override<'a>(&'a self, wanted: &'a NewOverride) -> Answer<'a, String> {
        Box::pin(async move { self.post("/budgets/override", wanted).await.map(|said: Said| said.message) })
    }

    fn adjust<'a>(&'a self, wanted: &'a NewAdjustment) -> Answer<'a, String> {
        Box::pin(async move { self.post("/budgets/adjust", wanted).await.map(|said: Said| said.message) })
    }

    fn history<'a>(&'a self, budget: &'a str) -> Answer<'a, Vec<HistoryLine>> {
        Box::pin(async move { self.get(&format!("/budgets/{}/history", part(budget))).await })
    }

    fn spend<'a>(&'a self, ask: &'a SpendAsk) -> Answer<'a, Vec<SpendLine>> {
        let by: Vec<&str> = ask.by.iter().map(|key| key.word()).collect();
        let (since, until) = (ask.since.to_string(), ask.until.to_string());
        let path = format!("/spend?by={}&since={}&until={}", part(&by.join(",")), part(&since), part(&until));
        Box::pin(async move { self.get(&path).await })
    }

    fn cache_stats(&self) -> Answer<'_, CacheStanding> {
        Box::pin(self.get("/cache"))
    }

    fn purge_cache<'a>(&'a self, order: &'a CachePurgeOrder) -> Answer<'a, String> {
        Box::pin(async move { self.post("/cache/purge", order).await.map(|said: Said| said.message) })
    }

    fn sign_ins<'a>(&'a self, key: Option<&'a str>, user: Option<&'a str>) -> Answer<'a, Vec<SignIn>> {
        const PAGE: usize = 500;
        Box::pin(async move {
            let mut all: Vec<SignIn> = Vec::new();
            loop {
                let mut path = format!("/sign-ins?limit={PAGE}");
                let after = all.last().map(|last| last.id.clone());
                for (name, value) in [("key", key), ("user", user), ("after", after.as_deref())] {
                    if let Some(value) = value {
                        path.push_str(&format!("&{name}={}", part(value)));
                    }
                }
                let page: Vec<SignIn> = self.get(&path).await?;
                let is_last = page.len() < PAGE;
                all.extend(page);
                if is_last {
                    return Ok(all);
                }
            }
        })
    }

    fn revoke_sign_ins<'a>(&'a self, order: &'a RevokeSignIns) -> Answer<'a, String> {
        Box::pin(async move { self.post("/sign-ins/revoke", order).await.map(|said: Said| said.message) })
    }

    fn dead_letters(&self, all: bool) -> Answer<'_, Vec<DeadLetter>> {
        const PAGE: usize = 200;
        Box::pin(async move {
            let mut letters: Vec<DeadLetter> = Vec::new();
            loop {
                let after = letters.last().map(|last| format!("&after={}", part(&last.id))).unwrap_or_default();
                let page: Vec<DeadLetter> = self.get(&format!("/dead-letters?all={all}&limit={PAGE}{after}")).await?;
                let is_last = page.len() < PAGE;
                letters.extend(page);
                if is_last {
                    return Ok(letters);
                }
            }
        })
    }

    fn dead_letter<'a>(&'a self, id: &'a str) -> Answer<'a, OpenedDeadLetter> {
        Box::pin(async move { self.get(&format!("/dead-letters/{}", part(id))).await })
    }

    fn retry_dead_letter<'a>(&'a self, id: &'a str, most: NanoUsd) -> Answer<'a, String> {
        Box::pin(async move {
            let wanted = RetryDeadLetter { max_cost: Some(most.to_decimal()) };
            let retried: Retried = self.post(&format!("/dead-letters/{}/retry", part(id)), &wanted).await?;
            Ok(retried.job)
        })
    }

    fn discard_dead_letter<'a>(&'a self, id: &'a str) -> Answer<'a, ()> {
        Box::pin(async move {
            self.send(Method::DELETE, &format!("/dead-letters/{}", part(id)), Bytes::new()).await.map(|_| ())
        })
    }

    fn cases<'a>(&'a self, state: Option<&'a str>) -> Answer<'a, Vec<ReviewCase>> {
        const ALL: usize = 5_000;
        let state = state.map(|state| format!("&state={}", part(state))).unwrap_or_default();
        Box::pin(async move { self.get(&format!("/review?limit={ALL}{state}")).await })
    }

    fn case<'a>(&'a self, id: &'a str, reveal: bool) -> Answer<'a, ReviewCase> {
        Box::pin(async move {
            let path = format!("/review/{}", part(id));
            if reveal { self.post(&format!("{path}/reveal"), &()).await } else { self.get(&path).await }
        })
    }

    fn decide_case<'a>(&'a self, id: &'a str, wanted: &'a DecideCase) -> Answer<'a, ReviewCase> {
        Box::pin(async move { self.post(&format!("/review/{}/decide", part(id)), wanted).await })
    }

    fn allowed_rules(&self) -> Answer<'_, Vec<AllowedRule>> {
        Box::pin(self.get("/review/rules"))
    }

    fn restore_rule<'a>(&'a self, rule: &'a str, key: Option<&'a str>) -> Answer<'a, ()> {
        Box::pin(async move {
            let key = key.map(|key| format!("?key={}", part(key))).unwrap_or_default();
            let path = format!("/review/rules/{}{key}", part(rule));
            self.send(Method::DELETE, &path, Bytes::new()).await.map(|_| ())
        })
    }

    fn timeline<'a>(&'a self, id: &'a str) -> Answer<'a, Timeline> {
        Box::pin(async move { self.get(&format!("/requests/{}/timeline", part(id))).await })
    }

    fn timelines<'a>(&'a self, ask: &'a TimelinesAsk) -> Answer<'a, Timelines> {
        let mut path = match &ask.together {
            Together::Session(session) => format!("/sessions/{}/timeline", part(session)),
            Together::Trace(trace) => format!("/traces/{}", part(trace)),
        };
        path.push_str(&format!("?limit={REQUESTS_MAX}"));
        for (name, value) in [("key", &ask.key), ("user", &ask.user), ("after", &ask.after)] {
            if let Some(value) = value {
                path.push_str(&format!("&{name}={}", part(value)));
            }
        }
        Box::pin(async move { self.get(&path).await })
    }

    fn stream<'a>(&'a self, id: &'a str, after: u64) -> Answer<'a, StreamPage> {
        Box::pin(async move {
            let path = format!("/streams/{}?after={after}", part(id));
            let bytes = self.send(Method::GET, &path, Bytes::new()).await?;
            let mut lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
            let stream: StreamLine = read(lines.next().unwrap_or_default())?;
            Ok((stream, lines.map(read::<BatchLine>).collect::<Result<_, _>>()?))
        })
    }

    fn verify(&self) -> Answer<'_, String> {
        Box::pin(async move { self.get("/store/verify").await.map(|said: Said| said.message) })
    }

    fn reload(&self) -> Answer<'_, Option<String>> {
        Box::pin(async move { self.post("/reload", &()).await.map(|said: Said| Some(said.message)) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_parts_of_paths() {
        assert_eq!(
            Remote::new("http://127.0.0.1:1/admin/v1", "t").map(|r| r.authority).ok().as_deref(),
            Some("127.0.0.1:1")
        );
        assert!(Remote::new("https://gateway", "t").is_err());
        assert_eq!(part("a/b c"), "a%2Fb%20c");
    }

    #[test]
    fn a_problem_says_why_and_how_to_exit() {
        let error = refused(StatusCode::CONFLICT, br#"{"title":"t","detail":"a key named `web` exists already"}"#);
        assert_eq!((error.exit, error.message.as_str()), (Exit::NotFound, "a key named `web` exists already"));
        assert_eq!(refused(StatusCode::UNAUTHORIZED, b"x").exit, Exit::NotAllowed);
    }
}
