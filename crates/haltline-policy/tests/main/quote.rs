//! Ceilings from bytes, and the largest cap that fits.

use crate::fixed;
use crate::price::any_price;
use haltline_policy::price::{Multiplier, Price};
use haltline_policy::quote::{
    ExactInput, Framing, Quote, QuoteError, QuoteInput, TextMeasure, TokenBound, asked_cap, counted_bound, lower_cap,
    quote, quote_at, tighter,
};
use haltline_types::{NanoUsd, PicoUsdPerToken, Tokens};
use proptest::prelude::*;

fn tokens(count: u64) -> Tokens {
    Tokens::new(count)
}

/// 1 and 5 USD per million.
fn price() -> Price {
    Price::flat(PicoUsdPerToken::new(1_000_000), PicoUsdPerToken::new(5_000_000))
}

fn request(price: &Price) -> QuoteInput<'_> {
    QuoteInput {
        text: TextMeasure { ascii: 1000, other: 0 },
        messages: 2,
        tools: 0,
        media_tokens: Tokens::ZERO,
        names: 0,
        segments: 0,
        n: 1,
        client_cap: Some(tokens(100)),
        default_cap: tokens(1024),
        price,
        bound: TokenBound::Bytes,
        framing: Framing::OPENAI,
        multiplier: Multiplier::ONE,
        exact: None,
        counted: None,
    }
}

#[test]
fn a_quote_is_bytes_framing_and_cap() {
    let price = price();
    let quoted = quote(&request(&price)).expect("quote");
    assert_eq!((quoted.input, quoted.cap, quoted.output), (tokens(1032), tokens(100), tokens(164)));
    assert_eq!(quoted.ceiling.usd, NanoUsd::new(1_032_000 + 820_000));
    assert_eq!((quoted.ceiling.tokens, quoted.ceiling.requests, quoted.ceiling.retries), (tokens(1196), 1, 0));
}

#[test]
fn a_count_of_the_provider_stands_for_all_input_and_never_raises_a_ceiling() {
    let price = price();
    for (count, input) in [(0, 64), (100, 169), (101, 171), (921, 1032), (1000, 1032), (u64::MAX, 1032)] {
        let counted = QuoteInput { counted: counted_bound(tokens(count)), ..request(&price) };
        assert_eq!(quote(&counted).expect("quote").input, tokens(input), "{count}");
    }
}

#[test]
fn everything_that_is_added_is_counted() {
    let price = price();
    let all = QuoteInput {
        tools: 3,
        media_tokens: tokens(9_000),
        names: 5,
        segments: 7,
        n: 4,
        client_cap: None,
        bound: TokenBound::Unpublished,
        framing: Framing::ANTHROPIC,
        multiplier: Multiplier { numerator: 11, denominator: 10 },
        ..request(&price)
    };
    let quoted = quote(&all).expect("quote");
    assert_eq!(quoted.input, tokens(1250 + 16 + 2 * 16 + 5 + 1024 + 3 * 16 + 9_000 + 7));
    assert_eq!((quoted.cap, quoted.output), (tokens(1024), tokens(4 * 1088)));
    let plain = i64::try_from(quoted.input.get() * 1000 + quoted.output.get() * 5000).expect("small");
    assert_eq!(quoted.ceiling.usd, NanoUsd::new(plain / 10 * 11 + plain % 10 * 11 / 10));
}

#[test]
fn a_model_bounds_its_own_input_and_output() {
    let small = Price { max_input: Some(tokens(500)), max_output: Some(tokens(50)), ..price() };
    let quoted = quote(&request(&small)).expect("quote");
    assert_eq!((quoted.input, quoted.cap), (tokens(500), tokens(50)));
    let huge = QuoteInput { text: TextMeasure { ascii: 128 * 501, other: 0 }, ..request(&small) };
    let above = QuoteError::InputAboveContext { at_least: tokens(501), max_input: tokens(500) };
    assert_eq!(quote(&huge), Err(above));
    let embedding = Price { max_output: Some(Tokens::ZERO), ..price() };
    assert_eq!(quote(&request(&embedding)).map(|quoted| quoted.output), Ok(Tokens::ZERO));
}

#[test]
fn the_context_bounds_each_input_that_is_read_apart_and_not_their_sum() {
    let price = Price { max_input: Some(tokens(8_192)), max_output: Some(Tokens::ZERO), ..price() };
    let input = |price: &Price| {
        let text = TextMeasure { ascii: 100 * 8_000, other: 0 };
        quote(&QuoteInput { text, ..request(price) }).expect("a quote").input
    };
    assert_eq!(input(&price), tokens(8_192));
    assert!(input(&price.with_inputs(100)) >= tokens(100 * 8_000));
    // One is one.
    assert_eq!(price.with_inputs(1).max_input, price.max_input);
}

#[test]
fn what_cannot_be_computed_is_refused() {
    let unpriced = Price::default();
    assert_eq!(quote(&request(&unpriced)), Err(QuoteError::Unpriced));
    let price = price();
    let endless = QuoteInput { client_cap: Some(tokens(u64::MAX)), ..request(&price) };
    assert_eq!(quote(&endless), Err(QuoteError::Overflow));
    let dear = QuoteInput { client_cap: Some(tokens(1 << 62)), ..request(&price) };
    assert_eq!(quote(&dear), Err(QuoteError::Overflow));
    let free = Price::free();
    let quoted = quote(&request(&free)).expect("quote");
    assert_eq!((quoted.ceiling.usd, quoted.ceiling.tokens), (NanoUsd::ZERO, tokens(1196)));
}

#[test]
fn an_exact_count_lowers_the_input_and_keeps_its_margins() {
    let price = price();
    let plain = request(&price);
    let exact = ExactInput { plain: tokens(320), texts: 5, rendered: Tokens::ZERO, rendered_lines: 0, opaque_bytes: 0 };
    let quoted = tighter(&plain, exact).expect("quote");
    assert_eq!((quoted.input, quoted.cap), (tokens(320 + 10 + 5 + 32), tokens(100)));
    let tools = QuoteInput { tools: 2, text: TextMeasure { ascii: 100_000, other: 0 }, ..plain };
    let exact = ExactInput { rendered: tokens(1_000), rendered_lines: 7, opaque_bytes: 11, ..exact };
    let quoted = tighter(&tools, exact).expect("quote");
    assert_eq!(quoted.input, tokens(320 + 10 + 5 + 32 + 2 * 1_000 + 3 * 7 + 11 + 64 + 2 * 16));
    // Lowering the cap reckons with the count as well.
    let fits = Some(NanoUsd::new(367_000 + 94 * 5_000));
    assert_eq!(lower_cap(&plain, fits, None, tokens(1)), None, "stage one");
    let lowered = lower_cap(
        &plain.with_exact(ExactInput { rendered: Tokens::ZERO, rendered_lines: 0, opaque_bytes: 0, ..exact }),
        fits,
        None,
        tokens(1),
    );
    assert_eq!(lowered.map(|quote| quote.cap), Some(tokens(30)));
}

#[test]
fn a_count_that_proves_nothing_leaves_stage_one() {
    let price = price();
    for exact in [
        ExactInput { plain: tokens(u64::MAX), texts: 0, rendered: Tokens::ZERO, rendered_lines: 0, opaque_bytes: 0 },
        ExactInput { plain: Tokens::ZERO, texts: u64::MAX, rendered: Tokens::ZERO, rendered_lines: 0, opaque_bytes: 0 },
        ExactInput { plain: Tokens::ZERO, texts: 0, rendered: tokens(u64::MAX), rendered_lines: 0, opaque_bytes: 0 },
        ExactInput { plain: tokens(2_000), texts: 0, rendered: Tokens::ZERO, rendered_lines: 0, opaque_bytes: 0 },
    ] {
        assert_eq!(tighter(&request(&price), exact), quote(&request(&price)), "{exact:?}");
    }
}

#[test]
fn the_cap_is_lowered_to_what_is_left() {
    let price = price();
    let asked = QuoteInput { client_cap: Some(tokens(1000)), ..request(&price) };
    let lowered = |usd: Option<i64>, left: Option<u64>, minimum: u64| {
        lower_cap(&asked, usd.map(NanoUsd::new), left.map(Tokens::new), tokens(minimum)).map(|quote| quote.cap.get())
    };
    assert_eq!(lowered(None, None, 256), Some(1000));
    // 1,032 tokens of input, 64 of slack, 300 of output.
    assert_eq!(lowered(Some(1_032_000 + 364 * 5_000), None, 256), Some(300));
    assert_eq!(lowered(Some(1_032_000 + 364 * 5_000 - 1), None, 256), Some(299));
    assert_eq!(lowered(None, Some(1032 + 364), 256), Some(300));
    assert_eq!(lowered(Some(i64::MAX), Some(1032 + 364), 301), None, "below the minimum");
    assert_eq!(lowered(Some(1_000_000), None, 0), None, "the input alone does not fit");
    assert_eq!(lowered(Some(-5), None, 0), None);
    let modest = QuoteInput { client_cap: Some(tokens(10)), ..asked };
    let lowered = lower_cap(&modest, Some(NanoUsd::new(1_032_000 + 74 * 5_000)), None, tokens(256));
    assert_eq!(lowered.map(|quote| quote.cap), Some(tokens(10)), "the client asked for less than the minimum");
    let lowered = lower_cap(&modest, Some(NanoUsd::new(1_032_000 + 74 * 5_000 - 1)), None, tokens(256));
    assert_eq!(lowered, None);
}

prop_compose! {
    fn any_shape()(
        ascii in 0_u64..200_000,
        other in 0_u64..50_000,
        counts in (0_u32..100, 0_u32..20, 0_u32..5, 0_u32..10, 0_u32..100, 0_u32..5),
        client_cap in prop::option::of(0_u64..200_000),
        default_cap in 1_u64..5_000,
        unpublished: bool,
        numerator in 1_u32..50,
        denominator in 1_u32..20,
    ) -> QuoteInput<'static> {
        static NONE: std::sync::LazyLock<Price> = std::sync::LazyLock::new(Price::default);
        QuoteInput {
            text: TextMeasure { ascii, other },
            messages: counts.0,
            tools: counts.1,
            media_tokens: Tokens::new(u64::from(counts.2) * 1_000),
            names: counts.3,
            segments: counts.4,
            n: counts.5,
            client_cap: client_cap.map(Tokens::new),
            default_cap: Tokens::new(default_cap),
            price: &NONE,
            bound: if unpublished { TokenBound::Unpublished } else { TokenBound::Bytes },
            framing: Framing::OPENAI_COMPATIBLE,
            multiplier: Multiplier { numerator, denominator },
            exact: None,
            counted: None,
        }
    }
}

fn fits(quote: &Quote, usd: Option<NanoUsd>, left: Option<Tokens>) -> bool {
    usd.is_none_or(|usd| quote.ceiling.usd <= usd) && left.is_none_or(|left| quote.ceiling.tokens <= left)
}

proptest! {
    #![proptest_config(fixed(6000))]

    #[test]
    fn the_lowered_cap_fits_and_one_more_does_not(
        shape in any_shape(),
        price in any_price(),
        share in 0_u64..1200,
        by in 0_u8..4,
        minimum in 0_u64..1_000,
    ) {
        let request = QuoteInput { price: &price, ..shape };
        let asked = asked_cap(&request);
        let Ok(whole) = quote(&request) else { return Ok(()) };
        // Somewhere between nothing and a fifth more than the whole ceiling.
        let part = |value: u64| u64::try_from(u128::from(value) * u128::from(share) / 1000).expect("fits");
        let nano = u64::try_from(whole.ceiling.usd.get()).expect("positive");
        let usd = (by & 1 == 0).then(|| NanoUsd::new(i64::try_from(part(nano)).expect("fits")));
        let left = (by & 2 == 0).then(|| Tokens::new(part(whole.ceiling.tokens.get())));
        let least = Tokens::new(minimum).min(asked);
        match lower_cap(&request, usd, left, Tokens::new(minimum)) {
            Some(lowered) => {
                prop_assert!(fits(&lowered, usd, left));
                prop_assert!(lowered.cap >= least && lowered.cap <= asked);
                if lowered.cap < asked {
                    let more = quote_at(&request, Tokens::new(lowered.cap.get() + 1)).expect("quote");
                    prop_assert!(!fits(&more, usd, left));
                }
            }
            None => {
                let smallest = quote_at(&request, least).expect("quote");
                prop_assert!(!fits(&smallest, usd, left), "the minimum would have fitted");
            }
        }
    }

    #[test]
    fn stage_two_is_never_above_stage_one(
        shape in any_shape(),
        price in any_price(),
        count in (prop_oneof![0_u64..100_000, any::<u64>()], prop_oneof![0_u64..1_000, any::<u64>()], 0_u64..50_000),
    ) {
        let request = QuoteInput { price: &price, ..shape };
        let exact = ExactInput { plain: Tokens::new(count.0), texts: count.1, rendered: Tokens::new(count.2), rendered_lines: count.2 / 9, opaque_bytes: count.2 / 7 };
        match (quote(&request), tighter(&request, exact)) {
            (Ok(one), Ok(two)) => {
                prop_assert!(two.input <= one.input && two.output == one.output && two.cap == one.cap);
                prop_assert!(two.ceiling.usd <= one.ceiling.usd && two.ceiling.tokens <= one.ceiling.tokens);
                prop_assert!(two.input.get() >= count.0 || two.input == one.input);
            }
            // What does not fit in stage one may fit in stage two, never the other way.
            (one, two) => prop_assert!(one.is_err() && (two.is_ok() || one == two)),
        }
    }

    #[test]
    fn more_of_anything_never_costs_less(shape in any_shape(), price in any_price(), more in any_shape()) {
        let less = QuoteInput { price: &price, ..shape };
        let grown = QuoteInput {
            text: less.text.checked_add(more.text).expect("small"),
            messages: less.messages + more.messages,
            tools: less.tools + more.tools,
            media_tokens: less.media_tokens.checked_add(more.media_tokens).expect("small"),
            names: less.names + more.names,
            segments: less.segments + more.segments,
            n: less.n.max(1) + more.n,
            client_cap: Some(Tokens::new(asked_cap(&less).get() + more.default_cap.get())),
            ..less
        };
        let (Ok(less), Ok(grown)) = (quote(&less), quote(&grown)) else { return Ok(()) };
        prop_assert!(less.ceiling.usd <= grown.ceiling.usd && less.ceiling.tokens <= grown.ceiling.tokens);
    }
}
