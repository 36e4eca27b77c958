//! One request under one key is one request: attached to while it runs, given again afterwards.

use crate::setup::{Setup, ask, code};
use haltline_testkit::{Answer as BehaviourAnswer, Behaviour, FakeConfig, Pace};
use haltline_types::Tokens;
use serde_json::{Value, json};
use std::time::Duration;

const MODEL: &str = "[models.chat]\ntargets = [\"fake/m\"]\nmax_output_tokens = 1000\n[[budgets]]\nname = \"day\"\nscope = \"global\"\nlimit = \"$1\"\nwindow = \"day\"\n";

fn stream(text: &str) -> Value {
    let mut body = ask(text);
    body["stream"] = json!(true);
    body
}

fn slow(tokens: u64) -> Behaviour {
    let pace = Pace { interval: Duration::from_millis(10), tokens_per_chunk: Tokens::new(1) };
    let latency = Duration::from_millis(300);
    Behaviour::Answer(BehaviourAnswer { latency, tokens: Some(Tokens::new(tokens)), pace, ..Default::default() })
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_requests_under_one_key_are_one_attempt_and_ten_answers() {
    let mut setup = Setup::start(FakeConfig::with_script(slow(20)), MODEL).await;
    for body in [ask("whole"), stream("streamed")] {
        let before = setup.provider.bill().attempts.len();
        let mut calls = tokio::task::JoinSet::new();
        let key = if body["stream"] == true { "k-s" } else { "k-w" };
        for _ in 0..10 {
            calls.spawn(setup.post(&body).header("idempotency-key", key).send());
        }
        let mut answers = Vec::new();
        while let Some(answer) = calls.join_next().await {
            answers.push(answer.expect("task").expect("answer"));
        }
        assert!(answers.iter().all(|answer| answer.status == 200));
        let replayed = answers.iter().filter(|answer| answer.header("x-haltline-replayed") == Some("true")).count();
        assert_eq!(replayed, 9);
        let texts: Vec<String> =
            answers.iter().map(|answer| String::from_utf8_lossy(&answer.body).replace(": waiting\n", "")).collect();
        assert!(texts.iter().all(|text| *text == texts[0] && text.len() > 100), "{texts:?}");
        assert_eq!(setup.provider.bill().attempts.len(), before + 1);
        let again = setup.post(&body).header("idempotency-key", key).send().await.expect("answer");
        assert_eq!(String::from_utf8_lossy(&again.body).replace(": waiting\n", ""), texts[0]);
        assert_eq!(again.header("x-haltline-replayed"), Some("true"));
        let other = setup.post(&ask("something else")).header("idempotency-key", key).send().await.expect("answer");
        assert_eq!((other.status.as_u16(), code(&other).as_str()), (422, "idempotency_key_reused"));
        assert_eq!(setup.provider.bill().attempts.len(), before + 1);
    }
    assert_eq!(setup.spent("day"), setup.provider.bill().total);
    setup.gateway.term(Duration::from_secs(10)).await.expect("ended");
    setup.gateway.serve().await.expect("ready again");
    let bill = setup.provider.bill().attempts.len();
    let again = setup.post(&ask("whole")).header("idempotency-key", "k-w").send().await.expect("answer");
    assert_eq!((again.status.as_u16(), again.header("x-haltline-replayed")), (200, Some("true")));
    assert_eq!(setup.provider.bill().attempts.len(), bill, "a restart forgets no key");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_one_caller_mean_nothing_for_another() {
    let setup = Setup::start(FakeConfig::with_script(Behaviour::tokens(5)), MODEL).await;
    for (number, user) in ["alice", "bob"].into_iter().enumerate() {
        let call = setup.post(&ask("hello")).header("idempotency-key", "same").header("x-haltline-user", user);
        let answer = call.send().await.expect("answer");
        assert_eq!(answer.header("x-haltline-replayed"), None);
        assert_eq!(setup.provider.bill().attempts.len(), number + 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_repeats_by_its_own_count_is_given_the_same_answer() {
    let setup = Setup::start(FakeConfig::with_script(slow(10)), MODEL).await;
    for body in [ask("count"), stream("count")] {
        let before = setup.provider.bill().attempts.len();
        let first = setup.post(&body).header("x-stainless-retry-count", "0").send();
        let second = async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            setup.post(&body).header("x-stainless-retry-count", "1").send().await
        };
        let (first, second) = tokio::join!(first, second);
        let (first, second) = (first.expect("answer"), second.expect("answer"));
        assert_eq!(second.header("x-haltline-replayed"), Some("true"));
        assert_eq!(first.body, second.body);
        let third = setup.post(&body).header("x-stainless-retry-count", "2").send().await.expect("answer");
        assert_eq!((third.body, third.status.as_u16()), (first.body, 200));
        assert_eq!(setup.provider.bill().attempts.len(), before + 1);
        let fresh = setup.post(&body).send().await.expect("answer");
        assert_eq!(fresh.header("x-haltline-replayed"), None, "without a count it is a new request");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_failed_is_asked_for_again_under_its_key() {
    let fails = Behaviour::status(500);
    let config = FakeConfig::with_script(fails);
    let rest = format!("{MODEL}[retry]\nmax_retries = 0\n");
    let setup = Setup::start(config, &rest).await;
    let failed = setup.post(&ask("fail")).header("idempotency-key", "f").send().await.expect("answer");
    assert_eq!(failed.status, 502);
    let at_once = setup.post(&ask("fail")).header("idempotency-key", "f").send().await.expect("answer");
    assert_eq!(at_once.status, 502);
    assert_eq!(failed.header("x-haltline-attempts"), Some("1"));
    assert_eq!(at_once.header("x-haltline-attempts"), None, "the same failure for ten seconds");
    let other = setup.post(&ask("other")).header("idempotency-key", "f").send().await.expect("answer");
    assert_eq!(other.header("x-haltline-attempts"), Some("1"), "a failed answer does not hold the key");
}
