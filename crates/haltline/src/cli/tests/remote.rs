//! Commands that reach a running gateway.

use super::gateway::Gateway;
use super::{Reader, config, folder, haltline, no_env};
use crate::cli::{AdminFile, Exit};
use haltline_store_embedded::RealDisk;

/// A dead letter without its closing brace.
macro_rules! letter_open {
    ($id:literal) => {
        concat!(
            r#"{"id":""#,
            $id,
            r#"","kind":"job","about":"job_1","at":"2026-11-24T00:00:00Z","key":"web","user":null,"endpoint":"/v1/chat/completions","model":"chat","class":"permanent","code":"upstream_failed","message":"The provider failed.","attempts_made":3,"cost":"0.18","ceiling":"0.06","retried_as":null"#
        )
    };
}

macro_rules! letter {
    ($id:literal) => {
        concat!(letter_open!($id), "}")
    };
}

macro_rules! opened {
    ($id:literal, $ceiling:literal) => {
        concat!(
            letter_open!($id),
            r#","attempts":[{"request_id":"req_1","started_at":"2026-11-24T00:00:00Z","endpoint":"fake/m","fault":"server_error","cost":"0.06"}],"retry_ceiling":""#,
            $ceiling,
            r#"","not_retryable":null,"body":"{\n\u001b[2J\u0007}","body_bytes":2}"#
        )
    };
}

fn answer(line: &str) -> (u16, &'static str) {
    match line {
        "POST /admin/v1/keys" => (
            201,
            r#"{"secret":"hl-live-x","name":"web","hint":"hl-live-x…","team":null,"tier":null,"users":"none","models":[],"created":"2026-11-24T00:00:00Z","expires":null,"frozen":false}"#,
        ),
        "GET /admin/v1/budgets" => (
            200,
            r#"[{"budget":"day","scope":"global","subject":"","window":"2026-11-24T00:00:00Z","spent":"$8.50","held":"$0.25","limit":"$10.00","used_per_mille":875,"resets_at":"2026-11-25T00:00:00Z"}]"#,
        ),
        "GET /admin/v1/spend?by=key%2Cday&since=2026-11-01T00%3A00%3A00Z&until=2026-11-02T00%3A00%3A00Z" => (
            200,
            r#"[{"group":["web","2026-11-01"],"requests":3,"attempts":4,"input_tokens":10,"output_tokens":5,"cost":"0.02"}]"#,
        ),
        "POST /admin/v1/reload" => (200, r#"{"message":"The new configuration is in force."}"#),
        "GET /admin/v1/dead-letters?all=false&limit=200" | "GET /admin/v1/dead-letters?all=true&limit=200" => {
            (200, concat!("[", letter!("dl_1"), ",", letter!("dl_2"), "]"))
        }
        "GET /admin/v1/dead-letters/dl_1" => (200, opened!("dl_1", "0.06")),
        "GET /admin/v1/dead-letters/dl_2" => (200, opened!("dl_2", "0.50")),
        "POST /admin/v1/dead-letters/dl_1/retry" | "POST /admin/v1/dead-letters/dl_2/retry" => {
            (202, r#"{"job":"job_9"}"#)
        }
        "DELETE /admin/v1/dead-letters/dl_1" | "DELETE /admin/v1/dead-letters/dl_2" => (204, ""),
        "DELETE /admin/v1/keys/web" => (204, ""),
        "GET /admin/v1/store/verify" => (401, r#"{"title":"Not an operator","detail":"Send the admin token."}"#),
        _ => (404, r#"{"title":"Nothing here","detail":"there is no key named `nobody`"}"#),
    }
}

/// A folder whose store belongs to a gateway that says where it listens.
fn running() -> (tempfile::TempDir, (Gateway, RealDisk)) {
    let dir = folder();
    let gateway = Gateway::new(answer);
    let lock = RealDisk::lock(&dir.path().join("data")).expect("locked");
    let file = AdminFile { url: gateway.url.clone(), token: "t0".to_owned(), pid: 1 };
    let text = serde_json::to_string(&file).expect("JSON");
    std::fs::write(dir.path().join("data").join(AdminFile::NAME), text).expect("written");
    (dir, (gateway, lock))
}

#[test]
fn a_running_gateway_is_asked_with_its_token() {
    let (dir, (gateway, _lock)) = running();
    let file = config(dir.path());
    let run = |words: &[&str]| haltline(Reader::Program, &no_env, &[words, &["-c", &file]].concat());
    let made = run(&["key", "create", "web", "--team", "shop"]);
    assert_eq!(made.exit, Exit::Ok, "{}", made.err);
    assert!(made.out.contains("\"secret\":\"hl-live-x\""));
    assert_eq!(run(&["key", "rm", "web"]).exit, Exit::Ok);
    let seen = gateway.seen();
    assert_eq!(seen[0].authorization, "Bearer t0");
    assert_eq!(seen[0].body, r#"{"name":"web","team":"shop","users":"none","models":[]}"#);
    assert_eq!(seen[1].line, "DELETE /admin/v1/keys/web");
}

#[test]
fn what_the_gateway_refuses_has_its_exit_code() {
    let (dir, _running) = running();
    let file = config(dir.path());
    let absent = haltline(Reader::Person, &no_env, &["key", "rotate", "nobody", "-c", &file]);
    assert_eq!((absent.exit, absent.err.as_str()), (Exit::NotFound, "error: there is no key named `nobody`\n"));
    let forbidden = haltline(Reader::Person, &no_env, &["store", "verify", "-c", &file]);
    assert_eq!(forbidden.exit, Exit::NotAllowed);
}

#[test]
fn an_assertion_fails_with_six_at_the_mark_and_above() {
    let (dir, _running) = running();
    let file = config(dir.path());
    for (below, exit) in
        [("80%", Exit::OverBudget), ("87.5%", Exit::OverBudget), ("87.6%", Exit::Ok), ("100%", Exit::Ok)]
    {
        let did = haltline(Reader::Person, &no_env, &["budget", "assert", "day", "--below", below, "-c", &file]);
        assert_eq!(did.exit, exit, "{below}: {}", did.err);
    }
    let other = haltline(
        Reader::Person,
        &no_env,
        &["budget", "assert", "day", "--below", "1%", "--subject", "bob", "-c", &file],
    );
    assert_eq!(other.exit, Exit::Ok);
    let did = haltline(Reader::Person, &no_env, &["budget", "assert", "day", "--below", "80%", "-c", &file]);
    assert_eq!(did.err, "over budget: day: 87.5 % of $10.00 ($8.50 spent, $0.25 held), not below 80 %\n");
}

#[test]
fn spend_is_asked_for_and_shown_by_group() {
    let (dir, _running) = running();
    let file = config(dir.path());
    let words = ["spend", "--by", "key,day", "--since", "2026-11-01", "--until", "2026-11-02", "-c", &file];
    let json = haltline(Reader::Program, &no_env, &words);
    let line: serde_json::Value = serde_json::from_str(json.out.trim()).expect("JSON");
    assert_eq!(
        (line["key"].as_str(), line["day"].as_str(), line["cost"].as_str()),
        (Some("web"), Some("2026-11-01"), Some("0.02"))
    );
    let csv = haltline(Reader::Program, &no_env, &[&words[..], &["--format", "csv"]].concat());
    assert!(csv.out.ends_with("web,2026-11-01,3,4,10,5,0.02\r\n"), "{}", csv.out);
}

#[test]
fn a_changed_limit_is_read_again_by_the_gateway() {
    let (dir, (gateway, _lock)) = running();
    let did = haltline(Reader::Person, &no_env, &["budget", "set", "day", "--limit", "$80", "-c", &config(dir.path())]);
    assert_eq!(did.exit, Exit::Ok, "{}", did.err);
    assert!(did.out.ends_with("The new configuration is in force.\n"), "{}", did.out);
    assert_eq!(gateway.seen().last().map(|seen| seen.line.clone()).as_deref(), Some("POST /admin/v1/reload"));
}

#[test]
fn what_a_killed_gateway_left_behind_is_no_gateway() {
    let dir = folder();
    let data = dir.path().join("data");
    std::fs::create_dir(&data).expect("made");
    // A port that was free a moment ago, and that nobody listens on.
    let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
    let file = AdminFile { url: format!("http://{free}"), token: "t".to_owned(), pid: 1 };
    std::fs::write(data.join(AdminFile::NAME), serde_json::to_string(&file).expect("JSON")).expect("written");
    let did = haltline(Reader::Program, &no_env, &["key", "create", "web", "-c", &config(dir.path())]);
    assert_eq!(did.exit, Exit::Ok, "{}", did.err);
    // Who has the lock but says nothing cannot be asked, and neither can one that is named and away.
    std::fs::remove_file(data.join(AdminFile::NAME)).expect("removed");
    let lock = RealDisk::lock(&data).expect("locked");
    let did = haltline(Reader::Program, &no_env, &["key", "list", "-c", &config(dir.path())]);
    assert_eq!(did.exit, Exit::NotReachable);
    drop(lock);
    let env = |name: &str| (name == "HALTLINE_ADMIN_URL").then(|| format!("http://{free}"));
    let did = haltline(Reader::Program, &env, &["key", "list", "-c", &config(dir.path())]);
    assert_eq!(did.exit, Exit::NotReachable);
}

#[test]
fn dead_letters_are_listed_shown_sent_again_and_discarded() {
    let (dir, (gateway, _lock)) = running();
    let file = config(dir.path());
    let run = |reader, words: &[&str]| haltline(reader, &no_env, &[words, &["-c", &file]].concat());
    let listed = run(Reader::Person, &["dlq", "list"]);
    assert_eq!(listed.exit, Exit::Ok, "{}", listed.err);
    assert!(listed.out.contains("upstream_failed") && listed.out.contains("$0.18"), "{}", listed.out);
    let shown = run(Reader::Person, &["dlq", "show", "dl_1"]);
    assert!(shown.out.contains("{\n\u{fffd}[2J\u{fffd}}"), "a terminal obeys nothing of it: {:?}", shown.out);
    assert!(shown.out.contains("a retry is one attempt and may cost up to $0.06"), "{}", shown.out);
    // A single one that is cheap needs no question; it says to what is agreed.
    let retried = run(Reader::Program, &["dlq", "retry", "dl_1"]);
    assert_eq!(retried.exit, Exit::Ok, "{}", retried.err);
    assert!(retried.out.contains("job_9"), "{}", retried.out);
    let last = gateway.seen().pop().expect("a request");
    assert_eq!(
        (last.line.as_str(), last.body.as_str()),
        ("POST /admin/v1/dead-letters/dl_1/retry", r#"{"max_cost":"0.06"}"#)
    );
    // One above ten cents, or more than one, needs a word; nobody sits there in a test.
    let sent = || gateway.seen().iter().filter(|seen| seen.line.ends_with("/retry")).count();
    for words in
        [&["dlq", "retry", "dl_2"][..], &["dlq", "retry", "--all"], &["dlq", "retry", "--all", "--yes-below", "$0.55"]]
    {
        let refused = run(Reader::Person, words);
        assert_eq!((refused.exit, sent()), (Exit::Usage, 1), "{words:?}: {}", refused.err);
        assert!(refused.err.contains("--yes"), "{}", refused.err);
    }
    assert_eq!(run(Reader::Person, &["dlq", "retry", "--all", "--dry-run"]).exit, Exit::Ok);
    assert_eq!(sent(), 1);
    assert_eq!(run(Reader::Person, &["dlq", "retry", "--all", "--yes-below", "$0.56"]).exit, Exit::Ok);
    assert_eq!(run(Reader::Person, &["dlq", "retry", "dl_2", "--yes"]).exit, Exit::Ok);
    assert_eq!(sent(), 4);
    let gone = || gateway.seen().iter().filter(|seen| seen.line.starts_with("DELETE")).count();
    let none = run(Reader::Person, &["dlq", "discard", "--all", "--older-than", "2026-11-01"]);
    assert_eq!((none.exit, gone()), (Exit::Ok, 0), "{}", none.err);
    assert_eq!(run(Reader::Person, &["dlq", "discard", "--all"]).exit, Exit::Ok);
    assert_eq!(gone(), 2);
}
