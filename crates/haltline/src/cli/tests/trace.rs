//! `trace` and `replay` against a running gateway.

use super::gateway::Gateway;
use super::{Did, Reader, haltline};
use crate::cli::{Cli, Exit};
use clap::Parser;

const REQUEST: &str = r#"{"id":"req_00000000000000000000000000000007","trace_id":"0af7651916cd43dd8448eb211c80319c","key":"web","session":"s 1","surface":"chat.completions","model":"chat","streamed":true,"started_at":"1970-01-01T00:00:10Z","ended_at":"1970-01-01T00:00:12Z","took_us":2000000,"outcome":"answered","status":200,"cost":"0.0015","attempts":2,"input_tokens":10,"output_tokens":20,"steps":[{"at_us":0,"step":"arrived","text":"the request is there"},{"at_us":300000,"step":"fault","text":"attempt 1: server_error (HTTP 500), may have cost money","attempt":1},{"at_us":301000,"step":"retry","text":"again in 1.00 s because of server_error","took_us":1000000},{"at_us":2000000,"step":"ended","text":"answered","why":"answered"}]}"#;

fn answer(line: &str) -> (u16, &'static str) {
    const SESSION: &str = concat!(
        r#"{"requests":["#,
        r#"{"id":"req_00000000000000000000000000000007","trace_id":"0af7651916cd43dd8448eb211c80319c","surface":"responses","model":"chat","streamed":true,"started_at":"1970-01-01T00:00:10Z","ended_at":"1970-01-01T00:00:12Z","took_us":5,"outcome":"failed","code":"upstream_failed","status":502,"cost":"0.01","attempts":1,"input_tokens":0,"output_tokens":0,"steps":[]}"#,
        "]}"
    );
    const STREAM: &str = "{\"id\":\"req_00000000000000000000000000000007\",\"started_ms\":10000,\"ended_ms\":12000,\"last\":3}\n{\"first\":1,\"at_ms\":11500,\"events\":[\"data: {\\\"type\\\":\\\"text-delta\\\",\\\"delta\\\":\\\"Hel\\\"}\\n\\n\",\"data: {\\\"type\\\":\\\"text-delta\\\",\\\"delta\\\":\\\"lo\\\"}\\n\\n\"]}\n{\"first\":3,\"at_ms\":11900,\"events\":[\"data: [DONE]\\n\\n\"]}\n";
    const STREAM_END: &str =
        "{\"id\":\"req_00000000000000000000000000000007\",\"started_ms\":10000,\"ended_ms\":12000,\"last\":3}\n";
    const UNENDED: &str = "{\"id\":\"req_00000000000000000000000000000009\",\"started_ms\":10000,\"last\":0}\n";
    match line {
        "GET /admin/v1/requests/req_00000000000000000000000000000007/timeline" => (200, REQUEST),
        "GET /admin/v1/sessions/s%201/timeline?limit=200&key=web" => (200, SESSION),
        "GET /admin/v1/sessions/0af7651916cd43dd8448eb211c80319c/timeline?limit=200" => (200, SESSION),
        "GET /admin/v1/streams/req_00000000000000000000000000000007?after=0" => (200, STREAM),
        "GET /admin/v1/streams/req_00000000000000000000000000000007?after=3" => (200, STREAM_END),
        "GET /admin/v1/streams/req_00000000000000000000000000000009?after=0" => (200, UNENDED),
        _ => (404, r#"{"title":"Nothing of this name","detail":"there is no record of it"}"#),
    }
}

fn run(reader: Reader, locale: &'static str, words: &[&str]) -> Did {
    let gateway = Gateway::new(answer);
    let env = |name: &str| match name {
        "HALTLINE_ADMIN_URL" => Some(gateway.url.clone()),
        "HALTLINE_ADMIN_TOKEN" => Some("t0".to_owned()),
        "LANG" => Some(locale.to_owned()),
        _ => None,
    };
    haltline(reader, &env, words)
}

const ID: &str = "req_00000000000000000000000000000007";

#[test]
fn a_person_sees_where_time_and_money_went() {
    let did = run(Reader::Person, "en_US.UTF-8", &["trace", ID]);
    assert_eq!(did.exit, Exit::Ok, "{}", did.err);
    assert_eq!(
        did.out,
        "\
req_00000000000000000000000000000007  chat.completions for chat: answered, HTTP 200
1970-01-01T00:00:10Z, trace 0af7651916cd43dd8448eb211c80319c, key web, session s 1
      0 µs  arrived           █▊            the request is there
  300.0 ms    fault                         attempt 1: server_error (HTTP 500), may have cost money
  301.0 ms  retry             ██████████▏   again in 1.00 s because of server_error
    2.00 s  ended                           answered
     total  2.00 s, 2 attempts, 10 tokens in, 20 out, $0.0015
"
    );
}

#[test]
fn programs_get_lines_and_sheets() {
    let did = run(Reader::Program, "C", &["trace", ID]);
    assert_eq!(did.out.trim_end(), REQUEST);
    let sheet = run(Reader::Program, "C", &["trace", ID, "--format", "csv"]);
    let mut lines = sheet.out.lines();
    assert_eq!(lines.next(), Some("request,at_us,step,attempt,endpoint,took_us,cost_usd,text"));
    assert_eq!(
        lines.nth(2),
        Some(format!("{ID},301000,retry,,,1000000,,again in 1.00 s because of server_error").as_str())
    );
}

#[test]
fn sessions_are_found_by_their_name_and_traces_before_sessions_that_look_like_one() {
    let session = run(Reader::Person, "C", &["trace", "s 1", "--key", "web"]);
    assert_eq!(session.exit, Exit::Ok, "{}", session.err);
    assert!(session.out.contains("responses for chat: failed (upstream_failed), HTTP 502"), "{}", session.out);
    assert!(session.out.contains("no steps were kept"), "{}", session.out);
    let looks_like_one = run(Reader::Person, "C", &["trace", "0af7651916cd43dd8448eb211c80319c"]);
    assert_eq!(looks_like_one.exit, Exit::Ok, "{}", looks_like_one.err);
    let nothing = run(Reader::Person, "C", &["trace", "nowhere"]);
    assert_eq!(nothing.exit, Exit::NotFound);
    assert!(nothing.err.starts_with("error: there is no request, trace or session `nowhere`\n"), "{}", nothing.err);
}

#[test]
fn a_stream_is_replayed_with_what_happened_between() {
    let did = run(Reader::Person, "C", &["replay", ID, "--speed", "max"]);
    assert_eq!(did.exit, Exit::Ok, "{}", did.err);
    assert_eq!(
        did.out,
        "\
-- req_00000000000000000000000000000007: chat.completions for chat
-- fault: attempt 1: server_error (HTTP 500), may have cost money
-- retry: again in 1.00 s because of server_error
Hello
-- end: answered after 3 events, $0.0015
"
    );
    let raw = run(Reader::Program, "C", &["replay", ID, "--speed", "max", "--raw"]);
    assert!(raw.out.starts_with("data: {") && raw.out.ends_with("data: [DONE]\n\n"), "{}", raw.out);
    assert_eq!(raw.out.matches("\n\n").count(), 3);
}

#[test]
fn a_stream_without_a_record_is_replayed_as_far_as_it_came() {
    let did = run(Reader::Person, "C", &["replay", "req_00000000000000000000000000000009", "--speed", "max"]);
    assert_eq!(did.exit, Exit::Ok, "{}", did.err);
    assert_eq!(
        did.out,
        "-- req_00000000000000000000000000000009: no record\n-- end: 0 events so far: it runs, or its process died\n"
    );
}

#[test]
fn a_stream_that_is_not_kept_is_not_found() {
    let did = run(Reader::Person, "C", &["replay", "req_00000000000000000000000000000008"]);
    assert_eq!(did.exit, Exit::NotFound);
    let wrong = Cli::try_parse_from(["haltline", "replay", ID, "--speed", "warp"]).expect_err("no speed");
    assert!(wrong.to_string().contains("is no speed"), "{wrong}");
}
