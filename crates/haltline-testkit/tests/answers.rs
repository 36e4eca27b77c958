//! Good answers: shape, caps, usage reports, pace and writing.

use crate::{LIMIT, config, only_line, provider};
use haltline_testkit::http_client::Call;
use haltline_testkit::{Answer, Behaviour, FakeProvider, Outcome, Pace, Report, Shape, Writing};
use haltline_types::{NanoUsd, Tokens};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

#[tokio::test]
async fn a_plain_answer_tells_the_truth_and_is_billed() {
    let provider = provider(Behaviour::tokens(7)).await;
    let call = Call::chat(&provider.origin(), "m", "eight by", 50).header("x-haltline-attempt", "req_1/1");
    let answer = call.send().await.expect("answer");
    assert_eq!(answer.status, 200);
    let body = answer.json().expect("json");
    assert_eq!(body["usage"]["prompt_tokens"], 2);
    assert_eq!(body["usage"]["completion_tokens"], 7);
    assert_eq!(body["usage"]["total_tokens"], 9);
    assert_eq!(body["choices"][0]["finish_reason"], "stop");
    assert_eq!(body["choices"][0]["message"]["content"].as_str().map(str::len), Some(28));
    let line = only_line(&provider).await;
    assert_eq!((line.input, line.output, line.cap), (Tokens::new(2), Tokens::new(7), Some(Tokens::new(50))));
    assert_eq!(line.cost, NanoUsd::new(2 + 3 * 7));
    assert_eq!((line.attempt.as_deref(), line.outcome), (Some("req_1/1"), Outcome::Delivered));
}

#[tokio::test]
async fn the_cap_is_never_passed_and_n_multiplies_it() {
    let provider = provider(Behaviour::tokens(500)).await;
    for (stream, call) in [(false, 1), (true, 2)] {
        let body = json!({"model": "m", "n": 3, "max_completion_tokens": 5, "stream": stream,
            "messages": [{"role": "user", "content": "abcd"}]});
        let url = format!("{}/chat/completions", provider.base_url());
        let read = Call::post(url).json(&body).open().await.expect("head").read().await;
        assert_eq!(read.error, None);
        assert_eq!(read.text().matches(r#""finish_reason":"length""#).count(), 3, "{}", read.text());
        let bill = provider.settled_bill(LIMIT).await.expect("bill");
        assert_eq!(bill.attempts.len(), call);
        assert_eq!(bill.attempts[call - 1].output, Tokens::new(15));
    }
}

#[tokio::test]
async fn a_request_without_a_cap_runs_long() {
    let provider = provider(Behaviour::default()).await;
    let body = json!({"model": "m", "messages": [{"role": "user", "content": "abcd"}]});
    let url = format!("{}/v1/chat/completions", provider.origin());
    Call::post(url).json(&body).send().await.expect("answer");
    let line = only_line(&provider).await;
    assert_eq!((line.cap, line.output), (None, Tokens::new(256)));
}

#[tokio::test]
async fn a_stream_has_role_tokens_finish_usage_and_done() {
    let provider = provider(Behaviour::tokens(4)).await;
    let stream = Call::chat_stream(&provider.origin(), "m", "abcd", 50).open().await.expect("head");
    assert_eq!(stream.headers["content-type"], "text/event-stream; charset=utf-8");
    let read = stream.read().await;
    assert_eq!(read.error, None);
    let data = read.data();
    assert_eq!(data.len(), 1 + 4 + 1 + 1 + 1, "{data:?}");
    let events: Vec<Value> = data[..7].iter().map(|text| serde_json::from_str(text).expect(text)).collect();
    assert_eq!(events[0]["choices"][0]["delta"]["role"], "assistant");
    let text: String = events.iter().filter_map(|event| event["choices"][0]["delta"]["content"].as_str()).collect();
    assert_eq!(text.len(), 16);
    assert_eq!(events[5]["choices"][0]["finish_reason"], "stop");
    assert_eq!(events[6]["choices"], json!([]));
    assert_eq!(events[6]["usage"]["completion_tokens"], 4);
    assert_eq!(data[7], "[DONE]");
    let line = only_line(&provider).await;
    assert_eq!((line.output, line.outcome), (Tokens::new(4), Outcome::Delivered));
}

#[tokio::test]
async fn usage_in_a_stream_comes_only_when_asked_for() {
    let provider = provider(Behaviour::tokens(2)).await;
    let body = json!({"model": "m", "max_tokens": 9, "stream": true,
        "messages": [{"role": "user", "content": "abcd"}]});
    let url = format!("{}/v1/chat/completions", provider.origin());
    let read = Call::post(url).json(&body).open().await.expect("head").read().await;
    assert!(!read.text().contains("usage"), "{}", read.text());
    assert_eq!(read.data().last().map(String::as_str), Some("[DONE]"));
}

#[tokio::test]
async fn reports_lie_as_told_and_the_bill_does_not() {
    for (report, prompt, completion) in [
        (Report::Scaled { num: 3, den: 1 }, Some(9), Some(30)),
        (Report::Scaled { num: 1, den: 2 }, Some(2), Some(5)),
        (Report::Omit, None, None),
        (Report::True, Some(3), Some(10)),
    ] {
        let provider =
            provider(Behaviour::Answer(Answer { tokens: Some(Tokens::new(10)), report, ..Answer::default() })).await;
        let answer = Call::chat(&provider.origin(), "m", "twelve bytes", 50).send().await.expect("answer");
        let usage = answer.json().expect("json")["usage"].clone();
        assert_eq!((usage["prompt_tokens"].as_u64(), usage["completion_tokens"].as_u64()), (prompt, completion));
        let read = Call::chat_stream(&provider.origin(), "m", "twelve bytes", 50).open().await.expect("head").read();
        let read = read.await;
        let reported =
            read.data().iter().filter_map(|data| serde_json::from_str::<Value>(data).ok()).find_map(|event| {
                Some((event["usage"]["prompt_tokens"].as_u64()?, event["usage"]["completion_tokens"].as_u64()?))
            });
        assert_eq!(reported, prompt.zip(completion), "{report:?}");
        let bill = provider.settled_bill(LIMIT).await.expect("bill");
        assert_eq!(bill.total, NanoUsd::new(2 * (3 + 3 * 10)), "{report:?}");
    }
}

#[tokio::test]
async fn a_tool_is_called_when_told_and_offered() {
    let provider = provider(Behaviour::Answer(Answer { shape: Shape::ToolCall, ..Answer::default() })).await;
    let url = format!("{}/v1/chat/completions", provider.origin());
    let with_tools = |stream: bool| {
        json!({"model": "m", "max_tokens": 3, "stream": stream, "messages": [{"role": "user", "content": "x"}],
            "tools": [{"type": "function", "function": {"name": "look_up", "parameters": {}}}]})
    };
    let body = Call::post(&url).json(&with_tools(false)).send().await.expect("answer").json().expect("json");
    let call = &body["choices"][0]["message"]["tool_calls"][0]["function"];
    assert_eq!(call["name"], "look_up");
    assert!(serde_json::from_str::<Value>(call["arguments"].as_str().expect("text")).is_ok(), "{call}");
    assert_eq!(body["choices"][0]["finish_reason"], "tool_calls");

    let read = Call::post(&url).json(&with_tools(true)).open().await.expect("head").read().await;
    let arguments: String = read
        .data()
        .iter()
        .filter_map(|data| serde_json::from_str::<Value>(data).ok())
        .filter_map(|event| {
            let call = &event["choices"][0]["delta"]["tool_calls"][0];
            call["function"]["arguments"].as_str().map(str::to_owned)
        })
        .collect();
    let arguments: Value = serde_json::from_str(&arguments).expect("whole arguments");
    assert_eq!(arguments["text"].as_str().map(str::len), Some(12));

    let text = Call::chat(&provider.origin(), "m", "no tools", 3).send().await.expect("answer").json().expect("json");
    assert!(text["choices"][0]["message"]["content"].is_string());
}

#[tokio::test]
async fn latency_and_pace_are_kept() {
    let pace = Pace { interval: Duration::from_millis(20), tokens_per_chunk: Tokens::new(2) };
    let answer = Answer { latency: Duration::from_millis(60), tokens: Some(Tokens::new(6)), pace, ..Answer::default() };
    let provider = provider(Behaviour::Answer(answer)).await;
    let began = Instant::now();
    let stream = Call::chat_stream(&provider.origin(), "m", "x", 50).open().await.expect("head");
    assert!(began.elapsed() >= Duration::from_millis(60), "{:?}", began.elapsed());
    let read = stream.read().await;
    assert!(began.elapsed() >= Duration::from_millis(100), "{:?}", began.elapsed());
    assert_eq!(read.text().matches("content\":\"").count(), 1 + 3);
}

#[tokio::test]
async fn a_huge_event_costs_nothing_and_a_drip_keeps_every_byte() {
    let huge = Answer { writing: Writing::HugeEvent { bytes: 300_000 }, ..Answer::default() };
    let drip =
        Answer { writing: Writing::Drip { bytes: 7, pause_ms: 0 }, tokens: Some(Tokens::new(2)), ..Answer::default() };
    let provider = provider(Behaviour::Answer(huge)).await;
    let read = Call::chat_stream(&provider.origin(), "m", "x", 2).open().await.expect("head").read().await;
    assert!(read.data().iter().any(|data| data.len() > 300_000));
    assert_eq!(only_line(&provider).await.output, Tokens::new(2));

    provider.set_script(Behaviour::Answer(drip));
    let mut stream = Call::chat_stream(&provider.origin(), "m", "x", 2).open().await.expect("head");
    let mut bytes = Vec::new();
    while let Some(piece) = stream.piece().await.expect("piece") {
        assert!(piece.len() <= 7, "{piece:?}");
        bytes.extend_from_slice(&piece);
    }
    let text = String::from_utf8(bytes).expect("text");
    assert!(text.ends_with("data: [DONE]\n\n"), "{text}");
    assert!(text.contains(r#""completion_tokens":2"#));
}

#[tokio::test]
async fn models_are_listed_and_keys_checked() {
    let config = haltline_testkit::FakeConfig {
        models: vec!["a".to_owned(), "b".to_owned()],
        api_key: Some("k".to_owned()),
        ..config(Behaviour::default())
    };
    let provider = FakeProvider::start(config).await.expect("provider");
    let list = Call::get(format!("{}/models", provider.base_url())).send().await.expect("list").json().expect("json");
    assert_eq!(list["data"][1]["id"], "b");
    let refused = Call::chat(&provider.origin(), "a", "x", 5).bearer("wrong").send().await.expect("answer");
    assert_eq!(refused.status, 401);
    let taken = Call::chat(&provider.origin(), "a", "x", 5).bearer("k").send().await.expect("answer");
    assert_eq!(taken.status, 200);
    let calls = provider.calls();
    assert_eq!((calls.chat, calls.rejected, calls.billed, calls.models), (2, 1, 1, 1));
    assert_eq!(provider.seen().last().expect("seen").headers["authorization"], "Bearer k");
}
