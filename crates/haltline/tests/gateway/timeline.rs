//! What happened to a request, as its owner, an operator and the command line are told.

use crate::setup::{Setup, ask};
use haltline_testkit::http_client::{Answer, Call};
use haltline_testkit::{Behaviour, FakeConfig, Script};
use serde_json::{Value, json};
use std::time::Duration;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

fn config(limit: &str) -> String {
    format!(
        "[models.chat]\ntargets = [\"fake/m\"]\nmax_output_tokens = 100\n[[budgets]]\nname = \"day\"\nscope = \"global\"\nlimit = \"{limit}\"\nwindow = \"day\"\n[retry]\nbase = \"1ms\"\n"
    )
}

fn named(call: Call, user: &str) -> Call {
    call.header("x-haltline-user", user)
        .header("x-haltline-session", "thread/1")
        .header("traceparent", &format!("00-{TRACE}-00f067aa0ba902b7-01"))
}

fn id(answer: &Answer) -> String {
    answer.header("x-request-id").expect("an id").to_owned()
}

/// The record is written after the last byte is out.
async fn timeline(setup: &Setup, path: &str, user: &str) -> Value {
    for _ in 0..200 {
        let answer = setup.get(path).header("x-haltline-user", user).send().await.expect("answer");
        if answer.status == 200 {
            return answer.json().expect("json");
        }
        assert_eq!(answer.status, 404, "{:?}", answer.json());
        tokio::task::yield_now().await;
    }
    panic!("no timeline at {path}");
}

fn words(timeline: &Value) -> Vec<&str> {
    timeline["steps"].as_array().expect("steps").iter().map(|step| step["step"].as_str().expect("word")).collect()
}

fn step<'a>(timeline: &'a Value, word: &str) -> &'a Value {
    let steps = timeline["steps"].as_array().expect("steps");
    steps.iter().find(|step| step["step"] == word).unwrap_or_else(|| panic!("no {word} in {timeline}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_and_a_success_are_told_step_by_step() {
    let script = Script::queue([Behaviour::status(500)]);
    let setup = Setup::start(FakeConfig::with_script(script), &config("$1")).await;
    let mut body = ask("hello");
    body["stream"] = true.into();
    let answer = named(setup.post(&body), "alice").send().await.expect("answer");
    assert_eq!(answer.status, 200);
    let told = timeline(&setup, &format!("/v1/requests/{}/timeline", id(&answer)), "alice").await;
    // How often something is waited for or sampled is the machine's affair.
    let certain = |word: &&str| !matches!(*word, "checkpoint" | "waited" | "watcher_came" | "watcher_left");
    assert_eq!(
        words(&told).into_iter().filter(certain).collect::<Vec<_>>(),
        [
            "arrived",
            "identified",
            "accepted",
            "planned",
            "held",
            "sent",
            "fault",
            "settled",
            "retry",
            "planned",
            "held",
            "sent",
            "head",
            "first_token",
            "settled",
            "ended"
        ],
        "{told}"
    );
    let offsets: Vec<u64> =
        told["steps"].as_array().expect("steps").iter().map(|step| step["at_us"].as_u64().expect("a time")).collect();
    assert!(offsets.is_sorted() && offsets.first() == Some(&0), "{offsets:?}");
    assert_eq!(
        (step(&told, "fault")["attempt"].as_u64(), step(&told, "fault")["status"].as_u64()),
        (Some(1), Some(500))
    );
    assert_eq!(step(&told, "fault")["fault"], "server_error");
    assert_eq!(step(&told, "held")["endpoint"], "fake/m");
    assert_eq!(step(&told, "retry")["why"], "server_error");
    assert_eq!(
        (&told["trace_id"], &told["session"], &told["user"]),
        (&json!(TRACE), &json!("thread/1"), &json!("alice"))
    );
    assert_eq!((&told["attempts"], &told["outcome"], &told["status"]), (&json!(2), &json!("answered"), &json!(200)));
    // The timeline's money is the record's, which is the account's.
    assert_eq!(told["cost"].as_str(), Some(setup.spent("day").to_decimal().as_str()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_says_which_budget() {
    let setup = Setup::start(FakeConfig::default(), &config("$0.000001")).await;
    let answer = named(setup.post(&ask("hello")), "alice").send().await.expect("answer");
    assert_eq!(answer.status, 402);
    let told = timeline(&setup, &format!("/v1/requests/{}/timeline", id(&answer)), "alice").await;
    assert_eq!(step(&told, "not_held")["about"], "day");
    assert_eq!(words(&told).last(), Some(&"ended"));
    assert_eq!(step(&told, "ended")["why"], told["code"]);
    assert_eq!((&told["outcome"], &told["cost"]), (&json!("refused"), &json!("0.00")));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_belongs_to_another_is_not_there() {
    let setup = Setup::start(FakeConfig::default(), &config("$1")).await;
    let answer = named(setup.post(&ask("hello")), "alice").send().await.expect("answer");
    let path = format!("/v1/requests/{}/timeline", id(&answer));
    timeline(&setup, &path, "alice").await;
    let unknown = format!("/v1/requests/{}/timeline", id(&answer).replace("req_0", "req_f"));
    let missing = |path: String, user: Option<&'static str>| {
        let setup = &setup;
        async move {
            let call = setup.get(&path);
            let call = if let Some(user) = user { call.header("x-haltline-user", user) } else { call };
            let answer = call.send().await.expect("answer");
            let body = answer.json().expect("json");
            (answer.status.as_u16(), body["error"]["code"].as_str().map(str::to_owned))
        }
    };
    let not_there = (404, Some("not_found".to_owned()));
    assert_eq!(missing(path.clone(), Some("bob")).await, not_there);
    assert_eq!(missing(path.clone(), None).await, not_there, "no user is another than alice");
    assert_eq!(missing(unknown, Some("alice")).await, not_there);
    assert_eq!(missing("/v1/requests/nonsense/timeline".to_owned(), Some("alice")).await, not_there);
    assert_eq!(missing("/v1/sessions/thread%2F1/timeline".to_owned(), Some("bob")).await, not_there);
    let none = Call::get(format!("{}{path}", setup.gateway.origin())).send().await.expect("answer");
    assert_eq!(none.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_shows_what_tools_gave_and_how_long_they_took() {
    let setup = Setup::start(FakeConfig::default(), &config("$1")).await;
    let first = named(setup.post(&ask("the weather?")), "alice").send().await.expect("answer");
    assert_eq!(first.status, 200);
    timeline(&setup, &format!("/v1/requests/{}/timeline", id(&first)), "alice").await;
    let body = json!({"model": "chat", "messages": [
        {"role": "user", "content": "the weather?"},
        {"role": "assistant", "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "c1", "content": ""},
    ]});
    let second = named(setup.post(&body), "alice").send().await.expect("answer");
    assert_eq!(second.status, 200, "{:?}", second.json());
    let alone = timeline(&setup, &format!("/v1/requests/{}/timeline", id(&second)), "alice").await;
    let tool = step(&alone, "tool_returned");
    assert_eq!(tool["tool"], json!({"name": "weather", "id": "c1", "empty": true, "error": false}));
    assert!(tool["took_us"].as_u64().is_some(), "{tool}");
    let session = timeline(&setup, "/v1/sessions/thread%2F1/timeline", "alice").await;
    let requests = session["requests"].as_array().expect("requests");
    let ids: Vec<_> = requests.iter().map(|request| request["id"].as_str().expect("id").to_owned()).collect();
    assert_eq!(ids, [id(&first), id(&second)]);
    assert_eq!(step(&requests[1], "tool_returned")["took_us"], tool["took_us"]);
    let page = timeline(&setup, "/v1/sessions/thread%2F1/timeline?limit=1&order=desc", "alice").await;
    assert_eq!((&page["requests"][0]["id"], &page["next"]), (&json!(id(&second)), &json!(id(&second))));
    let next = timeline(
        &setup,
        &format!("/v1/sessions/thread%2F1/timeline?limit=1&order=desc&after={}", id(&second)),
        "alice",
    )
    .await;
    assert_eq!(next["requests"][0]["id"], json!(id(&first)));
    let bad = setup.get("/v1/sessions/thread%2F1/timeline?limit=0").send().await.expect("answer");
    assert_eq!((bad.status.as_u16(), bad.json().expect("json")["error"]["param"].clone()), (400, json!("limit")));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_traces_a_request_a_trace_and_a_session_with_and_without_a_gateway() {
    let mut setup = Setup::start(FakeConfig::with_script(Script::queue([Behaviour::status(500)])), &config("$1")).await;
    let answer = named(setup.post(&ask("hello")), "alice").send().await.expect("answer");
    let path = format!("/v1/requests/{}/timeline", id(&answer));
    let told = timeline(&setup, &path, "alice").await;
    for running in [true, false] {
        if !running {
            setup.gateway.term(Duration::from_secs(20)).await.expect("ended");
        }
        let run = |words: &[&str]| {
            let output = setup.gateway.command_line(words).expect("run");
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            (output.status.code(), text(&output.stdout), text(&output.stderr))
        };
        for name in [id(&answer).as_str(), TRACE, "thread/1"] {
            let (exit, out, err) = run(&["trace", name]);
            assert_eq!(exit, Some(0), "{err}");
            let line: Value = serde_json::from_str(out.trim()).expect(&out);
            assert_eq!((&line["id"], words(&line)), (&told["id"], words(&told)), "{name}, running: {running}");
            // Operators see what the provider said.
            assert_ne!(step(&line, "fault")["text"], step(&told, "fault")["text"]);
        }
        let (_, drawn, _) = run(&["trace", &id(&answer), "--format", "table"]);
        assert!(drawn.contains("attempt 1: server_error (HTTP 500)") && drawn.contains("total"), "{drawn}");
        assert!(drawn.lines().last().is_some_and(|last| last.contains("2 attempts")), "{drawn}");
        let (exit, _, err) = run(&["trace", "req_00000000000000000000000000000000"]);
        assert_eq!(exit, Some(5), "{err}");
        let (exit, _, err) = run(&["trace", "no-such-session"]);
        assert_eq!(exit, Some(5), "{err}");
        let (exit, _, err) = run(&["trace", TRACE, "--user", "bob"]);
        assert_eq!(exit, Some(5), "{err}");
    }
}
