//! Storms against a budget of one dollar: billed is never above it, and nearly all of it is used.

use crate::setup::Setup;
use haltline_testkit::load::{self, Load};
use haltline_testkit::{Behaviour, FakeConfig};
use haltline_types::NanoUsd;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// 4,900 tokens of output at $10 a million and a short prompt: about $0.05 a call.
const OUTPUT: u64 = 4_900;
/// The cap: a ceiling of a little over $0.06.
const CAP: u64 = 6_000;

fn provider() -> FakeConfig {
    let answer = haltline_testkit::Answer {
        latency: Duration::from_millis(500),
        tokens: Some(haltline_types::Tokens::new(OUTPUT)),
        pace: haltline_testkit::Pace { interval: Duration::ZERO, tokens_per_chunk: haltline_types::Tokens::new(100) },
        ..Default::default()
    };
    FakeConfig::with_script(Behaviour::Answer(answer))
}

fn one_dollar(budgets: &str) -> String {
    format!(
        "[models.chat]\ntargets = [\"fake/m\"]\nmax_output_tokens = {CAP}\n[headroom]\nmin_output_tokens = 4096\n{budgets}"
    )
}

const GLOBAL: &str = "[[budgets]]\nname = \"day\"\nscope = \"global\"\nlimit = \"$1\"\nwindow = \"day\"\n";

/// 200 at once, then waves of 40 until one is served nothing.
async fn storm(setup: Setup, body: impl Fn(u64) -> Value + Send + Sync + 'static) {
    let setup = Arc::new(setup);
    let body = Arc::new(body);
    let mut served = wave(&setup, &body, 200, 0).await;
    let mut waves = 1;
    while served > 0 {
        assert!(waves < 50, "the waves do not end");
        served = wave(&setup, &body, 40, waves * 1000).await;
        waves += 1;
    }
    let bill = setup.provider.settled_bill(Duration::from_secs(10)).await.expect("bill");
    assert!(bill.total <= NanoUsd::DOLLAR, "billed {} of $1.00", bill.total);
    assert!(bill.total >= NanoUsd::new(900_000_000), "only {} of $1.00 was used", bill.total);
    for budget in ["day", "day-key", "day-user-0"] {
        setup.assert_nothing_held(budget);
    }
    assert_eq!(setup.spent("day"), bill.total, "ledger and bill differ");
}

async fn wave(
    setup: &Arc<Setup>,
    body: &Arc<impl Fn(u64) -> Value + Send + Sync + 'static>,
    calls: u64,
    from: u64,
) -> u64 {
    let (setup, body) = (Arc::clone(setup), Arc::clone(body));
    let load = Load { concurrent: calls, total: calls, limit: Duration::from_secs(120) };
    let statuses = load::run(load, move |number| {
        let call = setup.post(&body(from + number)).limit(Duration::from_secs(60));
        async move { call.send().await.expect("answer").status.as_u16() }
    })
    .await
    .expect("wave");
    for status in &statuses {
        assert!(matches!(status, 200 | 402 | 429), "a storm was answered {status}");
    }
    u64::try_from(statuses.iter().filter(|status| **status == 200).count()).expect("count")
}

fn question(number: u64) -> Value {
    json!({"model": "chat", "messages": [{"role": "user", "content": format!("question {number}")}]})
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_cap_in_the_request() {
    storm(Setup::start(provider(), &one_dollar(GLOBAL)).await, question).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_cap() {
    storm(Setup::start(provider(), &one_dollar(GLOBAL)).await, |number| {
        let mut body = question(number);
        body["max_tokens"] = json!(CAP);
        body
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn streaming() {
    storm(Setup::start(provider(), &one_dollar(GLOBAL)).await, |number| {
        let mut body = question(number);
        body["stream"] = json!(true);
        body
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_twenty_budgets_of_different_scopes_on_each_call() {
    let scopes = [
        "\"global\"",
        "\"key\"",
        "\"user\"",
        "\"model\"",
        "\"provider\"",
        "\"endpoint\"",
        "\"team\"",
        "[\"key\", \"user\"]",
        "[\"user\", \"model\"]",
        "\"tag:env\"",
    ];
    let mut budgets = GLOBAL.to_owned();
    for number in 0..19 {
        let scope = scopes[number % scopes.len()];
        let window = ["day", "month", "week"][number % 3];
        let limit = 2 + number;
        budgets.push_str(&format!(
            "[[budgets]]\nname = \"wide-{number}\"\nscope = {scope}\nlimit = \"${limit}\"\nwindow = \"{window}\"\n"
        ));
    }
    storm(Setup::start(provider(), &one_dollar(&budgets)).await, |number| {
        let mut body = question(number);
        body["user"] = json!(format!("user-{}", number % 7));
        body
    })
    .await;
}
