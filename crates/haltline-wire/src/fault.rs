//! From a provider's error to a fault: what it is, who can act, and may it have cost money.
//!
//! The class comes from status, type, code and message together, never from the status alone.

mod rows;
mod seed;
mod table;

use crate::{rate_limit_headers, retry_after};
use haltline_types::{Billing, Fault, FaultKind, Origin, RetryAdvice, Timestamp};

pub use seed::FaultSeed;
pub use table::{Charged, Row, Sign, Status, When, table};

/// The longest word of a provider's that is taken for a code.
const CODE_BYTES_MAX: usize = 64;

/// Which rejections are known never to be billed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BillingRules {
    /// OpenAI's own service.
    OpenAi,
    /// Servers that imitate it.
    Compatible,
    /// Azure: a filtered prompt (400) and a timeout (408) can be billed.
    Azure,
    /// Anthropic: what is refused before output is not billed.
    Anthropic,
    /// Mistral documents nothing: what is refused before inference is taken as free, as with
    /// servers that imitate OpenAI.
    Mistral,
    /// Google: "if your request fails with a 400 or 500 error, you won't be charged"
    /// (ai.google.dev, billing).
    Gemini,
}

/// Judges an answer whose status says that the request failed, before any output came.
///
/// `header` looks a header up by its lower-case name.
#[must_use]
pub fn classify<'h>(
    status: u16,
    header: &dyn Fn(&str) -> Option<&'h str>,
    body: &[u8],
    rules: BillingRules,
    now: Timestamp,
) -> Fault {
    let seed = FaultSeed::read(body);
    let well_formed = seed.is_some();
    let seed = seed.unwrap_or_else(|| FaultSeed::of_text(body));
    let row = table::row_of(Some(status), &seed);
    let mut fault = fault_of(row, Some(status), &seed);
    fault.retry = retry_after::read(status, header, seed.retry_after, &seed.message, now);
    if row.kind == FaultKind::RateLimited && fault.retry.after.is_none() {
        fault.retry.after = rate_limit_headers::read(header, now).nothing_left_for();
    }
    if well_formed && never_billed(status, row, &seed, rules) {
        fault.billing = Billing::Rejected;
    }
    fault
}

/// Judges an error that came inside an answer with status 200. What was billed is unknown.
#[must_use]
pub fn classify_inside(seed: &FaultSeed) -> Fault {
    let row = table::row_of(None, seed);
    let mut fault = fault_of(row, seed.status, seed);
    let after = seed.retry_after.or_else(|| retry_after::from_message(&seed.message));
    fault.retry = RetryAdvice { after, ..RetryAdvice::default() };
    fault
}

fn fault_of(row: &Row, status: Option<u16>, seed: &FaultSeed) -> Fault {
    let mut fault = Fault::new(row.kind, Origin::Provider, seed.detail());
    fault.status = status;
    // Clients are shown it, and nobody knows what prose may quote.
    fault.provider_code = [&seed.code, &seed.kind].into_iter().flatten().find(|code| is_code(code)).cloned();
    fault
}

/// Is it a word for programs? Some providers write a sentence where a code belongs.
fn is_code(text: &str) -> bool {
    text.len() <= CODE_BYTES_MAX
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b':' | b'/'))
}

/// Is this rejection documented, or inferred, to be never billed? Only what is refused before
/// inference: the model's own bad output, timeouts and server errors may have cost money.
fn never_billed(status: u16, row: &Row, seed: &FaultSeed, rules: BillingRules) -> bool {
    // Its own word and no proxy's: the error names a status of Google's, as `INTERNAL`.
    if rules == BillingRules::Gemini && status == 500 && row.kind == FaultKind::ServerError && seed.kind.is_some() {
        return true;
    }
    // A filtered prompt was looked at by a model of its own, and Azure bills it, also behind a
    // compatible address.
    // Anthropic filters what its model wrote: a 400 after inference.
    let output_blocked = seed.message.starts_with("Output blocked");
    if row.charged == Charged::Perhaps || output_blocked || seed.is_azure_filter() {
        return false;
    }
    match rules {
        BillingRules::Azure => matches!(status, 401 | 403 | 404 | 429),
        BillingRules::OpenAi
        | BillingRules::Compatible
        | BillingRules::Anthropic
        | BillingRules::Gemini
        | BillingRules::Mistral => {
            matches!(status, 400..=404 | 413 | 422 | 429 | 503 | 529)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prose_in_the_place_of_a_code_is_not_shown() {
        let body =
            br#"{"code":"Client specified an invalid argument: key xai-abc","error":"Incorrect API key provided"}"#;
        let fault = classify(400, &|_| None, body, BillingRules::Compatible, Timestamp::from_millis(0));
        assert_eq!((fault.kind, fault.provider_code), (FaultKind::Auth, None));
        let body = br#"{"error":{"code":"A sentence.","type":"invalid_request_error","message":"m"}}"#;
        let fault = classify(400, &|_| None, body, BillingRules::Compatible, Timestamp::from_millis(0));
        assert_eq!(fault.provider_code.as_deref(), Some("invalid_request_error"));
    }
}
