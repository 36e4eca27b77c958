//! What a client gets when all goes well, and what it is told about it.

use crate::setup::{Setup, ask};
use haltline_testkit::FakeConfig;
use serde_json::json;

const MODEL: &str = "[models.chat]\ntargets = [\"fake/m\"]\nmax_output_tokens = 100\n[[budgets]]\nname = \"day\"\nscope = \"global\"\nlimit = \"$1\"\nwindow = \"day\"\n";

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_says_what_it_cost_and_the_books_say_the_same() {
    let setup = Setup::start(FakeConfig::default(), MODEL).await;
    let answer = setup.post(&ask("hello")).send().await.expect("answer");
    assert_eq!(answer.status, 200);
    let bill = setup.provider.bill();
    assert_eq!(bill.attempts.len(), 1);
    assert_eq!(answer.header("x-haltline-cost"), Some(bill.total.to_decimal().as_str()));
    assert_eq!(answer.header("x-haltline-attempts"), Some("1"));
    assert_eq!(setup.spent("day"), bill.total);
    let id = answer.header("x-request-id").expect("id").to_owned();
    let record = setup.get(&format!("/v1/generation?id={id}")).send().await.expect("record").json().expect("json");
    assert_eq!(record["data"]["total_cost"], bill.total.to_decimal());
    assert_eq!(record["data"]["outcome"], "answered");
    assert_eq!(record["data"]["attempts"][0]["basis"], "reported");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cap_is_written_into_what_the_provider_gets() {
    let setup = Setup::start(FakeConfig::default(), MODEL).await;
    setup.post(&ask("no cap")).send().await.expect("answer");
    let mut with_cap = ask("a cap");
    with_cap["max_tokens"] = json!(7);
    setup.post(&with_cap).send().await.expect("answer");
    let caps: Vec<_> = setup.provider.bill().attempts.iter().map(|attempt| attempt.cap.map(|cap| cap.get())).collect();
    assert_eq!(caps, [Some(100), Some(7)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn tools_images_and_schemas_reach_the_provider_as_they_were_sent() {
    let setup = Setup::start(FakeConfig::default(), MODEL).await;
    let body = r#"{"model":"chat","temperature":1.10000000000000000001e0,"messages":[{"role":"user","content":[{"type":"text","text":"what is it? \u00e9"},{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAoAAAAHgCAIAAAC6s0uz","detail":"low"}}]}],"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{"a":{"type":"number","minimum":-0}}}}}],"response_format":{"type":"json_schema","json_schema":{"name":"s","schema":{"type":"object"}}},"max_tokens":9,"seed":23456789012345678901234}"#;
    let answer = setup.post_bytes(body).send().await.expect("answer");
    assert_eq!(answer.status, 200, "{:?}", answer.body);
    let seen = setup.provider.seen();
    let sent = String::from_utf8(seen.last().expect("call").body.to_vec()).expect("utf-8");
    for part in [
        r#""temperature":1.10000000000000000001e0"#,
        r#"[{"type":"text","text":"what is it? \u00e9"},{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAoAAAAHgCAIAAAC6s0uz","detail":"low"}}]"#,
        r#""tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{"a":{"type":"number","minimum":-0}}}}}]"#,
        r#""response_format":{"type":"json_schema","json_schema":{"name":"s","schema":{"type":"object"}}}"#,
        r#""seed":23456789012345678901234"#,
        r#""model":"m""#,
    ] {
        assert!(sent.contains(part), "{part} is not in {sent}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_whose_size_cannot_be_read_is_refused_before_it_costs() {
    let setup = Setup::start(FakeConfig::default(), MODEL).await;
    for data in ["iVBORw0KGgo=", "AAAAHGZ0eXBhdmlmAAAAAA==", "no base64"] {
        let body = format!(
            r#"{{"model":"chat","messages":[{{"role":"user","content":[{{"type":"image_url","image_url":{{"url":"data:image/png;base64,{data}"}}}}]}}]}}"#
        );
        let answer = setup.post_bytes(body).send().await.expect("answer");
        assert_eq!(answer.status, 400, "{data}: {:?}", answer.body);
        assert!(String::from_utf8_lossy(&answer.body).contains("image"), "{data}: {:?}", answer.body);
    }
    assert!(setup.provider.seen().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_has_its_aliases_and_every_error_its_page() {
    let setup = Setup::start(FakeConfig::default(), MODEL).await;
    for path in ["/v1/models", "/models", "/openai/v1/models", "/openai/models"] {
        let answer = setup.get(path).send().await.expect(path);
        assert_eq!(answer.status, 200, "{path}");
        assert!(answer.json().expect("json")["data"].to_string().contains("\"chat\""));
    }
    for code in haltline_types::Code::ALL {
        let page = setup.get(&format!("/errors/{code}")).send().await.expect("page");
        assert_eq!(page.status, 200, "{code}");
    }
    assert_eq!(setup.post(&ask("hello")).send().await.expect("answer").status, 200);
    let metrics = setup.get("/metrics").send().await.expect("metrics");
    let text = String::from_utf8(metrics.body.to_vec()).expect("utf-8");
    for name in [
        "haltline_requests_total",
        "haltline_attempts_total",
        "haltline_store_open",
        "haltline_time_to_first_token_seconds",
    ] {
        assert!(text.contains(name), "{name} is missing in {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_may_not_are_told_why() {
    let setup = Setup::start(FakeConfig::default(), MODEL).await;
    let url = format!("{}/v1/chat/completions", setup.gateway.origin());
    let call = |secret: &str| haltline_testkit::http_client::Call::post(&url).bearer(secret).json(&ask("hello")).send();
    let status_and_code =
        |answer: haltline_testkit::http_client::Answer| (answer.status.as_u16(), crate::setup::code(&answer));
    assert_eq!(status_and_code(call("hl-live-nonsense").await.expect("answer")), (401, "key_invalid".to_owned()));
    let narrow = setup.gateway.create_key(&["narrow", "--models", "other"]).expect("key");
    assert_eq!(status_and_code(call(&narrow).await.expect("answer")), (403, "model_not_allowed".to_owned()));
    let frozen = setup.gateway.create_key(&["frozen"]).expect("key");
    assert_eq!(call(&frozen).await.expect("answer").status, 200);
    let output = setup.gateway.command_line(&["key", "freeze", "frozen"]).expect("freeze");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(status_and_code(call(&frozen).await.expect("answer")), (403, "key_frozen".to_owned()));
    assert_eq!(setup.provider.calls().chat, 1, "a refused key reached the provider");
}

#[tokio::test(flavor = "multi_thread")]
async fn rate_limits_are_told_before_they_are_reached_and_when_they_are() {
    let rest = format!("{MODEL}[[rate_limits]]\nscope = \"user\"\nlimit = 2\nper = \"10s\"\n");
    let setup = Setup::start(FakeConfig::default(), &rest).await;
    let first = setup.post(&ask("one")).header("x-haltline-user", "ann").send().await.expect("answer");
    assert_eq!(first.header("x-ratelimit-limit-requests"), Some("2"));
    assert_eq!(first.header("x-ratelimit-remaining-requests"), Some("1"));
    assert!(first.header("ratelimit").is_some_and(|value| value.contains(";r=1;")), "{:?}", first.headers);
    setup.post(&ask("two")).header("x-haltline-user", "ann").send().await.expect("answer");
    let third = setup.post(&ask("three")).header("x-haltline-user", "ann").send().await.expect("answer");
    assert_eq!((third.status.as_u16(), crate::setup::code(&third)), (429, "rate_limited".to_owned()));
    let wait: u64 = third.header("retry-after").and_then(|wait| wait.parse().ok()).expect("a wait");
    assert!((1..=60).contains(&wait));
    let other = setup.post(&ask("four")).header("x-haltline-user", "bob").send().await.expect("answer");
    assert_eq!(other.status, 200);
    assert_eq!(setup.provider.calls().chat, 3);
}
