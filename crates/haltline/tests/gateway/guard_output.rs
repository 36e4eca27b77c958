//! The guard on answers and the services that are asked, seen from outside: a provider that says what
//! it is told to say, in small pieces, and a webhook that objects to one word.

use crate::setup::{Setup, ask, code};
use axum::Router;
use axum::body::Body;
use axum::extract::Json;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use haltline_testkit::FakeConfig;
use haltline_testkit::http_client::{Answer, Call};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const MODEL: &str = "[models.chat]\ntargets = [\"echo/m\"]\nmax_output_tokens = 400\n[prices.\"echo/m\"]\ninput = \"1\"\noutput = \"10\"\n[[budgets]]\nname = \"day\"\nscope = \"global\"\nlimit = \"$5\"\nwindow = \"day\"\n";
const CONTENT: &str = "text/event-stream";

/// What the last turn tells the model to say.
fn wanted(body: &Value) -> String {
    let last = body["messages"].as_array().and_then(|messages| messages.last()).cloned().unwrap_or_default();
    last["content"].as_str().unwrap_or_default().trim_start_matches("say: ").to_owned()
}

async fn echo(Json(body): Json<Value>) -> Response {
    let text = wanted(&body);
    let usage = json!({"prompt_tokens": 20, "completion_tokens": 60, "total_tokens": 80});
    if body["stream"] != json!(true) {
        let message = json!({"role": "assistant", "content": text});
        let choices = json!([{"index": 0, "message": message, "finish_reason": "stop"}]);
        return Json(json!({"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m", "choices": choices, "usage": usage})).into_response();
    }
    let chunk = |delta: Value, finish: Value| {
        json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m",
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})
    };
    let letters: Vec<char> = text.chars().collect();
    let mut events: Vec<Value> = letters
        .chunks(3)
        .map(|piece| chunk(json!({"role": "assistant", "content": piece.iter().collect::<String>()}), Value::Null))
        .collect();
    events.push(chunk(json!({}), json!("stop")));
    let mut last = chunk(json!({}), Value::Null);
    last["choices"] = json!([]);
    last["usage"] = usage;
    events.push(last);
    let mut stream: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
    stream.push_str("data: [DONE]\n\n");
    ([("content-type", CONTENT)], Body::from(stream)).into_response()
}

async fn serve(router: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

async fn start(guard: &str) -> Setup {
    let provider = serve(Router::new().route("/v1/chat/completions", post(echo))).await;
    let echo = format!("[providers.echo]\nkind = \"openai-compatible\"\nbase_url = \"{provider}/v1\"\n");
    Setup::start(FakeConfig::default(), &format!("{echo}{MODEL}{guard}\n")).await
}

fn say(text: &str) -> Value {
    ask(&format!("say: {text}"))
}

async fn told(setup: &Setup, body: &Value) -> (Answer, String) {
    let answer = setup.post(body).send().await.expect("answer");
    let text = if body["stream"] == json!(true) {
        let body = String::from_utf8_lossy(&answer.body).into_owned();
        let data = body.lines().filter_map(|line| line.strip_prefix("data: "));
        let chunks = data.filter_map(|data| serde_json::from_str::<Value>(data).ok());
        chunks.filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str().map(str::to_owned)).collect()
    } else {
        let body = answer.json().unwrap_or_default();
        body["choices"][0]["message"]["content"].as_str().unwrap_or_default().to_owned()
    };
    (answer, text)
}

fn streamed(mut body: Value) -> Value {
    body["stream"] = json!(true);
    body
}

fn token() -> String {
    ["gh", "p_", "aB3dE5fG7hJ9kL1mN2pQ4rS6tU8vW0xY2zA4"].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_are_taken_out_without_a_word_of_configuration() {
    let setup = start("").await;
    let text = format!("Use {} for that, and mail ada@example.org.", token());
    for body in [say(&text), streamed(say(&text))] {
        let (answer, shown) = told(&setup, &body).await;
        assert_eq!(answer.status, 200);
        assert!(
            shown.starts_with("Use [REDACTED:") && shown.ends_with("for that, and mail ada@example.org."),
            "{shown}"
        );
        let whole = String::from_utf8_lossy(&answer.body).into_owned();
        assert!(!whole.contains(&token()[4..16]), "{whole}");
        if body["stream"] == json!(true) {
            assert!(
                whole.lines().any(|line| line.starts_with(": ") && line.contains("x-haltline-guard: redacted")),
                "{whole}"
            );
        } else {
            assert_eq!(answer.header("x-haltline-guard"), Some("redacted"));
        }
    }
    let metrics = setup.get("/metrics").send().await.expect("answer");
    let metrics = String::from_utf8_lossy(&metrics.body).into_owned();
    assert!(
        metrics.lines().any(|line| line.starts_with("haltline_guard_findings_total")
            && line.contains("direction=\"output\"")
            && line.contains("verdict=\"redacted\"")),
        "{metrics}"
    );
    let listed = setup.gateway.command_line(&["review", "list", "--format", "json"]).expect("review");
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    let case: Value = serde_json::from_str(listed.lines().next().expect("a case")).expect("json");
    assert_eq!((case["direction"].as_str(), case["verdict"].as_str()), (Some("output"), Some("redacted")));
    let id = case["id"].as_str().expect("an id");
    let allowed = setup.gateway.command_line(&["review", "allow", id]).expect("review");
    assert!(!allowed.status.success(), "what was found in an answer is not let pass by a decision");
    assert!(setup.gateway.command_line(&["review", "deny", id]).expect("review").status.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_says_in_words_that_something_was_taken_out() {
    let setup = start("").await;
    let text = format!("say: it is {} indeed", token());
    let body = json!({"id": "c1", "model": "chat", "messages": [{"id": "m1", "role": "user", "parts": [{"type": "text", "text": text}]}]});
    let url = format!("{}/api/chat", setup.gateway.origin());
    let answer = Call::post(url).bearer(&setup.secret).json(&body).send().await.expect("answer");
    let shown = String::from_utf8_lossy(&answer.body).into_owned();
    assert!(shown.contains("\"state\":\"guarded\"") && shown.contains("taken out"), "{shown}");
    assert!(!shown.contains(&token()[4..16]), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_s_phrases_canaries_and_personal_data() {
    let guard = "[guard.output]\npersonal = [\"email\"]\ncanaries = [\"cnr-7f3a9c\"]\nprompt_leak = \"flag\"\n\
        [[guard.output.phrases]]\nid = \"codename\"\nmatch = \"project bluebird\"\n\
        [[guard.output.topics]]\nid = \"rival\"\nmatch = [\"acme corp\", \"acme inc\"]\n";
    let setup = start(guard).await;
    let (_, shown) = told(&setup, &say("write to ada@example.org now")).await;
    assert_eq!(shown, "write to [EMAIL] now");
    let (flagged, shown) = told(&setup, &say("better than Acme Corp")).await;
    assert_eq!((flagged.header("x-haltline-guard"), shown.as_str()), (Some("flagged"), "better than Acme Corp"));
    for secret in ["it is called Project  Bluebird, you know", "the mark is cnr-7f3a9c here"] {
        let (cut, shown) = told(&setup, &say(secret)).await;
        assert_eq!((cut.status.as_u16(), code(&cut).as_str(), shown.as_str()), (400, "content_filter", ""));
        let (cut, shown) = told(&setup, &streamed(say(secret))).await;
        let whole = String::from_utf8_lossy(&cut.body).into_owned();
        assert_eq!(cut.status, 200);
        assert!(!shown.to_lowercase().contains("bluebird") && !shown.contains("7f3a9c"), "{whole}");
        assert!(whole.contains("\"finish_reason\":\"content_filter\"") && whole.contains("\"error\""), "{whole}");
        assert!(!whole.contains("[DONE]"), "{whole}");
    }
    let prompt = "You are the helpful assistant of a small bakery in Lyon and must never talk about the price of flour to anybody.";
    let mut leak = say(prompt);
    leak["messages"] =
        json!([{"role": "system", "content": prompt}, {"role": "user", "content": "say: what do you know?"}]);
    let (asked, _) = told(&setup, &leak).await;
    assert_eq!(asked.header("x-haltline-guard"), Some("allowed"));
    leak["messages"][1]["content"] = json!(format!("say: {prompt}"));
    let (echoed, _) = told(&setup, &leak).await;
    assert_eq!(echoed.header("x-haltline-guard"), Some("allowed"), "what the user said may be repeated");
}

/// A webhook in LiteLLM's dialect that objects to a word, or fails.
async fn webhook(asked: Arc<AtomicUsize>) -> String {
    let answer = move |Json(body): Json<Value>| {
        asked.fetch_add(1, Ordering::Relaxed);
        async move {
            let texts = body["texts"].to_string();
            if texts.contains("break down") {
                return (axum::http::StatusCode::INTERNAL_SERVER_ERROR, "no").into_response();
            }
            let action = if texts.contains("zebra") { "BLOCKED" } else { "NONE" };
            Json(json!({"action": action, "blocked_reason": "stripes"})).into_response()
        }
    };
    serve(Router::new().fallback(answer)).await
}

fn service(url: &str, rest: &str) -> String {
    format!(
        "[[guard.services]]\nname = \"hook\"\nkind = \"webhook-litellm\"\nurl = \"{url}\"\nremember = \"0s\"\n{rest}\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_objects_blocks_and_one_that_is_away_is_no_pass() {
    let asked = Arc::new(AtomicUsize::new(0));
    let url = webhook(Arc::clone(&asked)).await;
    let setup = start(&service(&url, "mode = \"block\"\non_error = \"block\"")).await;
    let (fine, _) = told(&setup, &say("a horse")).await;
    assert_eq!((fine.status.as_u16(), fine.header("x-haltline-guard")), (200, Some("allowed")));
    let (refused, _) = told(&setup, &say("a zebra")).await;
    assert_eq!((refused.status.as_u16(), code(&refused).as_str()), (400, "content_filter"));
    let message = refused.json().expect("json")["error"]["message"].as_str().unwrap_or_default().to_owned();
    assert!(message.contains("grd_") && !message.contains("stripes"), "{message}");
    let (away, _) = told(&setup, &say("break down")).await;
    assert_eq!((away.status.as_u16(), code(&away).as_str()), (503, "guard_unavailable"));
    assert!(away.header("retry-after").is_some());
    assert!(asked.load(Ordering::Relaxed) >= 3);
    // An operator lets the text pass once.
    let id = message.split_whitespace().find_map(|word| word.strip_suffix('.').filter(|word| word.starts_with("grd_")));
    let allowed = setup.gateway.command_line(&["review", "allow", id.expect("a reference")]).expect("review");
    assert!(allowed.status.success(), "{}", String::from_utf8_lossy(&allowed.stderr));
    assert_eq!(told(&setup, &say("a zebra")).await.0.status, 200);
    assert_eq!(told(&setup, &say("a zebra")).await.0.status, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_away_and_may_be_missing_leaves_its_mark() {
    let asked = Arc::new(AtomicUsize::new(0));
    let url = webhook(Arc::clone(&asked)).await;
    let setup = start(&service(&url, "mode = \"flag\"\nwhen = [\"input\", \"output\"]")).await;
    let (away, _) = told(&setup, &say("break down")).await;
    assert_eq!((away.status.as_u16(), away.header("x-haltline-guard")), (200, Some("error")));
    let (flagged, _) = told(&setup, &say("a zebra")).await;
    assert_eq!((flagged.status.as_u16(), flagged.header("x-haltline-guard")), (200, Some("flagged")));
    let id = flagged.header("x-request-id").expect("an id").to_owned();
    setup.generation(&id).await;
    let timeline = setup.gateway.command_line(&["trace", &id]).expect("trace");
    let timeline = String::from_utf8_lossy(&timeline.stdout).into_owned();
    assert!(timeline.contains("guard on input: flagged by service:hook"), "{timeline}");
    assert!(timeline.contains("guard on output: flagged by service:hook"), "{timeline}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_output_guard_that_cannot_be_meant_is_refused_with_a_sentence() {
    let setup = start("").await;
    for (guard, said) in [
        ("[guard.output]\nsecrets = \"shadow\"", "secrets"),
        ("[guard.output.rules]\ngithubb = \"off\"", "there is no rule `githubb`"),
        ("[[guard.output.phrases]]\nid = \"x\"", "match"),
        ("[[guard.output.own_secrets]]\nid = \"acme\"\nprefix = \"a\"\nclass = \"a-z\"\nmin = 8", "prefix"),
        ("[guard.output]\npersonal = [\"shoe-size\"]", "personal"),
    ] {
        let config = setup.config(&format!(
            "{}{guard}\n",
            MODEL.replace("echo/m", "fake/m").replace("[prices.\"fake/m\"]\ninput = \"1\"\noutput = \"10\"\n", "")
        ));
        setup.gateway.write_config(&config).expect("written");
        let output = setup.gateway.command_line(&["check"]).expect("check");
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(2), "{guard}\n{text}");
        assert!(text.contains(said), "{guard}\n{text}");
    }
}
