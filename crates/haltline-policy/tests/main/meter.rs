//! A running stream against its hold.

use crate::fixed;
use haltline_policy::meter::{Meter, MeterVerdict, Pieces};
use haltline_types::{Tokens, Usage};
use proptest::prelude::*;

fn usage(output: u64) -> Usage {
    Usage { output: Tokens::new(output), ..Usage::default() }
}

#[test]
fn a_provider_that_ignores_the_cap_is_cut_at_the_hold() {
    let mut meter = Meter::new(Tokens::new(100), 1, Pieces::WholeTokens);
    assert_eq!(meter.allowed(), Tokens::new(164));
    for piece in 1..=164 {
        assert_eq!(meter.on_delta(5, true), MeterVerdict::Fine, "{piece}");
    }
    assert_eq!(meter.on_delta(5, true), MeterVerdict::ReachedCeiling);
    assert_eq!(meter.on_delta(0, false), MeterVerdict::ReachedCeiling, "it stays so");
}

#[test]
fn large_pieces_and_reports_count_as_well() {
    let mut meter = Meter::new(Tokens::new(100), 2, Pieces::WholeTokens);
    assert_eq!(meter.on_delta(128 * 328, true), MeterVerdict::Fine);
    assert_eq!(meter.on_delta(128, true), MeterVerdict::ReachedCeiling);
    let mut meter = Meter::new(Tokens::new(100), 1, Pieces::WholeTokens);
    assert_eq!(meter.on_usage(&usage(164)), MeterVerdict::Fine);
    assert_eq!(meter.on_usage(&usage(165)), MeterVerdict::ReachedCeiling);
    assert_eq!(meter.on_usage(&usage(3)), MeterVerdict::ReachedCeiling, "reports only grow");
}

#[test]
fn pieces_without_text_and_parts_of_tokens_do_not_count() {
    let mut meter = Meter::new(Tokens::new(1), 1, Pieces::WholeTokens);
    for _ in 0..1000 {
        assert_eq!(meter.on_delta(0, false), MeterVerdict::Fine);
    }
    let mut meter = Meter::new(Tokens::new(100), 1, Pieces::PartsOfTokens);
    for _ in 0..1000 {
        assert_eq!(meter.on_delta(1, true), MeterVerdict::Fine);
    }
}

#[test]
fn an_unlimited_cap_overflows_to_no_limit() {
    let mut meter = Meter::new(Tokens::new(u64::MAX), 2, Pieces::WholeTokens);
    assert_eq!(meter.on_delta(1, true), MeterVerdict::Fine);
}

proptest! {
    #![proptest_config(fixed(500))]

    #[test]
    fn an_honest_provider_is_never_cut(
        tokens in prop::collection::vec(0_usize..=128, 0..400),
        per_piece in 1_usize..20,
        n in 1_u32..4,
        extra in 0_u64..64,
    ) {
        // Each choice stays within its cap; `extra` hidden tokens are reported on top.
        let each = (tokens.len() as u64).div_ceil(u64::from(n));
        let mut meter = Meter::new(Tokens::new(each), n, Pieces::WholeTokens);
        for piece in tokens.chunks(per_piece) {
            let bytes: usize = piece.iter().sum();
            prop_assert_eq!(meter.on_delta(bytes, bytes > 0), MeterVerdict::Fine);
        }
        prop_assert!(meter.output_at_least().get() <= tokens.len() as u64);
        let report = usage(tokens.len() as u64 + extra);
        prop_assert_eq!(meter.on_usage(&report), MeterVerdict::Fine);
    }
}
