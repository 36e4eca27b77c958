//! Streams: what a client sees, how soon, and what becomes of one that nobody reads.

use crate::setup::{Setup, ask};
use haltline_testkit::Answer as BehaviourAnswer;
use haltline_testkit::{Behaviour, FakeConfig, Pace};
use haltline_types::Tokens;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const MODEL: &str = "[models.chat]\ntargets = [\"fake/m\"]\nmax_output_tokens = 1000\n[[budgets]]\nname = \"day\"\nscope = \"global\"\nlimit = \"$1\"\nwindow = \"day\"\n";

fn stream(text: &str) -> Value {
    let mut body = ask(text);
    body["stream"] = json!(true);
    body
}

fn paced(tokens: u64, interval: Duration, latency: Duration) -> Behaviour {
    let pace = Pace { interval, tokens_per_chunk: Tokens::new(1) };
    Behaviour::Answer(BehaviourAnswer { latency, tokens: Some(Tokens::new(tokens)), pace, ..Default::default() })
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_has_its_number_and_the_last_comment_says_the_cost() {
    let setup = Setup::start(FakeConfig::with_script(Behaviour::tokens(20)), MODEL).await;
    let open = setup.post(&stream("hello")).open().await.expect("stream");
    assert!(open.headers.contains_key("x-haltline-stream-id"));
    let text = open.read().await.text();
    let ids: Vec<u64> =
        text.lines().filter_map(|line| line.strip_prefix("id: ")).map(|id| id.parse().expect("id")).collect();
    assert_eq!(ids, (1..=u64::try_from(ids.len()).expect("count")).collect::<Vec<_>>());
    assert!(ids.len() > 20);
    assert!(text.trim_end().ends_with("data: [DONE]"));
    let cost = setup.provider.bill().total.to_decimal();
    assert!(text.contains(&format!(": x-haltline-cost: {cost}")), "{text}");
    for block in text.split("\n\n").filter(|block| !block.is_empty()) {
        // openai-python takes a comment with a blank line after it for an empty event.
        assert!(block.lines().any(|line| line.starts_with("data: ")), "a block without data: {block:?}");
    }
    assert!(!text.contains("\"choices\":[]"), "the usage chunk is for those who ask: {text}");
    assert_eq!(setup.spent("day"), setup.provider.bill().total);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_usage_chunk_is_for_those_who_ask() {
    let setup = Setup::start(FakeConfig::default(), MODEL).await;
    let mut body = stream("hello");
    body["stream_options"] = json!({"include_usage": true});
    let text = setup.post(&body).open().await.expect("stream").read().await.text();
    assert!(text.contains("\"choices\":[]") && text.contains("\"completion_tokens\""), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_content_is_there_at_once() {
    let setup =
        Setup::start(FakeConfig::with_script(paced(5, Duration::from_millis(200), Duration::ZERO)), MODEL).await;
    let mut waits = Vec::new();
    for number in 0..9 {
        let began = Instant::now();
        let mut open = setup.post(&stream(&format!("quick {number}"))).open().await.expect("stream");
        open.piece().await.expect("piece").expect("content");
        waits.push(began.elapsed());
    }
    waits.sort();
    // A side without TCP_NODELAY would make it 40 ms every time.
    assert!(waits[4] < Duration::from_millis(30), "{waits:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_provider_still_gives_a_head_within_about_a_second() {
    let setup = Setup::start(FakeConfig::with_script(paced(3, Duration::ZERO, Duration::from_secs(3))), MODEL).await;
    let began = Instant::now();
    let mut open = setup.post(&stream("slow")).open().await.expect("stream");
    assert!(began.elapsed() < Duration::from_millis(2500), "head after {:?}", began.elapsed());
    let first = open.piece().await.expect("piece").expect("comment");
    assert!(first.starts_with(b": "), "{first:?}");
    assert!(open.read().await.text().trim_end().ends_with("data: [DONE]"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_is_charged_what_the_provider_bills() {
    let setup =
        Setup::start(FakeConfig::with_script(paced(60, Duration::from_millis(10), Duration::ZERO)), MODEL).await;
    let mut open = setup.post(&stream("bye")).open().await.expect("stream");
    open.piece().await.expect("piece").expect("content");
    drop(open);
    let bill = setup.provider.settled_bill(Duration::from_secs(10)).await.expect("bill");
    let began = Instant::now();
    while setup.spent("day") != bill.total {
        assert!(began.elapsed() < Duration::from_secs(10), "spent {}, billed {}", setup.spent("day"), bill.total);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(bill.attempts[0].output, Tokens::new(60), "it was read to its end");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_read_slows_nobody_and_costs_no_memory() {
    let setup = Setup::start(FakeConfig::with_script(Behaviour::tokens(1000)), MODEL).await;
    let mut idle = Vec::new();
    for number in 0..20 {
        idle.push(setup.post(&stream(&format!("idle {number}"))).open().await.expect("stream"));
    }
    let began = Instant::now();
    let answer = setup.post(&ask("meanwhile")).send().await.expect("answer");
    assert_eq!(answer.status, 200);
    assert!(began.elapsed() < Duration::from_secs(5));
    drop(idle);
}
