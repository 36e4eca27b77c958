//! The sum of the bill, and the counters under load.

use crate::{LIMIT, provider};
use haltline_testkit::http_client::Call;
use haltline_testkit::load::{self, Load};
use haltline_testkit::{Behaviour, Ending, FakeConfig, FakeProvider, Prices, Script};
use haltline_types::{NanoUsd, PicoUsdPerToken, Tokens};
use std::collections::BTreeMap;
use std::time::Duration;

#[tokio::test]
async fn the_bill_is_the_sum_of_all_calls_whatever_happened_to_them() {
    let script = Script::random(
        11,
        [
            (4, Behaviour::tokens(3)),
            (1, Behaviour::status(529)),
            (1, Behaviour::ending(Ending::Reset { after: 1 })),
            (1, Behaviour::ResetBeforeHead),
        ],
    );
    let provider = provider(script).await;
    let origin = provider.origin();
    let load = Load { concurrent: 8, total: 200, limit: LIMIT };
    let outcomes = load::run(load, move |number| {
        let call = Call::chat(&origin, "m", "abcd", 5).header("x-haltline-attempt", &number.to_string());
        async move { call.send().await.map(|answer| answer.status.as_u16()).unwrap_or(0) }
    })
    .await
    .expect("load");
    let bill = provider.settled_bill(LIMIT).await.expect("bill");
    let calls = provider.calls();
    let count = |wanted: u16| outcomes.iter().filter(|status| **status == wanted).count();
    let as_count = |number: u64| usize::try_from(number).expect("small");
    assert_eq!(count(200) + count(529) + count(0), 200);
    assert_eq!(as_count(calls.chat), 200);
    assert_eq!(as_count(calls.rejected), count(529));
    assert_eq!(bill.attempts.len(), count(200) + count(0));
    assert_eq!(as_count(calls.billed), bill.attempts.len());
    assert!((2..=8).contains(&calls.in_flight_max), "{calls:?}");
    assert!(count(200) > 0 && count(529) > 0 && count(0) > 0);
    let by_hand: i64 =
        bill.attempts.iter().map(|line| i64::try_from(line.input.get() + 3 * line.output.get()).expect("small")).sum();
    assert_eq!(bill.total, NanoUsd::new(by_hand));
    let names: std::collections::BTreeSet<_> = bill.attempts.iter().filter_map(|line| line.attempt.clone()).collect();
    assert_eq!(names.len(), bill.attempts.len());
}

#[tokio::test]
async fn costs_are_rounded_up_once_and_models_have_prices() {
    let dear = Prices { input: PicoUsdPerToken::new(1), output: PicoUsdPerToken::new(1_000_001) };
    let config = FakeConfig {
        model_prices: BTreeMap::from([("dear".to_owned(), dear)]),
        prices: Prices { input: PicoUsdPerToken::new(0), output: PicoUsdPerToken::new(1) },
        ..FakeConfig::with_script(Behaviour::tokens(2))
    };
    let provider = FakeProvider::start(config).await.expect("provider");
    for model in ["dear", "cheap"] {
        Call::chat(&provider.origin(), model, "abcd", 5).send().await.expect("answer");
    }
    let bill = provider.settled_bill(LIMIT).await.expect("bill");
    assert_eq!(bill.attempts[0].cost, NanoUsd::new(2001));
    assert_eq!(bill.attempts[1].cost, NanoUsd::new(1));
}

#[tokio::test]
async fn attempts_that_run_are_on_the_bill_and_a_reset_forgets_them() {
    let provider = provider(Behaviour::ending(Ending::Stall { after: 2 })).await;
    let mut stream = Call::chat_stream(&provider.origin(), "m", "abcd", 9).open().await.expect("head");
    for _ in 0..3 {
        stream.event().await.expect("event");
    }
    assert_eq!(provider.bill().attempts[0].output, Tokens::new(2));
    assert_eq!(provider.calls().in_flight, 1);
    let late = provider.settled_bill(Duration::from_millis(10)).await.expect_err("runs");
    assert_eq!(late.kind(), std::io::ErrorKind::TimedOut);
    provider.reset();
    drop(stream);
    Call::chat(&provider.origin(), "m", "[[status:500]]", 9).send().await.expect("answer");
    assert!(provider.bill().attempts.is_empty());
    assert_eq!(provider.calls().chat, 1);
}
