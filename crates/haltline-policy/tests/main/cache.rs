//! The response cache: how long an answer counts, what stands in for what, and that an invalidation
//! reaches everything that began before it.

use crate::fixed;
use haltline_policy::cache::{Freshness, Lifetime, Mark, Versions, fails_for_all, is_older, is_valid, stale_may_help};
use haltline_types::{Code, Timestamp};
use proptest::prelude::*;
use std::time::Duration;

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_millis(1_800_000_000_000 + second * 1000)
}

#[test]
fn an_answer_is_fresh_then_stale_then_gone() {
    let lifetime = Lifetime { began: at(0), ttl: seconds(60), stale_for: seconds(600) };
    let (fresh, stale) = (|age| Freshness::Fresh { age: seconds(age) }, |age| Freshness::Stale { age: seconds(age) });
    for (now, wanted, freshness) in [
        (0, 3600, fresh(0)),
        (59, 3600, fresh(59)),
        (60, 3600, stale(60)),
        (659, 3600, stale(659)),
        (660, 3600, Freshness::Gone),
        // Whoever wants it younger gets it younger, and nobody gets it older.
        (29, 30, fresh(29)),
        (30, 30, stale(30)),
        (660, 1, Freshness::Gone),
    ] {
        assert_eq!(lifetime.freshness(at(now), seconds(wanted)), freshness, "at {now} s, wanted {wanted} s");
    }
    let strict = Lifetime { stale_for: Duration::ZERO, ..lifetime };
    assert_eq!(strict.freshness(at(60), seconds(3600)), Freshness::Gone);
    assert_eq!(strict.freshness(at(30), seconds(10)), stale(30));
}

#[test]
fn an_old_answer_stands_in_for_failures_that_it_can_cure() {
    for code in Code::ALL {
        let provider =
            matches!(code, Code::UpstreamFailed | Code::UpstreamTimeout | Code::StreamDeadline | Code::BreakerOpen);
        let budget = matches!(code, Code::BudgetExceeded | Code::ReservationTooLarge);
        assert_eq!(stale_may_help(code, false), provider, "{code}");
        assert_eq!(stale_may_help(code, true), provider || budget, "{code}");
    }
}

#[test]
fn what_a_caller_s_own_limits_refuse_is_no_failure_for_others() {
    for own in [
        Code::BudgetExceeded,
        Code::ReservationTooLarge,
        Code::HeadroomHeld,
        Code::RateLimited,
        Code::RetryLimit,
        Code::StoreUnavailable,
        Code::Draining,
        Code::Internal,
    ] {
        assert!(!fails_for_all(own), "{own}");
    }
    assert!(fails_for_all(Code::UpstreamFailed) && fails_for_all(Code::ContentBlocked));
}

#[test]
fn versions_only_grow_whatever_the_clock_does() {
    let mut versions = Versions::new(10);
    let first = versions.next(at(5));
    let second = versions.next(at(5));
    let third = versions.next(at(1));
    assert!(first < second && second < third);
    versions.change(&[[1; 16]], third);
    versions.change(&[[1; 16]], first);
    assert_eq!(versions.get(&[1; 16]), Some(third));
}

#[test]
fn what_was_looked_up_before_a_change_is_not_believed() {
    let mut versions = Versions::new(10);
    let before = versions.changes();
    let version = versions.next(at(0));
    versions.change(&[[1; 16]], version);
    assert!(!versions.learn(&[([1; 16], 0)], before));
    assert_eq!(versions.get(&[1; 16]), Some(version));
    let now = versions.changes();
    assert!(versions.learn(&[([2; 16], 7)], now));
    assert_eq!(versions.get(&[2; 16]), Some(7));
}

#[test]
fn versions_are_bounded() {
    let mut versions = Versions::new(4);
    for number in 0..100_u8 {
        let changes = versions.changes();
        assert!(versions.learn(&[([number; 16], 1)], changes));
        assert!(versions.len() <= 4);
    }
}

#[test]
fn a_tag_that_an_entry_does_not_know_must_be_older_than_it() {
    let version = |at: Timestamp| u64::try_from(at.as_millis()).expect("after 1970");
    assert!(is_older(0, at(0)));
    assert!(is_older(version(at(4)), at(5)));
    assert!(!is_older(version(at(5)), at(5)));
    assert!(!is_older(version(at(6)), at(5)));
    assert!(!is_older(u64::MAX, at(5)));
}

/// The versions of tags when a request began.
type Seen = Vec<(Mark, u64)>;

proptest! {
    #![proptest_config(fixed(500))]
    /// Entries that began at any moment, tags invalidated at any moment: an entry counts exactly
    /// while none of its tags was invalidated after it began.
    #[test]
    fn an_invalidation_reaches_everything_that_began_before_it(steps in prop::collection::vec((any::<bool>(), 0_u8..4, 0_u8..4), 1..60)) {
        let mut versions = Versions::new(1000);
        let mark = |tag: u8| -> Mark { [tag; 16] };
        let mut entries: Vec<(Seen, [u8; 2], bool)> = Vec::new();
        for (is_invalidation, one, two) in steps {
            if is_invalidation {
                let version = versions.next(at(0));
                versions.change(&[mark(one)], version);
                for (_, tags, counts) in &mut entries {
                    *counts &= !tags.contains(&one);
                }
            } else {
                let remembered = [one, two].map(|tag| (mark(tag), versions.get(&mark(tag)).unwrap_or(0)));
                entries.push((remembered.to_vec(), [one, two], true));
            }
            for (remembered, tags, counts) in &entries {
                let valid = is_valid(remembered, |mark| Some(versions.get(mark).unwrap_or(0)));
                prop_assert_eq!(valid, *counts, "tags {:?}", tags);
            }
        }
    }
}
