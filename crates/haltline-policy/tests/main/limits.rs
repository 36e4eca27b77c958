//! Several limits at once, their subjects and their memory.

use crate::fixed;
use haltline_policy::limits::{Algorithm, LimitKind, LimitRefusal, LimitUnit, Limiter, RateLimit, Running};
use haltline_types::{Name, Scope, Subjects, Timestamp, Tokens};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::time::Duration;

fn at(millis: u64) -> Timestamp {
    Timestamp::from_secs(1_800_000_000).saturating_add(Duration::from_millis(millis))
}

fn limit(name: &str, scope: &str, limit: u64) -> RateLimit {
    RateLimit {
        name: Name::new(name),
        scope: Scope::parse([scope]).expect("scope"),
        limit,
        per: Duration::from_secs(10),
        algorithm: Algorithm::SlidingWindow,
        burst: None,
        unit: LimitUnit::Requests,
        concurrency: None,
    }
}

fn user(name: &str) -> Subjects {
    Subjects { user: Some(Name::new(name)), ..Subjects::default() }
}

/// Admits and lets run for ever.
fn admit(limiter: &mut Limiter, millis: u64, name: &str, tokens: u64) -> Result<Option<u64>, LimitRefusal> {
    let report = limiter.admit(at(millis), &user(name), Tokens::new(tokens))?;
    let left = report.nearest.map(|standing| standing.left);
    std::mem::forget(report.running);
    Ok(left)
}

#[test]
fn each_subject_has_its_own_count() {
    let mut limiter = Limiter::new(vec![limit("per-user", "user", 2)], 100);
    assert_eq!(admit(&mut limiter, 0, "alice", 1), Ok(Some(1)));
    assert_eq!(admit(&mut limiter, 0, "alice", 1), Ok(Some(0)));
    let refusal = admit(&mut limiter, 0, "alice", 1).expect_err("it is full");
    assert_eq!((refusal.kind, refusal.quota), (LimitKind::Rate, 2));
    assert!((10..=11).contains(&refusal.retry_after.as_secs()), "{refusal:?}");
    assert_eq!(admit(&mut limiter, 0, "bob", 1), Ok(Some(1)));
    let nobody = limiter.admit(at(0), &Subjects::default(), Tokens::ZERO).expect("a subject of its own");
    limiter.leave(nobody.running);
}

#[test]
fn a_refusal_takes_nothing_anywhere() {
    let mut limiter = Limiter::new(vec![limit("all", "global", 10), limit("per-user", "user", 1)], 100);
    assert!(admit(&mut limiter, 0, "alice", 1).is_ok());
    for _ in 0..50 {
        assert_eq!(admit(&mut limiter, 0, "alice", 1).expect_err("full").limit.as_str(), "per-user");
    }
    for number in 0..9 {
        assert!(admit(&mut limiter, 0, &format!("user-{number}"), 1).is_ok(), "{number}");
    }
    assert_eq!(admit(&mut limiter, 0, "one-more", 1).expect_err("full").limit.as_str(), "all");
}

#[test]
fn the_longest_wait_is_named_and_bounded() {
    let hour = RateLimit { per: Duration::from_secs(3600), ..limit("hour", "user", 1) };
    let mut limiter = Limiter::new(vec![limit("short", "user", 1), hour], 100);
    assert!(admit(&mut limiter, 0, "alice", 1).is_ok());
    let refusal = admit(&mut limiter, 1, "alice", 1).expect_err("full");
    assert_eq!((refusal.limit.as_str(), refusal.retry_after), ("hour", Duration::from_secs(60)));
}

#[test]
fn tokens_are_counted_and_too_many_never_fit() {
    let tokens = RateLimit { unit: LimitUnit::Tokens, algorithm: Algorithm::TokenBucket, ..limit("tpm", "user", 1000) };
    let mut limiter = Limiter::new(vec![tokens], 100);
    assert_eq!(admit(&mut limiter, 0, "alice", 600), Ok(Some(400)));
    let refusal = admit(&mut limiter, 0, "alice", 600).expect_err("full");
    assert_eq!((refusal.kind, refusal.retry_after), (LimitKind::Rate, Duration::from_secs(2)));
    assert_eq!(admit(&mut limiter, 0, "alice", 1001).expect_err("too large").kind, LimitKind::TooLarge);
}

#[test]
fn what_runs_counts_until_it_leaves() {
    let rule = RateLimit { concurrency: Some(1), ..limit("one", "user", 1000) };
    let mut limiter = Limiter::new(vec![rule.clone()], 100);
    let first = limiter.admit(at(0), &user("alice"), Tokens::ZERO).expect("first");
    let refusal = admit(&mut limiter, 0, "alice", 0).expect_err("it runs");
    assert_eq!((refusal.kind, refusal.quota, refusal.retry_after), (LimitKind::Concurrency, 1, Duration::from_secs(1)));
    assert!(admit(&mut limiter, 0, "bob", 0).is_ok());
    // Another configuration does not forget what runs.
    limiter.reconfigure(vec![RateLimit { limit: 500, ..rule }]);
    assert!(admit(&mut limiter, 0, "alice", 0).is_err());
    limiter.leave(first.running);
    assert!(admit(&mut limiter, 0, "alice", 0).is_ok());
}

#[test]
fn an_unchanged_limit_keeps_its_count_and_a_new_one_begins() {
    let mut limiter = Limiter::new(vec![limit("a", "user", 1), limit("b", "user", 5)], 100);
    assert!(admit(&mut limiter, 0, "alice", 0).is_ok());
    limiter.reconfigure(vec![limit("b", "user", 5), limit("c", "user", 9)]);
    assert_eq!(admit(&mut limiter, 0, "alice", 0), Ok(Some(3)), "b had one already");
    limiter.reconfigure(vec![]);
    assert_eq!(admit(&mut limiter, 0, "alice", 0), Ok(None));
}

#[test]
fn what_is_made_for_later_counts_and_needs_no_place() {
    let rule = RateLimit { concurrency: Some(1), ..limit("one", "user", 4) };
    let mut limiter = Limiter::new(vec![rule], 100);
    let first = limiter.admit(at(0), &user("alice"), Tokens::ZERO).expect("first");
    assert_eq!(limiter.note(at(0), &user("alice"), Tokens::ZERO), Ok(()));
    assert_eq!(admit(&mut limiter, 0, "alice", 0).expect_err("it runs").kind, LimitKind::Concurrency);
    limiter.leave(first.running);
    assert_eq!(limiter.note(at(0), &user("alice"), Tokens::ZERO), Ok(()));
    assert!(admit(&mut limiter, 0, "alice", 0).is_ok(), "what was noted has no place");
    let full = limiter.note(at(0), &user("alice"), Tokens::ZERO).expect_err("four in all");
    assert_eq!(full.kind, LimitKind::Rate);
}

#[test]
fn memory_is_bounded_and_what_runs_is_not_forgotten() {
    let rule = RateLimit { concurrency: Some(1), ..limit("one", "user", 1000) };
    let mut limiter = Limiter::new(vec![rule], 50);
    let alice = limiter.admit(at(0), &user("alice"), Tokens::ZERO).expect("first");
    for number in 0..500 {
        let report = limiter.admit(at(1), &user(&format!("user-{number}")), Tokens::ZERO).expect("new");
        limiter.leave(report.running);
        assert!(limiter.subjects() <= 50);
    }
    assert!(admit(&mut limiter, 1, "alice", 0).is_err(), "she was the oldest, but runs");
    limiter.leave(alice.running);
    // Long after, a few new requests sweep out what is idle.
    for number in 0..30 {
        let report = limiter.admit(at(60_000), &user(&format!("late-{number}")), Tokens::ZERO).expect("new");
        limiter.leave(report.running);
    }
    assert!(limiter.subjects() <= 30, "{}", limiter.subjects());
}

#[test]
fn the_subject_that_was_idle_longest_is_forgotten_first() {
    let mut limiter = Limiter::new(vec![limit("per-user", "user", 5)], 2);
    for (millis, name) in [(0, "alice"), (1, "bob"), (2, "alice"), (3, "carol")] {
        assert!(admit(&mut limiter, millis, name, 0).is_ok());
    }
    assert_eq!(admit(&mut limiter, 4, "alice", 0), Ok(Some(2)), "she had two");
    assert_eq!(admit(&mut limiter, 5, "bob", 0), Ok(Some(4)), "he begins again");
}

proptest! {
    #![proptest_config(fixed(300))]

    #[test]
    fn no_limit_is_ever_exceeded_and_no_refusal_is_without_reason(
        steps in prop::collection::vec((0_u64..3_000, 0_usize..3, any::<bool>()), 1..120),
        per_user in 1_u64..6,
        global in 1_u64..10,
        at_once in 1_u32..4,
    ) {
        let rules = vec![
            RateLimit { concurrency: Some(at_once), ..limit("user", "user", per_user) },
            limit("all", "global", global),
        ];
        let mut limiter = Limiter::new(rules, 1000);
        let mut log: Vec<(u64, usize)> = Vec::new();
        let mut running: BTreeMap<usize, Vec<Running>> = BTreeMap::new();
        let mut now = 0;
        for (pause, who, ends) in steps {
            now += pause;
            if ends && let Some(ended) = running.entry(who).or_default().pop() {
                limiter.leave(ended);
            }
            let count = |stretch: u64, only: Option<usize>| {
                log.iter().filter(|(then, by)| now - then < stretch && only.is_none_or(|only| only == *by)).count() as u64
            };
            let runs = running.entry(who).or_default();
            let at_most = u32::try_from(runs.len()).expect("few");
            match limiter.admit(at(now), &user(&format!("user-{who}")), Tokens::ZERO) {
                Ok(report) => {
                    prop_assert!(count(10_000, Some(who)) < per_user);
                    prop_assert!(count(10_000, None) < global);
                    prop_assert!(at_most < at_once);
                    runs.push(report.running);
                    log.push((now, who));
                }
                Err(refusal) => {
                    prop_assert!((1..=60).contains(&refusal.retry_after.as_secs()));
                    prop_assert_eq!(refusal.retry_after.subsec_nanos(), 0);
                    let reason = match (refusal.limit.as_str(), refusal.kind) {
                        ("user", LimitKind::Rate) => count(10_500, Some(who)) >= per_user,
                        ("user", LimitKind::Concurrency) => at_most >= at_once,
                        ("all", LimitKind::Rate) => count(10_500, None) >= global,
                        _ => false,
                    };
                    prop_assert!(reason, "{:?}", refusal);
                }
            }
        }
    }
}
