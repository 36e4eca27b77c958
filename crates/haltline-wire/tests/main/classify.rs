//! The fault table: kind, and whether it may have cost money.

use haltline_types::{Billing, Fault, FaultClass, FaultKind, Timestamp};
use haltline_wire::fault::{BillingRules, classify};
use std::time::Duration;

fn judged(status: u16, body: &str, rules: BillingRules) -> Fault {
    classify(status, &|_| None, body.as_bytes(), rules, Timestamp::from_millis(0))
}

fn error(kind: &str, code: &str, message: &str) -> String {
    serde_json::json!({"error": {"type": kind, "code": code, "message": message, "param": null}}).to_string()
}

#[test]
fn the_table_of_openai_shaped_servers() {
    use FaultKind as K;
    let free = Billing::Rejected;
    let unknown = Billing::Unknown;
    for (status, body, kind, billing) in [
        (400, error("invalid_request_error", "missing_required_parameter", "m"), K::InvalidRequest, free),
        (400, error("invalid_request_error", "context_length_exceeded", "m"), K::ContextLength, free),
        (
            400,
            error("invalid_request_error", "", "This model's maximum context length is 9 tokens"),
            K::ContextLength,
            free,
        ),
        (400, error("invalid_request_error", "invalid_prompt", "m"), K::ContentPolicy, free),
        (400, error("", "content_policy_violation", "m"), K::ContentPolicy, free),
        (401, error("invalid_request_error", "invalid_api_key", "m"), K::Auth, free),
        (403, error("", "unsupported_country_region_territory", "m"), K::Permission, free),
        (404, error("invalid_request_error", "model_not_found", "m"), K::NotFound, free),
        (408, error("", "", "m"), K::FirstTokenTimeout, unknown),
        (409, error("", "", "m"), K::ServerError, unknown),
        (413, error("", "", "m"), K::RequestTooLarge, free),
        (422, r#"{"detail":[{"loc":["body"],"msg":"m","type":"t"}]}"#.to_owned(), K::InvalidRequest, free),
        (429, error("requests", "rate_limit_exceeded", "m"), K::RateLimited, free),
        (429, error("rate_limit_error", "slow_down", "m"), K::RateLimited, free),
        (429, error("insufficient_quota", "insufficient_quota", "m"), K::QuotaExhausted, free),
        (429, error("rate_limit_error", "project_spend_limit_exceeded", "m"), K::QuotaExhausted, free),
        (
            429,
            error("tokens", "rate_limit_exceeded", "Request too large for gpt-5 on TPM: Limit 30000, Requested 60001."),
            K::RequestTooLargeForQuota,
            free,
        ),
        (
            429,
            error("tokens", "rate_limit_exceeded", "Rate limit reached: Limit 100000, Used 97050, Requested 3619."),
            K::RateLimited,
            free,
        ),
        (
            413,
            error("tokens", "rate_limit_exceeded", "Limit 6,000, Requested ~7,000"),
            K::RequestTooLargeForQuota,
            free,
        ),
        (500, error("server_error", "", "m"), K::ServerError, unknown),
        (502, "<html>bad gateway</html>".to_owned(), K::ServerError, unknown),
        (503, error("service_unavailable_error", "server_is_overloaded", "m"), K::Overloaded, free),
        (503, "busy".to_owned(), K::Overloaded, unknown),
        (503, r#"{"message":"Service Unavailable"}"#.to_owned(), K::Overloaded, unknown),
        (
            400,
            error(
                "invalid_request_error",
                "",
                "Could not finish the message because max_tokens or model output limit was reached.",
            ),
            K::ModelOutputInvalid,
            unknown,
        ),
        (504, error("", "", "m"), K::FirstTokenTimeout, unknown),
        (529, error("overloaded_error", "", "m"), K::Overloaded, free),
        // Groq: the model's own output was bad, so there was output.
        (400, error("invalid_request_error", "tool_use_failed", "m"), K::ModelOutputInvalid, unknown),
        (498, error("", "", "capacity"), K::Overloaded, unknown),
        // DeepSeek, OpenRouter.
        (402, error("unknown_error", "invalid_request_error", "Insufficient Balance"), K::QuotaExhausted, free),
        (
            402,
            r#"{"error":{"code":402,"message":"m","metadata":{"reason":"in_flight_budget_exhausted"}}}"#.to_owned(),
            K::RateLimited,
            free,
        ),
        (
            403,
            r#"{"error":{"code":403,"message":"m","metadata":{"limit_source":"key"}}}"#.to_owned(),
            K::QuotaExhausted,
            free,
        ),
        // xAI: a bad key is a 400.
        (
            400,
            r#"{"code":"Client specified an invalid argument","error":"Incorrect API key provided: x"}"#.to_owned(),
            K::Auth,
            free,
        ),
        // Mistral, vLLM, llama.cpp.
        (401, r#"{"detail":"Unauthorized"}"#.to_owned(), K::Auth, free),
        (
            400,
            r#"{"object":"error","message":"maximum context length is 5","type":"BadRequestError","code":400}"#
                .to_owned(),
            K::ContextLength,
            free,
        ),
        (
            500,
            r#"{"error":{"code":500,"message":"Context size has been exceeded.","type":"server_error"}}"#.to_owned(),
            K::ContextLength,
            unknown,
        ),
        (
            503,
            r#"{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}"#.to_owned(),
            K::Overloaded,
            free,
        ),
        (400, r#"{"error":{"message":"failed to decode","type":"x"}}"#.to_owned(), K::ServerError, unknown),
        // Not well-formed: nobody promised anything.
        (429, String::new(), K::RateLimited, unknown),
        (400, "<html>".to_owned(), K::InvalidRequest, unknown),
        (400, "{}".to_owned(), K::InvalidRequest, unknown),
        (418, error("", "", "teapot"), K::InvalidRequest, unknown),
        (302, String::new(), K::Unknown, unknown),
    ] {
        let fault = judged(status, &body, BillingRules::Compatible);
        assert_eq!((fault.kind, fault.billing), (kind, billing), "{status} {body}");
        assert_eq!(fault.status, Some(status));
        assert_eq!(judged(status, &body, BillingRules::OpenAi), fault, "{status} {body}");
    }
}

#[test]
fn azure_bills_what_it_filters_whatever_the_provider_is_called() {
    let filtered =
        r#"{"error":{"code":"content_filter","message":"m","innererror":{"code":"ResponsibleAIPolicyViolation"}}}"#;
    for rules in [BillingRules::OpenAi, BillingRules::Compatible, BillingRules::Azure] {
        let fault = judged(400, filtered, rules);
        assert_eq!(
            (fault.kind, fault.billing, fault.class),
            (FaultKind::ContentPolicy, Billing::Unknown, FaultClass::UserActionable)
        );
    }
    for (status, billing) in [
        (400, Billing::Unknown),
        (408, Billing::Unknown),
        (429, Billing::Rejected),
        (401, Billing::Rejected),
        (503, Billing::Unknown),
    ] {
        assert_eq!(judged(status, &error("", "x", "m"), BillingRules::Azure).billing, billing, "{status}");
    }
}

#[test]
fn each_provider_says_what_it_never_bills() {
    let (free, unknown) = (Billing::Rejected, Billing::Unknown);
    let google = |status: &str| format!(r#"{{"error":{{"code":500,"message":"m","status":"{status}"}}}}"#);
    let overloaded = r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#.to_owned();
    let failed = r#"{"type":"error","error":{"type":"api_error","message":"m"}}"#.to_owned();
    for (status, body, rules, billing) in [
        (500, google("INTERNAL"), BillingRules::Gemini, free),
        // A proxy's word is not Google's.
        (500, "oops".to_owned(), BillingRules::Gemini, unknown),
        (500, r#"{"message":"m"}"#.to_owned(), BillingRules::Gemini, unknown),
        (504, google("DEADLINE_EXCEEDED"), BillingRules::Gemini, unknown),
        (500, google("INTERNAL"), BillingRules::Compatible, unknown),
        (429, google("RESOURCE_EXHAUSTED"), BillingRules::Gemini, free),
        (529, overloaded, BillingRules::Anthropic, free),
        (500, failed.clone(), BillingRules::Anthropic, unknown),
        (400, failed, BillingRules::Anthropic, unknown),
        (401, r#"{"detail":"Unauthorized"}"#.to_owned(), BillingRules::Mistral, free),
        (422, r#"{"detail":[{"loc":["body"],"msg":"m","type":"t"}]}"#.to_owned(), BillingRules::Mistral, free),
    ] {
        assert_eq!(judged(status, &body, rules).billing, billing, "{status} {body} {rules:?}");
    }
}

#[test]
fn details_are_read() {
    let body = r#"{"error":{"code":429,"message":"m","status":"RESOURCE_EXHAUSTED","details":[
        {"@type":"type.googleapis.com/google.rpc.QuotaFailure"},
        {"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"48.5s"}]}}"#;
    assert_eq!(judged(429, body, BillingRules::Gemini).retry.after, Some(Duration::from_millis(48_500)));
    let body = r#"{"type":"error","error":{"type":"rate_limit_error","message":"m",
        "details":{"error_code":"enforced_spend_limit_reached"}}}"#;
    let fault = judged(429, body, BillingRules::Anthropic);
    assert_eq!((fault.kind, fault.retry.after), (FaultKind::QuotaExhausted, None));
}

#[test]
fn advice_comes_from_headers_or_message() {
    let body = error("tokens", "rate_limit_exceeded", "Please try again in 1m30s.");
    let fault = judged(429, &body, BillingRules::OpenAi);
    assert_eq!(fault.retry.after, Some(Duration::from_secs(90)));
    let header = |name: &str| (name == "retry-after").then_some("7");
    let fault = classify(429, &header, body.as_bytes(), BillingRules::OpenAi, Timestamp::from_millis(0));
    assert_eq!(fault.retry.after, Some(Duration::from_secs(7)));
}

#[test]
fn details_are_short_and_cut_between_characters() {
    let fault = judged(400, &error("t", "c", &"é".repeat(10_000)), BillingRules::OpenAi);
    assert!(fault.detail.len() < 600 && fault.detail.starts_with("t/c: é"));
    let fault = judged(500, &"é".repeat(10_000), BillingRules::OpenAi);
    assert!(fault.detail.len() < 600);
    assert_eq!(fault.provider_code, None);
}
