//! Final answers: kept for ten seconds, bounded, replaced.

use crate::fixed;
use haltline_policy::once::{FinalAnswers, KEEP};
use haltline_types::Timestamp;
use proptest::prelude::*;
use std::collections::HashMap;
use std::time::Duration;

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(1_800_000_000_000 + millis)
}

#[test]
fn an_answer_is_good_for_ten_seconds() {
    let mut answers = FinalAnswers::new(KEEP, 10);
    answers.put(at(0), 7, "upstream_failed");
    assert_eq!(answers.get(at(9_999), 7), Some(&"upstream_failed"));
    assert_eq!(answers.get(at(10_000), 7), None);
    assert_eq!(answers.get(at(0), 8), None);
    answers.forget(7);
    assert_eq!(answers.get(at(0), 7), None);
}

#[test]
fn the_oldest_answer_makes_room() {
    let mut answers = FinalAnswers::new(KEEP, 2);
    for fingerprint in 0..3_u128 {
        answers.put(at(0), fingerprint, fingerprint);
    }
    assert_eq!(answers.get(at(1), 0), None);
    assert_eq!(answers.get(at(1), 2), Some(&2));
    assert_eq!(answers.len(), 2);
    let mut none = FinalAnswers::new(KEEP, 0);
    none.put(at(0), 1, 1);
    assert!(none.is_empty());
}

proptest! {
    #![proptest_config(fixed(400))]

    #[test]
    fn what_is_got_was_put_last_and_not_long_ago(
        steps in prop::collection::vec((0_i64..4_000, 0_u128..6, any::<bool>()), 1..200),
        capacity in 1_usize..8,
    ) {
        let mut answers = FinalAnswers::new(KEEP, capacity);
        let mut model: HashMap<u128, (Timestamp, usize)> = HashMap::new();
        let mut now = at(0);
        for (number, (pause, fingerprint, put)) in steps.into_iter().enumerate() {
            now = now.saturating_add(Duration::from_millis(u64::try_from(pause).expect("positive")));
            if put {
                answers.put(now, fingerprint, number);
                model.insert(fingerprint, (now, number));
                prop_assert_eq!(answers.get(now, fingerprint), Some(&number), "the newest always has room");
            }
            prop_assert!(answers.len() <= capacity);
            let good = model.get(&fingerprint).filter(|(then, _)| now.since(*then) < KEEP).map(|(_, answer)| answer);
            let got = answers.get(now, fingerprint);
            prop_assert!(got.is_none() || got == good);
        }
    }

    #[test]
    fn with_room_for_all_nothing_is_lost(steps in prop::collection::vec((0_u64..4_000, 0_u128..6), 1..100)) {
        let mut answers = FinalAnswers::new(KEEP, 1000);
        let mut model: HashMap<u128, (Timestamp, usize)> = HashMap::new();
        let mut now = at(0);
        for (number, (pause, fingerprint)) in steps.into_iter().enumerate() {
            now = now.saturating_add(Duration::from_millis(pause));
            let good = model.get(&fingerprint).filter(|(then, _)| now.since(*then) < KEEP).map(|(_, answer)| answer);
            prop_assert_eq!(answers.get(now, fingerprint), good);
            answers.put(now, fingerprint, number);
            model.insert(fingerprint, (now, number));
        }
    }
}
