//! The second stage of a ceiling: a request that does not fit by its bytes is counted exactly
//! before anything is lowered or refused.

use crate::setup::{PRICES, Setup, code, money};
use haltline_testkit::http_client::Answer;
use haltline_testkit::{Behaviour, FakeConfig, FakeProvider, GatewayOptions, TestGateway};
use haltline_types::NanoUsd;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Each is six bytes and one token, so the provider, which bills a token for six bytes, bills what
/// OpenAI would.
const WORD: &str = " hello";

/// A gateway whose provider is of this kind and has a model with a public vocabulary.
async fn setup(kind: &str, behaviour: Behaviour, rest: &str) -> Setup {
    let provider = FakeConfig { prices: PRICES, bytes_per_token: 6, ..FakeConfig::with_script(behaviour) };
    let provider = FakeProvider::start(provider).await.expect("provider");
    let config = format!(
        "[server]\nlisten = \"{{listen}}\"\n[store]\nurl = \"file:{{dir}}/data\"\n\
         [providers.oai]\nkind = \"{kind}\"\nbase_url = \"{}\"\n\
         [prices.\"oai/gpt-4o\"]\ninput = \"1\"\noutput = \"10\"\n{rest}\n",
        provider.base_url()
    );
    let mut gateway = TestGateway::prepare(GatewayOptions::find().expect("binary"), &config).expect("gateway");
    let secret = gateway.create_key(&["test", "--users", "any"]).expect("key");
    gateway.serve().await.expect("ready");
    Setup { provider, gateway, secret }
}

fn words(count: usize) -> Value {
    json!({"model": "oai/gpt-4o", "max_tokens": 100, "messages": [{"role": "user", "content": WORD.repeat(count)}]})
}

/// $0.003 is between the byte bound of 400 words ($0.0041) and their exact one ($0.0021).
const DAY: &str = "[[budgets]]\nname = \"day\"\nlimit = \"$0.003\"\nwindow = \"day\"\n";

async fn attempt(setup: &Setup, answer: &Answer) -> Value {
    let id = answer.header("x-request-id").expect("id").to_owned();
    let record = setup.get(&format!("/v1/generation?id={id}")).send().await.expect("record").json().expect("json");
    record["data"]["attempts"][0].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_too_small_for_the_bytes_but_not_for_the_tokens_admits_the_uncut_request() {
    let setup = setup("openai", Behaviour::tokens(100), DAY).await;
    let answer = setup.post(&words(400)).send().await.expect("answer");
    assert_eq!(answer.status, 200, "{:?}", answer.body);
    assert_eq!(answer.header("x-haltline-max-tokens-lowered"), None);
    let bill = setup.provider.bill();
    assert_eq!(bill.attempts[0].cap.map(|cap| cap.get()), Some(100), "the cap is the client's own");
    let ceiling = money(&attempt(&setup, &answer).await["ceiling"]);
    assert!(bill.total <= ceiling, "{} billed on a hold of {ceiling}", bill.total);
    assert!(ceiling < NanoUsd::new(2_300_000), "the hold is the tighter one: {ceiling}");
    assert_eq!(setup.spent("day"), bill.total);
    setup.assert_nothing_held("day");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fits_by_its_bytes_is_held_by_its_bytes() {
    let setup =
        setup("openai", Behaviour::tokens(100), "[[budgets]]\nname = \"day\"\nlimit = \"$1\"\nwindow = \"day\"\n")
            .await;
    let answer = setup.post(&words(400)).send().await.expect("answer");
    assert_eq!(answer.status, 200, "{:?}", answer.body);
    let ceiling = money(&attempt(&setup, &answer).await["ceiling"]);
    assert!(ceiling > NanoUsd::new(4_000_000), "{ceiling}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_elses_model_is_counted_because_its_name_is_openais() {
    let setup = setup("openai-compatible", Behaviour::tokens(100), DAY).await;
    let answer = setup.post(&words(400)).send().await.expect("answer");
    assert_eq!((answer.status.as_u16(), code(&answer)), (402, "reservation_too_large".to_owned()));
    assert_eq!(setup.provider.calls().chat, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_clients_own_limit_is_met_by_a_count_too() {
    let setup = setup("openai", Behaviour::tokens(100), "").await;
    let answer = setup.post(&words(400)).header("x-haltline-max-cost", "0.003").send().await.expect("answer");
    assert_eq!(answer.status, 200, "{:?}", answer.body);
    assert_eq!(setup.provider.bill().attempts[0].cap.map(|cap| cap.get()), Some(100));
    let answer = setup.post(&words(400)).header("x-haltline-max-cost", "0.0015").send().await.expect("answer");
    assert_eq!((answer.status.as_u16(), code(&answer)), (402, "reservation_too_large".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lowered_cap_is_as_large_as_the_count_allows() {
    let setup =
        setup("openai", Behaviour::tokens(5_000), "[[budgets]]\nname = \"day\"\nlimit = \"$0.01\"\nwindow = \"day\"\n")
            .await;
    let mut body = words(400);
    body["max_tokens"] = json!(5_000);
    let answer = setup.post(&body).send().await.expect("answer");
    assert_eq!(answer.status, 200, "{:?}", answer.body);
    let cap: u64 = answer.header("x-haltline-max-tokens-lowered").expect("lowered").parse().expect("a number");
    // By bytes alone at most (10,000 - 2,509) / 10 - 64 = 685.
    assert!((850..=900).contains(&cap), "{cap}");
    assert!(setup.provider.bill().total <= NanoUsd::new(10_000_000));
}

/// Two megabytes that are slow to count: words of ten thousand letters.
fn slow_prompt() -> Value {
    let word = "abcdefghij".repeat(1_000);
    let text: Vec<&str> = vec![word.as_str(); 195];
    json!({"model": "oai/gpt-4o", "max_tokens": 100, "messages": [{"role": "user", "content": text.join(" ")}]})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_prompt_that_is_counted_delays_nobody() {
    let setup = setup("openai", Behaviour::tokens(10), "").await;
    let slow = setup.post(&slow_prompt()).header("x-haltline-max-cost", "1.9");
    let slow = tokio::spawn(async move { slow.limit(Duration::from_secs(30)).send().await });
    let mut longest = Duration::ZERO;
    let mut asked = 0;
    while !slow.is_finished() {
        let began = Instant::now();
        let small = setup.post(&words(1)).send().await.expect("answer");
        assert_eq!(small.status, 200, "{:?}", small.body);
        longest = longest.max(began.elapsed());
        asked += 1;
    }
    let slow = slow.await.expect("no panic").expect("answer");
    eprintln!("{asked} small requests beside one that is counted ({}): {longest:?} at most", slow.status);
    assert!(asked > 0);
    assert!(longest < Duration::from_millis(100), "{longest:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_long_prompts_at_once_are_counted_or_treated_by_their_bytes() {
    let setup = setup("openai", Behaviour::tokens(10), "").await;
    let body = bytes::Bytes::from(slow_prompt().to_string());
    let all = (0..30).map(|_| {
        let call = setup.post_bytes(body.clone()).header("x-haltline-max-cost", "1.9").limit(Duration::from_secs(60));
        tokio::spawn(async move { call.send().await.expect("answer") })
    });
    let all: Vec<_> = all.collect();
    let mut refused = 0;
    for answer in all {
        let answer = answer.await.expect("no panic");
        match answer.status.as_u16() {
            200 => {}
            402 => refused += 1,
            other => panic!("{other}: {:?}", answer.body),
        }
    }
    // How many find no place depends on the machine; `counting` tests that it is told at once.
    eprintln!("{refused} of 30 were treated by their bytes");
    let admitted = setup.provider.calls().chat;
    assert_eq!(admitted, 30 - refused);
}
