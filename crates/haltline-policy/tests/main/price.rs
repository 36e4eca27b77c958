//! Costs, ceilings, and which prices are refused.

use crate::fixed;
use haltline_policy::price::{Multiplier, Price, PriceError, Rates};
use haltline_types::{NanoUsd, PicoUsdPerToken, Tokens, Usage};
use proptest::prelude::*;

fn rate(usd_per_million: &str) -> PicoUsdPerToken {
    PicoUsdPerToken::from_usd_per_million(usd_per_million).expect("rate")
}

fn tokens(count: u64) -> Tokens {
    Tokens::new(count)
}

/// 1 and 5 USD per million; above 272,000 tokens of prompt 2 and 7.5.
fn tiered() -> Price {
    let base =
        Rates { cached_input: Some(rate("0.1")), cache_write: Some(rate("1.25")), ..Rates::flat(rate("1"), rate("5")) };
    let long = Rates {
        over_prompt_tokens: tokens(272_000),
        cached_input: Some(rate("0.2")),
        cache_write: Some(rate("2.5")),
        ..Rates::flat(rate("2"), rate("7.5"))
    };
    Price { settle: vec![base, long], ..Price::default() }
}

fn usage(input: u64, cached: u64, written: u64, output: u64) -> Usage {
    Usage {
        input: tokens(input),
        cached_input: tokens(cached),
        cache_write: tokens(written),
        output: tokens(output),
        reasoning: Tokens::ZERO,
        ..Usage::default()
    }
}

#[test]
fn each_part_of_the_input_has_its_rate() {
    let price = tiered();
    assert_eq!(price.cost(&usage(1000, 0, 0, 100)), Some(NanoUsd::new(1_500_000)));
    assert_eq!(price.cost(&usage(1000, 600, 300, 100)), Some(NanoUsd::new(100_000 + 60_000 + 375_000 + 500_000)));
    assert_eq!(price.cost(&usage(0, 0, 0, 0)), Some(NanoUsd::ZERO));
    // A report that contradicts itself is charged by its parts.
    assert_eq!(price.cost(&usage(0, 1000, 0, 0)), Some(NanoUsd::new(100_000)));
}

#[test]
fn a_long_prompt_re_prices_every_token() {
    let price = tiered();
    assert_eq!(price.cost(&usage(272_000, 0, 0, 10)), Some(NanoUsd::new(272_000_000 + 50_000)));
    assert_eq!(price.cost(&usage(272_001, 0, 0, 10)), Some(NanoUsd::new(544_002_000 + 75_000)));
}

#[test]
fn the_ceiling_takes_the_dearest_way() {
    let price = tiered();
    assert_eq!(price.ceiling(tokens(1000), tokens(100)), Some(NanoUsd::new(1_250_000 + 500_000)));
    assert_eq!(price.ceiling(tokens(272_001), Tokens::ZERO), Some(NanoUsd::new(680_002_500)));
    // A tier that is cheaper for long prompts does not lower the ceiling.
    let mut cheaper = tiered();
    cheaper.settle[1] = Rates { over_prompt_tokens: tokens(10), ..Rates::flat(rate("0.5"), rate("1")) };
    assert_eq!(cheaper.ceiling(tokens(1000), tokens(100)), Some(NanoUsd::new(1_750_000)));
    let with_fee = Rates { request_fee: NanoUsd::new(7), ..Rates::flat(rate("1"), rate("1")) };
    let fee = Price { ceiling: vec![with_fee], ..tiered() };
    assert_eq!(fee.ceiling(tokens(1000), tokens(100)), Some(NanoUsd::new(1_750_007)));
    // Doubtful sources raise it.
    let doubtful = Price { ceiling: vec![Rates::flat(rate("3"), rate("4"))], ..tiered() };
    assert_eq!(doubtful.ceiling(tokens(1000), tokens(100)), Some(NanoUsd::new(3_500_000)));
}

#[test]
fn a_cost_is_rounded_up_once() {
    let price = Price::flat(PicoUsdPerToken::new(1_001), PicoUsdPerToken::new(1_001));
    assert_eq!(price.cost(&usage(1, 0, 0, 1)), Some(NanoUsd::new(3)), "2,002 picodollars");
    let regional = Multiplier { numerator: 11, denominator: 10 };
    assert_eq!(price.cost_times(&usage(1, 0, 0, 1), regional), Some(NanoUsd::new(3)), "2,203 picodollars");
    let price = Price::flat(PicoUsdPerToken::new(1_819), PicoUsdPerToken::new(1_819));
    assert_eq!(price.cost_times(&usage(1, 0, 0, 0), regional), Some(NanoUsd::new(3)), "2,000.9 picodollars");
    for (numerator, denominator) in [(1, 0), (0, 1)] {
        assert_eq!(price.cost_times(&usage(1, 0, 0, 1), Multiplier { numerator, denominator }), None);
    }
}

#[test]
fn what_has_no_price_or_does_not_fit_is_no_zero() {
    assert_eq!(Price::default().cost(&usage(1, 0, 0, 1)), None);
    assert_eq!(Price::default().ceiling(tokens(1), tokens(1)), None);
    assert_eq!(tiered().cost(&usage(u64::MAX, 0, 0, 1)), None);
    assert_eq!(tiered().ceiling(tokens(1), tokens(u64::MAX)), None);
    assert_eq!(Price::free().cost(&usage(u64::MAX, 0, 0, 1)), Some(NanoUsd::ZERO));
}

#[test]
fn prices_that_must_be_mistakes_are_refused() {
    let with = |rates: Rates| Price { settle: vec![rates], ..Price::default() };
    let good = Rates::flat(rate("1"), rate("5"));
    let at = |threshold: u64| Rates { over_prompt_tokens: tokens(threshold), ..good };
    for (price, verdict) in [
        (tiered(), Ok(())),
        (Price::free(), Ok(())),
        (Price::default(), Err(PriceError::NoRates)),
        (Price { free: true, ..tiered() }, Err(PriceError::FreeWithRates)),
        (with(at(5)), Err(PriceError::NoBaseRow)),
        (Price { settle: vec![good, good], ..Price::default() }, Err(PriceError::NoBaseRow)),
        (Price { settle: vec![good, at(5), at(5)], ..Price::default() }, Err(PriceError::SameThreshold(tokens(5)))),
        (Price { ceiling: vec![at(5)], ..tiered() }, Err(PriceError::NoBaseRow)),
        (with(Rates::flat(rate("0"), rate("5"))), Err(PriceError::Zero)),
        (with(Rates::flat(rate("1"), rate("0"))), Err(PriceError::Zero)),
        (with(Rates { cached_input: Some(rate("0")), ..good }), Err(PriceError::Zero)),
        (with(Rates { cached_input: Some(rate("0.0005")), ..good }), Ok(())),
        (with(Rates::flat(rate("0.0009"), rate("5"))), Err(PriceError::Implausible(rate("0.0009")))),
        (with(Rates::flat(rate("0.001"), rate("1000"))), Ok(())),
        (with(Rates::flat(rate("3200"), rate("9710"))), Err(PriceError::Implausible(rate("3200")))),
        (with(Rates::flat(rate("1"), rate("0.099"))), Err(PriceError::OutputTooCheap)),
        (with(Rates { request_fee: NanoUsd::new(-1), ..good }), Err(PriceError::ImplausibleFee(NanoUsd::new(-1)))),
        (Price { max_output: Some(Tokens::ZERO), ..with(Rates::flat(rate("0.02"), rate("0"))) }, Ok(())),
    ] {
        assert_eq!(price.check(), verdict, "{price:?}");
    }
}

/// Any price, also one that `check` refuses.
pub(crate) fn any_price() -> impl Strategy<Value = Price> {
    let pico = || (1_u64..2_000_000_000).prop_map(PicoUsdPerToken::new);
    let row =
        (0_u64..300_000, pico(), prop::option::of(pico()), prop::option::of(pico()), pico(), 0_i64..1_000_000_000)
            .prop_map(|(over, input, cached_input, cache_write, output, fee)| Rates {
                over_prompt_tokens: tokens(over),
                input,
                cached_input,
                cache_write,
                output,
                request_fee: NanoUsd::new(fee),
            });
    let limit = || prop::option::of((0_u64..400_000).prop_map(Tokens::new));
    let rows = || prop::collection::vec(row.clone(), 0..3);
    (row.clone(), rows(), rows(), limit(), limit()).prop_map(
        |(mut base, mut settle, ceiling, max_input, max_output)| {
            base.over_prompt_tokens = Tokens::ZERO;
            settle.push(base);
            Price { settle, ceiling, max_input, max_output, free: false }
        },
    )
}

proptest! {
    #![proptest_config(fixed(3000))]

    #[test]
    fn no_usage_within_the_bound_costs_more_than_the_ceiling(
        price in any_price(),
        input in 0_u64..600_000,
        output in 0_u64..600_000,
        parts in (0_u64..=100, 0_u64..=100, 0_u64..=100, 0_u64..=100),
        numerator in 1_u32..40,
    ) {
        let used = input * parts.0 / 100;
        let cached = used * parts.1 / 100;
        let written = (used - cached) * parts.2 / 100;
        let usage = usage(used, cached, written, output * parts.3 / 100);
        let multiplier = Multiplier { numerator, denominator: 10 };
        let cost = price.cost_times(&usage, multiplier).expect("fits");
        let ceiling = price.ceiling_times(tokens(input), tokens(output), multiplier).expect("fits");
        prop_assert!(cost <= ceiling, "{} > {}", cost, ceiling);
    }

    #[test]
    fn the_ceiling_never_falls(
        price in any_price(),
        input in 0_u64..600_000,
        output in 0_u64..600_000,
        more in (0_u64..600_000, 0_u64..600_000),
    ) {
        let less = price.ceiling(tokens(input), tokens(output));
        let grown = price.ceiling(tokens(input + more.0), tokens(output + more.1));
        prop_assert!(less.is_some() && less <= grown);
    }

    #[test]
    fn rounding_costs_less_than_a_nanodollar(price in any_price(), input in 0_u64..600_000, output in 0_u64..600_000) {
        let flat = Price { settle: vec![Rates { over_prompt_tokens: Tokens::ZERO, ..price.settle[0] }], ..Price::default() };
        let row = flat.settle[0];
        let exact = u128::from(row.input.get()) * u128::from(input)
            + u128::from(row.output.get()) * u128::from(output)
            + u128::try_from(row.request_fee.get()).expect("positive") * 1000;
        let cost = flat.cost(&usage(input, 0, 0, output)).expect("fits");
        let pico = u128::try_from(cost.get()).expect("positive") * 1000;
        prop_assert!(pico >= exact && pico < exact + 1000);
    }
}
