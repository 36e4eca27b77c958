//! When a failed attempt is repeated, how long that waits, and what never happens.

use crate::fixed;
use haltline_policy::backoff::{full_jitter, jitter_upwards, pick, step};
use haltline_policy::retry::{GiveUp, Rest, RetryRules, RetrySituation, RetryVerdict, decide, decide_to_go_on, rest};
use haltline_types::{Billing, Fault, FaultClass, FaultKind, Origin, Timestamp};
use proptest::prelude::*;
use std::time::Duration;

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

fn situation() -> RetrySituation {
    RetrySituation {
        attempts_made: 1,
        first_byte_delivered: false,
        client_forbids: false,
        now: NOW,
        deadline: NOW.saturating_add(Duration::from_secs(300)),
        other_endpoints: false,
        fallback_allowed: true,
    }
}

fn fault(kind: FaultKind) -> Fault {
    Fault::new(kind, Origin::Provider, "test")
}

fn stating(kind: FaultKind, seconds: u64) -> Fault {
    let mut fault = fault(kind);
    fault.retry.after = Some(Duration::from_secs(seconds));
    fault
}

fn verdict(fault: &Fault, situation: &RetrySituation, random: u64) -> RetryVerdict {
    decide(&RetryRules::default(), fault, situation, random)
}

fn again(verdict: RetryVerdict) -> (Duration, bool) {
    match verdict {
        RetryVerdict::Again { wait, avoid_endpoint } => (wait, avoid_endpoint),
        RetryVerdict::GiveUp(reason) => panic!("gave up: {reason:?}"),
    }
}

#[test]
fn the_backoff_is_full_jitter_over_1_2_4_seconds() {
    let error = fault(FaultKind::ServerError);
    for (attempts_made, seconds) in [(1, 1), (2, 2), (3, 4)] {
        let at = RetrySituation { attempts_made, ..situation() };
        assert_eq!(again(verdict(&error, &at, 0)), (Duration::ZERO, false));
        assert_eq!(again(verdict(&error, &at, u64::MAX)), (Duration::from_secs(seconds), false));
    }
}

#[test]
fn there_are_at_most_four_calls_also_with_other_endpoints() {
    for other_endpoints in [false, true] {
        for attempts_made in 4..=u8::MAX {
            let at = RetrySituation { attempts_made, other_endpoints, ..situation() };
            let verdict = verdict(&fault(FaultKind::ServerError), &at, 0);
            assert_eq!(verdict, RetryVerdict::GiveUp(GiveUp::AttemptsSpent));
        }
    }
}

#[test]
fn a_stated_wait_is_obeyed_up_to_a_minute() {
    let (wait, _) = again(verdict(&stating(FaultKind::RateLimited, 20), &situation(), 0));
    assert_eq!(wait, Duration::from_secs(20));
    let (wait, _) = again(verdict(&stating(FaultKind::RateLimited, 60), &situation(), u64::MAX));
    assert_eq!(wait, Duration::from_secs(60), "the jitter does not pass max_wait");
    assert_eq!(
        verdict(&stating(FaultKind::Overloaded, 61), &situation(), 0),
        RetryVerdict::GiveUp(GiveUp::WaitTooLong { stated: Duration::from_secs(61) })
    );
}

#[test]
fn a_429_that_states_nothing_goes_elsewhere_or_waits_long() {
    let limited = fault(FaultKind::RateLimited);
    let (wait, avoid) = again(verdict(&limited, &situation(), u64::MAX / 2));
    assert!(wait >= Duration::from_secs(30) && wait <= Duration::from_millis(37_500), "{wait:?}");
    assert!(!avoid);
    let elsewhere = RetrySituation { other_endpoints: true, ..situation() };
    assert_eq!(again(verdict(&limited, &elsewhere, u64::MAX)), (Duration::ZERO, true));
}

#[test]
fn a_timeout_after_writing_is_never_repeated_at_the_same_place() {
    for kind in [FaultKind::FirstTokenTimeout, FaultKind::IdleTimeout, FaultKind::TotalTimeout] {
        let timeout = fault(kind);
        assert_eq!(verdict(&timeout, &situation(), 0), RetryVerdict::GiveUp(GiveUp::NotRetryable));
        assert_eq!(rest(&RetryRules::default(), &timeout, NOW), Rest::RestOfRequest);
        let elsewhere = RetrySituation { other_endpoints: true, ..situation() };
        assert!(again(verdict(&timeout, &elsewhere, 0)).1);
        let unwritten = Fault { billing: Billing::NotSent, ..fault(kind) };
        assert!(!again(verdict(&unwritten, &situation(), 0)).1);
    }
}

#[test]
fn what_only_another_endpoint_can_cure_needs_one() {
    for kind in [FaultKind::Auth, FaultKind::QuotaExhausted, FaultKind::ContextLength, FaultKind::ContentPolicy] {
        assert_eq!(verdict(&fault(kind), &situation(), 0), RetryVerdict::GiveUp(GiveUp::NotRetryable), "{kind:?}");
        let elsewhere = RetrySituation { other_endpoints: true, ..situation() };
        assert_eq!(again(verdict(&fault(kind), &elsewhere, 0)), (Duration::ZERO, true), "{kind:?}");
        let forbidden = RetrySituation { fallback_allowed: false, ..elsewhere };
        assert_eq!(verdict(&fault(kind), &forbidden, 0), RetryVerdict::GiveUp(GiveUp::NotRetryable), "{kind:?}");
    }
    for kind in [FaultKind::InvalidRequest, FaultKind::Cancelled, FaultKind::CeilingReached] {
        let elsewhere = RetrySituation { other_endpoints: true, ..situation() };
        assert_eq!(verdict(&fault(kind), &elsewhere, 0), RetryVerdict::GiveUp(GiveUp::NotRetryable), "{kind:?}");
    }
}

#[test]
fn only_the_first_move_elsewhere_is_without_a_wait() {
    let elsewhere = RetrySituation { other_endpoints: true, ..situation() };
    assert_eq!(again(verdict(&fault(FaultKind::ServerError), &elsewhere, u64::MAX)), (Duration::ZERO, true));
    let later = RetrySituation { attempts_made: 2, ..elsewhere };
    let second = again(verdict(&fault(FaultKind::ServerError), &later, u64::MAX));
    assert_eq!(second, (Duration::from_secs(2), true), "it may lead back to one that failed before");
}

#[test]
fn how_long_an_endpoint_rests() {
    let rules = RetryRules::default();
    let until = |seconds| Rest::Until(NOW.saturating_add(Duration::from_secs(seconds)));
    assert_eq!(rest(&rules, &fault(FaultKind::ServerError), NOW), Rest::No);
    assert_eq!(rest(&rules, &stating(FaultKind::Overloaded, 7), NOW), until(7));
    assert_eq!(rest(&rules, &fault(FaultKind::RateLimited), NOW), until(30));
    assert_eq!(rest(&rules, &fault(FaultKind::Auth), NOW), Rest::RestOfRequest);
}

#[test]
fn a_provider_that_says_no_is_not_asked_again() {
    for other_endpoints in [false, true] {
        let mut overloaded = fault(FaultKind::Overloaded);
        overloaded.retry.should = Some(false);
        let at = RetrySituation { other_endpoints, ..situation() };
        assert_eq!(verdict(&overloaded, &at, 0), RetryVerdict::GiveUp(GiveUp::NotRetryable));
    }
    // On a rejection the header repeats what the class says, and another endpoint is no repetition.
    let mut auth = fault(FaultKind::Auth);
    auth.retry.should = Some(false);
    assert!(again(verdict(&auth, &RetrySituation { other_endpoints: true, ..situation() }, 0)).1);
}

#[test]
fn an_answer_that_broke_off_goes_on_when_and_if_the_provider_lets_it() {
    let at = RetrySituation { first_byte_delivered: true, ..situation() };
    let go_on = |fault: &Fault, at: &RetrySituation| decide_to_go_on(&RetryRules::default(), fault, at, 0);
    let told = |kind, should| {
        let mut fault = stating(kind, 2);
        fault.retry.should = Some(should);
        fault
    };
    let wait = |seconds| RetryVerdict::Again { wait: Duration::from_secs(seconds), avoid_endpoint: false };
    let stop = RetryVerdict::GiveUp;
    let rows = [
        (fault(FaultKind::ConnectionLost), wait(0)),
        (fault(FaultKind::RateLimited), wait(30)),
        (stating(FaultKind::Overloaded, 20), wait(20)),
        (stating(FaultKind::RateLimited, 60), wait(60)),
        (stating(FaultKind::ServerError, 61), stop(GiveUp::WaitTooLong { stated: Duration::from_secs(61) })),
        (told(FaultKind::Overloaded, true), wait(2)),
        (told(FaultKind::Overloaded, false), stop(GiveUp::NotRetryable)),
        (fault(FaultKind::ContentPolicy), stop(GiveUp::NotRetryable)),
    ];
    for (fault, expected) in rows {
        assert_eq!(go_on(&fault, &at), expected, "{fault:?}");
    }
    let soon = RetrySituation { deadline: NOW.saturating_add(Duration::from_secs(20)), ..at };
    assert_eq!(go_on(&stating(FaultKind::Overloaded, 20), &soon), stop(GiveUp::PastDeadline));
    assert_eq!(
        go_on(&fault(FaultKind::ServerError), &RetrySituation { attempts_made: 4, ..at }),
        stop(GiveUp::AttemptsSpent)
    );
}

#[test]
fn unusable_output_is_tried_once_more() {
    let broken = fault(FaultKind::ModelOutputInvalid);
    assert!(!again(verdict(&broken, &situation(), 0)).1);
    let second = RetrySituation { attempts_made: 2, ..situation() };
    assert_eq!(verdict(&broken, &second, 0), RetryVerdict::GiveUp(GiveUp::NotRetryable));
}

#[test]
fn the_first_reason_is_given() {
    let all = RetrySituation {
        attempts_made: 4,
        first_byte_delivered: true,
        client_forbids: true,
        deadline: NOW,
        ..situation()
    };
    let error = fault(FaultKind::ServerError);
    assert_eq!(verdict(&error, &all, 0), RetryVerdict::GiveUp(GiveUp::BytesDelivered));
    let all = RetrySituation { first_byte_delivered: false, ..all };
    assert_eq!(verdict(&error, &all, 0), RetryVerdict::GiveUp(GiveUp::ClientAskedNotTo));
    let all = RetrySituation { client_forbids: false, ..all };
    assert_eq!(verdict(&error, &all, 0), RetryVerdict::GiveUp(GiveUp::AttemptsSpent));
    let all = RetrySituation { attempts_made: 1, ..all };
    assert_eq!(verdict(&error, &all, 0), RetryVerdict::GiveUp(GiveUp::PastDeadline));
}

fn any_fault() -> impl Strategy<Value = Fault> {
    let after = prop::option::of((1_u64..120_000).prop_map(Duration::from_millis));
    let should = prop::option::of(any::<bool>());
    (prop::sample::select(FaultKind::ALL.to_vec()), after, should).prop_map(|(kind, after, should)| {
        let mut fault = fault(kind);
        fault.retry.after = after;
        fault.retry.should = should;
        fault
    })
}

proptest! {
    #![proptest_config(fixed(4000))]

    #[test]
    fn a_second_attempt_is_never_early_late_or_at_a_place_that_must_rest(
        fault in any_fault(),
        attempts_made in 1_u8..6,
        other_endpoints: bool,
        fallback_allowed: bool,
        left in 0_u64..400_000,
        random: u64,
    ) {
        let rules = RetryRules::default();
        let deadline = NOW.saturating_add(Duration::from_millis(left));
        let at = RetrySituation { attempts_made, other_endpoints, fallback_allowed, deadline, ..situation() };
        let RetryVerdict::Again { wait, avoid_endpoint } = decide(&rules, &fault, &at, random) else { return Ok(()) };
        prop_assert!(attempts_made <= rules.max_retries);
        prop_assert!(wait < Duration::from_millis(left));
        prop_assert!(wait <= rules.max_wait);
        if avoid_endpoint {
            prop_assert!(other_endpoints && fallback_allowed && fault.fallback);
        } else {
            prop_assert_eq!(fault.class, FaultClass::Retryable);
            if let Some(stated) = fault.retry.after {
                prop_assert!(wait >= stated);
            }
            match rest(&rules, &fault, NOW) {
                Rest::RestOfRequest => prop_assert!(false, "it must rest"),
                Rest::Until(instant) => prop_assert!(NOW.saturating_add(wait) >= instant),
                Rest::No => {}
            }
        }
    }

    #[test]
    fn jitter_stays_in_its_bounds(random: u64, bound: u64, millis in 0_u64..10_000_000, part in 1_u64..100, retry: u8) {
        prop_assert!(pick(random, bound) <= bound);
        let wait = Duration::from_millis(millis);
        prop_assert!(full_jitter(wait, random) <= wait);
        let longer = jitter_upwards(wait, part, random);
        prop_assert!(longer >= wait && longer <= wait + wait / u32::try_from(part).expect("small"));
        let cap = Duration::from_secs(30);
        let one = step(wait, cap, retry);
        prop_assert!(one <= cap);
        prop_assert!(step(wait, cap, retry.saturating_add(1)) >= one, "steps never shrink");
    }
}

#[test]
fn jitter_reaches_both_ends_and_is_even() {
    assert_eq!(pick(0, 9), 0);
    assert_eq!(pick(u64::MAX, 9), 9);
    assert_eq!(pick(u64::MAX, u64::MAX), u64::MAX);
    let mut counts = [0_u32; 10];
    for index in 0..10_000_u64 {
        let slot = pick(index * (u64::MAX / 10_000), 9);
        counts[usize::try_from(slot).expect("small")] += 1;
    }
    assert!(counts.iter().all(|count| (999..=1002).contains(count)), "{counts:?}");
}
