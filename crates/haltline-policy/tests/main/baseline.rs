//! Burn rate against its baseline: a row is a history, and what is said of it.

use haltline_policy::baseline::{Baseline, BaselineRules, BurnRate, BurnTurn};
use haltline_types::Tokens;

const RULES: BaselineRules = BaselineRules {
    minutes: 100,
    recent: 5,
    busy_min: 10,
    floor: Tokens::new(500),
    high_per_mille: 2_000,
    usual_per_mille: 1_500,
};

/// So many minutes of so many tokens, one after the other; what was said, and in which minute.
fn said(history: &[(usize, u64)]) -> Vec<(usize, BurnTurn)> {
    let mut baseline = Baseline::new(RULES);
    let minutes = history.iter().flat_map(|(count, tokens)| std::iter::repeat_n(*tokens, *count));
    let turns = minutes.enumerate().map(|(minute, tokens)| (minute, baseline.observe(Tokens::new(tokens))));
    turns.filter_map(|(minute, turn)| Some((minute, turn?))).collect()
}

const fn rate(now: u64, baseline: u64) -> BurnRate {
    BurnRate { now: Tokens::new(now), baseline: Tokens::new(baseline) }
}

#[test]
fn it_fires_once_above_twice_the_baseline_and_again_only_after_it_was_usual() {
    use BurnTurn::{High, Usual};
    type Row<'a> = (&'a str, &'a [(usize, u64)], &'a [(usize, BurnTurn)]);
    let rows: &[Row<'_>] = &[
        ("steady", &[(200, 1_000)], &[]),
        ("growing slowly", &[(60, 1_000), (60, 1_500), (60, 1_900)], &[]),
        ("less than twice", &[(30, 1_000), (50, 1_999)], &[]),
        (
            "twice, once the mean of five minutes says so",
            &[(30, 1_000), (20, 2_000)],
            &[(34, High(rate(2_000, 1_000)))],
        ),
        ("one wild minute is a fifth of five", &[(30, 1_000), (1, 5_000), (5, 1_000)], &[]),
        ("a jump", &[(30, 1_000), (3, 50_000)], &[(30, High(rate(10_800, 1_000)))]),
        (
            "back to usual, and up again",
            &[(30, 1_000), (5, 4_000), (8, 1_000), (5, 4_000)],
            &[(31, High(rate(2_200, 1_000))), (39, Usual(rate(1_000, 1_000))), (44, High(rate(2_200, 1_000)))],
        ),
        (
            "between the lines nothing is said",
            &[(30, 1_000), (5, 2_000), (5, 1_600), (5, 2_000)],
            &[(34, High(rate(2_000, 1_000)))],
        ),
        ("below the floor", &[(30, 10), (30, 499)], &[]),
        ("no baseline without a past", &[(9, 1_000), (5, 9_000)], &[]),
        ("quiet minutes are no baseline", &[(20, 1_000), (60, 0), (10, 1_000)], &[]),
        ("silence alone is none either", &[(200, 0), (3, 100_000)], &[]),
    ];
    for (name, history, expected) in rows {
        assert_eq!(said(history), *expected, "{name}");
    }
}

#[test]
fn what_stays_high_for_longer_than_is_remembered_is_usual() {
    let turns = said(&[(30, 1_000), (150, 5_000)]);
    assert!(matches!(turns.as_slice(), [(_, BurnTurn::High(_)), (_, BurnTurn::Usual(_))]), "{turns:?}");
}

#[test]
fn the_largest_counts_do_not_overflow() {
    let mut baseline = Baseline::new(RULES);
    for _ in 0..300 {
        let _ = baseline.observe(Tokens::new(u64::MAX));
    }
    assert!(!baseline.is_high() && !baseline.is_idle());
    for _ in 0..105 {
        let _ = baseline.observe(Tokens::ZERO);
    }
    assert!(baseline.is_idle());
}
