//! Headers: what clients say of themselves, and what they are told.

use crate::came::came;
use haltline_gateway::{CacheAsk, CacheResult, Claims, Notes, Presented, Surface};
use haltline_policy::limits::{LimitStanding, LimitUnit};
use haltline_types::{Name, NanoUsd};
use haltline_wire::anthropic::is_known_beta;
use http::{HeaderMap, HeaderName, HeaderValue};
use std::fmt::Write;

/// Tags of one request, at most.
const TAGS_MAX: usize = 16;
/// The longest name that a client may claim, in bytes.
const CLAIM_MAX: usize = 256;

/// What a client presents to come in.
pub(crate) fn presented(headers: &HeaderMap) -> Presented {
    let came = came();
    let mut presented = Presented::new(presented_key(headers)).at(came.from, came.route);
    presented.origin = text(headers, "origin").map(str::to_owned);
    presented
}

/// The credential that a client presents, in any of the usual headers.
pub(crate) fn presented_key(headers: &HeaderMap) -> Option<String> {
    if let Some(value) = text(headers, "authorization") {
        let (scheme, rest) = value.split_once(' ').unwrap_or(("", value));
        if scheme.eq_ignore_ascii_case("bearer") {
            return Some(rest.trim().to_owned());
        }
    }
    ["x-api-key", "x-goog-api-key", "api-key"]
        .into_iter()
        .find_map(|name| text(headers, name))
        .map(|key| key.trim().to_owned())
}

/// What the client says of itself; our own headers first, then the foreign ones that people have.
///
/// # Errors
/// A sentence about the header that cannot be read, or stands there twice.
pub(crate) fn claims(headers: &HeaderMap) -> Result<Claims, String> {
    let mut claims = Claims {
        user: first(headers, &["x-haltline-user", "helicone-user-id"])?.map(str::to_owned),
        session: first(headers, &["x-haltline-session", "x-claude-code-session-id", "helicone-session-id"])?
            .map(str::to_owned),
        ..Claims::default()
    };
    for claim in [&claims.user, &claims.session].into_iter().flatten() {
        if claim.len() > CLAIM_MAX || claim.is_empty() {
            return Err(format!("A user or session name must have 1 to {CLAIM_MAX} bytes."));
        }
    }
    if let Some(tags) = one(headers, "x-haltline-tags")? {
        claims.tags = parse_tags(tags)?;
    }
    if let Some(cost) = one(headers, "x-haltline-max-cost")? {
        let cost: NanoUsd = cost.parse().map_err(|error| format!("x-haltline-max-cost: {error}"))?;
        if cost <= NanoUsd::ZERO {
            return Err("x-haltline-max-cost must be more than zero.".to_owned());
        }
        claims.max_cost = Some(cost);
    }
    claims.cache = CacheAsk::read(one(headers, "x-haltline-cache")?, one(headers, "x-haltline-cache-tags")?)?;
    if let Some(key) = one(headers, "idempotency-key")? {
        // The draft has it as a quoted string; clients send it bare.
        let key = key.trim().trim_matches('"');
        if key.is_empty() || key.len() > CLAIM_MAX {
            return Err(format!("Idempotency-Key must have 1 to {CLAIM_MAX} bytes."));
        }
        claims.idempotency_key = Some(key.to_owned());
    }
    claims.original_timing = match one(headers, "x-haltline-replay-timing")? {
        None | Some("none") => false,
        Some("original") => true,
        Some(_) => return Err("x-haltline-replay-timing is `original` or `none`.".to_owned()),
    };
    claims.strict = match one(headers, "x-haltline-guard")? {
        None => false,
        Some("strict") => true,
        Some(_) => {
            return Err(
                "x-haltline-guard is `strict` or not sent: a request can tighten guards, never loosen them.".to_owned()
            );
        }
    };
    claims.no_retry = one(headers, "x-haltline-no-retry")?.is_some_and(|value| value != "false" && value != "0");
    claims.history_of_session = match one(headers, "x-haltline-history")? {
        None => false,
        Some("session") => true,
        Some(other) => {
            return Err(format!("x-haltline-history: `{other}` is not known; the one value there is, is `session`."));
        }
    };
    claims.counts_retries = headers.contains_key("x-stainless-retry-count");
    claims.retry_count = text(headers, "x-stainless-retry-count").and_then(|value| value.parse().ok()).unwrap_or(0);
    Ok(claims)
}

/// The first of these headers that is there.
fn first<'a>(headers: &'a HeaderMap, names: &[&str]) -> Result<Option<&'a str>, String> {
    for name in names {
        if let Some(value) = one(headers, name)? {
            return Ok(Some(value));
        }
    }
    Ok(None)
}

/// A header that decides about money or identity: one that cannot be read must not count as absent.
fn one<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, String> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(format!("{name} stands there more than once."));
    }
    std::str::from_utf8(value.as_bytes()).map(Some).map_err(|_| format!("{name} is not UTF-8."))
}

fn parse_tags(text: &str) -> Result<Vec<(Name, Name)>, String> {
    let mut tags: Vec<(Name, Name)> = Vec::new();
    for pair in text.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
        let (name, value) =
            pair.split_once('=').ok_or_else(|| format!("x-haltline-tags: `{pair}` is not name=value."))?;
        if name.is_empty() || name.len() > CLAIM_MAX || value.len() > CLAIM_MAX {
            return Err(format!("x-haltline-tags: names and values have at most {CLAIM_MAX} bytes."));
        }
        if tags.iter().any(|(known, _)| &**known == name) {
            return Err(format!("x-haltline-tags: `{name}` stands there twice."));
        }
        tags.push((Name::new(name), Name::new(value)));
    }
    if tags.len() > TAGS_MAX {
        return Err(format!("x-haltline-tags: at most {TAGS_MAX} tags."));
    }
    tags.sort();
    Ok(tags)
}

/// The trace id of a W3C `traceparent`.
pub(crate) fn trace_id(headers: &HeaderMap) -> Option<String> {
    let mut parts = text(headers, "traceparent")?.split('-');
    let (_version, trace) = (parts.next()?, parts.next()?);
    let valid = trace.len() == 32
        && trace.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        && trace.bytes().any(|b| b != b'0');
    valid.then(|| trace.to_owned())
}

/// The client's headers for a provider of its own dialect.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Passing {
    /// What passes.
    pub(crate) headers: HeaderMap,
    /// What does not, in words for the client.
    pub(crate) dropped: Vec<String>,
}

/// The client's headers for the provider. Those that name an account there are left out: the
/// account is the operator's. A beta can change what a request costs: one of OpenAI's is refused by
/// name, one of Anthropic's that is not known is left out, and the client is told.
///
/// # Errors
/// A sentence that names the header.
pub(crate) fn passing(surface: Surface, headers: &HeaderMap) -> Result<Passing, String> {
    let mut passing = Passing::default();
    for (name, value) in headers {
        let word = name.as_str();
        match word {
            "openai-organization" | "openai-project" => {}
            // openai-node sends it in the browser, Codex always; it opts into what Responses is today.
            "openai-beta" if matches!(value.as_bytes(), b"responses=experimental" | b"assistants=v2") => {}
            _ if word.starts_with("openai-") => {
                return Err(format!(
                    "The header `{word}` may change what the request costs, so it does not pass; leave it out."
                ));
            }
            "anthropic-beta" => pass_betas(value, &mut passing),
            "anthropic-version" if matches!(surface, Surface::Messages | Surface::CountTokens) => {
                passing.headers.insert(name.clone(), value.clone());
            }
            _ => {}
        }
    }
    Ok(passing)
}

fn pass_betas(value: &HeaderValue, passing: &mut Passing) {
    let all = value.to_str().unwrap_or_default().split(',').map(str::trim).filter(|beta| !beta.is_empty());
    let (pass, drop): (Vec<&str>, Vec<&str>) = all.partition(|beta| is_known_beta(beta));
    passing.dropped.extend(drop.iter().map(|beta| format!("anthropic-beta {beta}")));
    if let Ok(value) = HeaderValue::from_str(&pass.join(","))
        && !pass.is_empty()
    {
        passing.headers.append(HeaderName::from_static("anthropic-beta"), value);
    }
}

/// The key in the address, as Google's plain examples have it.
pub(crate) fn key_in_query(surface: Surface, query: Option<&str>) -> Option<String> {
    if !matches!(surface, Surface::GenerateContent { .. }) {
        return None;
    }
    query?.split('&').find_map(|pair| pair.strip_prefix("key=")).map(str::to_owned)
}

/// Tells the facts of a request.
pub(crate) fn write_notes(head: &mut HeaderMap, notes: &Notes) {
    const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
    const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
    const ATTEMPTS: HeaderName = HeaderName::from_static("x-haltline-attempts");
    const PROVIDER: HeaderName = HeaderName::from_static("x-haltline-provider");
    const MODEL: HeaderName = HeaderName::from_static("x-haltline-model");
    const COST: HeaderName = HeaderName::from_static("x-haltline-cost");
    const CAP: HeaderName = HeaderName::from_static("x-haltline-max-tokens-lowered");
    const DEGRADED: HeaderName = HeaderName::from_static("x-haltline-degraded");
    const OVERHEAD: HeaderName = HeaderName::from_static("x-haltline-overhead-ms");
    let mut text = String::with_capacity(64);
    text.push_str("00-");
    text.push_str(&notes.trace_id);
    text.push('-');
    push_hex(&mut text, notes.request_id.as_u128() | 1, 16);
    text.push_str("-01");
    put(head, TRACEPARENT, &text);
    text.clear();
    text.push_str("req_");
    push_hex(&mut text, notes.request_id.as_u128(), 32);
    put(head, REQUEST_ID, &text);
    if notes.attempts > 0 {
        head.insert(ATTEMPTS, HeaderValue::from(u16::from(notes.attempts)));
    }
    if let Some(endpoint) = &notes.endpoint {
        put(head, PROVIDER, &endpoint.provider);
        put(head, MODEL, &endpoint.model);
    }
    if let Some(cost) = notes.cost {
        put(head, COST, &cost.to_decimal());
    }
    if let Some(cap) = notes.cap_lowered_to {
        head.insert(CAP, HeaderValue::from(cap.get()));
    }
    if !notes.dropped.is_empty() {
        put(head, HeaderName::from_static("x-haltline-dropped"), &notes.dropped.join(", "));
    }
    if let Some(degraded) = &notes.degraded {
        put(head, DEGRADED, &format!("{} -> {}", degraded.from, degraded.to));
    }
    if let Some(cache) = &notes.cache {
        head.insert(HeaderName::from_static("x-haltline-cache"), HeaderValue::from_static(cache.result.word()));
        if cache.result == CacheResult::Stale {
            head.insert(DEGRADED, HeaderValue::from_static("cache"));
        }
        if let Some(age) = cache.age {
            head.insert(http::header::AGE, HeaderValue::from(age.as_secs()));
        }
    }
    if let Some(verdict) = notes.guard {
        head.insert(HeaderName::from_static("x-haltline-guard"), HeaderValue::from_static(verdict));
    }
    if notes.replayed {
        head.insert(HeaderName::from_static("x-haltline-replayed"), HeaderValue::from_static("true"));
    }
    if let Some(standing) = &notes.rate_limit {
        write_standing(head, standing, &mut text);
    }
    if let Some(overhead) = notes.overhead {
        let micros = overhead.as_micros();
        put(head, OVERHEAD, &format!("{}.{:03}", micros / 1000, micros % 1000));
    }
}

/// How a rate limit stands, in the names of draft-ietf-httpapi-ratelimit-headers-11 and in OpenAI's.
fn write_standing(head: &mut HeaderMap, standing: &LimitStanding, text: &mut String) {
    let (limit, remaining, reset) = match standing.unit {
        LimitUnit::Requests => {
            ("x-ratelimit-limit-requests", "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests")
        }
        LimitUnit::Tokens => ("x-ratelimit-limit-tokens", "x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"),
    };
    let seconds = standing.reset.as_millis().div_ceil(1000);
    head.insert(HeaderName::from_static(limit), HeaderValue::from(standing.quota));
    head.insert(HeaderName::from_static(remaining), HeaderValue::from(standing.left));
    let mut write = |name: &'static str, value: std::fmt::Arguments<'_>| {
        text.clear();
        if text.write_fmt(value).is_ok() {
            put(head, HeaderName::from_static(name), text);
        }
    };
    write(reset, format_args!("{seconds}s"));
    write("ratelimit", format_args!("\"{}\";r={};t={seconds}", standing.limit, standing.left));
    write("ratelimit-policy", format_args!("\"{}\";q={};w={}", standing.limit, standing.quota, standing.per.as_secs()));
}

/// The last `digits` hexadecimal digits of a number.
fn push_hex(out: &mut String, number: u128, digits: u32) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    for place in (0..digits).rev() {
        let digit = usize::try_from((number >> (place * 4)) & 15).unwrap_or(0);
        out.push(char::from(HEX[digit]));
    }
}

pub(crate) fn put(head: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        head.insert(name, value);
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).expect("value")))
            .collect()
    }

    #[test]
    fn one_key_in_any_of_the_usual_headers() {
        for header in ["x-api-key", "x-goog-api-key", "api-key"] {
            assert_eq!(presented_key(&with(&[(header, "hl-live-1")])).as_deref(), Some("hl-live-1"));
        }
        assert_eq!(presented_key(&with(&[("authorization", "bearer hl-live-1")])).as_deref(), Some("hl-live-1"));
        assert_eq!(presented_key(&with(&[("authorization", "Basic abc")])), None);
    }

    #[test]
    fn tags_are_pairs_and_no_name_stands_twice() {
        let claims = claims(&with(&[("x-haltline-tags", "env=prod, app=chat")])).expect("claims");
        assert_eq!(claims.tags, [(Name::new("app"), Name::new("chat")), (Name::new("env"), Name::new("prod"))]);
        assert!(super::claims(&with(&[("x-haltline-tags", "env=a,env=b")])).is_err());
        assert!(super::claims(&with(&[("x-haltline-tags", "env")])).is_err());
        assert!(super::claims(&with(&[("x-haltline-max-cost", "-1")])).is_err());
    }

    #[test]
    fn a_claim_that_cannot_be_read_is_not_absent() {
        let mut twice = with(&[("x-haltline-max-cost", "1")]);
        twice.append("x-haltline-max-cost", HeaderValue::from_static("2"));
        assert!(super::claims(&twice).is_err());
        let mut odd = HeaderMap::new();
        odd.insert("x-haltline-user", HeaderValue::from_bytes(b"\xff").expect("value"));
        assert!(super::claims(&odd).is_err());
        odd.insert("x-haltline-user", HeaderValue::from_bytes("Jürgen".as_bytes()).expect("value"));
        assert_eq!(super::claims(&odd).expect("claims").user.as_deref(), Some("Jürgen"));
    }

    #[test]
    fn a_trace_goes_on_only_if_it_is_one() {
        let id = "4bf92f3577b34da6a3ce929d0e0e4736";
        assert_eq!(trace_id(&with(&[("traceparent", &format!("00-{id}-00f067aa0ba902b7-01"))])).as_deref(), Some(id));
        assert_eq!(
            trace_id(&with(&[("traceparent", "00-00000000000000000000000000000000-00f067aa0ba902b7-01")])),
            None
        );
        assert_eq!(trace_id(&with(&[("traceparent", "x")])), None);
    }

    #[test]
    fn accounts_at_the_provider_do_not_pass() {
        let chat = Surface::ChatCompletions;
        let passing = passing(chat, &with(&[("openai-organization", "o"), ("cookie", "c")])).expect("headers");
        assert_eq!(passing, Passing::default());
        assert!(super::passing(chat, &with(&[("openai-beta", "a")])).is_err());
    }

    #[test]
    fn betas_pass_that_are_known_to_cost_nothing() {
        let betas = with(&[("anthropic-beta", "interleaved-thinking-2025-05-14, fast-mode-2026-02-01")]);
        let passing = passing(Surface::Messages, &betas).expect("headers");
        assert_eq!(passing.headers.get("anthropic-beta").expect("beta"), "interleaved-thinking-2025-05-14");
        assert_eq!(passing.dropped, ["anthropic-beta fast-mode-2026-02-01"]);
    }
}
