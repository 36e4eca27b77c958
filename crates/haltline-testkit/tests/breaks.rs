//! Answers that break off, and clients that leave.

use crate::{LIMIT, config, only_line, provider};
use haltline_testkit::http_client::{Call, Read};
use haltline_testkit::{Answer, Behaviour, CutBilling, Ending, FakeConfig, FakeProvider, Garbage, Outcome, Pace};
use haltline_types::Tokens;
use std::io::ErrorKind;
use std::time::Duration;

const SHORT: Duration = Duration::from_millis(150);

fn ending(ending: Ending) -> Behaviour {
    Behaviour::Answer(Answer { ending, tokens: Some(Tokens::new(10)), ..Answer::default() })
}

async fn read_stream(provider: &FakeProvider) -> Read {
    Call::chat_stream(&provider.origin(), "m", "abcd", 50).limit(SHORT).open().await.expect("head").read().await
}

/// Chunks of text, the opening one without tokens not counted.
fn chunks(read: &Read) -> usize {
    read.text().matches("\"content\":\"").count().saturating_sub(1)
}

#[tokio::test]
async fn every_break_in_a_stream_can_be_told_apart_and_bills_what_was_produced() {
    for (behaviour, error, outcome) in [
        (Ending::Truncate { after: 3 }, None, Outcome::BrokenOff),
        (Ending::ErrorFrame { after: 3 }, None, Outcome::BrokenOff),
        (Ending::Cut { after: 3 }, Some(ErrorKind::UnexpectedEof), Outcome::BrokenOff),
        (Ending::Reset { after: 3 }, Some(ErrorKind::ConnectionReset), Outcome::BrokenOff),
        (Ending::Stall { after: 3 }, Some(ErrorKind::TimedOut), Outcome::ClientLeft),
    ] {
        let provider = provider(ending(behaviour)).await;
        let read = read_stream(&provider).await;
        assert_eq!(read.error, error, "{behaviour:?}");
        assert_eq!(chunks(&read), 3, "{behaviour:?}");
        assert!(!read.text().contains("[DONE]"), "{behaviour:?}");
        let framed = matches!(behaviour, Ending::ErrorFrame { .. });
        assert_eq!(read.text().contains("\"error\":"), framed, "{behaviour:?}");
        let line = only_line(&provider).await;
        assert_eq!((line.output, line.outcome), (Tokens::new(3), outcome), "{behaviour:?}");
    }
}

#[tokio::test]
async fn a_break_before_the_first_or_after_the_last_chunk_works() {
    for (after, produced) in [(0, 0), (10, 10), (99, 10)] {
        let provider = provider(ending(Ending::Cut { after })).await;
        let read = read_stream(&provider).await;
        assert_eq!(read.error, Some(ErrorKind::UnexpectedEof), "{after}");
        assert_eq!(only_line(&provider).await.output, Tokens::new(produced));
    }
}

#[tokio::test]
async fn a_plain_answer_breaks_off_in_its_middle_and_is_billed_whole() {
    for (behaviour, error) in [
        (Ending::Truncate { after: 0 }, None),
        (Ending::Cut { after: 0 }, Some(ErrorKind::UnexpectedEof)),
        (Ending::Reset { after: 0 }, Some(ErrorKind::ConnectionReset)),
        (Ending::Stall { after: 0 }, Some(ErrorKind::TimedOut)),
    ] {
        let provider = provider(ending(behaviour)).await;
        let call = Call::chat(&provider.origin(), "m", "abcd", 50).limit(SHORT);
        let read = call.open().await.expect("head").read().await;
        assert_eq!(read.error, error, "{behaviour:?}");
        assert!(!read.bytes.is_empty() && serde_json::from_slice::<serde_json::Value>(&read.bytes).is_err());
        assert_eq!(only_line(&provider).await.output, Tokens::new(10), "{behaviour:?}");
    }
}

#[tokio::test]
async fn an_error_document_can_come_with_status_200() {
    let provider = provider(ending(Ending::ErrorFrame { after: 0 })).await;
    let answer = Call::chat(&provider.origin(), "m", "abcd", 50).send().await.expect("answer");
    assert_eq!(answer.status, 200);
    assert!(answer.json().expect("json")["error"]["message"].is_string());
    assert_eq!(only_line(&provider).await.outcome, Outcome::BrokenOff);
}

#[tokio::test]
async fn nothing_before_the_head_bills_the_input() {
    for (behaviour, error, outcome) in [
        (Behaviour::StallBeforeHead, ErrorKind::TimedOut, Outcome::ClientLeft),
        (Behaviour::ResetBeforeHead, ErrorKind::ConnectionReset, Outcome::BrokenOff),
    ] {
        let provider = provider(behaviour.clone()).await;
        let call = Call::chat(&provider.origin(), "m", "abcd", 50).limit(SHORT);
        assert_eq!(call.open().await.expect_err("no head").kind(), error, "{behaviour:?}");
        let line = only_line(&provider).await;
        assert_eq!((line.input, line.output, line.outcome), (Tokens::new(1), Tokens::ZERO, outcome));
        assert_eq!(provider.calls().in_flight, 0);
    }
}

#[tokio::test]
async fn a_client_that_leaves_is_billed_for_what_was_produced_or_for_everything() {
    let slow = Answer {
        tokens: Some(Tokens::new(40)),
        pace: Pace { interval: Duration::from_secs(600), ..Pace::default() },
        ..Answer::default()
    };
    for (cut_billing, output) in [(CutBilling::Produced, 1), (CutBilling::Everything, 30)] {
        let config = FakeConfig { cut_billing, ..config(Behaviour::Answer(slow.clone())) };
        let provider = FakeProvider::start(config).await.expect("provider");
        let mut stream = Call::chat_stream(&provider.origin(), "m", "abcd", 30).open().await.expect("head");
        stream.event().await.expect("role");
        stream.event().await.expect("first token");
        drop(stream);
        let line = only_line(&provider).await;
        assert_eq!((line.output, line.outcome), (Tokens::new(output), Outcome::ClientLeft), "{cut_billing:?}");
    }
}

#[tokio::test]
async fn a_client_that_leaves_during_the_latency_is_noticed() {
    let provider = provider(Behaviour::slow(Duration::from_secs(600))).await;
    let call = Call::chat(&provider.origin(), "m", "abcd", 30).limit(SHORT);
    assert_eq!(call.open().await.expect_err("no head").kind(), ErrorKind::TimedOut);
    let line = only_line(&provider).await;
    assert_eq!((line.output, line.outcome), (Tokens::ZERO, Outcome::ClientLeft));
}

#[tokio::test]
async fn garbage_is_billed_like_an_answer() {
    for bytes in [0, 64] {
        let provider = provider(Behaviour::Garbage(Garbage { bytes })).await;
        let answer = Call::chat(&provider.origin(), "m", "abcd", 5).send().await.expect("answer");
        assert_eq!(answer.status, 200);
        assert_eq!(answer.body.len(), usize::try_from(bytes).expect("small"));
        assert!(answer.json().is_err());
        assert_eq!(only_line(&provider).await.output, Tokens::new(5));
    }
}

#[tokio::test]
async fn a_dropped_provider_closes_its_port_and_its_streams() {
    let provider = provider(ending(Ending::Stall { after: 1 })).await;
    let origin = provider.origin();
    let stream = Call::chat_stream(&origin, "m", "abcd", 50).limit(LIMIT).open().await.expect("head");
    drop(provider);
    assert_eq!(stream.read().await.error, Some(ErrorKind::UnexpectedEof));
    let mut refused = false;
    for _ in 0..100 {
        match Call::get(format!("{origin}/v1/models")).send().await {
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => refused = true,
            _ => tokio::task::yield_now().await,
        }
    }
    assert!(refused);
}
