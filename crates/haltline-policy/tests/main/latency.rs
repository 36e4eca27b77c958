//! The moving average of an endpoint's speed.

use crate::fixed;
use haltline_policy::latency::Latency;
use haltline_types::Timestamp;
use proptest::prelude::*;
use std::time::Duration;

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

#[test]
fn an_old_average_says_nothing_and_begins_anew() {
    let first = Latency::new(Duration::from_millis(800), NOW);
    let later = NOW.saturating_add(Duration::from_secs(300));
    assert_eq!(first.estimate(later), Some(Duration::from_millis(800)));
    let too_late = NOW.saturating_add(Duration::from_secs(301));
    assert_eq!(first.estimate(too_late), None);
    assert_eq!(first.with(Duration::from_millis(100), too_late).estimate(too_late), Some(Duration::from_millis(100)));
    assert_eq!(first.with(Duration::from_millis(0), later).estimate(later), Some(Duration::from_millis(700)));
}

proptest! {
    #![proptest_config(fixed(500))]

    #[test]
    fn the_average_lies_among_its_samples_and_follows_them(samples in prop::collection::vec(0_u64..10_000, 1..40)) {
        let mut average = Latency::new(Duration::from_millis(samples[0]), NOW);
        for sample in &samples {
            average = average.with(Duration::from_millis(*sample), NOW);
        }
        let (low, high) = (samples.iter().min().expect("one"), samples.iter().max().expect("one"));
        let estimate = average.estimate(NOW).expect("fresh");
        prop_assert!(estimate <= Duration::from_millis(*high));
        prop_assert!(estimate + Duration::from_micros(40) >= Duration::from_millis(*low));
        for _ in 0..200 {
            average = average.with(Duration::from_secs(20), NOW);
        }
        prop_assert!(average.estimate(NOW).expect("fresh") > Duration::from_millis(19_990));
    }
}
