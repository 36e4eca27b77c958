//! The table of faults as a list of guards: the first rule that fits gives the kind. Rules that
//! name something stand above those that only know a status.

use super::FaultSeed;
use haltline_types::FaultKind;

/// What went wrong. `status` is that of HTTP, `None` when the error came inside a 200.
pub(super) fn kind_of(status: Option<u16>, seed: &FaultSeed) -> FaultKind {
    let status = status.or(seed.status).unwrap_or(0);
    let lower = |word: &Option<String>| word.as_deref().unwrap_or_default().to_ascii_lowercase();
    let kind = lower(&seed.kind);
    let code = lower(&seed.code);
    let message = seed.message.to_ascii_lowercase();
    let names = |needles: &[&str]| needles.iter().any(|needle| kind.contains(needle) || code.contains(needle));
    let says = |needles: &[&str]| needles.iter().any(|needle| message.contains(needle));
    let is_code = |codes: &[&str]| codes.contains(&code.as_str());

    if seed.in_flight {
        return FaultKind::RateLimited;
    }
    if seed.limit_reached
        || status == 402
        || is_code(&["402"])
        || names(&["insufficient_quota", "billing", "credit_balance_exhausted", "spend_limit", "usage_limit_exceeded"])
        || says(OUT_OF_MONEY)
    {
        return FaultKind::QuotaExhausted;
    }
    // A reasoning model whose cap was used up before it could answer: a 400 after inference.
    if says(&["could not finish the message", "output limit was reached"]) {
        return FaultKind::ModelOutputInvalid;
    }
    if names(POLICY) || says(&["flagged as potentially violating", "usage guidelines", "blocked by content filtering"])
    {
        return FaultKind::ContentPolicy;
    }
    if names(&["context_length_exceeded", "exceed_context_size", "too_many_tokens", "too_many_prompt_tokens"])
        || says(TOO_LONG)
    {
        return FaultKind::ContextLength;
    }
    let limited = names(&["rate_limit", "ratelimit", "rate_limited", "resource_exhausted"]);
    if (says(&["request too large"]) || asks_above_limit(&message)) && (limited || matches!(status, 413 | 429)) {
        return FaultKind::RequestTooLargeForQuota;
    }
    if status == 413 || names(&["request_too_large"]) {
        return FaultKind::RequestTooLarge;
    }
    if matches!(status, 503 | 529)
        || kind == "unavailable"
        || names(&["overloaded"])
        || says(&["overloaded", "no capacity available", "capacity exceeded", "at capacity"])
    {
        return FaultKind::Overloaded;
    }
    if status == 498 {
        return FaultKind::Overloaded;
    }
    if status == 429 || limited || is_code(&["429", "slow_down"]) {
        return FaultKind::RateLimited;
    }
    if status == 401
        || is_code(&["401"])
        || names(&["invalid_api_key", "invalid_authentication", "authentication_error", "unauthenticated"])
        || says(BAD_KEY)
    {
        return FaultKind::Auth;
    }
    if status == 403 || names(&["permission_error", "permission_denied"]) {
        return FaultKind::Permission;
    }
    if names(&["tool_use_failed", "json_validate_failed"]) {
        return FaultKind::ModelOutputInvalid;
    }
    if status == 404 || is_code(&["404"]) || names(&["model_not_found", "not_found", "deploymentnotfound"]) {
        return FaultKind::NotFound;
    }
    if matches!(status, 408 | 504) || is_code(&["408", "504"]) || names(&["timeout_error", "deadline_exceeded"]) {
        return FaultKind::FirstTokenTimeout;
    }
    // llama.cpp ran out of room while generating; a conflict passes by itself.
    if says(&["failed to decode"]) || matches!(status, 409 | 500..) || names(&["server_error", "api_error", "internal"])
    {
        return FaultKind::ServerError;
    }
    if status >= 400 || names(&["invalid", "badrequest", "bad_request"]) {
        return FaultKind::InvalidRequest;
    }
    FaultKind::Unknown
}

/// Does the error itself say that there is no capacity? A bare 503 can come from a proxy that gave
/// up waiting while inference runs on behind it.
pub(super) fn names_overload(seed: &FaultSeed) -> bool {
    let words = [seed.kind.as_deref(), seed.code.as_deref()];
    let named = words.into_iter().flatten().map(str::to_ascii_lowercase);
    let mut named =
        named.filter(|word| ["overload", "unavailable", "capacity"].iter().any(|needle| word.contains(needle)));
    let message = seed.message.to_ascii_lowercase();
    named.next().is_some() || ["overloaded", "capacity", "loading model"].iter().any(|needle| message.contains(needle))
}

const OUT_OF_MONEY: &[&str] = &[
    "insufficient balance",
    "credit balance is too low",
    "requires more credits",
    "api usage limits",
    "crossed its monthly api usage",
];

const POLICY: &[&str] =
    &["content_filter", "content_policy", "responsibleai", "invalid_prompt", "moderation_blocked", "content_safety"];

const TOO_LONG: &[&str] = &[
    "maximum context length",
    "prompt is too long",
    "prompt too long",
    "input token count",
    "context window",
    "too many tokens",
    "total length of all messages is too long",
    "exceeds the available context size",
    "context size has been exceeded",
    "exceeded model token limit",
    // Anthropic: "input length and `max_tokens` exceed context limit".
    "exceed context limit",
];

const BAD_KEY: &[&str] =
    &["api key not valid", "incorrect api key", "invalid api key", "invalid x-api-key", "api_key_invalid"];

/// "Limit 30000, Used 100, Requested 40000": does this request alone ask for more than the limit?
fn asks_above_limit(message: &str) -> bool {
    let number_after = |words: &str| -> Option<u64> {
        message.match_indices(words).find_map(|(at, _)| {
            let rest = message[at + words.len()..].trim_start_matches([':', ' ', '~']);
            let number = rest.chars().take_while(|c| c.is_ascii_digit() || *c == ',');
            number.filter(|c| *c != ',').collect::<String>().parse().ok()
        })
    };
    match (number_after("limit "), number_after("requested ")) {
        (Some(limit), Some(requested)) => requested > limit,
        _ => false,
    }
}
