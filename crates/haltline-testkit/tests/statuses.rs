//! Error statuses: what they state, and that they cost nothing unless told otherwise.

use crate::{only_line, provider};
use haltline_testkit::http_client::Call;
use haltline_testkit::{Behaviour, Outcome, RetryAfter, Script, StatusAnswer, StatusBilling};
use haltline_types::Tokens;

#[tokio::test]
async fn statuses_cost_nothing_and_state_their_wait() {
    let script = Script::queue([
        Behaviour::status(429),
        Behaviour::status_after(429, RetryAfter::Secs(7)),
        Behaviour::status_after(503, RetryAfter::Millis(250)),
        Behaviour::status_after(529, RetryAfter::HttpDate(30)),
        Behaviour::status(500),
        Behaviour::status(400),
    ]);
    let provider = provider(script).await;
    for (status, retry_after, millis) in [
        (429, None, None),
        (429, Some("7"), None),
        (503, None, Some("250")),
        (529, Some("GMT"), None),
        (500, None, None),
        (400, None, None),
    ] {
        let answer = Call::chat(&provider.origin(), "m", "abcd", 5).send().await.expect("answer");
        assert_eq!(answer.status, status);
        assert_eq!(answer.header("retry-after-ms"), millis);
        match retry_after {
            Some(shown) => assert!(answer.header("retry-after").expect("header").ends_with(shown)),
            None => assert_eq!(answer.header("retry-after"), None),
        }
        assert!(answer.json().expect("json")["error"]["message"].is_string());
    }
    assert!(provider.bill().attempts.is_empty());
    assert_eq!(provider.calls().rejected, 6);
}

#[tokio::test]
async fn a_status_can_forbid_repeating_and_can_be_billed() {
    let status = StatusAnswer {
        status: 500,
        retry_after: None,
        should_retry: Some(false),
        billing: StatusBilling::AfterInference,
    };
    let provider = provider(Behaviour::Status(status)).await;
    let answer = Call::chat(&provider.origin(), "m", "abcd", 5).send().await.expect("answer");
    assert_eq!((answer.status.as_u16(), answer.header("x-should-retry")), (500, Some("false")));
    let line = only_line(&provider).await;
    assert_eq!((line.output, line.outcome), (Tokens::new(5), Outcome::ErrorStatus));
}

#[tokio::test]
async fn what_is_not_a_request_is_400_and_free() {
    let provider = provider(Behaviour::default()).await;
    let url = format!("{}/v1/chat/completions", provider.origin());
    let answer = Call::post(url).body("{").send().await.expect("answer");
    assert_eq!(answer.status, 400);
    assert!(provider.bill().attempts.is_empty());
    let lost = Call::get(format!("{}/v2", provider.origin())).send().await.expect("answer");
    assert_eq!(lost.status, 404);
    assert_eq!((provider.calls().rejected, provider.calls().unknown), (1, 1));
}
