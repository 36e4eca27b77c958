//! Where requests go: cheaper models when a budget is short, and targets that are reserved for one
//! kind of fault.

use crate::setup::{Setup, ask, code};
use haltline_testkit::{Behaviour, FakeConfig};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A second, cheaper provider; `chat` degrades to it under a budget that says so.
fn degrading(limit: &str, budget: &str) -> String {
    format!(
        "[providers.second]\nkind = \"simulated\"\nlatency = \"1ms\"\ntoken_interval = \"1ms\"\n[prices.\"second/s\"]\ninput = \"0.1\"\noutput = \"0.5\"\n\
         [models.chat]\ntargets = [\"fake/m\"]\nmax_output_tokens = 100\ndegrade_to = \"small\"\n[models.small]\ntargets = [\"second/s\"]\n\
         [headroom]\nwait = \"10s\"\n[[budgets]]\nname = \"day\"\nlimit = \"{limit}\"\nwindow = \"day\"\n{budget}\n"
    )
}

async fn record(setup: &Setup, answer: &haltline_testkit::http_client::Answer) -> Value {
    let id = answer.header("x-request-id").expect("id").to_owned();
    let record = setup.get(&format!("/v1/generation?id={id}")).send().await.expect("record").json().expect("json");
    record["data"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_that_is_nearly_used_leads_to_the_cheaper_model_and_says_so() {
    let rest = degrading("$0.003", "on_full = \"degrade\"\ndegrade_at = 30");
    let setup = Setup::start(FakeConfig::with_script(Behaviour::tokens(100)), &rest).await;
    let first = setup.post(&ask("one")).send().await.expect("answer");
    assert_eq!((first.status.as_u16(), first.header("x-haltline-degraded")), (200, None), "{:?}", first.body);
    let second = setup.post(&ask("two")).send().await.expect("answer");
    assert_eq!(second.status, 200, "{:?}", second.body);
    assert_eq!(second.header("x-haltline-degraded"), Some("chat -> small"));
    assert_eq!(second.header("x-haltline-provider"), Some("second"));
    assert_eq!(setup.provider.calls().chat, 1);
    let record = record(&setup, &second).await;
    assert_eq!((record["degraded_to"].as_str(), record["model"].as_str()), (Some("small"), Some("chat")));
    let metrics = setup.get("/metrics").send().await.expect("metrics");
    let text = String::from_utf8(metrics.body.to_vec()).expect("utf-8");
    assert!(text.contains("haltline_degraded_total{model=\"chat\",to=\"small\"} 1"), "{text}");
    assert!(
        text.contains("haltline_endpoint_latency_seconds{provider=\"fake\",model=\"m\",answer=\"whole\"}"),
        "{text}"
    );
    setup.assert_nothing_held("day");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_is_asked_of_the_cheaper_model_at_once() {
    let setup = Setup::start(FakeConfig::default(), &degrading("$0.0005", "on_full = \"degrade\"")).await;
    let answer = setup.post(&ask("hello")).send().await.expect("answer");
    assert_eq!(answer.status, 200, "{:?}", answer.body);
    assert_eq!(answer.header("x-haltline-degraded"), Some("chat -> small"));
    assert_eq!(answer.header("x-haltline-attempts"), Some("1"));
    assert_eq!(setup.provider.calls().chat, 0);
    let refusing = Setup::start(FakeConfig::default(), &degrading("$0.0005", "on_full = \"refuse\"")).await;
    let answer = refusing.post(&ask("hello")).send().await.expect("answer");
    assert_eq!((answer.status.as_u16(), code(&answer)), (402, "reservation_too_large".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_limit_holds_for_a_budget_that_degrades() {
    let setup = Setup::start(FakeConfig::default(), &degrading("$0.0003", "on_full = \"degrade\"")).await;
    let mut last = 200;
    for number in 0..60 {
        last = setup.post(&ask(&format!("question {number}"))).send().await.expect("answer").status.as_u16();
        if last != 200 {
            break;
        }
    }
    assert_eq!(last, 402, "the cheaper model is bounded, too");
    assert!(setup.spent("day").get() <= 300_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_policy_forbids_goes_to_the_reserved_target_and_is_noted_for_review() {
    let strict = Strict::start().await;
    let rest = |more: &str| {
        format!(
            "[providers.strict]\nkind = \"openai-compatible\"\nbase_url = \"{}\"\n[prices.\"strict/x\"]\ninput = \"1\"\noutput = \"10\"\n\
             [providers.open]\nkind = \"simulated\"\nlatency = \"1ms\"\n[prices.\"open/y\"]\ninput = \"1\"\noutput = \"10\"\n\
             [models.chat]\ntargets = [\"strict/x\", \"fake/m\"]\ncontent_policy_to = [\"open/y\"]\n{more}",
            strict.base_url
        )
    };
    let setup = Setup::start(FakeConfig::default(), &rest("")).await;
    let answer = setup.post(&ask("something forbidden")).send().await.expect("answer");
    assert_eq!(answer.status, 200, "{:?}", answer.body);
    assert_eq!(answer.header("x-haltline-provider"), Some("open"));
    assert_eq!(setup.provider.calls().chat, 0, "the other target is as strict, for all that is known");
    let record = record(&setup, &answer).await;
    assert_eq!(record["attempts"][0]["fault"], "content_policy");
    assert_eq!(record["blocked"]["prompt_kept"], false);
    assert_eq!(record["blocked"]["fingerprint"].as_str().map(str::len), Some(32));
    let keeping = Setup::start(FakeConfig::default(), &rest("[guard.review]\nkeep_prompts = true\n")).await;
    let answer = keeping.post(&ask("something forbidden")).send().await.expect("answer");
    let record = self::record(&keeping, &answer).await;
    assert_eq!(record["blocked"]["prompt_kept"], true);
    assert!(!record.to_string().contains("something forbidden"), "no answer shows a prompt");
}

/// A provider whose policy forbids everything.
struct Strict {
    base_url: String,
}

impl Strict {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let base_url = format!("http://{}/v1", listener.local_addr().expect("an address"));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(Self::refuse(stream));
            }
        });
        Self { base_url }
    }

    /// One request, one refusal, and the end of the connection.
    async fn refuse(mut stream: TcpStream) -> Option<()> {
        let mut read = Vec::new();
        loop {
            let mut piece = [0; 4096];
            let count = stream.read(&mut piece).await.ok().filter(|count| *count > 0)?;
            read.extend_from_slice(&piece[..count]);
            let text = String::from_utf8_lossy(&read).to_ascii_lowercase();
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "))?.parse::<usize>().ok()?;
            if body.len() >= length {
                break;
            }
        }
        let body = r#"{"error":{"message":"The response was filtered.","type":"invalid_request_error","code":"content_filter"}}"#;
        let answer = format!(
            "HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(answer.as_bytes()).await.ok()
    }
}
