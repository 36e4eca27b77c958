//! What becomes of a job whose run failed: again, and when, or for good. A pure function of the
//! problem and of what was tried before.

use crate::problem::Problem;
use haltline_types::{Code, CodeClass, FaultKind, Timestamp};
use std::time::Duration;

/// Runs that were refused before anything was sent, at most: they cost nothing but time.
pub(super) const REFUSALS_MAX: u32 = 30;
/// A budget that opens again within this time is waited for.
const BUDGET_WAIT_MAX: Duration = Duration::from_secs(3600);
/// The longest wait between two runs.
const WAIT_MAX: Duration = Duration::from_secs(300);

/// What was tried before, the failed run included.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tally {
    /// Runs in which something was sent.
    pub(super) attempts: u8,
    /// As many may be made.
    pub(super) max_attempts: u8,
    /// Runs in which nothing was.
    pub(super) refusals: u32,
    /// Was anything sent in the run that failed?
    pub(super) sent: bool,
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Another run, not before then.
    Again(Timestamp),
    /// None: it failed for good.
    Bury,
}

/// Decides. `base` is the first wait, `chance` any number.
pub(super) fn verdict(problem: &Problem, tally: Tally, now: Timestamp, base: Duration, chance: u64) -> Verdict {
    let jitter = Duration::from_millis(chance % 1000);
    if problem.code == Code::BudgetExceeded {
        let resets = problem.budget.as_ref().and_then(|budget| budget.resets_at);
        let soon = resets.filter(|at| *at > now && at.since(now) <= BUDGET_WAIT_MAX);
        return match soon.filter(|_| tally.refusals < REFUSALS_MAX) {
            Some(at) => Verdict::Again(at.saturating_add(jitter)),
            None => Verdict::Bury,
        };
    }
    let waits_for_free = problem.code.class() == CodeClass::Retryable || problem.code == Code::StoreUnavailable;
    if waits_for_free || may_pass(problem) && !tally.sent {
        if tally.refusals >= REFUSALS_MAX {
            return Verdict::Bury;
        }
        let wait = backoff(base, tally.refusals, chance).max(problem.retry_after.unwrap_or_default());
        return Verdict::Again(now.saturating_add(wait));
    }
    if may_pass(problem) && tally.attempts < tally.max_attempts {
        return Verdict::Again(now.saturating_add(backoff(base, u32::from(tally.attempts), chance)));
    }
    Verdict::Bury
}

/// A failure that another run may not meet.
fn may_pass(problem: &Problem) -> bool {
    let is_ours =
        matches!(problem.code, Code::UpstreamFailed | Code::UpstreamTimeout | Code::StreamDeadline | Code::Internal);
    let is_lasting = problem.upstream.as_ref().is_some_and(|upstream| {
        matches!(
            upstream.kind,
            FaultKind::Auth
                | FaultKind::Permission
                | FaultKind::NotFound
                | FaultKind::QuotaExhausted
                | FaultKind::RequestTooLargeForQuota
                | FaultKind::RequestTooLarge
                | FaultKind::ContextLength
                | FaultKind::ContentPolicy
                | FaultKind::InvalidRequest
                | FaultKind::CeilingReached
        )
    });
    is_ours && !is_lasting
}

/// Doubled with each failure; half of it is chance, so that jobs that failed together do not come
/// back together.
fn backoff(base: Duration, failures: u32, chance: u64) -> Duration {
    let doubled = base.saturating_mul(1_u32.checked_shl(failures.saturating_sub(1).min(16)).unwrap_or(u32::MAX));
    let most = doubled.min(WAIT_MAX);
    let half = most / 2;
    let millis = u64::try_from(half.as_millis()).unwrap_or(u64::MAX);
    half + Duration::from_millis(chance % millis.saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::{BudgetNote, UpstreamNote};

    const BASE: Duration = Duration::from_secs(2);

    fn now() -> Timestamp {
        Timestamp::from_secs(1_000_000)
    }

    fn decide(problem: &Problem, attempts: u8, refusals: u32, sent: bool) -> Verdict {
        verdict(problem, Tally { attempts, max_attempts: 3, refusals, sent }, now(), BASE, 7)
    }

    fn wait(verdict: Verdict) -> Duration {
        match verdict {
            Verdict::Again(at) => at.since(now()),
            Verdict::Bury => panic!("buried"),
        }
    }

    #[test]
    fn what_a_provider_failed_at_is_tried_until_the_attempts_are_used_up() {
        let failed = Problem::new(Code::UpstreamFailed, "x");
        assert!((1..=2).contains(&wait(decide(&failed, 1, 0, true)).as_secs()));
        assert!((2..=4).contains(&wait(decide(&failed, 2, 0, true)).as_secs()));
        assert_eq!(decide(&failed, 3, 0, true), Verdict::Bury);
    }

    #[test]
    fn what_was_never_sent_does_not_use_attempts_up() {
        let limited = Problem::new(Code::RateLimited, "x").retry_after(Duration::from_secs(20));
        assert_eq!(wait(decide(&limited, 3, 1, false)), Duration::from_secs(20));
        assert!(wait(decide(&limited, 0, REFUSALS_MAX - 1, false)) <= WAIT_MAX);
        assert_eq!(decide(&limited, 0, REFUSALS_MAX, false), Verdict::Bury);
    }

    #[test]
    fn a_fault_that_lasts_is_not_repeated() {
        for kind in [FaultKind::Auth, FaultKind::QuotaExhausted, FaultKind::InvalidRequest] {
            let mut problem = Problem::new(Code::UpstreamFailed, "x");
            problem.upstream = Some(UpstreamNote { status: None, code: None, kind });
            assert_eq!(decide(&problem, 1, 0, true), Verdict::Bury, "{kind:?}");
        }
        for code in [Code::KeyFrozen, Code::ContentBlocked, Code::ReservationTooLarge, Code::CeilingReached] {
            assert_eq!(decide(&Problem::new(code, "x"), 1, 0, true), Verdict::Bury, "{code}");
        }
    }

    #[test]
    fn a_budget_that_opens_soon_is_waited_for() {
        let mut problem = Problem::new(Code::BudgetExceeded, "x");
        assert_eq!(decide(&problem, 0, 1, false), Verdict::Bury);
        let opens = |seconds| {
            Some(BudgetNote {
                name: "b".to_owned(),
                scope: "user".to_owned(),
                resets_at: Some(now().saturating_add(Duration::from_secs(seconds))),
            })
        };
        problem.budget = opens(600);
        assert_eq!(wait(decide(&problem, 0, 1, false)).as_secs(), 600);
        problem.budget = opens(7200);
        assert_eq!(decide(&problem, 0, 1, false), Verdict::Bury);
    }
}
