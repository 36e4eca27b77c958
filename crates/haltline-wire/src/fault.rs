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
    fault.retry = retry_after::read(status, header, "", now);
    if !(200..300).contains(&status) {
        let said = || seed.retry_after.or_else(|| retry_after::from_message(&seed.message));
        fault.retry.after = fault.retry.after.or_else(said);
    }
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
    fault.retry.after = seed.retry_after.or_else(|| retry_after::from_message(&seed.message));
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
    let after_inference = matches!(
        kind,
        FaultKind::ModelOutputInvalid | FaultKind::ServerError | FaultKind::FirstTokenTimeout | FaultKind::Unknown
    );
    // A filtered prompt was looked at by a model of its own, and Azure bills it, also behind a
    // compatible address.
    // Anthropic filters what its model wrote: a 400 after inference.
    let output_blocked = seed.message.starts_with("Output blocked");
    if after_inference || output_blocked || seed.is_azure_filter() {
        return false;
    }
    match rules {
        BillingRules::Azure => matches!(status, 401 | 403 | 404 | 429),
        BillingRules::OpenAi | BillingRules::Compatible => match status {
            400 | 401 | 402 | 403 | 404 | 413 | 422 | 429 => true,
            503 | 529 => kind == FaultKind::Overloaded && classes::names_overload(seed),
            _ => false,
        },
    }
}
