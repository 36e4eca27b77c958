//! Guard services against servers that take nothing but what each vendor documents: path, headers,
//! key and every field of the body. What the text says is what the server does.

use crate::support::{Frozen, Received, Server, attempt, permit, read_request, write};
use crate::tls_server::Authority;
use haltline_ports::{
    Direction, GuardAnswer, GuardAsk, GuardFault, GuardFaultKind, GuardOpinion, GuardServices, GuardText, Speaker,
};
use haltline_types::{Billing, Name, NanoUsd, RequestId};
use haltline_upstream::{BedrockAccess, GuardConfig, GuardSecret, GuardService, HttpGuards, UnitPrices};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// A kind of service: how it is asked strictly, and its documented answers.
struct Kind {
    service: GuardService,
    /// The request line, for input.
    line: &'static str,
    /// The header that the key stands in.
    key: &'static str,
    /// The text in a body, if the body has every field that is documented and no other.
    text: fn(&Value) -> Option<String>,
    passed: fn(&str) -> Value,
    flagged: Value,
    /// With this text in the text's place; none where the service mends nothing.
    masked: Option<fn(&str) -> Value>,
    /// The categories of `flagged`.
    categories: &'static [&'static str],
}

fn keys(value: &Value, wanted: &[&str]) -> Option<()> {
    let mut found: Vec<&str> = value.as_object()?.keys().map(String::as_str).collect();
    let mut wanted = wanted.to_vec();
    found.sort_unstable();
    wanted.sort_unstable();
    (found == wanted).then_some(())
}

fn text_of(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn kinds() -> Vec<Kind> {
    vec![
        Kind {
            service: GuardService::GuardrailsAi { guard: "my-guard".to_owned() },
            line: "POST /base/guards/my-guard/validate HTTP/1.1",
            key: "authorization: Bearer the-key",
            text: |body| {
                keys(body, &["llm_output", "num_reasks", "prompt_params"])?;
                (body["num_reasks"] == 0).then_some(())?;
                text_of(&body["llm_output"])
            },
            passed: |text| json!({"callId": "1", "rawLlmOutput": text, "validationSummaries": [], "validatedOutput": text, "reask": null, "validationPassed": true, "error": null}),
            flagged: json!({"callId": "1", "validationSummaries": [{"validatorName": "Toxic", "validatorStatus": "fail", "failureReason": "it says flag"}], "validatedOutput": null, "validationPassed": false}),
            masked: Some(
                |text| json!({"callId": "1", "validatedOutput": text, "validationPassed": true, "validationSummaries": []}),
            ),
            categories: &["Toxic"],
        },
        Kind {
            service: GuardService::OpenAiModeration {
                model: "omni-moderation-latest".to_owned(),
                thresholds: BTreeMap::new(),
            },
            line: "POST /base/moderations HTTP/1.1",
            key: "authorization: Bearer the-key",
            text: |body| {
                keys(body, &["model", "input"])?;
                text_of(&body["input"][0])
            },
            passed: |_| json!({"id": "m", "model": "o", "results": [{"flagged": false, "categories": {"hate": false}, "category_scores": {"hate": 0.1}}]}),
            flagged: json!({"id": "m", "model": "o", "results": [{"flagged": true, "categories": {"hate": true, "violence": false}, "category_scores": {"hate": 0.9, "violence": 0.1}}]}),
            masked: None,
            categories: &["hate"],
        },
        Kind {
            service: GuardService::AzurePromptShields { api_version: "2024-09-01".to_owned() },
            line: "POST /base/contentsafety/text:shieldPrompt?api-version=2024-09-01 HTTP/1.1",
            key: "ocp-apim-subscription-key: the-key",
            text: |body| {
                keys(body, &["userPrompt"])?;
                text_of(&body["userPrompt"])
            },
            passed: |_| json!({"userPromptAnalysis": {"attackDetected": false}, "documentsAnalysis": []}),
            flagged: json!({"userPromptAnalysis": {"attackDetected": true}, "documentsAnalysis": []}),
            masked: None,
            categories: &["prompt_attack"],
        },
        Kind {
            service: GuardService::Bedrock {
                guardrail: "abc123".to_owned(),
                version: "7".to_owned(),
                access: BedrockAccess::ApiKey(GuardSecret("the-key".to_owned())),
                prices: UnitPrices::published(),
            },
            line: "POST /base/guardrail/abc123/version/7/apply HTTP/1.1",
            key: "authorization: Bearer the-key",
            text: |body| {
                keys(body, &["source", "content"])?;
                (body["source"] == "INPUT").then_some(())?;
                text_of(&body["content"][0]["text"]["text"])
            },
            passed: |_| json!({"action": "NONE", "outputs": [], "assessments": [], "usage": {"topicPolicyUnits": 1}}),
            flagged: json!({"action": "GUARDRAIL_INTERVENED", "outputs": [{"text": "Sorry."}], "assessments": [{"contentPolicy": {"filters": [{"type": "HATE", "confidence": "HIGH", "action": "BLOCKED"}]}}], "usage": {}}),
            masked: Some(
                |text| json!({"action": "GUARDRAIL_INTERVENED", "outputs": [{"text": text}], "assessments": [{"sensitiveInformationPolicy": {"piiEntities": [{"type": "EMAIL", "match": "x", "action": "ANONYMIZED"}]}}], "usage": {}}),
            ),
            categories: &["HATE"],
        },
        Kind {
            service: GuardService::Lakera { project: Some("project-1".to_owned()) },
            line: "POST /base/v2/guard HTTP/1.1",
            key: "authorization: Bearer the-key",
            text: |body| {
                keys(body, &["messages", "project_id", "breakdown", "payload"])?;
                (body["messages"][0]["role"] == "user").then_some(())?;
                text_of(&body["messages"][0]["content"])
            },
            passed: |_| json!({"flagged": false, "payload": [], "breakdown": [], "metadata": {"request_uuid": "u"}}),
            flagged: json!({"flagged": true, "payload": [], "breakdown": [{"detector_type": "prompt_attack", "detected": true}], "metadata": {"request_uuid": "u"}}),
            masked: None,
            categories: &["prompt_attack"],
        },
        Kind {
            service: GuardService::Nemo { config_id: Some("default".to_owned()) },
            line: "POST /base/v1/checks HTTP/1.1",
            key: "authorization: Bearer the-key",
            text: |body| {
                keys(body, &["model", "messages", "guardrails"])?;
                (body["guardrails"] == json!({"rail_types": ["input"], "config_id": "default"})).then_some(())?;
                (body["messages"][0]["role"] == "user").then_some(())?;
                text_of(&body["messages"][0]["content"])
            },
            passed: |text| json!({"status": "passed", "content": text}),
            flagged: json!({"status": "blocked", "content": "I cannot talk about that.", "rail": "check words"}),
            masked: Some(|text| json!({"status": "modified", "content": text})),
            categories: &["check_words"],
        },
        Kind {
            service: GuardService::WebhookLiteLlm,
            line: "POST /base/beta/litellm_basic_guardrail_api HTTP/1.1",
            key: "authorization: Bearer the-key",
            text: |body| {
                keys(
                    body,
                    &[
                        "input_type",
                        "litellm_call_id",
                        "litellm_trace_id",
                        "texts",
                        "structured_messages",
                        "images",
                        "tools",
                        "model",
                        "request_data",
                        "additional_provider_specific_params",
                    ],
                )?;
                (body["input_type"] == "request").then_some(())?;
                text_of(&body["texts"][0])
            },
            passed: |_| json!({"action": "NONE"}),
            flagged: json!({"action": "BLOCKED", "blocked_reason": "it says flag"}),
            masked: Some(|text| json!({"action": "GUARDRAIL_INTERVENED", "texts": [text]})),
            categories: &["blocked"],
        },
        Kind {
            service: GuardService::WebhookAgentgateway,
            line: "POST /base/request HTTP/1.1",
            key: "authorization: Bearer the-key",
            text: |body| {
                keys(body, &["body"])?;
                keys(&body["body"], &["messages"])?;
                text_of(&body["body"]["messages"][0]["content"])
            },
            passed: |_| json!({"action": {"reason": "fine"}}),
            flagged: json!({"action": {"body": "no", "status_code": 403, "reason": "it says flag"}}),
            masked: Some(|text| json!({"action": {"body": {"messages": [{"role": "user", "content": text}]}}})),
            categories: &["rejected"],
        },
    ]
}

fn answer(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

/// What the server does with a request, or what is wrong with it.
fn strictly(kind: &Kind, received: &Received) -> Result<String, String> {
    let head = &received.head;
    if head.lines().next() != Some(kind.line) {
        return Err(format!("not {}: {head}", kind.line));
    }
    for wanted in [kind.key, "content-type: application/json", "accept: application/json"] {
        if !head.lines().any(|line| line == wanted) {
            return Err(format!("no {wanted}: {head}"));
        }
    }
    let keys = ["authorization", "ocp-apim-subscription-key", "x-api-key"];
    if head.lines().filter(|line| keys.iter().any(|key| line.starts_with(key))).count() != 1 {
        return Err(format!("more keys than one: {head}"));
    }
    let body: Value = serde_json::from_slice(&received.body).map_err(|error| error.to_string())?;
    (kind.text)(&body).ok_or_else(|| format!("not the documented body: {body}"))
}

async fn serve(kind: &Kind, stream: &mut TcpStream, received: Received) {
    let text = match strictly(kind, &received) {
        Ok(text) => text,
        Err(why) => return write(stream, &answer("418 Not Strict", &json!({"why": why}).to_string())).await,
    };
    let masked = kind.masked.map(|masked| masked("***").to_string());
    let said = match text.as_str() {
        "pass" => answer("200 OK", &(kind.passed)(&text).to_string()),
        "flag" => answer("200 OK", &kind.flagged.to_string()),
        "mask" => answer("200 OK", &masked.unwrap_or_default()),
        "500" => answer("500 Internal Server Error", &(kind.passed)(&text).to_string()),
        "429" => answer("429 Too Many Requests", &(kind.passed)(&text).to_string()),
        "401" => answer("401 Unauthorized", "{}"),
        "redirect" => "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n".to_owned(),
        "garbage" => answer("200 OK", "<html>my secret</html>"),
        "other" => answer("200 OK", r#"{"hello":"world"}"#),
        "empty" => answer("200 OK", ""),
        "cut" => "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{".to_owned(),
        "huge" => answer("200 OK", &format!("{{\"x\":\"{}\"}}", "x".repeat(2 << 20))),
        "silent" => return std::future::pending().await,
        "drip" => {
            let whole = answer("200 OK", &(kind.passed)(&text).to_string());
            for byte in whole.bytes() {
                if stream.write_all(&[byte]).await.is_err() {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(30)).await;
            }
            return;
        }
        other => panic!("a text that the test does not know: {other}"),
    };
    write(stream, &said).await;
    if text == "cut" {
        let _ = stream.shutdown().await;
    }
}

async fn server(kind: usize) -> Server {
    Server::start(move |mut stream, _| async move {
        let kind = kinds().remove(kind);
        while let Some(received) = read_request(&mut stream).await {
            let is_cut = received.body.windows(3).any(|three| three == b"cut");
            serve(&kind, &mut stream, received).await;
            if is_cut {
                return;
            }
        }
    })
    .await
}

fn config(service: GuardService, base_url: String) -> GuardConfig {
    GuardConfig {
        name: Name::new("one"),
        service,
        base_url,
        key: Some(GuardSecret("the-key".to_owned())),
        key_header: None,
        deadline: Duration::from_millis(400),
        costs_money: false,
        allow_private: false,
        extra_ca: None,
    }
}

fn guards(config: GuardConfig) -> HttpGuards {
    HttpGuards::new(vec![config], Arc::new(Frozen)).expect("a usable configuration")
}

fn ask(direction: Direction, text: &str) -> GuardAsk {
    let speaker = if direction == Direction::Input { Speaker::User } else { Speaker::Assistant };
    GuardAsk {
        request: RequestId::from_u128(1),
        direction,
        model: Name::new("chat"),
        texts: vec![GuardText { speaker, place: "messages[0]".to_owned(), text: text.to_owned() }],
    }
}

async fn asked(guards: &HttpGuards, text: &str) -> Result<GuardAnswer, GuardFault> {
    guards.ask(&Name::new("one"), &ask(Direction::Input, text), None).await
}

#[tokio::test]
async fn each_kind_is_spoken_to_as_it_is_documented() {
    for (index, kind) in kinds().into_iter().enumerate() {
        let server = server(index).await;
        let guards = guards(config(kind.service.clone(), format!("http://127.0.0.1:{}/base", server.port)));
        let opinion = |text: &'static str| {
            let guards = &guards;
            async move { asked(guards, text).await.map(|answer| answer.opinion) }
        };
        let name = kind.line;
        assert_eq!(opinion("pass").await, Ok(GuardOpinion::Passed), "{name}");
        let categories: Vec<String> = kind.categories.iter().map(|word| (*word).to_owned()).collect();
        assert_eq!(opinion("flag").await, Ok(GuardOpinion::Objects(categories)), "{name}");
        if kind.masked.is_some() {
            let masked = opinion("mask").await;
            assert!(
                matches!(&masked, Ok(GuardOpinion::Masks { texts, .. }) if texts == &["***"]),
                "{name}: {masked:?}"
            );
        }
        assert_eq!(server.accepted(), 1, "{name}: connections are used again");
    }
}

/// Whatever a service does wrong, it is an error of a kind that says what, within the deadline, and
/// what may have cost money is said; never "passed".
#[tokio::test]
async fn nothing_that_goes_wrong_passes() {
    for (index, kind) in kinds().into_iter().enumerate() {
        let server = server(index).await;
        let guards = guards(config(kind.service.clone(), format!("http://127.0.0.1:{}/base", server.port)));
        for (text, wanted, billing) in [
            ("500", GuardFaultKind::Refused, Billing::Unknown),
            ("429", GuardFaultKind::Refused, Billing::Rejected),
            ("401", GuardFaultKind::Refused, Billing::Rejected),
            ("redirect", GuardFaultKind::Refused, Billing::Rejected),
            ("garbage", GuardFaultKind::Malformed, Billing::Unknown),
            ("other", GuardFaultKind::Malformed, Billing::Unknown),
            ("empty", GuardFaultKind::Malformed, Billing::Unknown),
            ("cut", GuardFaultKind::Unreachable, Billing::Unknown),
            ("huge", GuardFaultKind::Malformed, Billing::Unknown),
            ("silent", GuardFaultKind::Timeout, Billing::Unknown),
            ("drip", GuardFaultKind::Timeout, Billing::Unknown),
        ] {
            let began = Instant::now();
            let fault = asked(&guards, text).await.expect_err(text);
            assert_eq!((fault.kind, fault.billing), (wanted, billing), "{} {text}: {fault}", kind.line);
            assert!(!fault.detail.contains("secret") && !fault.detail.contains("the-key"), "{fault}");
            assert!(began.elapsed() < Duration::from_secs(5), "{text}");
        }
        // It is there again when it is well again.
        assert_eq!(
            asked(&guards, "pass").await.map(|answer| answer.opinion),
            Ok(GuardOpinion::Passed),
            "{}",
            kind.line
        );
    }
}

#[tokio::test]
async fn what_bedrock_has_counted_is_what_it_costs() {
    let server = server(3).await;
    let service = kinds().remove(3).service;
    let guards = guards(config(service, format!("http://127.0.0.1:{}/base", server.port)));
    assert_eq!(asked(&guards, "pass").await.map(|answer| answer.cost), Ok(Some(NanoUsd::new(150_000))));
    assert_eq!(asked(&guards, "flag").await.map(|answer| answer.cost), Ok(None), "it has not said");
}

#[tokio::test]
async fn a_service_that_costs_money_is_not_asked_without_a_permit() {
    let server = server(6).await;
    let url = format!("http://127.0.0.1:{}/base", server.port);
    let guards = guards(GuardConfig { costs_money: true, ..config(GuardService::WebhookLiteLlm, url) });
    let fault = asked(&guards, "pass").await.expect_err("no permit");
    assert_eq!(fault.billing, Billing::NotSent);
    assert_eq!(server.accepted(), 0);
    let name = Name::new("one");
    let ask = ask(Direction::Input, "pass");
    let answered = guards.ask(&name, &ask, Some(permit(attempt(1)))).await;
    assert_eq!(answered, Ok(GuardAnswer::of(GuardOpinion::Passed)));
    let other = guards.ask(&Name::new("two"), &ask, None).await.expect_err("no such service");
    assert_eq!(other.billing, Billing::NotSent);
}

#[tokio::test]
async fn nobody_there_costs_nothing() {
    let mut gone = server(6).await;
    let url = format!("http://127.0.0.1:{}/base", gone.port);
    gone.stop_listening().await;
    let guards = guards(config(GuardService::WebhookLiteLlm, url));
    let fault = asked(&guards, "pass").await.expect_err("nobody there");
    assert_eq!((fault.kind, fault.billing), (GuardFaultKind::Unreachable, Billing::NotSent));
}

#[tokio::test]
async fn a_private_address_needs_leave() {
    for url in ["http://10.1.2.3/base", "http://guards.internal", "http://[fd00::1]", "http://169.254.169.254"] {
        let refused = HttpGuards::new(vec![config(GuardService::WebhookLiteLlm, url.to_owned())], Arc::new(Frozen));
        assert!(refused.is_err(), "{url}");
    }
}

#[tokio::test]
async fn texts_travel_in_tls_where_the_certificate_is_trusted() {
    let authority = Authority::new("guards");
    let acceptor = authority.acceptor("localhost", &["http/1.1"]);
    let server = Server::start(move |stream, _| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            while read_request(&mut stream).await.is_some() {
                let _ = stream.write_all(answer("200 OK", r#"{"action":"NONE"}"#).as_bytes()).await;
            }
        }
    })
    .await;
    let url = format!("https://localhost:{}", server.port);
    let slow = Duration::from_secs(10);
    let trusted = GuardConfig {
        extra_ca: Some(authority.pem()),
        deadline: slow,
        ..config(GuardService::WebhookLiteLlm, url.clone())
    };
    assert_eq!(asked(&guards(trusted), "pass").await, Ok(GuardAnswer::of(GuardOpinion::Passed)));
    let strange = GuardConfig { deadline: slow, ..config(GuardService::WebhookLiteLlm, url) };
    let fault = asked(&guards(strange), "pass").await.expect_err("a stranger's certificate");
    assert_eq!((fault.kind, fault.billing), (GuardFaultKind::Unreachable, Billing::NotSent));
    let broken = GuardConfig {
        extra_ca: Some("no PEM".to_owned()),
        ..config(GuardService::WebhookLiteLlm, "https://localhost".to_owned())
    };
    assert!(HttpGuards::new(vec![broken], Arc::new(Frozen)).is_err());
}

/// The vendors' own servers, started by `e2e/guards.sh`: a guard or rail that knows the word
/// "bluebird", and one that masks numbers of three digits and more.
#[tokio::test]
#[ignore = "needs the servers of e2e/guards.sh"]
async fn the_vendors_own_servers_are_understood() {
    let url = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set; run e2e/guards.sh"));
    let one = |service: GuardService, base_url: String| {
        guards(GuardConfig { key: None, deadline: Duration::from_secs(20), ..config(service, base_url) })
    };
    let objects = |word: &str| Ok(GuardOpinion::Objects(vec![word.to_owned()]));
    let name = Name::new("one");
    let guardrails_ai = url("HALTLINE_GUARDRAILS_AI_URL");
    for (guard, text, wanted) in [
        ("noop", "hello", Ok(GuardOpinion::Passed)),
        ("noop", "project bluebird", objects("NoBluebird")),
        ("raises", "hello", Ok(GuardOpinion::Passed)),
        ("raises", "project bluebird", objects("validation")),
        (
            "fixes",
            "call 5551234",
            Ok(GuardOpinion::Masks { texts: vec!["call ***".to_owned()], categories: vec!["NoNumbers".to_owned()] }),
        ),
    ] {
        let guards = one(GuardService::GuardrailsAi { guard: guard.to_owned() }, guardrails_ai.clone());
        let said = guards.ask(&name, &ask(Direction::Output, text), None).await;
        assert_eq!(said.map(|answer| answer.opinion), wanted, "{guard}: {text}");
    }
    let guards = one(GuardService::GuardrailsAi { guard: "absent".to_owned() }, guardrails_ai.clone());
    let fault = guards.ask(&name, &ask(Direction::Output, "hello"), None).await.expect_err("no such guard");
    assert_eq!(fault.kind, GuardFaultKind::Refused);
    // Several texts are one to it, and come apart again.
    let mut two = ask(Direction::Output, "call 5551234");
    two.texts.push(GuardText { text: "or 777".to_owned(), ..two.texts[0].clone() });
    let texts = vec!["call ***".to_owned(), "or ***".to_owned()];
    let mended = Ok(GuardOpinion::Masks { texts: texts.clone(), categories: vec!["NoNumbers".to_owned()] });
    let guards = one(GuardService::GuardrailsAi { guard: "fixes".to_owned() }, guardrails_ai);
    assert_eq!(guards.ask(&name, &two, None).await.map(|answer| answer.opinion), mended);

    let nemo = url("HALTLINE_NEMO_URL");
    let guards = one(GuardService::Nemo { config_id: Some("default".to_owned()) }, nemo.clone());
    for (direction, text, wanted) in [
        (Direction::Input, "hello", Ok(GuardOpinion::Passed)),
        (Direction::Input, "project bluebird", objects("check_words")),
        (Direction::Output, "fine", Ok(GuardOpinion::Passed)),
    ] {
        let said = guards.ask(&name, &ask(direction, text), None).await;
        assert_eq!(said.map(|answer| answer.opinion), wanted, "{text}");
    }
    let mended = Ok(GuardOpinion::Masks { texts, categories: vec!["rail".to_owned()] });
    assert_eq!(guards.ask(&name, &two, None).await.map(|answer| answer.opinion), mended);
    let guards = one(GuardService::Nemo { config_id: Some("absent".to_owned()) }, nemo);
    let fault = guards.ask(&name, &ask(Direction::Input, "hello"), None).await.expect_err("no such configuration");
    assert_eq!((fault.kind, fault.billing), (GuardFaultKind::Refused, Billing::Rejected));
}
