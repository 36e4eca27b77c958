//! The sliding window and the token bucket against lists of instants.

use crate::fixed;
use haltline_policy::bucket::TokenBucket;
use haltline_policy::concurrency::{Concurrency, Full};
use haltline_policy::window::{SlidingWindow, Wait};
use haltline_types::Timestamp;
use proptest::prelude::*;
use std::time::Duration;

const START: Timestamp = Timestamp::from_millis(1_800_000_000_123);

fn at(millis: u64) -> Timestamp {
    START.saturating_add(Duration::from_millis(millis))
}

#[test]
fn ten_requests_in_ten_seconds() {
    let mut window = SlidingWindow::new(10, Duration::from_secs(10));
    for taken in 1..=10 {
        let remaining = window.take(at(0), 1).expect("fits");
        assert_eq!(remaining.left, 10 - taken);
        assert!(remaining.reset >= Duration::from_secs(10) && remaining.reset <= Duration::from_millis(10_500));
    }
    let Err(Wait::For(wait)) = window.take(at(5_000), 1) else { panic!("it is full") };
    assert!(wait >= Duration::from_secs(5) && wait <= Duration::from_millis(5_500), "{wait:?}");
    assert_eq!(window.take(at(5_000), 11), Err(Wait::Never));
    assert!(!window.is_idle(at(10_000)));
    assert!(window.is_idle(at(10_500)));
    assert_eq!(window.take(at(10_500), 10).map(|remaining| remaining.left), Ok(0));
}

#[test]
fn a_bucket_gives_a_burst_and_then_a_steady_rate() {
    let mut bucket = TokenBucket::new(10, Duration::from_secs(1), 30);
    assert_eq!(
        bucket.take(at(0), 30).map(|remaining| (remaining.left, remaining.reset)),
        Ok((0, Duration::from_secs(3)))
    );
    assert_eq!(bucket.take(at(0), 1), Err(Wait::For(Duration::from_millis(100))));
    assert_eq!(bucket.take(at(99), 1), Err(Wait::For(Duration::from_millis(1))));
    assert!(bucket.take(at(100), 1).is_ok());
    assert_eq!(bucket.take(at(100), 31), Err(Wait::Never));
    assert!(!bucket.is_idle(at(3_099)));
    assert!(bucket.is_idle(at(3_100)));
    let mut dry = TokenBucket::new(0, Duration::from_secs(1), 1);
    assert!(dry.take(at(0), 1).is_ok());
    assert_eq!(dry.take(at(1_000_000), 1), Err(Wait::Never));
}

#[test]
fn what_is_taken_after_a_step_back_counts_from_the_later_instant() {
    let mut window = SlidingWindow::new(2, Duration::from_secs(60));
    assert!(window.take(at(60_000), 1).is_ok() && window.take(at(0), 1).is_ok());
    assert!(!window.is_idle(at(100_000)));
    assert!(window.check(at(119_999), 1).is_err());
    let mut bucket = TokenBucket::new(1, Duration::from_secs(60), 2);
    assert!(bucket.take(at(60_000), 1).is_ok() && bucket.take(at(0), 1).is_ok());
    assert_eq!(bucket.take(at(60_000), 1), Err(Wait::For(Duration::from_secs(60))));
}

#[test]
fn only_so_many_run() {
    let mut running = Concurrency::new(2);
    assert_eq!((running.enter(), running.enter(), running.enter()), (Ok(1), Ok(0), Err(Full)));
    running.leave();
    assert_eq!(running.check(), Ok(1));
    assert_eq!(running.with_limit(1).check(), Err(Full));
}

fn steps() -> impl Strategy<Value = Vec<(u64, u64)>> {
    prop::collection::vec((prop_oneof![Just(0), 0_u64..700, 0_u64..30_000], 1_u64..6), 1..150)
}

proptest! {
    #![proptest_config(fixed(500))]

    #[test]
    fn a_window_is_never_exceeded_and_at_most_a_slice_too_strict(
        steps in steps(),
        limit in 5_u64..30,
        per in 1_u64..12_000,
    ) {
        let mut window = SlidingWindow::new(limit, Duration::from_millis(per));
        // Each slice is rounded up to whole milliseconds, and one more slice counts.
        let longest = per.div_ceil(20) * 21;
        let mut taken: Vec<(u64, u64)> = Vec::new();
        let mut now = 0;
        for (pause, amount) in steps {
            now += pause;
            let used_in = |stretch: u64| -> u64 {
                taken.iter().filter(|(then, _)| now - then < stretch).map(|(_, amount)| amount).sum()
            };
            match window.take(at(now), amount) {
                Ok(remaining) => {
                    prop_assert!(used_in(per) + amount <= limit);
                    prop_assert!(remaining.left <= limit - used_in(per) - amount);
                    taken.push((now, amount));
                }
                Err(Wait::Never) => prop_assert!(amount > limit),
                Err(Wait::For(wait)) => {
                    prop_assert!(used_in(longest) + amount > limit, "refused without need");
                    prop_assert!(window.check(at(now).saturating_add(wait), amount).is_ok(), "told a wait that is too short");
                    let earlier = wait - Duration::from_millis(1);
                    prop_assert!(window.check(at(now).saturating_add(earlier), amount).is_err(), "or too long");
                }
            }
        }
    }

    #[test]
    fn a_bucket_gives_exactly_burst_and_rate(
        steps in steps(),
        limit in 1_u64..30,
        per in 1_u64..12_000,
        burst in 1_u64..30,
    ) {
        let mut bucket = TokenBucket::new(limit, Duration::from_millis(per), burst);
        let mut taken: Vec<(u64, u64)> = Vec::new();
        let mut now = 0;
        for (pause, amount) in steps {
            now += pause;
            match bucket.take(at(now), amount) {
                Ok(_) => {
                    taken.push((now, amount));
                    // In any stretch that ends here: burst + rate.
                    for (from, _) in &taken {
                        let sum: u64 = taken.iter().filter(|(then, _)| then >= from).map(|(_, amount)| amount).sum();
                        prop_assert!(sum * per <= burst * per + limit * (now - from));
                    }
                }
                Err(Wait::Never) => prop_assert!(amount > burst),
                Err(Wait::For(wait)) => {
                    prop_assert!(bucket.check(at(now).saturating_add(wait), amount).is_ok());
                    let earlier = wait - Duration::from_millis(1);
                    prop_assert!(bucket.check(at(now).saturating_add(earlier), amount).is_err());
                }
            }
        }
    }

    #[test]
    fn a_clock_that_goes_back_gives_nothing_away(
        times in prop::collection::vec(0_u64..1_000, 1..60),
    ) {
        let mut window = SlidingWindow::new(5, Duration::from_secs(60));
        let mut bucket = TokenBucket::new(1, Duration::from_secs(60), 5);
        let admitted = times.iter().filter(|time| window.take(at(**time), 1).is_ok()).count();
        let given = times.iter().filter(|time| bucket.take(at(**time), 1).is_ok()).count();
        prop_assert_eq!((admitted, given), (times.len().min(5), times.len().min(5)));
    }
}
