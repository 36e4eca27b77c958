//! Guarded time under steps of the wall clock.

use crate::fixed;
use haltline_policy::clock::{ClockAlarm, GuardedClock, LEAD_MAX};
use haltline_types::Timestamp;
use proptest::prelude::*;
use std::time::Duration;

const START: Timestamp = Timestamp::from_secs(1_800_000_000);

fn wall(seconds: i64) -> Timestamp {
    Timestamp::from_millis(START.as_millis() + seconds * 1000)
}

fn ran(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn wall_time_is_believed_within_a_minute() {
    let mut clock = GuardedClock::new(START, ran(7));
    assert_eq!(clock.read(wall(10), ran(17)), wall(10));
    assert_eq!(clock.read(wall(71), ran(18)), wall(71));
    assert_eq!(clock.alarm(), None);
}

#[test]
fn a_step_forward_does_not_open_tomorrow() {
    let mut clock = GuardedClock::new(START, ran(0));
    assert_eq!(clock.read(wall(86_400), ran(10)), wall(70));
    assert_eq!(clock.alarm(), Some(ClockAlarm::Ahead(ran(86_390))));
    assert_eq!(clock.read(wall(86_401), ran(11)), wall(71), "it goes on at the speed of monotonic time");
    // Somebody sets it right again.
    assert_eq!(clock.read(wall(12), ran(12)), Timestamp::from_millis(wall(71).as_millis() + 500));
    assert_eq!(clock.alarm(), None);
}

#[test]
fn after_a_step_back_time_goes_on_slowly_until_it_is_right() {
    let mut clock = GuardedClock::new(START, ran(0));
    assert_eq!(clock.read(wall(100), ran(100)), wall(100));
    assert_eq!(clock.read(wall(-3500), ran(100)), wall(100));
    assert_eq!(clock.alarm(), Some(ClockAlarm::Behind(ran(3600))));
    // Asked very often it still moves.
    for milli in 1..=2000 {
        clock.read(wall(-3500).saturating_add(Duration::from_millis(milli)), ran(100) + Duration::from_millis(milli));
    }
    assert_eq!(clock.read(wall(-3498), ran(102)), wall(101));
    assert_eq!(clock.read(wall(3700), ran(7300)), wall(3700));
    assert_eq!(clock.read(wall(3701), ran(7301)), wall(3701), "caught up");
}

#[test]
fn it_does_not_go_back_with_monotonic_time_either() {
    let mut clock = GuardedClock::new(START, ran(0));
    assert_eq!(clock.read(wall(0), ran(100)), wall(50));
    assert_eq!(clock.read(wall(0), ran(40)), wall(50));
}

#[test]
fn an_operator_can_accept_the_wall_clock() {
    let mut clock = GuardedClock::new(START, ran(0));
    clock.read(wall(30_000), ran(1));
    clock.accept(wall(30_001), ran(2));
    assert_eq!(clock.alarm(), None);
    assert_eq!(clock.read(wall(30_002), ran(3)), wall(30_002));
    clock.accept(wall(5), ran(4));
    assert!(clock.read(wall(6), ran(5)) >= wall(30_002), "also then it does not go back");
}

proptest! {
    #![proptest_config(fixed(600))]

    #[test]
    fn it_never_goes_back_nor_outruns_monotonic_time(
        steps in prop::collection::vec((0_u64..5_000_000, -10_000_000_i64..10_000_000), 1..60),
    ) {
        let mut clock = GuardedClock::new(START, Duration::ZERO);
        let (mut monotonic, mut offset, mut last) = (Duration::ZERO, 0, START);
        for (passed, step) in steps {
            monotonic += Duration::from_millis(passed);
            // Most readings are honest.
            offset += if step % 3 == 0 { step } else { 0 };
            let expected = START.saturating_add(monotonic);
            let shown = Timestamp::from_millis(expected.as_millis() + offset);
            let now = clock.read(shown, monotonic);
            prop_assert!(now >= last);
            prop_assert!(now <= expected.saturating_add(LEAD_MAX));
            prop_assert!(now >= shown.min(expected), "behind both clocks");
            prop_assert_eq!(clock.alarm().is_some(), offset.unsigned_abs() > 60_000);
            last = now;
        }
    }
}
