//! The simulated model: its bytes, its pace, its failures and its bill, in paused time.

use crate::support::{ask, attempt, call_with, next, permit, read, send};
use haltline_ports::{Answer, Upstream};
use haltline_types::{Billing, FaultKind, NanoUsd, PicoUsdPerToken, Tokens};
use haltline_upstream::{
    FailureBilling, Outage, OutageAnswer, OutageShare, SimulatedConfig, SimulatedPrices, SimulatedUpstream,
};
use serde_json::Value;
use std::time::Duration;
use tokio::time::Instant;

fn priced() -> SimulatedConfig {
    SimulatedConfig {
        output_tokens: Tokens::new(5),
        prices: SimulatedPrices { input: PicoUsdPerToken::new(1_000_000), output: PicoUsdPerToken::new(10_000_000) },
        ..SimulatedConfig::default()
    }
}

fn body(rest: &str) -> String {
    format!(r#"{{"model":"sim","messages":[{{"role":"user","content":"12345678"}}]{rest}}}"#)
}

async fn events(answer: Answer) -> Vec<Value> {
    let text = read(answer).await.expect("a body");
    let mut events: Vec<&str> = text.split_terminator("\n\n").collect();
    assert_eq!(events.pop(), Some("data: [DONE]"));
    let json = |event: &str| serde_json::from_str(event.strip_prefix("data: ").expect("an event")).expect("JSON");
    events.into_iter().map(json).collect()
}

#[tokio::test(start_paused = true)]
async fn a_whole_answer_has_its_usage_and_takes_its_time() {
    let upstream = SimulatedUpstream::new(priced());
    let begun = Instant::now();
    let text = ask(&upstream, call_with(body(r#","n":2"#), false)).await.expect("an answer");
    assert_eq!(begun.elapsed(), Duration::from_millis(150));
    let answer: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(answer["object"], "chat.completion");
    assert_eq!(answer["model"], "sim");
    assert_eq!(answer["created"], 1_795_478_400);
    assert_eq!(answer["choices"].as_array().map(Vec::len), Some(2));
    assert_eq!(answer["choices"][1]["message"]["content"], "This answer was made up");
    assert_eq!(answer["choices"][1]["finish_reason"], "stop");
    assert_eq!(answer["usage"]["prompt_tokens"], 2);
    assert_eq!(answer["usage"]["completion_tokens"], 10);
    let bill = upstream.bill();
    assert_eq!((bill.calls, bill.answered), (1, 1));
    assert_eq!((bill.input, bill.output), (Tokens::new(2), Tokens::new(10)));
    assert_eq!(bill.billed, NanoUsd::new(2 * 1_000 + 10 * 10_000));
}

#[tokio::test(start_paused = true)]
async fn the_cap_is_honoured() {
    let upstream = SimulatedUpstream::new(priced());
    for (cap, length, reason) in [(3, 3, "length"), (5, 5, "stop"), (0, 0, "length"), (99, 5, "stop")] {
        let text = ask(&upstream, call_with(body(&format!(",\"max_tokens\":{cap}")), false)).await.expect("an answer");
        let answer: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(answer["usage"]["completion_tokens"], length, "{cap}");
        assert_eq!(answer["choices"][0]["finish_reason"], reason, "{cap}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_that_of_the_dialect() {
    let upstream = SimulatedUpstream::new(priced());
    let asked = body(r#","stream":true,"stream_options":{"include_usage":true}"#);
    let begun = Instant::now();
    let answer = send(&upstream, call_with(asked, true)).await.expect("an answer");
    assert_eq!(answer.headers["content-type"], "text/event-stream; charset=utf-8");
    let events = events(answer).await;
    assert_eq!(begun.elapsed(), Duration::from_millis(150 + 4 * 20));
    assert_eq!(events.len(), 1 + 5 + 1 + 1);
    assert_eq!(events[0]["choices"][0]["delta"]["role"], "assistant");
    let text: String =
        events[1..6].iter().map(|event| event["choices"][0]["delta"]["content"].as_str().expect("text")).collect();
    assert_eq!(text, "This answer was made up");
    assert_eq!(events[6]["choices"][0]["finish_reason"], "stop");
    assert!(events[..7].iter().all(|event| event["usage"].is_null() && event["id"] == events[7]["id"]));
    assert_eq!(events[7]["choices"], serde_json::json!([]));
    assert_eq!(events[7]["usage"]["total_tokens"], 7);

    let without = send(&upstream, call_with(body(r#","stream":true,"n":2"#), true)).await.expect("an answer");
    let events = self::events(without).await;
    assert_eq!(events.len(), 2 * (1 + 5 + 1));
    assert!(events.iter().all(|event| event.get("usage").is_none()));
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_left_is_billed_as_far_as_it_came() {
    let upstream = SimulatedUpstream::new(priced());
    let mut answer = send(&upstream, call_with(body(r#","stream":true"#), true)).await.expect("an answer");
    for _ in 0..3 {
        next(&mut answer).await.expect("an event").expect("no fault");
    }
    drop(answer);
    assert_eq!((upstream.bill().input, upstream.bill().output), (Tokens::new(2), Tokens::new(2)));
}

#[tokio::test(start_paused = true)]
async fn failures_come_as_often_as_told_and_the_same_again() {
    let config = SimulatedConfig { fail_per_mille: 300, rate_limit_per_mille: 200, seed: 9, ..priced() };
    let mut runs = Vec::new();
    for _ in 0..2 {
        let upstream = SimulatedUpstream::new(config.clone());
        let mut faults = Vec::new();
        for number in 0..1000 {
            let outcome = upstream.call(permit(attempt(number)), call_with(body(""), false)).await;
            faults.push(outcome.err().map(|fault| (fault.kind, fault.billing, fault.status, fault.retry.after)));
        }
        let count = |wanted| faults.iter().flatten().filter(|(kind, ..)| *kind == wanted).count();
        assert!((250..350).contains(&count(FaultKind::ServerError)), "{}", count(FaultKind::ServerError));
        assert!((160..240).contains(&count(FaultKind::RateLimited)), "{}", count(FaultKind::RateLimited));
        for (kind, billing, status, after) in faults.iter().flatten() {
            match kind {
                FaultKind::RateLimited => {
                    assert_eq!(
                        (*billing, *status, *after),
                        (Billing::Rejected, Some(429), Some(Duration::from_secs(1)))
                    );
                }
                _ => assert_eq!((*billing, *status), (Billing::Unknown, Some(500))),
            }
        }
        runs.push(faults);
    }
    assert_eq!(runs[0], runs[1]);
}

#[tokio::test(start_paused = true)]
async fn an_outage_begins_bills_and_ends() {
    let upstream = SimulatedUpstream::new(priced());
    let only = |answer| vec![OutageShare { answer, weight: 1 }];
    upstream.set_outage(Some(Outage { mix: only(OutageAnswer::Status(500)), billing: FailureBilling::Everything }));
    let fault = send(&upstream, call_with(body(""), false)).await.expect_err("an outage");
    assert_eq!((fault.kind, fault.billing), (FaultKind::ServerError, Billing::Unknown));
    assert_eq!((upstream.bill().input, upstream.bill().output), (Tokens::new(2), Tokens::new(5)));

    upstream.set_outage(Some(Outage { mix: only(OutageAnswer::Status(429)), billing: FailureBilling::Everything }));
    let fault = send(&upstream, call_with(body(""), false)).await.expect_err("an outage");
    assert_eq!(fault.billing, Billing::Rejected);
    assert_eq!(upstream.bill().output, Tokens::new(5), "what is never billed is not billed");

    upstream.set_outage(Some(Outage { mix: only(OutageAnswer::Reset), billing: FailureBilling::Input }));
    let fault = send(&upstream, call_with(body(""), false)).await.expect_err("an outage");
    assert_eq!((fault.kind, fault.billing), (FaultKind::ConnectionLost, Billing::Unknown));
    assert_eq!((upstream.bill().input, upstream.bill().output), (Tokens::new(4), Tokens::new(5)));

    upstream.set_outage(Some(Outage { mix: only(OutageAnswer::Hang), billing: FailureBilling::Nothing }));
    let hanging = upstream.call(permit(attempt(1)), call_with(body(""), false));
    assert!(tokio::time::timeout(Duration::from_secs(300), hanging).await.is_err());

    upstream.set_outage(Some(Outage { mix: Vec::new(), billing: FailureBilling::Nothing }));
    let fault = send(&upstream, call_with(body(""), false)).await.expect_err("an outage");
    assert_eq!(fault.status, Some(503));

    upstream.set_outage(None);
    ask(&upstream, call_with(body(""), false)).await.expect("an answer");
    let bill = upstream.bill();
    assert_eq!((bill.calls, bill.answered), (6, 1));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_no_request_is_rejected() {
    let upstream = SimulatedUpstream::new(priced());
    let fault = send(&upstream, call_with("{}", false)).await.expect_err("a rejection");
    assert_eq!((fault.kind, fault.billing, fault.status), (FaultKind::InvalidRequest, Billing::Rejected, Some(400)));
    assert_eq!(upstream.bill().billed, NanoUsd::ZERO);
}
