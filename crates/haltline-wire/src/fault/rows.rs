//! The rows of the fault table. Rows that name something stand above those that only know a status.
//!
//! The words are those of recorded answers, of issues that quote them, and of the providers' own
//! lists of errors; each row's example shows the shape.

use super::table::{Charged, Row, Sign, Status, When};
use haltline_types::FaultKind as K;

const ANY: When = When { status: Status::Any, words: &[], codes: &[], says: &[], sign: Sign::None };

/// Type, code or reason of a limit per time.
const LIMITED: &[&str] = &["rate_limit", "ratelimit", "rate_limited", "resource_exhausted", "throttling"];

const fn words(words: &'static [&'static str]) -> When {
    When { words, ..ANY }
}

const fn codes(codes: &'static [&'static str]) -> When {
    When { codes, ..ANY }
}

const fn says(says: &'static [&'static str]) -> When {
    When { says, ..ANY }
}

const fn status(statuses: &'static [u16]) -> When {
    When { status: Status::OneOf(statuses), ..ANY }
}

const fn sign(sign: Sign) -> When {
    When { sign, ..ANY }
}

const fn row(providers: &'static str, when: When, kind: K, charged: Charged, example: (u16, &'static str)) -> Row {
    Row { providers, when, kind, charged, example }
}

use Charged::{No, Perhaps};

/// What no row fits.
pub(super) const UNKNOWN: Row = row("", ANY, K::Unknown, Perhaps, (302, "<html>moved</html>"));

/// All rows.
pub(super) const ROWS: &[Row] = &[
    row(
        "OpenRouter",
        sign(Sign::InFlight),
        K::RateLimited,
        No,
        (402, r#"{"error":{"code":402,"message":"m","metadata":{"reason":"in_flight_budget_exhausted"}}}"#),
    ),
    row(
        "OpenRouter",
        sign(Sign::LimitReached),
        K::QuotaExhausted,
        No,
        (403, r#"{"error":{"code":403,"message":"m","metadata":{"limit_source":"key","limit_usd":5}}}"#),
    ),
    row(
        "OpenAI, Anthropic",
        words(&["insufficient_quota", "billing", "credit_balance_exhausted", "spend_limit", "usage_limit_exceeded"]),
        K::QuotaExhausted,
        No,
        (429, r#"{"error":{"type":"insufficient_quota","code":"insufficient_quota","message":"m"}}"#),
    ),
    row(
        "DeepSeek, OpenRouter, Anthropic, Gemini",
        status(&[402]),
        K::QuotaExhausted,
        No,
        (402, r#"{"error":{"message":"Payment needed","type":"unknown_error"}}"#),
    ),
    row(
        "OpenRouter, inside a stream",
        codes(&["402"]),
        K::QuotaExhausted,
        No,
        (429, r#"{"error":{"code":"402","message":"m"}}"#),
    ),
    row(
        "DeepSeek, Anthropic, OpenRouter",
        says(&[
            "insufficient balance",
            "credit balance is too low",
            "requires more credits",
            "api usage limits",
            "crossed its monthly api usage",
        ]),
        K::QuotaExhausted,
        No,
        (
            400,
            r#"{"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low"}}"#,
        ),
    ),
    // A reasoning model whose cap was used up before it could answer: a 400 after inference.
    row(
        "OpenAI",
        says(&["could not finish the message", "output limit was reached"]),
        K::ModelOutputInvalid,
        Perhaps,
        (
            400,
            r#"{"error":{"type":"invalid_request_error","message":"Could not finish the message because max_tokens was reached."}}"#,
        ),
    ),
    row(
        "OpenAI, Azure (which bills it)",
        words(&[
            "content_filter",
            "content_policy",
            "responsibleai",
            "invalid_prompt",
            "moderation_blocked",
            "content_safety",
        ]),
        K::ContentPolicy,
        No,
        (
            400,
            r#"{"error":{"code":"content_filter","message":"m","innererror":{"code":"ResponsibleAIPolicyViolation"}}}"#,
        ),
    ),
    row(
        "OpenAI, xAI",
        says(&["flagged as potentially violating", "usage guidelines", "blocked by content filtering"]),
        K::ContentPolicy,
        No,
        (400, r#"{"error":{"message":"Your prompt was flagged as potentially violating our usage policy."}}"#),
    ),
    row(
        "OpenAI, llama.cpp, Perplexity",
        words(&["context_length_exceeded", "exceed_context_size", "too_many_tokens", "too_many_prompt_tokens"]),
        K::ContextLength,
        No,
        (400, r#"{"error":{"code":400,"type":"exceed_context_size_error","message":"m","n_ctx":4096}}"#),
    ),
    row(
        "Anthropic, Gemini, vLLM, DeepSeek, Ollama, Perplexity",
        says(&[
            "maximum context length",
            "prompt is too long",
            "prompt too long",
            "input token count",
            "context window",
            "exceed context limit",
            "too many tokens",
            "total length of all messages is too long",
            "exceeds the available context size",
            "context size has been exceeded",
            "exceeded model token limit",
        ]),
        K::ContextLength,
        No,
        (400, r#"{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 9 > 8"}}"#),
    ),
    row(
        "OpenAI, Groq, inside a stream too",
        When { words: LIMITED, sign: Sign::AboveLimit, ..ANY },
        K::RequestTooLargeForQuota,
        No,
        (429, r#"{"error":{"type":"tokens","code":"rate_limit_exceeded","message":"Limit 30000, Requested 40000."}}"#),
    ),
    row(
        "OpenAI, Groq",
        When { status: Status::OneOf(&[413, 429]), sign: Sign::AboveLimit, ..ANY },
        K::RequestTooLargeForQuota,
        No,
        (413, r#"{"error":{"message":"Request too large for this model's tokens per minute"}}"#),
    ),
    row(
        "Anthropic (32 MB)",
        status(&[413]),
        K::RequestTooLarge,
        No,
        (413, r#"{"error":{"message":"Request Entity Too Large"}}"#),
    ),
    row(
        "Anthropic",
        words(&["request_too_large"]),
        K::RequestTooLarge,
        No,
        (400, r#"{"type":"error","error":{"type":"request_too_large","message":"m"}}"#),
    ),
    row(
        "OpenAI, Gemini, Anthropic, llama.cpp",
        When { status: Status::OneOf(&[503, 529]), words: &["overload", "unavailable", "capacity"], ..ANY },
        K::Overloaded,
        No,
        (503, r#"{"error":{"code":503,"status":"UNAVAILABLE","message":"Try again later."}}"#),
    ),
    row(
        "Gemini, Mistral, llama.cpp",
        When { status: Status::OneOf(&[503, 529]), says: &["overloaded", "capacity", "loading model"], ..ANY },
        K::Overloaded,
        No,
        (503, r#"{"error":{"message":"Loading model"}}"#),
    ),
    // A bare 503 can come from a proxy that gave up waiting while inference runs on behind it.
    row("any", status(&[503, 529]), K::Overloaded, Perhaps, (503, "busy")),
    row(
        "Anthropic and Gemini, inside a stream too",
        words(&["overloaded", "service_unavailable", "model_capacity_exhausted"]),
        K::Overloaded,
        No,
        (200, r#"{"type":"error","error":{"type":"overloaded_error","message":"m"}}"#),
    ),
    row(
        "Mistral, xAI, OpenRouter",
        says(&["overloaded", "no capacity available", "capacity exceeded", "at capacity"]),
        K::Overloaded,
        No,
        (429, r#"{"object":"error","message":"Service tier capacity exceeded for this model."}"#),
    ),
    row("Groq (flex)", status(&[498]), K::Overloaded, Perhaps, (498, r#"{"error":{"message":"none"}}"#)),
    row("all", status(&[429]), K::RateLimited, No, (429, r#"{"error":{"message":"Slow down"}}"#)),
    row(
        "OpenAI, Anthropic, Gemini, Mistral, AWS, inside a stream too",
        words(LIMITED),
        K::RateLimited,
        No,
        (200, r#"{"type":"error","error":{"type":"rate_limit_error","message":"m"}}"#),
    ),
    row(
        "OpenAI",
        codes(&["429", "slow_down"]),
        K::RateLimited,
        No,
        (200, r#"{"error":{"type":"x","code":"slow_down","message":"m"}}"#),
    ),
    // xAI and Gemini say it with a 400.
    row(
        "Gemini, xAI, Anthropic, Perplexity",
        says(&["api key not valid", "incorrect api key", "invalid api key", "invalid x-api-key", "api_key_invalid"]),
        K::Auth,
        No,
        (400, r#"{"code":"invalid-argument","error":"Incorrect API key provided: x"}"#),
    ),
    row(
        "OpenAI, Anthropic, Gemini",
        words(&[
            "invalid_api_key",
            "api_key_invalid",
            "api_key_expired",
            "api_key_service_blocked",
            "invalid_authentication",
            "authentication_error",
            "unauthenticated",
        ]),
        K::Auth,
        No,
        (
            400,
            r#"{"error":{"code":400,"status":"INVALID_ARGUMENT","message":"m","details":[{"reason":"API_KEY_INVALID"}]}}"#,
        ),
    ),
    row("all", status(&[401]), K::Auth, No, (401, r#"{"detail":"Unauthorized"}"#)),
    row(
        "OpenRouter, inside a stream",
        codes(&["401"]),
        K::Auth,
        No,
        (400, r#"{"error":{"code":"401","message":"m"}}"#),
    ),
    row("all", status(&[403]), K::Permission, No, (403, r#"{"error":{"message":"Not in this country"}}"#)),
    row(
        "Anthropic, Gemini",
        words(&["permission_error", "permission_denied"]),
        K::Permission,
        No,
        (200, r#"{"type":"error","error":{"type":"permission_error","message":"m"}}"#),
    ),
    // The model's own output was bad, so there was output.
    row(
        "Groq, inside a stream too",
        words(&["tool_use_failed", "json_validate_failed"]),
        K::ModelOutputInvalid,
        Perhaps,
        (
            400,
            r#"{"error":{"type":"invalid_request_error","code":"tool_use_failed","message":"m","failed_generation":"x"}}"#,
        ),
    ),
    row("all", status(&[404]), K::NotFound, No, (404, r#"{"error":{"message":"No such model"}}"#)),
    row(
        "OpenAI, Azure, Anthropic, Gemini",
        words(&["model_not_found", "not_found", "deploymentnotfound"]),
        K::NotFound,
        No,
        (400, r#"{"error":{"type":"invalid_request_error","code":"model_not_found","message":"m"}}"#),
    ),
    row(
        "OpenRouter, inside a stream",
        codes(&["404"]),
        K::NotFound,
        No,
        (400, r#"{"error":{"code":"404","message":"m"}}"#),
    ),
    row("all", status(&[408, 504]), K::FirstTokenTimeout, Perhaps, (504, "<html>timeout</html>")),
    row(
        "Anthropic, Gemini, inside a stream too",
        words(&["timeout_error", "deadline_exceeded"]),
        K::FirstTokenTimeout,
        Perhaps,
        (200, r#"{"type":"error","error":{"type":"timeout_error","message":"m"}}"#),
    ),
    row(
        "OpenRouter, inside a stream",
        codes(&["408", "504"]),
        K::FirstTokenTimeout,
        Perhaps,
        (400, r#"{"error":{"code":"504","message":"m"}}"#),
    ),
    // It ran out of room while generating.
    row(
        "llama.cpp",
        says(&["failed to decode"]),
        K::ServerError,
        Perhaps,
        (400, r#"{"error":{"message":"failed to decode"}}"#),
    ),
    // A conflict passes by itself.
    row("OpenAI, Anthropic", status(&[409]), K::ServerError, Perhaps, (409, r#"{"error":{"message":"conflict"}}"#)),
    row("all", When { status: Status::From(500), ..ANY }, K::ServerError, Perhaps, (502, "<html>bad gateway</html>")),
    row(
        "OpenAI, Anthropic, Gemini, inside a stream",
        words(&["server_error", "api_error"]),
        K::ServerError,
        Perhaps,
        (200, r#"{"type":"error","error":{"type":"api_error","message":"m"}}"#),
    ),
    row(
        "all",
        When { status: Status::From(400), ..ANY },
        K::InvalidRequest,
        No,
        (400, r#"{"error":{"type":"invalid_request_error","code":"missing_required_parameter","message":"m"}}"#),
    ),
    row(
        "Gemini, inside a stream",
        words(&["internal"]),
        K::ServerError,
        Perhaps,
        (200, r#"{"error":{"status":"INTERNAL","message":"m"}}"#),
    ),
    row(
        "all, inside a stream",
        words(&["invalid", "badrequest", "bad_request"]),
        K::InvalidRequest,
        No,
        (200, r#"{"type":"error","error":{"type":"invalid_request_error","message":"m"}}"#),
    ),
    UNKNOWN,
];
