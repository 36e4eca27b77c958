//! Costs, ceilings, and which prices are refused.

use crate::fixed;
use haltline_policy::price::{
    CEILING_HORIZON, CacheWrites, Change, Multiplier, Price, PriceError, Rates, ToolFees, When,
};
use haltline_types::{NanoUsd, PicoUsdPerToken, Timestamp, Tokens, Usage};
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

const ALWAYS: When = When::Days { from: Some(Timestamp::from_millis(0)), until: None };

fn day(day: i64) -> Timestamp {
    Timestamp::from_secs(day * 86_400)
}

fn changed(when: When, settle: Vec<Rates>) -> Price {
    Price { changes: vec![Change { when, settle }], ..Price::flat(rate("1"), rate("5")) }
}

#[test]
fn what_is_kept_in_the_cache_for_an_hour_has_its_own_rate() {
    let mut price = tiered();
    let mut usage = usage(1000, 0, 400, 0);
    usage.cache_write_long = tokens(300);
    // As a shorter write where no rate is known for it.
    assert_eq!(price.cost(&usage), Some(NanoUsd::new(600_000 + 400 * 1_250)));
    price.settle[0].cache_write_long = Some(rate("2"));
    assert_eq!(price.cost(&usage), Some(NanoUsd::new(600_000 + 100 * 1_250 + 300 * 2_000)));
    assert_eq!(price.ceiling(tokens(1000), Tokens::ZERO), Some(NanoUsd::new(1000 * 2_000)));
    // A report whose part is more than the whole is charged by the part.
    usage.cache_write = Tokens::ZERO;
    assert_eq!(price.cost(&usage), Some(NanoUsd::new(700_000 + 300 * 2_000)));
}

#[test]
fn a_stated_cost_counts_only_where_it_is_the_bill() {
    let mut usage = usage(1000, 0, 0, 0);
    let stated = |cost: i64| Some(NanoUsd::new(cost));
    usage.stated_cost = stated(77);
    assert_eq!(tiered().cost(&usage), Some(NanoUsd::new(1_000_000)));
    let stating = Price { states_cost: true, ..tiered() };
    let twice = Multiplier { numerator: 2, denominator: 1 };
    assert_eq!(stating.cost_times(&usage, twice), stated(77));
    assert_eq!(stating.cost_between(&usage, twice, (day(1), day(1))), stated(77));
    // Also above the ceiling: the books are never below the bill.
    usage.stated_cost = stated(i64::MAX);
    assert_eq!(stating.cost(&usage), stated(i64::MAX));
    for none in [None, stated(0), stated(-5)] {
        usage.stated_cost = none;
        assert_eq!(stating.cost(&usage), Some(NanoUsd::new(1_000_000)), "{none:?}");
    }
    assert_eq!(Price { states_cost: true, ..Price::free() }.cost(&usage), Some(NanoUsd::ZERO));
}

#[test]
fn a_rise_is_held_for_a_month_before_and_charged_from_its_day() {
    let dear = Rates::flat(rate("2"), rate("10"));
    let price = changed(When::Days { from: Some(day(100)), until: None }, vec![dear]);
    let cost =
        |at: Timestamp| price.cost_between(&usage(1000, 0, 0, 0), Multiplier::ONE, (at, at)).expect("cost").get();
    let held = |at: Timestamp| price.at(at).ceiling(tokens(1000), Tokens::ZERO).expect("ceiling").get();
    assert_eq!((cost(day(98)), cost(day(99)), cost(day(101))), (1_000_000, 2_000_000, 2_000_000));
    let month = i64::try_from(CEILING_HORIZON.as_secs() / 86_400).expect("small");
    assert_eq!((held(day(98 - month)), held(day(99 - month)), held(day(200))), (1_000_000, 2_000_000, 2_000_000));
    // Long after a fall the old rates are gone.
    let fall = changed(When::Days { from: Some(day(100)), until: None }, vec![Rates::flat(rate("0.5"), rate("1"))]);
    assert_eq!(fall.at(day(102)).ceiling(tokens(1000), Tokens::ZERO), Some(NanoUsd::new(500_000)));
    assert_eq!(fall.at(day(100)).ceiling(tokens(1000), Tokens::ZERO), Some(NanoUsd::new(1_000_000)));
}

#[test]
fn hours_of_the_day_have_their_rates() {
    let price = changed(When::Hours { from: 23 * 60, until: 60 }, vec![Rates::flat(rate("3"), rate("9"))]);
    let at = |hour: i64, minute: i64| Timestamp::from_secs(5 * 86_400 + hour * 3600 + minute * 60);
    let cost =
        |began, ended| price.cost_between(&usage(1000, 0, 0, 0), Multiplier::ONE, (began, ended)).expect("cost").get();
    assert_eq!(cost(at(12, 0), at(12, 5)), 1_000_000);
    assert_eq!(cost(at(0, 30), at(0, 31)), 3_000_000);
    assert_eq!(cost(at(23, 30), at(23, 31)), 3_000_000);
    // Which of the two is billed when the boundary is crossed is not known: the dearer one.
    assert_eq!(cost(at(22, 55), at(23, 0)), 3_000_000);
    assert_eq!(cost(at(0, 59), at(1, 4)), 3_000_000);
    assert_eq!(cost(at(1, 4), at(1, 9)), 1_000_000);
}

#[test]
fn who_can_write_less_to_the_cache_holds_less() {
    let mut price = tiered();
    price.settle[0].cache_write_long = Some(rate("2"));
    let held = |most| price.with_writes(most).ceiling(tokens(1000), Tokens::ZERO).expect("ceiling").get();
    let all = [CacheWrites::None, CacheWrites::Short, CacheWrites::Long];
    assert_eq!(all.map(held), [1_000_000, 1_250_000, 2_000_000]);
    assert!(matches!(price.with_writes(CacheWrites::Long), std::borrow::Cow::Borrowed(_)));
}

#[test]
fn media_make_all_input_as_dear_as_they_are() {
    assert!(matches!(tiered().with_media(), std::borrow::Cow::Borrowed(_)));
    let mut price = tiered();
    price.settle[0].media = Some(rate("1.1"));
    let heard = price.with_media();
    assert_eq!(heard.cost(&usage(1000, 500, 100, 0)), Some(NanoUsd::new(900 * 1_100 + 100 * 1_250)));
    assert_eq!(price.cost(&usage(1000, 0, 0, 0)), Some(NanoUsd::new(1_000_000)));
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
        (with(Rates { cache_write_long: Some(rate("0")), ..good }), Err(PriceError::Zero)),
        (with(Rates { media: Some(rate("1001")), ..good }), Err(PriceError::Implausible(rate("1001")))),
        (changed(When::Hours { from: 60, until: 240 }, vec![good]), Ok(())),
        (changed(When::Hours { from: 60, until: 60 }, vec![good]), Err(PriceError::ImplausibleTime)),
        (changed(When::Hours { from: 1440, until: 60 }, vec![good]), Err(PriceError::ImplausibleTime)),
        (changed(When::Days { from: None, until: None }, vec![good]), Err(PriceError::ImplausibleTime)),
        (changed(When::Days { from: Some(day(2)), until: Some(day(2)) }, vec![good]), Err(PriceError::ImplausibleTime)),
        (changed(When::Days { from: Some(day(2)), until: None }, vec![at(5)]), Err(PriceError::NoBaseRow)),
        (Price { free: true, settle: vec![], ..changed(ALWAYS, vec![good]) }, Err(PriceError::FreeWithRates)),
        (
            Price { fees: ToolFees { maps: Some(NanoUsd::ZERO), ..ToolFees::default() }, ..tiered() },
            Err(PriceError::ImplausibleFee(NanoUsd::ZERO)),
        ),
    ] {
        assert_eq!(price.check(), verdict, "{price:?}");
    }
}

fn any_when() -> impl Strategy<Value = When> {
    let day = || prop::option::of((0_i64..100).prop_map(|day| Timestamp::from_secs(day * 86_400)));
    prop_oneof![
        (day(), day()).prop_map(|(from, until)| When::Days { from, until }),
        (0_u16..1440, 0_u16..=1440).prop_map(|(from, until)| When::Hours { from, until }),
    ]
}

/// Any price, also one that `check` refuses.
pub(crate) fn any_price() -> impl Strategy<Value = Price> {
    let pico = || (1_u64..2_000_000_000).prop_map(PicoUsdPerToken::new);
    let row = (0_u64..300_000, pico(), [(); 4].map(|()| prop::option::of(pico())), pico(), 0_i64..1_000_000_000)
        .prop_map(|(over, input, [cached_input, cache_write, cache_write_long, media], output, fee)| Rates {
            over_prompt_tokens: tokens(over),
            input,
            cached_input,
            cache_write,
            cache_write_long,
            media,
            output,
            request_fee: NanoUsd::new(fee),
        });
    let limit = || prop::option::of((0_u64..400_000).prop_map(Tokens::new));
    let rows = || prop::collection::vec(row.clone(), 0..3);
    let change = (any_when(), rows(), row.clone()).prop_map(|(when, mut settle, mut base)| {
        base.over_prompt_tokens = Tokens::ZERO;
        settle.push(base);
        Change { when, settle }
    });
    (row.clone(), rows(), rows(), prop::collection::vec(change, 0..3), limit(), limit(), any::<bool>()).prop_map(
        |(mut base, mut settle, ceiling, changes, max_input, max_output, states_cost)| {
            base.over_prompt_tokens = Tokens::ZERO;
            settle.push(base);
            Price { settle, ceiling, changes, max_input, max_output, states_cost, ..Price::default() }
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
        parts in (0_u64..=100, 0_u64..=100, 0_u64..=100, 0_u64..=100, 0_u64..=100),
        numerator in 1_u32..40,
    ) {
        let used = input * parts.0 / 100;
        let cached = used * parts.1 / 100;
        let written = (used - cached) * parts.2 / 100;
        let mut usage = usage(used, cached, written, output * parts.3 / 100);
        usage.cache_write_long = tokens(written * parts.4 / 100);
        let multiplier = Multiplier { numerator, denominator: 10 };
        let cost = price.cost_times(&usage, multiplier).expect("fits");
        let ceiling = price.ceiling_times(tokens(input), tokens(output), multiplier).expect("fits");
        prop_assert!(cost <= ceiling, "{} > {}", cost, ceiling);
    }

    #[test]
    fn what_was_quoted_at_its_time_covers_what_is_settled_until_the_horizon(
        price in any_price(),
        media in any::<bool>(),
        began in 0_i64..100 * 86_400,
        took in 0_u64..=31 * 86_400,
        input in 0_u64..600_000,
        long in 0_u64..=100,
        output in 0_u64..600_000,
    ) {
        let price = if media { price.with_media().into_owned() } else { price };
        let began = Timestamp::from_secs(began);
        let ended = began.saturating_add(std::time::Duration::from_secs(took));
        let quoted = price.at(began).ceiling(tokens(input), tokens(output)).expect("fits");
        let mut usage = usage(input, 0, input * long / 100, output);
        usage.cache_write_long = usage.cache_write;
        let cost = price.cost_between(&usage, Multiplier::ONE, (began, ended)).expect("fits");
        prop_assert!(cost <= quoted, "{} > {}", cost, quoted);
        // Whoever has no time to give pays no less, and holds no less.
        prop_assert!(price.cost(&usage).expect("fits") >= cost);
        prop_assert!(price.ceiling(tokens(input), tokens(output)).expect("fits") >= quoted);
    }

    #[test]
    fn the_rates_of_any_minute_are_among_those_of_its_span(
        when in any_when(),
        began in 0_i64..100 * 86_400,
        took in 0_u64..3 * 86_400,
        inside in 0_u64..=100,
    ) {
        let began = Timestamp::from_secs(began);
        let at = |seconds: u64| began.saturating_add(std::time::Duration::from_secs(seconds));
        let (ended, moment) = (at(took), at(took * inside / 100));
        if when.may_touch(moment, moment) {
            prop_assert!(when.may_touch(began, ended), "{when:?} {began} {ended} {moment}");
        }
        if when.covers(began, ended) {
            prop_assert!(when.covers(moment, moment) && when.may_touch(began, ended));
        }
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
