//! Jobs and dead letters through the real binary: over HTTP, and from the command line.

use crate::setup::{Setup, ask, code, money};
use haltline_testkit::http_client::{Answer, Call};
use haltline_testkit::{Behaviour, FakeConfig};
use http::Method;
use serde_json::{Value, json};
use std::time::Duration;

const MODEL: &str = "[models.chat]\ntargets = [\"fake/m\"]\nmax_output_tokens = 1000\n[[budgets]]\nname = \"day\"\nscope = \"global\"\nlimit = \"$1\"\nwindow = \"day\"\n[jobs]\nmax_attempts = 2\nretry_base = \"10ms\"\n[retry]\nmax_retries = 0\n";

fn order(text: &str) -> Value {
    json!({"endpoint": "/v1/chat/completions", "body": ask(text)})
}

async fn submit(setup: &Setup, order: &Value) -> Answer {
    let url = format!("{}/v1/jobs", setup.gateway.origin());
    Call::post(url).bearer(&setup.secret).json(order).send().await.expect("answer")
}

async fn wait_for(setup: &Setup, id: &str, status: &str) -> Value {
    let mut last = Value::Null;
    for _ in 0..500 {
        last = setup.get(&format!("/v1/jobs/{id}")).send().await.expect("answer").json().expect("JSON");
        if last["status"] == status {
            return last;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("never {status}: {last}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_made_asked_for_and_forgotten_over_http() {
    let setup = Setup::start(FakeConfig::default(), MODEL).await;
    let made = submit(&setup, &order("a job")).await;
    assert_eq!(made.status, 202, "{:?}", made.body);
    let job = made.json().expect("JSON");
    let id = job["id"].as_str().expect("an id");
    assert_eq!(made.headers.get("location").expect("a place"), &format!("/v1/jobs/{id}"));
    let done = wait_for(&setup, id, "succeeded").await;
    let result = setup.get(&format!("/v1/jobs/{id}/result")).send().await.expect("answer");
    assert_eq!(
        (result.status.as_u16(), result.json().expect("JSON")["object"].clone()),
        (200, json!("chat.completion"))
    );
    assert_eq!(money(&done["cost"]), setup.provider.bill().total);
    assert_eq!(setup.spent("day"), setup.provider.bill().total);
    let page = setup.get("/v1/jobs?limit=1&status=succeeded").send().await.expect("answer").json().expect("JSON");
    assert_eq!((&page["data"][0]["id"], &page["has_more"]), (&json!(id), &json!(false)));
    let other = setup.gateway.create_key(&["other"]).expect("key");
    let theirs = Call::get(format!("{}/v1/jobs/{id}", setup.gateway.origin())).bearer(&other).send().await;
    assert_eq!(theirs.expect("answer").status, 404);
    let alices = setup.get(&format!("/v1/jobs/{id}")).header("x-haltline-user", "alice").send().await;
    assert_eq!(alices.expect("answer").status, 404);
    let url = format!("{}/v1/jobs/{id}", setup.gateway.origin());
    let gone = Call::new(Method::DELETE, url).bearer(&setup.secret).send().await.expect("answer");
    assert_eq!(gone.status, 200, "{:?}", gone.body);
    assert_eq!(setup.get(&format!("/v1/jobs/{id}")).send().await.expect("answer").status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_job_is_refused_with_a_sentence() {
    let setup = Setup::start(FakeConfig::default(), MODEL).await;
    let mut unknown = ask("x");
    unknown["model"] = json!("none");
    for (bad, status, word) in [
        (json!({"body": {}}), 400, "invalid_request"),
        (json!({"endpoint": "/v1/chat/completions"}), 400, "invalid_request"),
        (json!({"endpoint": "/v1/nothing", "body": {}}), 400, "invalid_request"),
        (json!({"endpoint": "/v1/chat/completions", "body": [], "x": 1}), 400, "invalid_request"),
        (json!({"endpoint": "/v1/chat/completions", "body": unknown}), 404, "unknown_model"),
        (json!({"endpoint": "/v1/chat/completions", "body": ask("x"), "max_attempts": 0}), 400, "invalid_request"),
        (json!({"endpoint": "/v1/chat/completions", "body": ask("x"), "metadata": 1}), 400, "invalid_request"),
    ] {
        let refused = submit(&setup, &bad).await;
        assert_eq!((refused.status.as_u16(), code(&refused).as_str()), (status, word), "{bad}: {:?}", refused.body);
    }
    let url = format!("{}/v1/jobs", setup.gateway.origin());
    assert_eq!(Call::post(url).json(&order("x")).send().await.expect("answer").status, 401);
    assert_eq!(setup.provider.bill().total, haltline_types::NanoUsd::ZERO);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_is_found_and_sent_again_from_the_command_line() {
    let setup = Setup::start(FakeConfig::with_script(Behaviour::status(500)), MODEL).await;
    let made = submit(&setup, &order("doomed")).await.json().expect("JSON");
    let id = made["id"].as_str().expect("an id").to_owned();
    let failed = wait_for(&setup, &id, "failed").await;
    let letter = failed["error"]["dead_letter"].as_str().expect("a letter").to_owned();
    let run = |words: &[&str]| {
        let output = setup.gateway.command_line(words).expect("a command");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("utf-8");
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let (status, listed, err) = run(&["dlq", "list", "--format", "json"]);
    assert_eq!(status, Some(0), "{err}");
    let listed: Value = serde_json::from_str(listed.trim()).expect("a line");
    assert_eq!((&listed["id"], &listed["about"], &listed["class"]), (&json!(letter), &json!(id), &json!("permanent")));
    let (_, shown, _) = run(&["dlq", "show", &letter, "--format", "table"]);
    assert!(shown.contains("doomed") && shown.contains("upstream_failed"), "{shown}");
    let (status, said, err) = run(&["dlq", "retry", &letter, "--yes"]);
    assert_eq!(status, Some(0), "{err}");
    let again = said.split("job_").nth(1).map(|rest| format!("job_{}", &rest[..32])).expect("a job");
    let again = wait_for(&setup, &again, "failed").await;
    assert_eq!(again["retry_of"], json!(letter));
    let (status, _, err) = run(&["dlq", "retry", &letter, "--yes"]);
    assert_ne!(status, Some(0), "{err}");
    let (status, _, err) = run(&["dlq", "discard", "--all"]);
    assert_eq!(status, Some(0), "{err}");
    assert_eq!(run(&["dlq", "list", "--all", "--format", "json"]).1, "");
    setup.assert_nothing_held("day");
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_survive_a_kill_and_what_is_finished_is_not_paid_again() {
    let mut setup = Setup::start(FakeConfig::default(), MODEL).await;
    let done = submit(&setup, &order("done")).await.json().expect("JSON");
    let done = done["id"].as_str().expect("an id").to_owned();
    wait_for(&setup, &done, "succeeded").await;
    let paid = setup.provider.bill().total;
    setup.provider.set_script(Behaviour::StallBeforeHead);
    let lost = submit(&setup, &order("lost")).await.json().expect("JSON");
    let lost = lost["id"].as_str().expect("an id").to_owned();
    wait_for(&setup, &lost, "running").await;
    setup.gateway.kill9().expect("killed");
    setup.provider.set_script(Behaviour::default());
    setup.gateway.serve().await.expect("ready again");
    let finished = wait_for(&setup, &lost, "succeeded").await;
    assert_eq!(finished["attempts_made"], 2, "{finished}");
    let result = setup.get(&format!("/v1/jobs/{done}/result")).send().await.expect("answer");
    assert_eq!(result.status, 200, "{:?}", result.body);
    assert_eq!(wait_for(&setup, &done, "succeeded").await["attempts_made"], 1);
    // What was lost is charged in full; what was finished, once.
    let bill = setup.provider.settled_bill(Duration::from_secs(10)).await.expect("bill");
    assert!(setup.spent("day") >= bill.total && bill.total > paid, "{} of {}", setup.spent("day"), bill.total);
    setup.assert_nothing_held("day");
}
