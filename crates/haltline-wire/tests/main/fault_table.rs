//! The fault table against recorded errors of every provider and dialect, and what it says of money.

use super::chat_cross::events;
use super::recorded::{fixtures, folders, json, kind};
use haltline_types::{Billing, FaultKind, Timestamp};
use haltline_wire::fault::{BillingRules, FaultSeed, classify, classify_inside, table};
use serde_json::{Value, json as object};
use std::path::Path;

fn rules(provider: &Value) -> BillingRules {
    match provider.as_str() {
        Some("openai") => BillingRules::OpenAi,
        Some("azure") => BillingRules::Azure,
        Some("anthropic") => BillingRules::Anthropic,
        Some("gemini") => BillingRules::Gemini,
        _ => BillingRules::Compatible,
    }
}

/// Kind and wait of the recorded error.
fn judged(case: &Path, record: &Value) -> Option<(FaultKind, Option<u128>)> {
    let body = std::fs::read(case.join("response.body")).expect("a body");
    let status = record["http_status"].as_u64().and_then(|status| u16::try_from(status).ok()).unwrap_or(200);
    let fault = if status >= 400 {
        let headers = json(&case.join("response.headers.json"));
        let header = |name: &str| headers.get(name).and_then(Value::as_str);
        classify(status, &header, &body, rules(&record["provider"]), Timestamp::from_millis(0))
    } else if record["streaming"] == true {
        let is_error = |data: &[u8]| {
            serde_json::from_slice::<Value>(data).is_ok_and(|data| {
                [&data["error"], &data["response"]["error"]].iter().any(|error| !error.is_null())
                    || data["type"] == "error"
            })
        };
        let found = events(&body, 1).into_iter().find(|event| is_error(&event.data))?;
        classify_inside(&FaultSeed::read(&found.data)?)
    } else {
        classify_inside(&FaultSeed::read(&body)?)
    };
    assert!(fault.kind != FaultKind::Unknown || record["expected"]["error"]["class"] == "unknown");
    Some((fault.kind, fault.retry.after.map(|after| after.as_millis())))
}

#[test]
fn recorded_errors_of_every_provider_are_judged_as_their_records_say() {
    let Some(root) = fixtures() else { return };
    let mut cases = 0;
    let mut wrong = Vec::new();
    for case in folders(&root.join("dev")).iter().flat_map(|provider| folders(provider)) {
        let record = json(&case.join("case.json"));
        let Some(class) = record["expected"]["error"]["class"].as_str() else { continue };
        cases += 1;
        let wait = record["expected"]["error"]["retry_after_s"]
            .as_f64()
            .map(|seconds| std::time::Duration::from_secs_f64(seconds).as_millis());
        let expected = Some((kind(class), wait));
        let found = judged(&case, &record);
        if found != expected {
            wrong.push(format!("{}: ours {found:?}, recorded {expected:?}", record["id"]));
        }
    }
    assert!(cases > 50, "only {cases} cases were found");
    assert!(wrong.is_empty(), "{} of {cases} differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn googles_errors_say_when_and_why() {
    let details = object!([
        {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": "PerDay"}]},
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "48.5s"},
    ]);
    let error = object!({"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "m", "details": details});
    let body = object!([{ "error": error }]).to_string();
    let fault = classify(429, &|_| None, body.as_bytes(), BillingRules::Gemini, Timestamp::from_millis(0));
    assert_eq!((fault.kind, fault.retry.after.map(|wait| wait.as_millis())), (FaultKind::RateLimited, Some(48_500)));
    assert_eq!(fault.billing, Billing::Rejected);
    let inner = br#"{"error":{"code":500,"status":"INTERNAL","message":"An internal error has occurred."}}"#;
    for (rules, billing) in [(BillingRules::Gemini, Billing::Rejected), (BillingRules::Compatible, Billing::Unknown)] {
        assert_eq!(classify(500, &|_| None, inner, rules, Timestamp::from_millis(0)).billing, billing);
    }
}

#[test]
fn anthropics_spend_limit_is_no_rate_limit() {
    let body = br#"{"type":"error","error":{"type":"rate_limit_error","message":"m","details":{"error_code":"enforced_spend_limit_reached"}}}"#;
    let fault = classify(429, &|_| None, body, BillingRules::Anthropic, Timestamp::from_millis(0));
    assert_eq!(fault.kind, FaultKind::QuotaExhausted);
    let body = br#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#;
    let fault = classify(529, &|_| None, body, BillingRules::Anthropic, Timestamp::from_millis(0));
    assert_eq!((fault.kind, fault.billing), (FaultKind::Overloaded, Billing::Rejected));
}

#[test]
fn where_nothing_else_is_said_the_limits_headers_give_the_wait() {
    let header = |name: &str| match name {
        "x-ratelimit-remaining-tokens" => Some("0"),
        "x-ratelimit-reset-tokens" => Some("6s"),
        _ => None,
    };
    let judge =
        |status, body: &[u8]| classify(status, &header, body, BillingRules::Compatible, Timestamp::from_millis(0));
    let limited = judge(429, br#"{"error":{"message":"Slow down"}}"#);
    assert_eq!(limited.retry.after.map(|wait| wait.as_secs()), Some(6));
    assert_eq!(judge(400, br#"{"error":{"message":"bad"}}"#).retry.after, None);
}

#[test]
fn no_kind_of_a_provider_is_without_a_row() {
    use FaultKind as K;
    for kind in [
        K::RateLimited,
        K::QuotaExhausted,
        K::RequestTooLargeForQuota,
        K::Overloaded,
        K::ServerError,
        K::FirstTokenTimeout,
        K::Auth,
        K::Permission,
        K::NotFound,
        K::ContextLength,
        K::ContentPolicy,
        K::InvalidRequest,
        K::RequestTooLarge,
        K::ModelOutputInvalid,
        K::Unknown,
    ] {
        assert!(table().any(|row| row.kind == kind), "{kind:?}");
    }
    assert!(table().all(|row| !row.when.to_string().is_empty() && !row.advice().is_empty()));
}
