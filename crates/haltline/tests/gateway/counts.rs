//! Counts of tokens by providers: in place of the byte bound where the operator wants it, and for
//! clients who ask `POST /v1/messages/count_tokens`.

use crate::setup::money;
use haltline_testkit::http_client::{Answer, Call};
use haltline_testkit::{GatewayOptions, TestGateway};
use haltline_types::NanoUsd;
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Answers by path and keeps what it was asked.
struct Fake {
    base_url: String,
    seen: Arc<Mutex<Vec<(String, Value)>>>,
}

impl Fake {
    /// `answer` gives status and body for a path.
    async fn start(answer: fn(&str) -> (u16, String)) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let base_url = format!("http://{}", listener.local_addr().expect("an address"));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(Self::serve(stream, answer, Arc::clone(&kept)));
            }
        });
        Self { base_url, seen }
    }

    /// One request, one answer, and the end of the connection.
    async fn serve(
        mut stream: TcpStream,
        answer: fn(&str) -> (u16, String),
        seen: Arc<Mutex<Vec<(String, Value)>>>,
    ) -> Option<()> {
        let mut read = Vec::new();
        let (path, body) = loop {
            let mut piece = [0; 4096];
            let count = stream.read(&mut piece).await.ok().filter(|count| *count > 0)?;
            read.extend_from_slice(&piece[..count]);
            let text = String::from_utf8_lossy(&read).into_owned();
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "))?.parse::<usize>().ok()?;
            if body.len() >= length {
                let path = head.split(' ').nth(1)?.to_owned();
                break (path, serde_json::from_str(body).ok()?);
            }
        };
        let (status, answer) = answer(&path);
        seen.lock().push((path, body));
        let head = format!(
            "HTTP/1.1 {status} -\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            answer.len()
        );
        stream.write_all(format!("{head}{answer}").as_bytes()).await.ok()
    }

    fn paths(&self) -> Vec<String> {
        self.seen.lock().iter().map(|(path, _)| path.clone()).collect()
    }
}

const MESSAGE: &str = r#"{"id":"msg_1","type":"message","role":"assistant","model":"claude-x","content":[{"type":"text","text":"hi"}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":120,"output_tokens":5}}"#;
const CONTENT: &str = r#"{"candidates":[{"content":{"role":"model","parts":[{"text":"hi"}]},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":120,"candidatesTokenCount":5,"totalTokenCount":125}}"#;

/// Both providers; a count of 120 tokens.
fn both(path: &str) -> (u16, String) {
    match path {
        "/messages/count_tokens" => (200, r#"{"input_tokens":120}"#.to_owned()),
        "/models/gemini-x:countTokens" => (200, r#"{"totalTokens":120,"promptTokensDetails":[]}"#.to_owned()),
        "/messages" => (200, MESSAGE.to_owned()),
        "/models/gemini-x:generateContent" => (200, CONTENT.to_owned()),
        _ => (404, "{}".to_owned()),
    }
}

fn no_counts(path: &str) -> (u16, String) {
    if path.contains("ount") {
        (429, r#"{"type":"error","error":{"type":"rate_limit_error"}}"#.to_owned())
    } else {
        both(path)
    }
}

struct Setup {
    fake: Fake,
    gateway: TestGateway,
    secret: String,
}

impl Setup {
    async fn start(answer: fn(&str) -> (u16, String), count_input: bool, rest: &str) -> Self {
        let fake = Fake::start(answer).await;
        let url = &fake.base_url;
        let config = format!(
            "[server]\nlisten = \"{{listen}}\"\n[store]\nurl = \"file:{{dir}}/data\"\n\
             [providers.ant]\nkind = \"anthropic\"\nbase_url = \"{url}\"\ncount_input = {count_input}\n\
             [providers.goo]\nkind = \"google\"\nbase_url = \"{url}\"\ncount_input = {count_input}\n\
             [providers.oai]\nkind = \"openai\"\nbase_url = \"{url}\"\n\
             [prices.\"ant/claude-x\"]\ninput = \"1\"\noutput = \"10\"\n\
             [prices.\"goo/gemini-x\"]\ninput = \"1\"\noutput = \"10\"\n\
             [prices.\"oai/gpt-4o\"]\ninput = \"1\"\noutput = \"10\"\n\
             [prices.\"oai/gpt-99\"]\ninput = \"1\"\noutput = \"10\"\n\
             {rest}\n"
        );
        let mut gateway = TestGateway::prepare(GatewayOptions::find().expect("binary"), &config).expect("gateway");
        let secret = gateway.create_key(&["test", "--users", "any"]).expect("key");
        gateway.serve().await.expect("ready");
        Self { fake, gateway, secret }
    }

    async fn post(&self, path: &str, body: &Value) -> Answer {
        let url = format!("{}{path}", self.gateway.origin());
        Call::post(url).bearer(&self.secret).json(body).send().await.expect("answer")
    }
}

/// 2,000 bytes; with 100 tokens of output some $0.0042 by bytes, and $0.0018 by the count.
fn long(model: &str) -> Value {
    json!({"model": model, "max_tokens": 100, "messages": [{"role": "user", "content": "word ".repeat(400)}]})
}

const DAY: &str = "[[budgets]]\nname = \"day\"\nlimit = \"$0.0025\"\nwindow = \"day\"\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_providers_count_admits_what_bytes_would_refuse() {
    for (model, count, call) in [
        ("ant/claude-x", "/messages/count_tokens", "/messages"),
        ("goo/gemini-x", "/models/gemini-x:countTokens", "/models/gemini-x:generateContent"),
    ] {
        // Whatever the client speaks.
        for path in ["/v1/chat/completions", "/v1/messages"] {
            let setup = Setup::start(both, true, DAY).await;
            let answer = setup.post(path, &long(model)).await;
            assert_eq!(answer.status, 200, "{model} {path}: {:?}", answer.body);
            assert_eq!(answer.header("x-haltline-max-tokens-lowered"), None);
            assert_eq!(setup.fake.paths(), [count, call], "{path}");
            let plain = Setup::start(both, false, DAY).await;
            let answer = plain.post(path, &long(model)).await;
            assert_eq!(answer.status, 402, "{model} {path}: {:?}", answer.body);
            assert_eq!(plain.fake.paths(), [""; 0], "nobody is asked unless the operator says so");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_count_is_not_asked_for_where_bytes_fit_and_its_failure_changes_nothing() {
    let roomy = Setup::start(both, true, "[[budgets]]\nname = \"day\"\nlimit = \"$1\"\nwindow = \"day\"\n").await;
    assert_eq!(roomy.post("/v1/messages", &long("ant/claude-x")).await.status, 200);
    assert_eq!(roomy.fake.paths(), ["/messages"]);
    let failing = Setup::start(no_counts, true, DAY).await;
    assert_eq!(failing.post("/v1/messages", &long("ant/claude-x")).await.status, 402);
    assert_eq!(failing.fake.paths(), ["/messages/count_tokens"]);
    let small = json!({"model": "ant/claude-x", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]});
    let answer = failing.post("/v1/messages", &small).await;
    assert_eq!(answer.status, 200, "a limit on counts is none on messages: {:?}", answer.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_gets_the_providers_count_and_nothing_is_spent() {
    let setup = Setup::start(both, false, DAY).await;
    let mut body = long("ant/claude-x");
    body.as_object_mut().expect("an object").remove("max_tokens");
    let answer = setup.post("/v1/messages/count_tokens", &body).await;
    assert_eq!(answer.status, 200, "{:?}", answer.body);
    assert_eq!(answer.json().expect("json"), json!({"input_tokens": 120}));
    assert_eq!(answer.header("x-haltline-estimated"), None);
    assert_eq!(answer.header("x-haltline-cost"), None);
    assert!(answer.header("request-id").is_some());
    assert_eq!(setup.fake.paths(), ["/messages/count_tokens"]);
    let sent = setup.fake.seen.lock().first().map(|(_, body)| body.clone()).expect("a request");
    assert_eq!(sent["model"], "claude-x");
    assert_eq!(sent.get("max_tokens"), None);
    let listed = setup.gateway.command_line(&["budget", "list", "--format", "json"]).expect("budget list");
    for line in String::from_utf8(listed.stdout).expect("utf-8").lines() {
        let account: Value = serde_json::from_str(line).expect(line);
        assert_eq!(money(&account["spent"]), NanoUsd::ZERO, "{account}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn other_models_are_estimated_and_the_answer_says_so() {
    let setup = Setup::start(no_counts, false, "").await;
    let count = async |model: &str| {
        let answer = setup.post("/v1/messages/count_tokens", &long(model)).await;
        assert_eq!(answer.status, 200, "{model}: {:?}", answer.body);
        assert_eq!(answer.header("x-haltline-estimated"), Some("true"), "{model}");
        answer.json().expect("json")["input_tokens"].as_u64().expect("a number")
    };
    // 400 words of one token each; by bytes 2,000 / 4.
    let exact = count("oai/gpt-4o").await;
    assert!((401..=450).contains(&exact), "{exact}");
    for model in ["oai/gpt-99", "ant/claude-x", "goo/gemini-x"] {
        let by_bytes = count(model).await;
        assert!((500..=520).contains(&by_bytes), "{model}: {by_bytes}");
    }
    assert_eq!(setup.fake.paths(), ["/messages/count_tokens"], "only Anthropic was asked");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_count_needs_a_key_a_model_and_a_place_in_the_rate_limit() {
    let rest = "[[rate_limits]]\nname = \"few\"\nscope = \"key\"\nlimit = 2\nper = \"1m\"\n";
    let setup = Setup::start(both, false, rest).await;
    let url = format!("{}/v1/messages/count_tokens", setup.gateway.origin());
    let answer = Call::post(&url).bearer("hl-live-unknown").json(&long("ant/claude-x")).send().await.expect("answer");
    assert_eq!(answer.status, 401);
    let answer = setup.post("/v1/messages/count_tokens", &long("claude-unknown")).await;
    assert_eq!(answer.status, 404, "{:?}", answer.body);
    assert_eq!(answer.json().expect("json")["type"], "error", "in Anthropic's words");
    for expected in [200, 200, 429] {
        let answer = setup.post("/v1/messages/count_tokens", &long("ant/claude-x")).await;
        assert_eq!(answer.status, expected, "{:?}", answer.body);
    }
}
