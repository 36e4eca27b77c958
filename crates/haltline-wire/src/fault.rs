//! From a provider's error to a fault: what it is, who can act, and may it have cost money.
//!
//! The class comes from status, type, code and message together, never from the status alone.

mod classes;
mod seed;

use crate::retry_after;
use haltline_types::{Billing, Fault, FaultKind, Origin, Timestamp};

pub use seed::FaultSeed;

/// Which rejections are known never to be billed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BillingRules {
    /// OpenAI's own service.
    OpenAi,
    /// Servers that imitate it.
    Compatible,
    /// Azure: a filtered prompt (400) and a timeout (408) can be billed.
    Azure,
    /// Anthropic's own service: a request refused before output is not billed
    /// (platform.claude.com, refusals and fallback); what a 500 cost is not documented.
    Anthropic,
    /// Google's Gemini API: "fails with 400 or 500: not charged" (ai.google.dev, billing). Not for
    /// Vertex.
    Google,
    /// Mistral documents nothing: what is refused before inference is taken as free, as with
    /// servers that imitate OpenAI.
    Mistral,
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
    let kind = classes::kind_of(Some(status), &seed);
    let mut fault = fault_of(kind, Some(status), &seed);
    fault.retry = retry_after::read(status, header, &seed.message, now);
    fault.retry.after = fault.retry.after.or(seed.retry_delay);
    if well_formed && never_billed(status, kind, &seed, rules) {
        fault.billing = Billing::Rejected;
    }
    fault
}

/// Judges an error that came inside an answer with status 200. What was billed is unknown.
#[must_use]
pub fn classify_inside(seed: &FaultSeed) -> Fault {
    let kind = classes::kind_of(None, seed);
    let mut fault = fault_of(kind, seed.status, seed);
    fault.retry.after = seed.retry_delay.or_else(|| retry_after::from_message(&seed.message));
    fault
}

fn fault_of(kind: FaultKind, status: Option<u16>, seed: &FaultSeed) -> Fault {
    let mut fault = Fault::new(kind, Origin::Provider, seed.detail());
    fault.status = status;
    fault.provider_code = seed.code.clone().or_else(|| seed.kind.clone());
    fault
}

/// Is this rejection documented, or inferred, to be never billed? Only what is refused before
/// inference: the model's own bad output, timeouts and server errors may have cost money.
fn never_billed(status: u16, kind: FaultKind, seed: &FaultSeed, rules: BillingRules) -> bool {
    // Its own word and no proxy's: the error names a status of Google's, as `INTERNAL`.
    if rules == BillingRules::Google && status == 500 && seed.kind.is_some() {
        return true;
    }
    let after_inference = matches!(
        kind,
        FaultKind::ModelOutputInvalid | FaultKind::ServerError | FaultKind::FirstTokenTimeout | FaultKind::Unknown
    );
    // A filtered prompt was looked at by a model of its own, and Azure bills it, also behind a
    // compatible address.
    if after_inference || seed.is_azure_filter() {
        return false;
    }
    match rules {
        BillingRules::Azure => matches!(status, 401 | 403 | 404 | 429),
        BillingRules::OpenAi
        | BillingRules::Compatible
        | BillingRules::Anthropic
        | BillingRules::Google
        | BillingRules::Mistral => match status {
            400 | 401 | 402 | 403 | 404 | 413 | 422 | 429 => true,
            503 | 529 => kind == FaultKind::Overloaded && classes::names_overload(seed),
            _ => false,
        },
    }
}
