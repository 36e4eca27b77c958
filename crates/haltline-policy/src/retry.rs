//! Repeat a failed attempt, when, and where not. Which endpoint comes next is `route`'s decision;
//! whether there is money for it is the ledger's.

use crate::backoff::{full_jitter, jitter_upwards, step};
use haltline_types::{Billing, Fault, FaultClass, FaultKind, Timestamp};
use std::time::Duration;

/// Added at most to a stated wait: one tenth.
const STATED_PART: u64 = 10;
/// Added at most to the wait after a 429 that states none: one quarter, as a whole crowd got the
/// same number from us.
const UNSTATED_PART: u64 = 4;

/// The configuration's `[retry]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryRules {
    /// Attempts beyond the first per request, retries and fallbacks together.
    pub max_retries: u8,
    /// The first step of the backoff; each further one is twice as long.
    pub base: Duration,
    /// The longest step.
    pub cap: Duration,
    /// A stated wait longer than this is not waited for.
    pub max_wait: Duration,
    /// The wait after a 429 that states none and has no other endpoint.
    pub rate_limit_wait: Duration,
}

impl Default for RetryRules {
    fn default() -> Self {
        Self {
            max_retries: 3,
            base: Duration::from_secs(1),
            cap: Duration::from_secs(30),
            max_wait: Duration::from_secs(60),
            rate_limit_wait: Duration::from_secs(30),
        }
    }
}

/// What is to be done after a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryVerdict {
    /// Make another attempt.
    Again {
        /// After this long.
        wait: Duration,
        /// The next attempt must go to another endpoint than the one that failed.
        avoid_endpoint: bool,
    },
    /// Answer with the fault.
    GiveUp(GiveUp),
}

/// Why no further attempt is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GiveUp {
    /// A repetition cannot help, or might be billed twice at the same place, and there is no other.
    NotRetryable,
    /// The request has had all its attempts.
    AttemptsSpent,
    /// The provider asks for more patience than `max_wait`.
    WaitTooLong {
        /// What it asked for.
        stated: Duration,
    },
    /// The client said so.
    ClientAskedNotTo,
    /// The wait would end after the request's deadline.
    PastDeadline,
    /// The client has bytes of the answer already; a second beginning cannot be glued on.
    BytesDelivered,
}

impl GiveUp {
    /// The word: a contract.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::NotRetryable => "not_retryable",
            Self::AttemptsSpent => "attempts_spent",
            Self::WaitTooLong { .. } => "wait_too_long",
            Self::ClientAskedNotTo => "client_asked_not_to",
            Self::PastDeadline => "past_deadline",
            Self::BytesDelivered => "bytes_delivered",
        }
    }
}

/// What the decision depends on besides the fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetrySituation {
    /// Attempts of this request so far, the failed one included.
    pub attempts_made: u8,
    /// Has the client been given a byte of the answer?
    pub first_byte_delivered: bool,
    /// Did the client forbid retries?
    pub client_forbids: bool,
    /// The present instant.
    pub now: Timestamp,
    /// When the request must be finished.
    pub deadline: Timestamp,
    /// Is there another endpoint that can take the next attempt? See `Plan::leads_elsewhere`.
    pub other_endpoints: bool,
    /// Does the model's `fallback_on` name this fault? See `RouteRules::allows`.
    pub fallback_allowed: bool,
}

/// How long an endpoint must be left alone by one request after a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// Not at all, apart from the backoff.
    No,
    /// Until then: it said so, or it asked for fewer requests without saying for how long.
    Until(Timestamp),
    /// For the rest of the request: a repetition cannot help there, or might be billed twice.
    RestOfRequest,
}

/// Decides. `unit_random` is 64 random bits.
#[must_use]
pub fn decide(rules: &RetryRules, fault: &Fault, situation: &RetrySituation, unit_random: u64) -> RetryVerdict {
    if situation.first_byte_delivered {
        return RetryVerdict::GiveUp(GiveUp::BytesDelivered);
    }
    if situation.client_forbids {
        return RetryVerdict::GiveUp(GiveUp::ClientAskedNotTo);
    }
    let elsewhere = situation.other_endpoints && situation.fallback_allowed && fault.fallback;
    if told_not_to(fault) || (!elsewhere && !repeatable_there(fault, situation.attempts_made)) {
        return RetryVerdict::GiveUp(GiveUp::NotRetryable);
    }
    if u16::from(situation.attempts_made) > u16::from(rules.max_retries) {
        return RetryVerdict::GiveUp(GiveUp::AttemptsSpent);
    }
    let wait = if elsewhere {
        wait_elsewhere(rules, situation.attempts_made, unit_random)
    } else {
        match wait_there(rules, fault, situation.attempts_made, unit_random) {
            Ok(wait) => wait,
            Err(reason) => return RetryVerdict::GiveUp(reason),
        }
    };
    if situation.deadline.since(situation.now) <= wait {
        return RetryVerdict::GiveUp(GiveUp::PastDeadline);
    }
    RetryVerdict::Again { wait, avoid_endpoint: elsewhere }
}

/// Decides whether the rest of an answer that broke off is asked for in another attempt. That is no
/// repetition: what the client has is not asked for again.
#[must_use]
pub fn decide_to_go_on(
    rules: &RetryRules,
    fault: &Fault,
    situation: &RetrySituation,
    unit_random: u64,
) -> RetryVerdict {
    if situation.client_forbids {
        return RetryVerdict::GiveUp(GiveUp::ClientAskedNotTo);
    }
    if !breaks_off(fault.kind) || told_not_to(fault) {
        return RetryVerdict::GiveUp(GiveUp::NotRetryable);
    }
    if u16::from(situation.attempts_made) > u16::from(rules.max_retries) {
        return RetryVerdict::GiveUp(GiveUp::AttemptsSpent);
    }
    // The same endpoint may be the one that goes on, so what it asks for is waited for.
    let wait = match wait_there(rules, fault, situation.attempts_made, unit_random) {
        Ok(wait) => wait,
        Err(reason) => return RetryVerdict::GiveUp(reason),
    };
    if situation.deadline.since(situation.now) <= wait {
        return RetryVerdict::GiveUp(GiveUp::PastDeadline);
    }
    RetryVerdict::Again { wait, avoid_endpoint: false }
}

/// Does a fault of this kind end an answer that was good until then?
const fn breaks_off(kind: FaultKind) -> bool {
    matches!(
        kind,
        FaultKind::ConnectionLost
            | FaultKind::Truncated
            | FaultKind::IdleTimeout
            | FaultKind::ServerError
            | FaultKind::Overloaded
            | FaultKind::RateLimited
    )
}

/// How long the request must leave the endpoint of `fault` alone.
#[must_use]
pub fn rest(rules: &RetryRules, fault: &Fault, now: Timestamp) -> Rest {
    if fault.class != FaultClass::Retryable || timed_out_after_writing(fault) || fault.retry.should == Some(false) {
        return Rest::RestOfRequest;
    }
    match (fault.retry.after, fault.kind) {
        (Some(stated), _) => Rest::Until(now.saturating_add(stated)),
        (None, FaultKind::RateLimited) => Rest::Until(now.saturating_add(rules.rate_limit_wait)),
        (None, _) => Rest::No,
    }
}

/// `x-should-retry: false` on a fault that would be repeated otherwise. On the other classes it
/// only says what the class says, and another endpoint is no repetition.
fn told_not_to(fault: &Fault) -> bool {
    fault.class == FaultClass::Retryable && fault.retry.should == Some(false)
}

/// May the same endpoint be asked again?
fn repeatable_there(fault: &Fault, attempts_made: u8) -> bool {
    let once_only = fault.kind == FaultKind::ModelOutputInvalid;
    fault.class == FaultClass::Retryable && !timed_out_after_writing(fault) && !(once_only && attempts_made > 1)
}

/// The provider may be working on it still; the same question to the same place would be paid twice.
fn timed_out_after_writing(fault: &Fault) -> bool {
    matches!(fault.kind, FaultKind::FirstTokenTimeout | FaultKind::IdleTimeout | FaultKind::TotalTimeout)
        && fault.billing != Billing::NotSent
}

/// After one attempt every other endpoint is fresh and nothing is gained by waiting; later it may
/// be one that failed before.
fn wait_elsewhere(rules: &RetryRules, attempts_made: u8, random: u64) -> Duration {
    if attempts_made <= 1 {
        return Duration::ZERO;
    }
    full_jitter(step(rules.base, rules.cap, attempts_made), random)
}

fn wait_there(rules: &RetryRules, fault: &Fault, attempts_made: u8, random: u64) -> Result<Duration, GiveUp> {
    if let Some(stated) = fault.retry.after {
        if stated > rules.max_wait {
            return Err(GiveUp::WaitTooLong { stated });
        }
        return Ok(jitter_upwards(stated, STATED_PART, random).min(rules.max_wait));
    }
    if fault.kind == FaultKind::RateLimited {
        return Ok(jitter_upwards(rules.rate_limit_wait, UNSTATED_PART, random));
    }
    Ok(full_jitter(step(rules.base, rules.cap, attempts_made), random))
}
