//! Two teams that share a gateway: each route of the API document is tried with every id of the other team,
//! by its key, by another user of the same key, and by nobody. What comes must be what an id that never
//! was gives, to the byte. A new route without a row here fails.

use crate::setup::{Setup, ask};
use haltline_testkit::FakeConfig;
use haltline_testkit::http_client::{Answer, Call};
use http::Method;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

const MODEL: &str = "[models.chat]\ntargets = [\"fake/m\"]\nmax_output_tokens = 100\n[cache]\nenabled = true\n[jobs]\nconcurrency = 2\n";
/// Words of the first team that nobody else may see.
const OURS: [&str; 4] = ["plugh-key", "plugh-team", "plugh-session", "plugh-text"];

/// What a route takes that could be another's.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Takes {
    /// An id in its path or query.
    Id,
    /// Nothing but a key: it shows what is the caller's.
    Nothing,
    /// A body; those with ids in it are tried in tests of their own below.
    Body,
}

/// Every route that needs a key.
const ROUTES: &[(&str, &str, Takes)] = &[
    ("post", "/v1/chat/completions", Takes::Body),
    ("post", "/v1/responses", Takes::Body),
    ("get", "/v1/responses/{id}", Takes::Id),
    ("delete", "/v1/responses/{id}", Takes::Id),
    ("post", "/v1/responses/{id}/cancel", Takes::Id),
    ("get", "/v1/responses/{id}/input_items", Takes::Id),
    ("post", "/v1/embeddings", Takes::Body),
    ("post", "/v1/messages", Takes::Body),
    ("post", "/v1/messages/count_tokens", Takes::Body),
    ("get", "/v1/models", Takes::Nothing),
    ("get", "/v1/models/{id}", Takes::Id),
    ("post", "/v1/models/{id}", Takes::Body),
    ("post", "/v1/cache/invalidate", Takes::Body),
    ("get", "/v1/streams/{id}", Takes::Id),
    ("post", "/v1/streams/{id}/stop", Takes::Id),
    ("get", "/v1/requests/{id}/timeline", Takes::Id),
    ("get", "/v1/sessions/{id}/timeline", Takes::Id),
    ("post", "/v1/jobs", Takes::Body),
    ("get", "/v1/jobs", Takes::Nothing),
    ("get", "/v1/jobs/webhook-secret", Takes::Nothing),
    ("get", "/v1/jobs/{id}", Takes::Id),
    ("delete", "/v1/jobs/{id}", Takes::Id),
    ("get", "/v1/jobs/{id}/result", Takes::Id),
    ("post", "/v1/jobs/{id}/cancel", Takes::Id),
    ("get", "/v1/sessions", Takes::Nothing),
    ("get", "/v1/sessions/{id}", Takes::Id),
    ("delete", "/v1/sessions/{id}", Takes::Id),
    ("get", "/v1/generation", Takes::Id),
    ("post", "/v1/auth/tokens", Takes::Body),
    ("post", "/v1/auth/revoke", Takes::Body),
    ("post", "/api/chat", Takes::Body),
    ("post", "/api/ai/chat", Takes::Body),
    ("get", "/api/chat/{id}/stream", Takes::Id),
    ("get", "/api/ai/chat/{id}/stream", Takes::Id),
    ("post", "/api/chat/{id}/stop", Takes::Id),
    ("post", "/api/ai/chat/{id}/stop", Takes::Id),
];

/// Who asks: a key, and the user that it names.
#[derive(Clone, Copy)]
struct Who<'a> {
    secret: Option<&'a str>,
    user: &'a str,
}

async fn call(setup: &Setup, who: Who<'_>, method: &str, path: &str, body: Option<&Value>) -> Answer {
    let method = Method::from_bytes(method.to_uppercase().as_bytes()).expect("a method");
    let call = Call::new(method, format!("{}{path}", setup.gateway.origin()));
    let call = match who.secret {
        Some(secret) => call.bearer(secret).header("x-haltline-user", who.user),
        None => call,
    };
    let call = match body {
        Some(body) => call.json(body),
        None => call,
    };
    call.limit(Duration::from_secs(20)).send().await.expect("answer")
}

/// An answer as it is the same for all ids: without the id that was asked for, and those that each
/// request has.
fn shape(answer: &Answer, id: &str) -> (u16, BTreeMap<String, String>, String) {
    let strip = |text: &str| -> String {
        let text = text.replace(id, "ID");
        let mut out = String::new();
        let mut rest = text.as_str();
        while let Some(place) = rest.find("req_") {
            out.push_str(&rest[..place]);
            out.push_str("REQ");
            rest = rest[place + 4..].trim_start_matches(|c: char| c.is_ascii_alphanumeric());
        }
        out + rest
    };
    let own = ["date", "traceparent", "x-haltline-trace-id", "x-trace-id", "content-length", "x-haltline-overhead-ms"];
    let headers = answer.headers.iter().filter(|(name, _)| !own.contains(&name.as_str()));
    let headers = headers.map(|(name, value)| (name.to_string(), strip(&String::from_utf8_lossy(value.as_bytes()))));
    let mut headers: BTreeMap<String, String> = headers.collect();
    headers.retain(|name, _| !name.ends_with("request-id"));
    let mut body = String::from_utf8_lossy(&answer.body).into_owned();
    if let Ok(mut value) = serde_json::from_str::<Value>(&body) {
        without_trace(&mut value);
        body = value.to_string();
    }
    (answer.status.as_u16(), headers, strip(&body))
}

/// A trace has a random id of its own.
fn without_trace(value: &mut Value) {
    if let Value::Object(object) = value {
        object.remove("trace_id");
        object.values_mut().for_each(without_trace);
    }
}

fn shows_nothing_of_ours(answer: &Answer, about: &str, asked: &str) {
    let mut text = String::from_utf8_lossy(&answer.body).into_owned();
    for (name, value) in &answer.headers {
        text.push_str(&format!("\n{name}: {}", String::from_utf8_lossy(value.as_bytes())));
    }
    // What it asked for itself may come back to it.
    let text = text.replace(asked, "");
    for word in OURS {
        assert!(!text.contains(word), "{about} shows `{word}`: {text}");
    }
}

/// An id of the same form that never was.
fn never_was(id: &str) -> String {
    let mut chars: Vec<char> = id.chars().collect();
    let last = chars.len() - 1;
    chars[last] = if chars[last] == '7' { '8' } else { '7' };
    chars[last - 1] = if chars[last - 1] == '3' { '4' } else { '3' };
    chars.into_iter().collect()
}

/// Everything that the first team has: what it is, and its id.
async fn ours(setup: &Setup, red: Who<'_>) -> Vec<(&'static str, String)> {
    let text = "plugh-text, and more of it";
    let secret = red.secret.expect("a key");
    let mut streamed = ask(text);
    streamed["stream"] = json!(true);
    let post = |path: &str, body: &Value| {
        Call::post(format!("{}{path}", setup.gateway.origin()))
            .bearer(secret)
            .header("x-haltline-user", red.user)
            .header("x-haltline-session", "plugh-session")
            .json(body)
    };
    let open = post("/v1/chat/completions", &streamed).open().await.expect("stream");
    let stream = open.headers["x-haltline-stream-id"].to_str().expect("id").to_owned();
    open.read().await;
    let whole = post("/v1/chat/completions", &ask(text)).header("x-haltline-cache-tags", "plugh-text");
    let whole = whole.header("idempotency-key", "shared-key").send().await.expect("answer");
    assert_eq!(whole.status, 200, "{:?}", whole.body);
    let request = whole.header("x-request-id").expect("id").to_owned();
    let kept = json!({"model": "chat", "input": text, "store": true});
    let kept = post("/v1/responses", &kept).send().await.expect("answer").json().expect("json");
    let job = json!({"endpoint": "/v1/chat/completions", "body": ask(text)});
    let job = post("/v1/jobs", &job).send().await.expect("answer").json().expect("json");
    let failed = post("/v1/chat/completions", &json!({"model": "plugh-text", "messages": []})).send().await;
    let failed = failed.expect("answer").header("x-request-id").expect("id").to_owned();
    setup.generation_of(secret, red.user, &request).await;
    vec![
        ("stream", stream),
        ("request", request),
        ("failed request", failed),
        ("response", kept["id"].as_str().expect("id").to_owned()),
        ("job", job["id"].as_str().expect("id").to_owned()),
        ("session", "plugh-session".to_owned()),
    ]
}

impl Setup {
    /// Waits for the record of a request, which is written after its last byte is out.
    async fn generation_of(&self, secret: &str, user: &str, id: &str) {
        for _ in 0..200 {
            let who = Who { secret: Some(secret), user };
            if call(self, who, "get", &format!("/v1/generation?id={id}"), None).await.status == 200 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("no record of {id}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_route_tells_a_foreign_id_from_one_that_never_was() {
    let setup = Setup::start(FakeConfig::default(), MODEL).await;
    let key = |name: &str, team: &str| {
        setup.gateway.create_key(&[name, "--team", team, "--users", "any", "--budget", "$5/day"]).expect("key")
    };
    let (red, blue) = (key("plugh-key", "plugh-team"), key("blue", "blues"));
    let owner = Who { secret: Some(&red), user: "alice" };
    let ours = ours(&setup, owner).await;
    // The ids are right: their owner gets something for each.
    for (what, path) in [
        ("stream", "/v1/streams/"),
        ("response", "/v1/responses/"),
        ("job", "/v1/jobs/"),
        ("session", "/v1/sessions/"),
        ("request", "/v1/generation?id="),
    ] {
        let (_, id) = ours.iter().find(|(kind, _)| *kind == what).expect(what);
        assert_eq!(call(&setup, owner, "get", &format!("{path}{id}"), None).await.status, 200, "{what}");
    }

    let document = setup.get("/openapi.json").send().await.expect("document").json().expect("json");
    let mut tried = 0;
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            let needs_key = operation["security"][0].get("key").is_some();
            if !needs_key {
                continue;
            }
            let row = ROUTES.iter().find(|(m, p, _)| m == method && p == path);
            let Some((_, _, takes)) = row else {
                panic!("{method} {path} has no row here: can a foreign id be given to it?");
            };
            let nobody = Who { secret: None, user: "" };
            // Another tenant with the same user, another user of the same key.
            let foreign = [Who { secret: Some(&blue), user: "alice" }, Who { secret: Some(&red), user: "bob" }];
            if *takes == Takes::Nothing {
                let answer = call(&setup, foreign[0], method, path, None).await;
                // No secret for webhooks is configured here.
                let expected = if path.ends_with("webhook-secret") { 404 } else { 200 };
                assert_eq!(answer.status, expected, "{method} {path}");
                shows_nothing_of_ours(&answer, path, "");
                assert_eq!(call(&setup, nobody, method, path, None).await.status, 401, "{method} {path}");
                continue;
            }
            if *takes == Takes::Body {
                let path = path.replace("{id}", "chat:generateContent");
                let answer = call(&setup, nobody, method, &path, Some(&json!({}))).await;
                assert_eq!(answer.status, 401, "{method} {path}");
                continue;
            }
            let at = |id: &str| match path.contains("{id}") {
                true => path.replace("{id}", id),
                false => format!("{path}?id={id}"),
            };
            for (what, id) in &ours {
                let unknown = never_was(id);
                for who in foreign.iter().chain([&nobody]) {
                    let about = format!("{method} {path} with a {what} by {}", who.user);
                    let got = call(&setup, *who, method, &at(id), None).await;
                    let expected = call(&setup, *who, method, &at(&unknown), None).await;
                    assert_eq!(shape(&got, id), shape(&expected, &unknown), "{about}");
                    let status = got.status.as_u16();
                    let is_no = matches!(status, 204 | 400 | 401 | 404);
                    assert!(is_no && (who.secret.is_some() || status == 401), "{about} is answered {status}");
                    // Another user of the key may see the key's own name.
                    if who.secret != Some(&red) {
                        shows_nothing_of_ours(&got, &about, id);
                    }
                    tried += 1;
                }
            }
        }
    }
    assert!(tried > 250, "only {tried} tries");
    for (method, path, _) in ROUTES {
        assert!(document["paths"][path].get(*method).is_some(), "{method} {path} is no route");
    }
    // And nothing of it was harmed: each is still there for its owner.
    for (what, path) in [("response", "/v1/responses/"), ("job", "/v1/jobs/"), ("session", "/v1/sessions/")] {
        let (_, id) = ours.iter().find(|(kind, _)| *kind == what).expect(what);
        assert_eq!(call(&setup, owner, "get", &format!("{path}{id}"), None).await.status, 200, "{what} is gone");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_and_keys_in_bodies_and_headers_lead_to_nobody_else() {
    let setup = Setup::start(FakeConfig::default(), MODEL).await;
    let key =
        |name: &str, team: &str| setup.gateway.create_key(&[name, "--team", team, "--users", "any"]).expect("key");
    let (red, blue) = (key("plugh-key", "plugh-team"), key("blue", "blues"));
    let owner = Who { secret: Some(&red), user: "alice" };
    let ours = ours(&setup, owner).await;
    let (_, response) = ours.iter().find(|(kind, _)| *kind == "response").expect("a response");
    let foreign = Who { secret: Some(&blue), user: "alice" };

    // Going on with a foreign response.
    let go_on = |id: &str| json!({"model": "chat", "input": "and?", "previous_response_id": id});
    let unknown = never_was(response);
    let got = call(&setup, foreign, "post", "/v1/responses", Some(&go_on(response))).await;
    let expected = call(&setup, foreign, "post", "/v1/responses", Some(&go_on(&unknown))).await;
    assert_eq!(shape(&got, response), shape(&expected, &unknown));
    assert!(got.status.is_client_error());

    // The same question: the cache of one tenant is not another's, whatever is asked for.
    let cached = |who: Who<'_>, wanted: &str| {
        let call = Call::post(format!("{}/v1/chat/completions", setup.gateway.origin()))
            .bearer(who.secret.expect("a key"))
            .header("x-haltline-user", who.user)
            .header("x-haltline-cache", wanted);
        call.json(&ask("plugh-text, and the cache")).send()
    };
    assert_eq!(cached(owner, "on, per=tenant").await.expect("answer").status, 200);
    for wanted in ["only-if-cached, per=tenant", "only-if-cached"] {
        let answer = cached(foreign, wanted).await.expect("answer");
        assert_eq!(answer.status, 404, "{wanted}: {:?}", answer.body);
    }

    // The same idempotency key, with another body: no repetition of a foreign request.
    let once = Call::post(format!("{}/v1/chat/completions", setup.gateway.origin()))
        .bearer(&blue)
        .header("x-haltline-user", "alice")
        .header("idempotency-key", "shared-key")
        .json(&ask("something else"));
    let once = once.send().await.expect("answer");
    assert_eq!(once.status, 200, "{:?}", once.body);
    shows_nothing_of_ours(&once, "an idempotency key", "");

    // The history of a session of the same name is one's own, which is none.
    let history = Call::post(format!("{}/v1/chat/completions", setup.gateway.origin()))
        .bearer(&blue)
        .header("x-haltline-user", "alice")
        .header("x-haltline-session", "plugh-session")
        .header("x-haltline-history", "session")
        .json(&ask("what did I say?"));
    let before = setup.provider.seen().len();
    let history = history.send().await.expect("answer");
    shows_nothing_of_ours(&history, "a session of the same name", "plugh-session");
    for seen in setup.provider.seen().iter().skip(before) {
        assert!(!format!("{seen:?}").contains("plugh-text"), "a foreign history was sent: {seen:?}");
    }
}
