//! Providers that fail: bounded attempts, obeyed waits, and a bill that the ledger covers.

use crate::setup::{Setup, ask, code};
use haltline_testkit::{Behaviour, Ending, FakeConfig, Report, RetryAfter, Script};
use serde_json::json;
use std::time::{Duration, Instant};

fn config(retry: &str) -> String {
    format!(
        "[models.chat]\ntargets = [\"fake/m\"]\nmax_output_tokens = 100\n[[budgets]]\nname = \"day\"\nscope = \"global\"\nlimit = \"$1\"\nwindow = \"day\"\n[breaker]\nfailures = 1000\n[retry]\nbase = \"1ms\"\n{retry}\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_always_fails_is_called_four_times_a_request_and_ten_retries_a_user_and_hour() {
    let setup = Setup::start(FakeConfig::with_script(Behaviour::status(500)), &config("")).await;
    let mut calls = Vec::new();
    for number in 0..6 {
        let before = setup.provider.calls().chat;
        let answer = setup
            .post(&ask(&format!("question {number}")))
            .header("x-haltline-user", "alice")
            .send()
            .await
            .expect("answer");
        assert_eq!((answer.status.as_u16(), code(&answer)), (502, "upstream_failed".to_owned()));
        assert_eq!(answer.header("x-should-retry"), Some("false"));
        assert_eq!(answer.header("retry-after"), None);
        calls.push(setup.provider.calls().chat - before);
    }
    assert_eq!(calls, [4, 4, 4, 2, 1, 1], "3 retries a request, 10 for the user in the hour");
    let other = setup.post(&ask("somebody else")).header("x-haltline-user", "bob").send().await.expect("answer");
    assert_eq!(other.header("x-haltline-attempts"), Some("4"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_request_again_gets_the_same_failure_without_a_call() {
    let setup = Setup::start(FakeConfig::with_script(Behaviour::status(500)), &config("")).await;
    setup.post(&ask("again")).send().await.expect("answer");
    let before = setup.provider.calls().chat;
    let again = setup.post(&ask("again")).send().await.expect("answer");
    assert_eq!((again.status.as_u16(), code(&again)), (502, "upstream_failed".to_owned()));
    assert_eq!(setup.provider.calls().chat, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stated_wait_is_obeyed_and_one_that_is_too_long_ends_it_at_once() {
    let script = Script::queue([Behaviour::status_after(429, RetryAfter::Millis(700))]);
    let setup = Setup::start(FakeConfig::with_script(script), &config("max_wait = \"2s\"")).await;
    let began = Instant::now();
    let answer = setup.post(&ask("wait for it")).send().await.expect("answer");
    assert_eq!(answer.status, 200);
    assert!(began.elapsed() >= Duration::from_millis(700), "repeated after {:?}", began.elapsed());
    setup.provider.set_script(Behaviour::status_after(429, RetryAfter::Secs(3600)));
    let before = setup.provider.calls().chat;
    let answer = setup.post(&ask("do not wait")).send().await.expect("answer");
    assert_eq!(answer.status, 502);
    assert_eq!(setup.provider.calls().chat - before, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn rejections_cost_nothing_and_unknown_outcomes_cost_the_ceiling() {
    let setup = Setup::start(FakeConfig::with_script(Behaviour::status(400)), &config("max_retries = 0")).await;
    let answer = setup.post(&ask("rejected")).send().await.expect("answer");
    assert_eq!(answer.status, 400);
    assert_eq!(setup.spent("day"), haltline_types::NanoUsd::ZERO);
    setup.provider.set_script(Behaviour::ResetBeforeHead);
    assert_eq!(setup.post(&ask("reset")).send().await.expect("answer").status, 502);
    let after_reset = setup.spent("day");
    assert!(after_reset >= setup.provider.bill().total && after_reset > haltline_types::NanoUsd::ZERO);
    setup.provider.set_script(Behaviour::reporting(Report::Omit));
    assert_eq!(setup.post(&ask("no usage")).send().await.expect("answer").status, 200);
    assert!(setup.spent("day") > after_reset);
    assert!(setup.spent("day") >= setup.provider.bill().total);
    setup.assert_nothing_held("day");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_of_zeros_is_no_bill() {
    let script = Behaviour::reporting(Report::Scaled { num: 0, den: 1 });
    let setup = Setup::start(FakeConfig::with_script(script), &config("max_retries = 0")).await;
    let answer = setup.post(&ask("whole")).send().await.expect("answer");
    assert_eq!(answer.status, 200);
    let whole = setup.spent("day");
    assert!(whole >= setup.provider.bill().total && whole > haltline_types::NanoUsd::ZERO, "{whole}");
    let mut streamed = ask("in a stream");
    streamed["stream"] = true.into();
    assert_eq!(setup.post(&streamed).send().await.expect("answer").status, 200);
    assert!(setup.spent("day") >= setup.provider.bill().total);
    assert!(setup.spent("day") > whole);
    setup.assert_nothing_held("day");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bill_above_its_ceiling_is_charged_in_full_and_the_alarm_sounds() {
    let script = Behaviour::reporting(Report::Scaled { num: 50, den: 1 });
    let setup = Setup::start(FakeConfig::with_script(script), &config("")).await;
    let answer = setup.post(&ask("dear")).send().await.expect("answer");
    assert_eq!(answer.status, 200);
    let usage = answer.json().expect("json")["usage"].clone();
    let reported = usage["prompt_tokens"].as_i64().expect("tokens") * 1_000
        + usage["completion_tokens"].as_i64().expect("tokens") * 10_000;
    assert_eq!(setup.spent("day").get(), reported);
    let metrics = setup.get("/metrics").send().await.expect("metrics");
    let text = String::from_utf8(metrics.body.to_vec()).expect("utf-8");
    assert!(
        text.lines().any(|line| line.starts_with("haltline_bound_violations_total{") && line.ends_with(" 1")),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn five_failures_open_the_breaker_and_a_clients_own_errors_do_not() {
    let rest = "[models.chat]\ntargets = [\"fake/m\"]\n[retry]\nmax_retries = 0\n[breaker]\nopen_for = \"500ms\"\n";
    let setup = Setup::start(FakeConfig::with_script(Behaviour::status(400)), rest).await;
    for number in 0..8 {
        assert_eq!(setup.post(&ask(&format!("bad {number}"))).send().await.expect("answer").status, 400);
    }
    setup.provider.set_script(Behaviour::status(500));
    for number in 0..5 {
        assert_eq!(setup.post(&ask(&format!("failing {number}"))).send().await.expect("answer").status, 502);
    }
    let before = setup.provider.calls().chat;
    let answer = setup.post(&ask("open")).send().await.expect("answer");
    assert_eq!((answer.status.as_u16(), code(&answer)), (503, "breaker_open".to_owned()));
    assert_eq!(answer.header("x-should-retry"), Some("true"));
    assert!(answer.header("retry-after").is_some());
    assert_eq!(setup.provider.calls().chat, before, "an open breaker let a call pass");
    setup.provider.set_script(Behaviour::default());
    let began = Instant::now();
    let mut number = 0;
    while setup.post(&ask(&format!("probe {number}"))).send().await.expect("answer").status != 200 {
        number += 1;
        assert!(began.elapsed() < Duration::from_secs(10), "the breaker does not close");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_target_answers_when_the_first_fails() {
    let rest = "[providers.second]\nkind = \"simulated\"\nlatency = \"1ms\"\n[prices.\"second/s\"]\ninput = \"1\"\noutput = \"10\"\n[models.chat]\ntargets = [\"fake/m\", \"second/s\"]\n[retry]\nbase = \"1ms\"\n";
    let setup = Setup::start(FakeConfig::with_script(Behaviour::status(503)), rest).await;
    let answer = setup.post(&ask("hello")).send().await.expect("answer");
    assert_eq!(answer.status, 200, "{:?}", answer.body);
    assert_eq!(answer.header("x-haltline-provider"), Some("second"));
    assert_eq!(answer.header("x-haltline-attempts"), Some("2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incomplete_stream_never_ends_cleanly() {
    let setup = Setup::start(FakeConfig::default(), &config("max_retries = 0")).await;
    for (number, ending) in [
        Ending::Truncate { after: 3 },
        Ending::Cut { after: 3 },
        Ending::Reset { after: 3 },
        Ending::ErrorFrame { after: 3 },
    ]
    .into_iter()
    .enumerate()
    {
        setup.provider.set_script(Behaviour::ending(ending));
        let mut body = ask(&format!("cut {number}"));
        body["stream"] = json!(true);
        let read = setup.post(&body).open().await.expect("stream").read().await;
        let data = read.data();
        let last: serde_json::Value = serde_json::from_str(data.last().expect("an event")).expect("json");
        assert_eq!(last["error"]["code"], "upstream_failed", "{ending:?}: {}", read.text());
        assert!(!read.text().contains("[DONE]"));
    }
    let bill = setup.provider.settled_bill(Duration::from_secs(5)).await.expect("bill");
    assert!(setup.spent("day") >= bill.total);
    setup.assert_nothing_held("day");
}
