//! Forgetting, seen from outside: what is deleted, whose user is forgotten, and whose key is removed
//! cannot be had again by any way, and runs no more.

use crate::setup::{Setup, ask, code};
use haltline_testkit::http_client::{Answer, Call};
use haltline_testkit::{Answer as BehaviourAnswer, Behaviour, FakeConfig, Pace};
use haltline_types::Tokens;
use http::Method;
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;

const MODEL: &str = "[models.chat]\ntargets = [\"fake/m\"]\nmax_output_tokens = 1000\n[cache]\nenabled = true\n[jobs]\nconcurrency = 2\n";
const WORD: &str = "xyzzy-plugh";

fn stream(text: &str) -> Value {
    let mut body = ask(text);
    body["stream"] = json!(true);
    body
}

/// An answer that takes a minute.
fn endless() -> Behaviour {
    let pace = Pace { interval: Duration::from_millis(100), tokens_per_chunk: Tokens::new(1) };
    Behaviour::Answer(BehaviourAnswer { tokens: Some(Tokens::new(600)), pace, ..Default::default() })
}

async fn call(setup: &Setup, method: Method, path: &str, user: &str, body: Option<&Value>) -> Answer {
    let call = Call::new(method, format!("{}{path}", setup.gateway.origin())).bearer(&setup.secret);
    let call = if user.is_empty() { call } else { call.header("x-haltline-user", user) };
    let call = match body {
        Some(body) => call.header("x-haltline-session", "chat").json(body),
        None => call,
    };
    call.limit(Duration::from_secs(40)).send().await.expect("answer")
}

async fn get(setup: &Setup, path: &str, user: &str) -> Answer {
    call(setup, Method::GET, path, user, None).await
}

async fn admin(setup: &Setup, path: &str) -> Answer {
    let file = std::fs::read(setup.gateway.directory().join("data/admin.json")).expect("file");
    let admin: Value = serde_json::from_slice(&file).expect("json");
    let call = Call::post(format!("{}{path}", setup.gateway.origin())).bearer(admin["token"].as_str().expect("token"));
    call.limit(Duration::from_secs(60)).send().await.expect("answer")
}

/// Is the word in any file that is not a record, a log or the configuration?
fn is_kept(dir: &Path, word: &str) -> bool {
    std::fs::read_dir(dir).expect("readable").map(|entry| entry.expect("entry").path()).any(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            return is_kept(&path, word);
        }
        let is_of_it = ["documents", "streams", "stream"].iter().any(|begin| name.starts_with(begin));
        is_of_it && std::fs::read(&path).expect("readable").windows(word.len()).any(|window| window == word.as_bytes())
    })
}

/// A stream that has begun: its id, and what reads it.
async fn begun(setup: &Setup, user: &str, body: &Value) -> (String, haltline_testkit::http_client::Stream) {
    let post = setup.post(body).header("x-haltline-user", user).header("x-haltline-session", "running");
    let mut open = post.open().await.expect("stream");
    let id = open.headers["x-haltline-stream-id"].to_str().expect("id").to_owned();
    open.piece().await.expect("piece").expect("content");
    (id, open)
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_forgotten_user_nothing_can_be_had_again_and_nothing_runs_on() {
    let setup = Setup::start(FakeConfig::default(), MODEL).await;
    let secret_text = format!("the word is {WORD}");
    let ended = setup.post(&stream(&secret_text)).header("x-haltline-user", "alice").open().await.expect("stream");
    let ended_id = ended.headers["x-haltline-stream-id"].to_str().expect("id").to_owned();
    ended.read().await;
    let whole = ask(&format!("{secret_text}, again"));
    let once = setup.post(&whole).header("x-haltline-user", "alice").header("idempotency-key", "k").send().await;
    assert_eq!(once.expect("answer").status, 200);
    let asked = json!({"model": "chat", "input": secret_text, "store": true});
    let response = call(&setup, Method::POST, "/v1/responses", "alice", Some(&asked)).await.json().expect("json");
    let response = format!("/v1/responses/{}", response["id"].as_str().expect("id"));
    assert_eq!(get(&setup, &response, "alice").await.status, 200);
    let bobs = setup.post(&stream("hello")).header("x-haltline-user", "bob").open().await.expect("stream");
    let bobs_id = bobs.headers["x-haltline-stream-id"].to_str().expect("id").to_owned();
    bobs.read().await;
    // And what runs: a stream, and jobs that run and wait.
    setup.provider.set_script(endless());
    let (running_id, running) = begun(&setup, "alice", &stream(&format!("{secret_text}, at length"))).await;
    setup.provider.set_script(Behaviour::slow(Duration::from_secs(60)));
    for number in 0..5 {
        let order = json!({"endpoint": "/v1/chat/completions", "body": ask(&format!("{secret_text} {number}"))});
        assert_eq!(call(&setup, Method::POST, "/v1/jobs", "alice", Some(&order)).await.status, 202);
    }
    let reading = tokio::spawn(running.read());
    assert!(is_kept(&setup.gateway.directory().join("data"), WORD));

    let said = admin(&setup, "/admin/v1/users/alice/forget").await;
    assert_eq!(said.status, 200, "{}", String::from_utf8_lossy(&said.body));
    let said = said.json().expect("json")["message"].as_str().expect("text").to_owned();
    assert!(said.contains("5 jobs were stopped") && said.contains("because they are the bill"), "{said}");
    assert!(
        !said.contains(" 0 streams") && !said.contains(" 0 cached answers") && !said.contains("; 0 requests"),
        "{said}"
    );
    let read = tokio::time::timeout(Duration::from_secs(5), reading).await.expect("it has ended").expect("read");
    assert!(!read.text().contains("[DONE]"), "{}", read.text());
    for id in [&ended_id, &running_id] {
        for user in ["alice", ""] {
            assert_eq!(get(&setup, &format!("/v1/streams/{id}"), user).await.status, 404, "{id} for {user:?}");
        }
    }
    assert_eq!(get(&setup, &response, "alice").await.status, 404);
    for list in ["/v1/sessions", "/v1/jobs"] {
        assert_eq!(get(&setup, list, "alice").await.json().expect("json")["data"], json!([]), "{list}");
    }
    assert!(!is_kept(&setup.gateway.directory().join("data"), WORD));
    // Nothing runs on, and nothing is given again: neither under the idempotency key nor from the cache.
    setup.provider.set_script(Behaviour::default());
    let calls = setup.provider.bill().attempts.len();
    let again = setup.post(&whole).header("x-haltline-user", "alice").header("idempotency-key", "k").send().await;
    let again = again.expect("answer");
    assert_eq!((again.status.as_u16(), again.header("x-haltline-cache")), (200, Some("miss")));
    assert_eq!(setup.provider.bill().attempts.len(), calls + 1);
    assert_eq!(get(&setup, &format!("/v1/streams/{bobs_id}"), "bob").await.status, 200);
    let bill = setup.provider.bill().total;
    assert!(bill > haltline_types::NanoUsd::ZERO);
    // The bill stays.
    let record = get(&setup, &format!("/v1/generation?id={ended_id}"), "alice").await;
    assert_eq!(record.status, 200, "{}", String::from_utf8_lossy(&record.body));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_response_is_not_shown_by_its_stream() {
    let setup = Setup::start(FakeConfig::default(), MODEL).await;
    let asked = json!({"model": "chat", "input": WORD, "stream": true, "store": true});
    let open = Call::post(format!("{}/v1/responses", setup.gateway.origin())).bearer(&setup.secret).json(&asked);
    let open = open.open().await.expect("stream");
    let stream_id = open.headers["x-haltline-stream-id"].to_str().expect("id").to_owned();
    let read = open.read().await;
    let first: Value = serde_json::from_str(&read.data()[0]).expect("json");
    let id = first["response"]["id"].as_str().expect("id").to_owned();
    let ways = [
        format!("/v1/responses/{id}"),
        format!("/v1/responses/{id}?stream=true"),
        format!("/v1/responses/{id}?stream=true&starting_after=1"),
        format!("/v1/streams/{stream_id}"),
    ];
    for way in &ways {
        assert_eq!(get(&setup, way, "").await.status, 200, "{way}");
    }
    // Another user of the key deletes nothing.
    let theirs = call(&setup, Method::DELETE, &ways[0], "bob", None).await;
    assert_eq!(theirs.status, 404);
    assert_eq!(get(&setup, &ways[3], "").await.status, 200);
    assert_eq!(call(&setup, Method::DELETE, &ways[0], "", None).await.status, 200);
    for way in &ways {
        assert_eq!(get(&setup, way, "").await.status, 404, "{way}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_session_is_not_shown_by_its_streams() {
    let setup = Setup::start(FakeConfig::default(), MODEL).await;
    let mut ids = Vec::new();
    for text in ["one", "two", "three"] {
        let post = setup.post(&stream(text)).header("x-haltline-user", "alice").header("x-haltline-session", "s/1");
        let open = post.open().await.expect("stream");
        ids.push(open.headers["x-haltline-stream-id"].to_str().expect("id").to_owned());
        open.read().await;
    }
    let other = setup.post(&stream("other")).header("x-haltline-user", "alice").header("x-haltline-session", "s/2");
    let other = other.open().await.expect("stream");
    let other_id = other.headers["x-haltline-stream-id"].to_str().expect("id").to_owned();
    other.read().await;
    setup.provider.set_script(endless());
    let post = setup.post(&stream("four")).header("x-haltline-user", "alice").header("x-haltline-session", "s/1");
    let mut open = post.open().await.expect("stream");
    ids.push(open.headers["x-haltline-stream-id"].to_str().expect("id").to_owned());
    open.piece().await.expect("piece").expect("content");
    let reading = tokio::spawn(open.read());
    assert_eq!(call(&setup, Method::DELETE, "/v1/sessions/s%2F1", "alice", None).await.status, 200);
    tokio::time::timeout(Duration::from_secs(5), reading).await.expect("it was stopped").expect("read");
    for id in &ids {
        assert_eq!(get(&setup, &format!("/v1/streams/{id}"), "alice").await.status, 404, "{id}");
    }
    assert_eq!(get(&setup, "/v1/sessions/s%2F1", "alice").await.status, 404);
    assert_eq!(get(&setup, &format!("/v1/streams/{other_id}"), "alice").await.status, 200);
    assert_eq!(get(&setup, "/v1/sessions/s%2F2", "alice").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_keys_name_is_not_given_again_and_what_it_ran_ends() {
    let mut setup = Setup::start(FakeConfig::with_script(endless()), MODEL).await;
    let (_, open) = begun(&setup, "alice", &stream("at length")).await;
    let reading = tokio::spawn(open.read());
    setup.provider.set_script(Behaviour::slow(Duration::from_secs(60)));
    for number in 0..4 {
        let order = json!({"endpoint": "/v1/chat/completions", "body": ask(&format!("{number}"))});
        assert_eq!(call(&setup, Method::POST, "/v1/jobs", "alice", Some(&order)).await.status, 202);
    }
    let run = |setup: &Setup, words: &[&str]| {
        let output = setup.gateway.command_line(words).expect("a command");
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    assert!(run(&setup, &["key", "rm", "test"]).0);
    let read = tokio::time::timeout(Duration::from_secs(5), reading).await.expect("it was stopped").expect("read");
    assert!(!read.text().contains("[DONE]"), "{}", read.text());
    assert_eq!(code(&setup.post(&ask("x")).send().await.expect("answer")), "key_invalid");
    let refused = |(done, said): (bool, String)| {
        assert!(!done && said.contains("was removed at") && said.contains("choose another name"), "{said}");
    };
    refused(run(&setup, &["key", "create", "test", "--users", "any"]));
    // Its jobs are cancelled for good, and so is the name's use, over a restart and without a gateway.
    let calls = setup.provider.bill().attempts.len();
    setup.gateway.restart().await.expect("restarted");
    refused(run(&setup, &["key", "create", "test"]));
    let letters = setup.gateway.command_line(&["dlq", "list", "--all", "--format", "json"]).expect("a command");
    assert_eq!(String::from_utf8_lossy(&letters.stdout), "", "a cancelled job is no dead letter");
    assert_eq!(setup.provider.bill().attempts.len(), calls);
    setup.gateway.kill9().expect("stopped");
    refused(run(&setup, &["key", "create", "test"]));
    assert!(run(&setup, &["key", "create", "test2"]).0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_request_was_is_for_its_own_user() {
    let setup = Setup::start(FakeConfig::default(), MODEL).await;
    let answer = setup.post(&ask("mine")).header("x-haltline-user", "alice").send().await.expect("answer");
    let id = answer.header("x-request-id").expect("id");
    setup.generation(id).await;
    let path = format!("/v1/generation?id={id}");
    for (user, status) in [("alice", 200), ("bob", 404), ("", 200)] {
        assert_eq!(get(&setup, &path, user).await.status, status, "{user:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_restart_has_cut_and_waits_to_go_on_is_stopped_as_well() {
    /// More than go on at once after a start.
    const MANY: usize = 40;
    let config = format!("{MODEL}[retry]\nper_user_per_hour = 1000\n");
    let mut setup = Setup::start(FakeConfig::with_script(endless()), &config).await;
    let mut open = Vec::new();
    for number in 0..MANY {
        open.push(begun(&setup, "alice", &stream(&format!("at length {number}"))).await);
    }
    setup.gateway.kill9().expect("killed");
    setup.provider.set_script(Behaviour::slow(Duration::from_secs(60)));
    setup.gateway.serve().await.expect("ready again");
    let said = admin(&setup, "/admin/v1/users/alice/forget").await;
    assert_eq!(said.status, 200, "{}", String::from_utf8_lossy(&said.body));
    let said = said.json().expect("json")["message"].as_str().expect("text").to_owned();
    assert!(said.contains(&format!("{MANY} streams")) && said.contains(&format!("{MANY} requests")), "{said}");
    setup.provider.set_script(Behaviour::default());
    for (id, _) in &open {
        assert_eq!(get(&setup, &format!("/v1/streams/{id}"), "alice").await.status, 404, "{id}");
    }
    assert_eq!(get(&setup, "/v1/sessions", "alice").await.json().expect("json")["data"], json!([]));
    assert!(!is_kept(&setup.gateway.directory().join("data"), "at length"));
}
