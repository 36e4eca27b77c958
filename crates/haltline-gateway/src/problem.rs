//! What goes wrong, as a client is told: a code, one sentence that says what to do, and facts. How
//! it looks on the wire is the surface's matter.

use haltline_ledger::{Refusal, RefusalReason};
use haltline_ports::shown_budget;
use haltline_types::{Code, Dimension, Fault, FaultKind, Origin, Timestamp, Tokens};
use std::time::Duration;

/// The budget behind a refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BudgetNote {
    /// Its name.
    pub name: String,
    /// What it counts apart: `user`, `key`, `global`, …
    pub scope: String,
    /// When its window ends; none for rolling windows.
    pub resets_at: Option<Timestamp>,
}

/// What the provider answered, without its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamNote {
    /// Its HTTP status.
    pub status: Option<u16>,
    /// Its own code.
    pub code: Option<String>,
    /// Our word for what went wrong.
    pub kind: FaultKind,
}

/// Whose numbers the caller may be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Own {
    /// The key's: it is the key's owner who asks, and none of its users.
    pub key: bool,
    /// The user's: nobody else can claim to be it.
    pub user: bool,
}

/// A problem, ready to be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Which.
    pub code: Code,
    /// For people.
    pub message: String,
    /// The field of the request that it is about.
    pub param: Option<String>,
    /// When a repetition can succeed; only where nothing was spent.
    pub retry_after: Option<Duration>,
    /// The budget that refused.
    pub budget: Option<BudgetNote>,
    /// The output cap that would fit.
    pub max_tokens_that_fits: Option<Tokens>,
    /// What the provider answered.
    pub upstream: Option<UpstreamNote>,
    /// May money have gone?
    pub spent: bool,
}

impl Problem {
    /// A problem with nothing but its sentence.
    #[must_use]
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            param: None,
            retry_after: None,
            budget: None,
            max_tokens_that_fits: None,
            upstream: None,
            spent: false,
        }
    }

    /// The same, about one field.
    #[must_use]
    pub fn about(mut self, param: impl Into<String>) -> Self {
        self.param = Some(param.into());
        self
    }

    /// The same, with a time after which a repetition can succeed: 1 to 60 s.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait.clamp(Duration::from_secs(1), Duration::from_secs(60)));
        self
    }

    /// Should the client repeat it? Only where that can succeed and nothing was spent.
    #[must_use]
    pub fn should_retry(&self) -> bool {
        self.code.should_retry() && !self.spent
    }

    /// What a refusal of the ledger is to the client. Amounts are told only of budgets that count
    /// the caller's own key, or its user where the key cannot speak for everybody; of others the
    /// name and the reset. A session's name can be claimed by anyone, so it proves nothing.
    #[must_use]
    pub fn from_refusal(
        refusal: &Refusal,
        cap_that_fits: Option<Tokens>,
        own: Own,
        now: Timestamp,
        soon: Duration,
    ) -> Self {
        let dimensions = refusal.scope.dimensions();
        let own = !dimensions.is_empty()
            && dimensions.iter().any(|d| match d {
                Dimension::Key => own.key,
                Dimension::User => own.user,
                Dimension::BrowserToken => true,
                _ => false,
            });
        let name = shown_budget(&refusal.budget, &refusal.subject);
        let resets = match refusal.resets_at {
            Some(at) => format!(" It resets at {at}."),
            None => format!(" It counts the last {}.", haltline_types::format_duration(refusal.window)),
        };
        let fits = match cap_that_fits {
            Some(cap) => format!(" An output cap of {} would fit.", cap.get()),
            None => String::new(),
        };
        let short_window = refusal.window <= Duration::from_secs(60);
        let (code, message) = match &refusal.reason {
            RefusalReason::Held => (
                Code::HeadroomHeld,
                format!(
                    "Budget \"{name}\" has room only when requests that are under way finish. Try again in a moment."
                ),
            ),
            RefusalReason::TooLarge => (
                Code::ReservationTooLarge,
                if own {
                    format!(
                        "This request may cost up to {}, more than the whole of budget \"{name}\" ({}).{fits}",
                        refusal.asked, refusal.limit
                    )
                } else {
                    format!("This request may cost more than the whole of budget \"{name}\".{fits}")
                },
            ),
            RefusalReason::Spent if short_window => {
                (Code::RateLimited, format!("\"{name}\" is used up for the moment.{resets}"))
            }
            RefusalReason::Spent => {
                let remaining = refusal.limit.checked_sub(refusal.spent);
                let used_up = remaining.is_none_or(|left| left.value() <= 0);
                let message = match (own, used_up) {
                    (true, true) => {
                        format!("Budget \"{name}\" is used up: {} of {}.{resets}", refusal.spent, refusal.limit)
                    }
                    (true, false) => format!(
                        "Budget \"{name}\" has too little left: this request may take up to {}, and {} of {} is spent.{fits}{resets}",
                        refusal.asked, refusal.spent, refusal.limit
                    ),
                    (false, true) => format!("Budget \"{name}\" is used up.{resets}"),
                    (false, false) => format!("Budget \"{name}\" has too little left for this request.{fits}{resets}"),
                };
                (Code::BudgetExceeded, message)
            }
            RefusalReason::RetriesExhausted => {
                (Code::RetryLimit, format!("The retries of budget \"{name}\" are used up.{resets}"))
            }
            other => (Code::Internal, format!("The ledger could not take this request ({other:?}).")),
        };
        let mut problem = Self::new(code, message);
        problem.budget = Some(BudgetNote { name, scope: refusal.scope.to_string(), resets_at: refusal.resets_at });
        problem.max_tokens_that_fits = cap_that_fits;
        if code.should_retry() {
            let wait = match (code, refusal.resets_at) {
                (Code::RateLimited, Some(at)) => at.since(now).saturating_add(soon),
                (Code::RateLimited, None) => refusal.window,
                _ => soon,
            };
            problem = problem.retry_after(wait);
        }
        problem
    }

    /// What a fault is to the client once nothing more will be tried. `spent`: may any attempt of
    /// the request have cost money?
    #[must_use]
    pub fn from_fault(fault: &Fault, attempts: u8, spent: bool) -> Self {
        let tries = if attempts == 1 { "1 attempt".to_owned() } else { format!("{attempts} attempts") };
        let (code, message) = match fault.kind {
            FaultKind::ContextLength => {
                (Code::ContextLengthExceeded, "The input is longer than the model's context. Shorten it.".to_owned())
            }
            FaultKind::ContentPolicy => (
                Code::ContentBlocked,
                "The provider's content policy does not allow this request. Rephrase it.".to_owned(),
            ),
            FaultKind::RequestTooLarge => {
                (Code::BodyTooLarge, "The request is larger than the provider takes.".to_owned())
            }
            // Not the provider's words: they may name addresses that are the operator's own.
            FaultKind::InvalidRequest if fault.origin == Origin::Gateway => (
                Code::InvalidRequest,
                format!("The request cannot be put to the provider: {}", without(&fault.detail, &["://"])),
            ),
            FaultKind::InvalidRequest => (
                Code::InvalidRequest,
                format!(
                    "The provider does not accept this request as it is; it says: {}",
                    without_accounts(&fault.detail)
                ),
            ),
            FaultKind::FirstTokenTimeout => {
                (Code::UpstreamTimeout, format!("The provider did not begin to answer in time ({tries})."))
            }
            FaultKind::IdleTimeout | FaultKind::TotalTimeout => {
                (Code::StreamDeadline, format!("The provider's answer did not arrive in time ({tries})."))
            }
            FaultKind::CeilingReached => (
                Code::CeilingReached,
                "The answer was cut because the provider produced more than it was asked for and than was held for it."
                    .to_owned(),
            ),
            FaultKind::Auth | FaultKind::Permission | FaultKind::NotFound | FaultKind::QuotaExhausted => (
                Code::UpstreamFailed,
                format!(
                    "The provider refuses the gateway's own access ({}). The operator must act; your key is fine.",
                    fault.kind.word()
                ),
            ),
            FaultKind::Cancelled => (
                Code::UpstreamFailed,
                "The answer was cut short by the gateway, which is shutting down or was told to stop.".to_owned(),
            ),
            FaultKind::RateLimited | FaultKind::Overloaded => {
                (Code::UpstreamFailed, format!("The provider has no capacity for this request now ({tries})."))
            }
            _ => (Code::UpstreamFailed, format!("The provider failed ({}, {tries}).", fault.kind.word())),
        };
        let mut problem = Self::new(code, message);
        problem.upstream =
            Some(UpstreamNote { status: fault.status, code: fault.provider_code.clone(), kind: fault.kind });
        problem.spent = spent;
        problem
    }
}

/// The most of a provider's words that a client is shown.
const SAID_MAX: usize = 300;

/// What a provider said, without words that look like a key, an organization or a project of the
/// operator's.
pub(crate) fn without_accounts(said: &str) -> String {
    const SIGNS: [&str; 18] = [
        "sk-",
        "sk_",
        "org-",
        "proj_",
        "AIza",
        "AQ.",
        "xai-",
        "pplx-",
        "tgp_",
        "hf_",
        "fw_",
        "r8_",
        "ya29.",
        "hl-",
        "projects/",
        "organizations/",
        "subscriptions/",
        "workspaces/",
    ];
    without(said, &SIGNS)
}

/// Without the words that hold any of the signs, and not longer than is read.
fn without(said: &str, signs: &[&str]) -> String {
    let shown: Vec<&str> = said
        .split_whitespace()
        .map(|word| if signs.iter().any(|sign| word.contains(sign)) { "…" } else { word })
        .collect();
    shown.join(" ").chars().take(SAID_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_gateway_says_of_a_fault_names_no_address() {
        let detail = "`/models/..` cannot be asked for at http://10.0.0.7:8080: it leads out of the base URL";
        let problem = Problem::from_fault(&Fault::new(FaultKind::InvalidRequest, Origin::Gateway, detail), 1, false);
        assert!(!problem.message.contains("10.0.0.7"), "{}", problem.message);
        assert!(!problem.message.contains("it says"), "{}", problem.message);
    }

    #[test]
    fn a_provider_s_words_are_shown_without_accounts() {
        let said = without_accounts("model `x` is not open to org-abc123 with\nkey sk-proj-1 (AIzaSy9)");
        assert_eq!(said, "model `x` is not open to … with key … …");
        assert_eq!(without_accounts(&"a".repeat(1000)).len(), SAID_MAX);
    }
}
