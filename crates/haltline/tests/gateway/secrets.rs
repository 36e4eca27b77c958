//! No secret in the log (at its most talkative), in what is kept on disk, or in what a client is
//! told, whatever goes wrong: a provider that repeats the key it was sent in every part of its
//! answers, wrong keys, broken configurations, a killed process.

use crate::setup::{Setup, ask};
use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use haltline_testkit::http_client::Call;
use haltline_testkit::{FakeConfig, GatewayOptions, TestGateway};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Known secrets, put together here so that no scanner takes this file for a leak.
fn known(kind: &str) -> String {
    let middle: String =
        (0..32).map(|place| char::from(b'a' + u8::try_from(place * 7 % 26).expect("a letter"))).collect();
    match kind {
        "provider" => format!("{}{}{middle}", "sk", "-prov-"),
        "second" => format!("{}{}{middle}", "sk", "-second-"),
        "wrong" => format!("{}{}{middle}", "hl", "-live-wrong-"),
        "hook" => format!("{}{}", "whsec", "_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
        "store" => (0..32).map(|place| format!("{:02x}", place * 7 + 1)).collect(),
        // What a model wrote, and a provider quotes.
        "said" => format!("{}{}", "AKIA", "QYLPMN5HFIQR7XYA"),
        "password" => format!("{}-{middle}", "hunter"),
        other => panic!("no secret {other}"),
    }
}

/// A provider that fails in each way in turn and repeats what it was sent, in body and headers.
async fn parrot() -> String {
    let turn = Arc::new(AtomicUsize::new(0));
    let answer = move |head: HeaderMap| {
        let number = turn.fetch_add(1, Ordering::Relaxed);
        async move { repeat(&head, number) }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await });
    format!("http://{address}/v1")
}

fn repeat(head: &HeaderMap, number: usize) -> Response {
    let key = head.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let headers = [("x-request-id", key.clone()), ("retry-after", key.clone()), ("x-your-key", key.clone())];
    let error = |status: u16| {
        let said = known("said");
        let message = format!("Incorrect API key provided: {key}. The model wrote {said}. Find yours at the console.");
        let body = json!({"error": {"message": message, "type": key, "code": said, "param": key}});
        (StatusCode::from_u16(status).expect("a status"), headers.clone(), body.to_string()).into_response()
    };
    match number % 8 {
        0 => error(401),
        1 => error(400),
        2 => error(429),
        3 => error(500),
        4 => error(404),
        5 => (StatusCode::OK, headers, format!("<html>{key}</html>")).into_response(),
        6 => (StatusCode::OK, headers, format!("{{\"choices\": [{key}")).into_response(),
        _ => {
            let stream = format!("data: {{\"error\":{{\"message\":\"{key}\",\"type\":\"{key}\"}}}}\n\ndata: {key}\n\n");
            ([("content-type", "text/event-stream".to_owned())], stream).into_response()
        }
    }
}

fn config(base_url: &str, rest: &str) -> String {
    format!(
        "[server]\nlisten = \"{{listen}}\"\n[store]\nurl = \"file:{{dir}}/data\"\n\
         encryption_key = \"${{TEST_STORE}}\"\n[providers.fake]\n\
         kind = \"openai-compatible\"\nbase_url = \"{base_url}\"\napi_keys = [\"${{TEST_KEY}}\", \"${{TEST_SECOND}}\"]\n\
         [prices.\"fake/m\"]\ninput = \"1\"\noutput = \"10\"\n[models.chat]\ntargets = [\"fake/m\"]\n\
         max_output_tokens = 100\n[retry]\nmax_retries = 2\nbase = \"1ms\"\ncap = \"9ms\"\nrate_limit_wait = \"9ms\"\nper_user_per_hour = 1000\n\
         [breaker]\nfailures = 0\n[jobs]\nwebhook_secret = \"${{TEST_HOOK}}\"\n[sessions]\nkeep_for = \"1h\"\n{rest}"
    )
}

/// Every file below a folder.
fn files(folder: &Path, into: &mut Vec<(String, Vec<u8>)>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files(&path, into);
        } else {
            into.push((path.display().to_string(), fs::read(&path).unwrap_or_default()));
        }
    }
}

fn assert_absent(what: &str, content: &[u8], secrets: &[(&str, String)]) {
    for (name, secret) in secrets {
        let found = content.windows(secret.len()).position(|window| window == secret.as_bytes());
        if let Some(at) = found {
            let around = &content[at.saturating_sub(200)..(at + secret.len()).min(content.len())];
            panic!("the {name} secret stands in {what}: {}", String::from_utf8_lossy(around));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_reaches_the_log_the_store_or_a_client() {
    let base_url = parrot().await;
    let mut options = GatewayOptions::find().expect("binary");
    options.environment = [
        ("HALTLINE_LOG", "trace".to_owned()),
        ("TEST_KEY", known("provider")),
        ("TEST_SECOND", known("second")),
        ("TEST_HOOK", known("hook")),
        ("TEST_STORE", known("store")),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    let mut gateway = TestGateway::prepare(options, &config(&base_url, "")).expect("gateway");
    let key = gateway.create_key(&["test", "--users", "any"]).expect("key");
    gateway.serve().await.expect("ready");
    let admin: Value =
        serde_json::from_slice(&fs::read(gateway.directory().join("data/admin.json")).expect("file")).expect("JSON");
    let token = admin["token"].as_str().expect("a token").to_owned();
    let mut secrets: Vec<(&str, String)> =
        ["provider", "second", "wrong", "hook", "store", "said"].into_iter().map(|kind| (kind, known(kind))).collect();
    secrets.push(("client's", key.clone()));
    secrets.push(("operator's", token.clone()));

    let origin = gateway.origin();
    let mut answers: Vec<(String, Vec<u8>)> = Vec::new();
    let mut stream = ask("a stream");
    stream["stream"] = true.into();
    let ui = json!({"messages": [{"role": "user", "parts": [{"type": "text", "text": "hi"}]}], "model": "chat"});
    let mut calls: Vec<Call> = Vec::new();
    for round in 0..12 {
        let post = |path: &str, body: &Value| {
            Call::post(format!("{origin}{path}")).json(body).header("x-haltline-session", &format!("s{round}"))
        };
        let messages = json!({"model": "chat", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}]});
        calls.extend([
            post("/v1/chat/completions", &ask(&format!("round {round}"))).bearer(&key),
            post("/v1/chat/completions", &stream).bearer(&key),
            post("/v1/messages", &messages).header("x-api-key", &key),
            post("/v1/responses", &json!({"model": "chat", "input": "x"})).bearer(&key),
            post("/api/chat", &ui).bearer(&key),
        ]);
    }
    let generate = json!({"contents": [{"role": "user", "parts": [{"text": "x"}]}]});
    let job = json!({"endpoint": "/v1/chat/completions", "body": ask("a job"), "max_attempts": 1,
        "webhook": {"url": "https://127.0.0.1:1/x"}});
    for presented in [key.as_str(), known("wrong").as_str(), ""] {
        calls.extend([
            Call::post(format!("{origin}/v1beta/models/chat:generateContent?key={presented}")).json(&generate),
            Call::post(format!("{origin}/v1/chat/completions")).bearer(presented).body("{broken"),
            Call::post(format!("{origin}/v1/jobs")).bearer(presented).json(&job),
            Call::get(format!("{origin}/v1/models")).header("x-goog-api-key", presented),
            Call::get(format!("{origin}/v1/nothing/{presented}?key={presented}")).header("api-key", presented),
            Call::get(format!("{origin}/admin/v1/keys")).bearer(presented),
        ]);
    }
    calls.extend([
        Call::get(format!("{origin}/admin/v1/keys")).bearer(&token),
        Call::post(format!("{origin}/admin/v1/keys")).bearer(&token).body("{broken"),
        Call::post(format!("{origin}/admin/v1/keys")).bearer(&token).json(&json!({"name": "test"})),
        Call::post(format!("{origin}/admin/v1/budgets/override")).bearer(&token).json(&json!({"budget": "none"})),
        Call::get(format!("{origin}/metrics")),
    ]);
    for (number, call) in calls.into_iter().enumerate() {
        let answer = call.send().await.expect("an answer");
        let mut whole = answer.body.to_vec();
        for (name, value) in &answer.headers {
            whole.extend_from_slice(name.as_str().as_bytes());
            whole.extend_from_slice(value.as_bytes());
        }
        answers.push((format!("answer {number} ({})", answer.status), whole));
    }
    // A configuration that is broken around its secrets, reloaded and checked.
    let plain = format!(
        "[[alerts]]\nwebhook = \"nonsense\"\nsecret = \"{}\"\n[providers.q]\nkind = \"openai\"\napi_key = \"{}\"\nbase_url = 7\n",
        known("hook"),
        known("provider")
    );
    gateway.write_config(&config(&base_url, &plain)).expect("written");
    gateway.hup().expect("HUP");
    for command in [["check"].as_slice(), &["key", "list"], &["spend"], &["dlq", "list"]] {
        let output = gateway.command_line(command).expect("run");
        answers.push((format!("{command:?}"), [output.stdout, output.stderr].concat()));
    }
    for _ in 0..300 {
        if gateway.log().contains("the old configuration stays in force") {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    gateway.kill9().expect("killed");
    gateway.write_config(&config(&base_url, "")).expect("written");
    gateway.serve().await.expect("ready again");
    gateway.term(std::time::Duration::from_secs(30)).await.expect("ended");

    assert!(gateway.log().contains("the old configuration stays in force"));
    assert!(gateway.log().lines().filter(|line| line.contains("\"TRACE\"") || line.contains("\"DEBUG\"")).count() > 10);
    assert!(answers.len() > 80);
    for (what, answer) in &answers {
        assert_absent(what, answer, &secrets);
    }
    let mut kept = Vec::new();
    files(gateway.directory(), &mut kept);
    assert!(
        kept.iter().any(|(path, _)| path.contains("/data/")) && kept.iter().any(|(path, _)| path.ends_with(".log"))
    );
    for (path, content) in &kept {
        assert_absent(path, content, &secrets);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_in_an_address_is_not_shown() {
    let password = known("password");
    for (section, line) in [
        ("[store]", format!("url = \"postgres://user:{password}@db.example/haltline\"")),
        ("[store]", format!("url = \"redis://user:{password}@cache.example:6379/0\"")),
        (
            "[providers.p]\nkind = \"openai\"\napi_key = \"${HOME}\"",
            format!("base_url = \"https://user:{password}@api.example.com/v1\""),
        ),
        ("[[alerts]]", format!("webhook = \"https://user:{password}@hooks.example.com/x\"")),
    ] {
        let text = format!("{section}\n{line}\n");
        let gateway = TestGateway::prepare(GatewayOptions::find().expect("binary"), &text).expect("gateway");
        for arguments in [["check"].as_slice(), &["check", "--json"], &["serve"]] {
            let output = gateway.command_line(arguments).expect("run");
            assert!(!output.status.success(), "{section} {arguments:?}");
            let said = [output.stdout, output.stderr].concat();
            assert_absent(&format!("{section} {arguments:?}"), &said, &[("password", password.clone())]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_gateway_leaves_no_core_dump_unless_told_to() {
    for (line, dumps) in [("", false), ("core_dumps = true\n", true)] {
        let text = config("http://127.0.0.1:9/v1", "").replace("[store]", &format!("{line}[store]"));
        let mut options = GatewayOptions::find().expect("binary");
        options.environment =
            ["TEST_KEY", "TEST_SECOND"].map(|name| (name.to_owned(), known("provider") + name)).into();
        options.environment.push(("TEST_HOOK".to_owned(), known("hook")));
        options.environment.push(("TEST_STORE".to_owned(), known("store")));
        let gateway = TestGateway::start_with(options, &text).await.expect("ready");
        let limits = fs::read_to_string(format!("/proc/{}/limits", gateway.pid().expect("runs"))).expect("limits");
        let row = limits.lines().find(|line| line.starts_with("Max core file size")).expect("a row");
        let (soft, hard) = (row.split_whitespace().nth(4), row.split_whitespace().nth(5));
        assert!(dumps || (soft, hard) == (Some("0"), Some("0")), "{row}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_and_a_client_stay_out_of_the_operators_door() {
    let setup = Setup::start(FakeConfig::default(), "").await;
    let document = setup.get("/openapi.json").send().await.expect("the document").json().expect("JSON");
    let paths = document["paths"].as_object().expect("paths").iter().filter(|(path, _)| path.starts_with("/admin/"));
    let mut asked = 0;
    for (path, item) in paths {
        for method in item.as_object().expect("methods").keys() {
            let url = format!("{}{}", setup.gateway.origin(), path.replace(['{', '}'], ""));
            for key in ["", setup.secret.as_str(), "hl-admin-", "hl-admin-AAAA"] {
                let method = method.to_uppercase().parse().expect("a method");
                let call = Call::new(method, url.clone()).bearer(key).json(&json!({}));
                let answer = call.send().await.expect("an answer");
                assert_eq!(answer.status, 401, "{path} with `{key}`");
                asked += 1;
            }
        }
    }
    assert!(asked > 80, "only {asked}");
    let mode = fs::metadata(setup.gateway.directory().join("data/admin.json")).expect("the file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn what_holds_a_secret_does_not_print_it() {
    use haltline_gateway::Hook;
    use haltline_gateway::settings::{ProviderKey, Secret};
    use haltline_http::admin::dto::NewKey;
    use haltline_http::admin::{key_dto, key_record};
    use haltline_types::{Name, Timestamp};
    let secret = known("provider");
    let key = ProviderKey { secret: Secret::from(secret.as_str()), weight: 1 };
    let hook = Hook {
        url: format!("https://hooks.example.com/services/{secret}?token={secret}"),
        secrets: vec![Secret::from(secret.as_str())],
        allow_private: false,
    };
    let wanted = NewKey { name: "k".to_owned(), ..NewKey::default() };
    let made = haltline_http::admin::dto::MadeKey {
        secret: secret.clone(),
        key: key_dto(
            &key_record(&wanted, &secret, [0; 32], &Name::new("ada"), Timestamp::from_secs(0)).expect("a key"),
            None,
            Timestamp::from_secs(0),
        ),
    };
    let admin = haltline::cli::AdminFile { url: String::new(), token: secret.clone(), pid: 1 };
    let tls = haltline::tls::TlsSettings {
        cert: String::new(),
        key: Secret::from(secret.as_str()),
        client_ca: None,
        client_auth: haltline::tls::ClientAuth::Required,
        files: Vec::new(),
    };
    let upstream = haltline_upstream::ApiKey::new(secret.as_str());
    let printed = [
        format!("{key:?} {key:#?}"),
        format!("{hook:?}"),
        format!("{made:?}"),
        format!("{admin:?}"),
        format!("{tls:?}"),
        format!("{upstream:?}"),
    ];
    for text in printed {
        assert!(!text.contains(&secret), "{text}");
    }
}
