//! Sessions, seen from outside: whose they are, what is in them, what they supply, and what is left
//! when they are gone.

use crate::setup::{Setup, code};
use haltline_testkit::http_client::{Answer, Call};
use haltline_testkit::{Answer as BehaviourAnswer, Behaviour, Ending, FakeConfig, Pace};
use haltline_types::Tokens;
use http::Method;
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;

const MODEL: &str = "[models.chat]\ntargets = [\"fake/m\"]\nmax_output_tokens = 1000\n";

/// Who asks, about which session.
#[derive(Clone)]
struct Who<'a> {
    setup: &'a Setup,
    secret: &'a str,
    user: &'a str,
}

impl<'a> Who<'a> {
    fn of(setup: &'a Setup, user: &'a str) -> Self {
        Self { setup, secret: &setup.secret, user }
    }

    fn call(&self, method: Method, path: &str) -> Call {
        let call = Call::new(method, format!("{}{path}", self.setup.gateway.origin())).bearer(self.secret);
        let call = call.header("content-type", "application/json");
        if self.user.is_empty() { call } else { call.header("x-haltline-user", self.user) }
    }

    async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path).send().await.expect("answer")
    }

    async fn json(&self, path: &str) -> Value {
        let answer = self.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {}", String::from_utf8_lossy(&answer.body));
        answer.json().expect("json")
    }

    async fn post(&self, path: &str, session: &str, body: &Value) -> Answer {
        let call = self.call(Method::POST, path).body(body.to_string());
        let call = if session.is_empty() { call } else { call.header("x-haltline-session", session) };
        call.send().await.expect("answer")
    }

    /// Sends a whole conversation.
    async fn say(&self, session: &str, turns: &[&str]) -> String {
        let answer = self.post("/v1/chat/completions", session, &chat(turns)).await;
        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
        let text = &answer.json().expect("json")["choices"][0]["message"]["content"];
        text.as_str().expect("text").to_owned()
    }

    /// What is in a session, as `role: text`.
    async fn thread(&self, session: &str) -> Vec<String> {
        let session = self.json(&format!("/v1/sessions/{session}")).await;
        session["data"].as_array().expect("messages").iter().map(line).collect()
    }
}

fn line(message: &Value) -> String {
    let texts = message["parts"].as_array().expect("parts").iter().filter_map(|part| part["text"].as_str());
    format!("{}: {}", message["role"].as_str().expect("role"), texts.collect::<String>())
}

fn chat(turns: &[&str]) -> Value {
    let roles = ["user", "assistant"].into_iter().cycle();
    let messages: Vec<Value> =
        turns.iter().zip(roles).map(|(text, role)| json!({"role": role, "content": text})).collect();
    json!({"model": "chat", "messages": messages})
}

/// The messages that the provider got last.
fn seen(setup: &Setup) -> Vec<String> {
    let last = setup.provider.seen().pop().expect("a call");
    let body: Value = serde_json::from_slice(&last.body).expect("json");
    let messages = body["messages"].as_array().expect("messages");
    messages.iter().map(|message| format!("{}: {}", message["role"].as_str().unwrap_or(""), content(message))).collect()
}

fn content(message: &Value) -> String {
    match &message["content"] {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().filter_map(|part| part["text"].as_str()).collect(),
        _ => String::new(),
    }
}

/// An error without what is its own.
fn without_ids(answer: &Answer) -> Value {
    let mut body = answer.json().expect("json");
    for id in ["request_id", "trace_id"] {
        for place in ["/error", "/error/haltline"] {
            body.pointer_mut(place).and_then(Value::as_object_mut).and_then(|object| object.remove(id));
        }
    }
    body
}

async fn start(rest: &str) -> Setup {
    Setup::start(FakeConfig { keep_seen: 100, ..FakeConfig::default() }, &format!("{MODEL}{rest}")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_exists_for_its_owner_and_for_nobody_else() {
    let mut setup = Setup::start(FakeConfig::default(), MODEL).await;
    let other = setup.gateway.create_key(&["other", "--users", "any"]).expect("key");
    setup.gateway.restart().await.expect("restarted");
    let alice = Who::of(&setup, "alice");
    let said = alice.say("s/1 %ä", &["hello"]).await;
    let path = "/v1/sessions/s%2F1%20%25%C3%A4";
    let session = alice.json(path).await;
    assert_eq!(
        (&session["id"], &session["title"], &session["messages"]),
        (&json!("s/1 %ä"), &json!("hello"), &json!(2))
    );
    assert_eq!(session["data"][1]["answer"]["outcome"], "answered");
    assert_eq!(line(&session["data"][1]), format!("assistant: {said}"));
    assert_eq!(session["total_cost"], session["data"][1]["answer"]["cost"]);
    assert_ne!(session["total_cost"], "0");
    let nobody = Who::of(&setup, "");
    let bob = Who::of(&setup, "bob");
    let foreign = Who { secret: &other, ..alice.clone() };
    let mut answers = vec![alice.get("/v1/sessions/never-was").await, alice.get("/v1/sessions/..%2F..").await];
    for who in [&nobody, &bob, &foreign] {
        answers.push(who.get(path).await);
        answers.push(who.call(Method::DELETE, path).send().await.expect("answer"));
        assert_eq!(who.json("/v1/sessions").await["data"], json!([]));
    }
    let first = without_ids(&answers[0]);
    for answer in answers {
        assert_eq!((answer.status.as_u16(), code(&answer).as_str()), (404, "not_found"));
        assert_eq!(without_ids(&answer), first, "all absences look the same");
    }
    // The same name is another session for another owner.
    bob.say("s/1 %ä", &["other words"]).await;
    assert_eq!(alice.json("/v1/sessions").await["data"].as_array().map(Vec::len), Some(1));
    assert_eq!(alice.json(path).await["title"], "hello");
    assert_eq!(setup.get("/v1/sessions").header("x-haltline-user", "a").send().await.expect("answer").status, 200);
    let shut = Who { secret: "hl-live-wrong", ..alice.clone() };
    assert_eq!(shut.get(path).await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_listed_page_by_page_and_the_last_changed_comes_first() {
    let setup = start("").await;
    let alice = Who::of(&setup, "alice");
    for number in 0..5 {
        alice.say(&format!("s{number}"), &["hello"]).await;
    }
    alice.say("s1", &["hello", "no", "again"]).await;
    let mut listed = Vec::new();
    let mut path = "/v1/sessions?limit=2".to_owned();
    loop {
        let page = alice.json(&path).await;
        listed.extend(page["data"].as_array().expect("list").iter().map(|session| session["id"].clone()));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/v1/sessions?limit=2&after={next}");
    }
    assert_eq!(listed, ["s1", "s4", "s3", "s2", "s0"]);
    for bad in ["x", "000000000000000.%25", "../s1", ""] {
        assert_eq!(alice.get(&format!("/v1/sessions?after={bad}")).await.status, 400, "{bad}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_of_every_dialect_are_kept_as_they_were_said() {
    let setup = start("").await;
    let alice = Who::of(&setup, "alice");
    let user = json!([{"role": "user", "content": "hello"}]);
    let page = json!([{"id": "m1", "role": "user", "parts": [{"type": "text", "text": "hello"}]}]);
    let gemini = json!({"contents": [{"role": "user", "parts": [{"text": "hello"}]}]});
    for (name, path, body) in [
        ("chat", "/v1/chat/completions", json!({"model": "chat", "messages": user, "stream": true})),
        ("messages", "/v1/messages", json!({"model": "chat", "messages": user, "max_tokens": 50, "stream": true})),
        ("messages-whole", "/v1/messages", json!({"model": "chat", "messages": user, "max_tokens": 50})),
        ("responses", "/v1/responses", json!({"model": "chat", "input": "hello", "stream": true})),
        ("responses-whole", "/v1/responses", json!({"model": "chat", "input": "hello"})),
        ("gemini", "/v1beta/models/chat:streamGenerateContent?alt=sse", gemini.clone()),
        ("gemini-whole", "/v1beta/models/chat:generateContent", gemini),
        ("page", "/api/chat", json!({"id": "page", "messages": page})),
    ] {
        let answer = alice.post(path, name, &body).await;
        assert_eq!(answer.status, 200, "{name}: {}", String::from_utf8_lossy(&answer.body));
        let session = alice.json(&format!("/v1/sessions/{name}")).await;
        let messages = session["data"].as_array().expect("messages");
        assert_eq!(messages.len(), 2, "{name}: {session}");
        assert_eq!(line(&messages[0]), "user: hello", "{name}");
        let said = messages[1]["parts"][0]["text"].as_str().expect("text").to_owned();
        let given = String::from_utf8_lossy(&answer.body).into_owned();
        let word = said.split_whitespace().next().expect("a word");
        assert!(said.split_whitespace().count() > 3 && given.contains(word), "{name}: {said:?}");
        let facts = &messages[1]["answer"];
        assert_eq!((&facts["outcome"], &facts["partial"]), (&json!("answered"), &json!(false)), "{name}");
        assert!(facts["output_tokens"].as_u64() > Some(0) && facts["finish"].is_string(), "{name}: {facts}");
        // A client that sends everything back goes on: nothing is written twice.
        let more = json!({"model": "chat", "messages": [
            {"role": "user", "content": "hello"}, {"role": "assistant", "content": said}, {"role": "user", "content": "more"},
        ]});
        assert_eq!(alice.post("/v1/chat/completions", name, &more).await.status, 200);
        let session = alice.json(&format!("/v1/sessions/{name}")).await;
        assert_eq!((&session["messages"], &session["messages_replaced"]), (&json!(4), &json!(0)), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_replaces_what_came_after_it() {
    let setup = start("").await;
    let alice = Who::of(&setup, "alice");
    let two = alice.say("s", &["one"]).await;
    let four = alice.say("s", &["one", &two, "three"]).await;
    let line = |who: &str, text: &str| format!("{who}: {text}");
    let wanted = [line("user", "one"), line("assistant", &two), line("user", "three"), line("assistant", &four)];
    assert_eq!(alice.thread("s").await, wanted);
    let other = alice.say("s", &["one", &two, "other"]).await;
    let wanted = [line("user", "one"), line("assistant", &two), line("user", "other"), line("assistant", &other)];
    assert_eq!(alice.thread("s").await, wanted);
    let session = alice.json("/v1/sessions/s?order=desc&limit=1").await;
    assert_eq!((&session["messages_replaced"], &session["has_more"]), (&json!(2), &json!(true)));
    let last = session["last_id"].as_str().expect("id").to_owned();
    let rest = alice.json(&format!("/v1/sessions/s?order=desc&after={last}")).await;
    assert_eq!((rest["data"].as_array().map(Vec::len), &rest["has_more"]), (Some(3), &json!(false)));
    assert_eq!(alice.get("/v1/sessions/s?after=999").await.status, 400);
    let page = alice.json("/v1/sessions/s?format=ui").await;
    assert_eq!(page["data"][0]["parts"][0], json!({"type": "text", "text": "one", "state": "done"}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_may_send_its_newest_message_alone() {
    let setup = start("").await;
    let alice = Who::of(&setup, "alice");
    let message = |id: &str, text: &str| {
        json!({"id": "chat-7", "trigger": "submit-message",
               "message": {"id": id, "role": "user", "parts": [{"type": "text", "text": text}]}})
    };
    assert_eq!(alice.post("/api/chat", "", &message("m1", "one")).await.status, 200);
    assert_eq!(alice.post("/api/chat", "", &message("m2", "two")).await.status, 200);
    let thread = alice.thread("chat-7").await;
    assert_eq!(thread.len(), 4, "{thread:?}");
    assert_eq!(seen(&setup), thread[..3]);
    let mut again = message("m2", "two");
    again["trigger"] = json!("regenerate-message");
    assert_eq!(alice.post("/api/chat", "", &again).await.status, 200);
    assert_eq!(seen(&setup), thread[..3], "the answer is made anew, and not its question");
    assert_eq!(alice.thread("chat-7").await.len(), 4);
    // Another user's page with the same chat id has no part of it.
    let bob = Who::of(&setup, "bob");
    assert_eq!(bob.post("/api/chat", "", &message("m1", "mine")).await.status, 200);
    assert_eq!(seen(&setup), ["user: mine"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_session_supplies_what_a_client_leaves_out_in_any_dialect() {
    let setup = start("").await;
    let alice = Who::of(&setup, "alice");
    let send = async |path: &str, body: Value| {
        let call =
            alice.call(Method::POST, path).header("x-haltline-session", "s").header("x-haltline-history", "session");
        let answer = call.body(body.to_string()).send().await.expect("answer");
        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    };
    let user = |text: &str| json!([{"role": "user", "content": text}]);
    send("/v1/chat/completions", json!({"model": "chat", "messages": user("one")})).await;
    send("/v1/messages", json!({"model": "chat", "max_tokens": 50, "messages": user("two"), "system": "be brief"}))
        .await;
    send("/v1/responses", json!({"model": "chat", "input": "three"})).await;
    send("/v1beta/models/chat:generateContent", json!({"contents": [{"parts": [{"text": "four"}]}]})).await;
    let thread = alice.thread("s").await;
    assert_eq!(thread.len(), 8, "{thread:?}");
    assert_eq!(seen(&setup), thread[..7]);
    let conversation = json!({"model": "chat", "input": "five", "conversation": "s"});
    assert_eq!(alice.post("/v1/responses", "", &conversation).await.status, 200);
    assert_eq!(seen(&setup)[..8], thread[..8], "a conversation of Responses is the session of that name");
    let unnamed = alice.call(Method::POST, "/v1/chat/completions").header("x-haltline-history", "session");
    let refused =
        unnamed.body(json!({"model": "chat", "messages": user("x")}).to_string()).send().await.expect("answer");
    assert_eq!((refused.status.as_u16(), code(&refused).as_str()), (400, "invalid_request"));
    let unknown = alice.call(Method::POST, "/v1/chat/completions").header("x-haltline-history", "all");
    assert_eq!(unknown.body(chat(&["x"]).to_string()).send().await.expect("answer").status, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_answer_is_kept_as_far_as_it_came() {
    let ending = Ending::Cut { after: 3 };
    let setup = start("[retry]\nmax_retries = 0\n").await;
    setup.provider.set_script(Behaviour::ending(ending));
    let alice = Who::of(&setup, "alice");
    let mut body = chat(&["one"]);
    body["stream"] = json!(true);
    let open =
        alice.call(Method::POST, "/v1/chat/completions").header("x-haltline-session", "s").body(body.to_string());
    let read = open.open().await.expect("stream").read().await;
    let session = alice.json("/v1/sessions/s").await;
    let messages = session["data"].as_array().expect("messages");
    assert_eq!(messages.len(), 2, "{session} after {}", read.text());
    assert_eq!(messages[1]["answer"]["outcome"], "failed");
    assert!(messages[1]["parts"][0]["text"].as_str().is_some_and(|text| !text.is_empty()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_shown_is_there_after_a_kill() {
    let mut setup = start("").await;
    let secret = setup.secret.clone();
    let before = {
        let alice = Who { secret: &secret, ..Who::of(&setup, "alice") };
        alice.say("s", &["one"]).await;
        alice.json("/v1/sessions/s").await
    };
    setup.gateway.kill9().expect("killed");
    setup.gateway.serve().await.expect("ready again");
    let alice = Who { secret: &secret, ..Who::of(&setup, "alice") };
    assert_eq!(alice.json("/v1/sessions/s").await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_a_kill_has_cut_counts_once_and_what_it_said_is_there() {
    for (how, outcome) in [("end", "lost"), ("continue", "answered")] {
        let mut setup = start(&format!("[streams]\non_cut = \"{how}\"\n")).await;
        let pace = Pace { interval: Duration::from_millis(20), tokens_per_chunk: Tokens::new(1) };
        let tokens = Some(Tokens::new(200));
        setup.provider.set_script(Behaviour::Answer(BehaviourAnswer { tokens, pace, ..Default::default() }));
        let secret = setup.secret.clone();
        let said = {
            let alice = Who { secret: &secret, ..Who::of(&setup, "alice") };
            let mut body = chat(&["one"]);
            body["stream"] = json!(true);
            let post = alice.call(Method::POST, "/v1/chat/completions").header("x-haltline-session", "s");
            let mut open = post.body(body.to_string()).open().await.expect("stream");
            let mut said = String::new();
            while said.matches("\"content\"").count() < 5 {
                said.push_str(&String::from_utf8_lossy(&open.piece().await.expect("piece").expect("content")));
            }
            // Its turns are written.
            assert_eq!(alice.json("/v1/sessions/s").await["messages"], 1);
            said
        };
        setup.gateway.kill9().expect("killed");
        setup.provider.set_script(Behaviour::tokens(5));
        setup.gateway.serve().await.expect("ready again");
        let alice = Who { secret: &secret, ..Who::of(&setup, "alice") };
        let mut session = Value::Null;
        for _ in 0..500 {
            session = alice.json("/v1/sessions/s").await;
            if session["messages"] == 2 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let counted = (&session["messages"], &session["requests"], &session["requests_lost"]);
        assert_eq!(counted, (&json!(2), &json!(1), &json!(0)), "{how}: {session}");
        let answer = &session["data"][1];
        assert_eq!(answer["answer"]["outcome"], outcome, "{how}: {session}");
        let text = answer["parts"][0]["text"].as_str().expect("text");
        let word = text.split_whitespace().next().expect("a word");
        assert!(said.contains(word), "{how}: {text:?} of {said}");
        assert_ne!(session["total_cost"], "0", "{how}");
    }
}

/// Is `needle` anywhere in the files of `dir` whose names begin with `documents`?
fn is_in_documents(dir: &Path, needle: &str) -> bool {
    let files = std::fs::read_dir(dir).expect("readable").map(|entry| entry.expect("entry").path());
    files.filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("documents"))).any(
        |path| {
            let bytes = std::fs::read(path).expect("readable");
            bytes.windows(needle.len()).any(|window| window == needle.as_bytes())
        },
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_deleted_or_forgotten_is_gone() {
    let setup = start("").await;
    let alice = Who::of(&setup, "alice-in-chains");
    for session in ["a", "b", "c"] {
        alice.say(session, &["the secret word is xyzzy-plugh"]).await;
    }
    let bob = Who::of(&setup, "bob");
    bob.say("a", &["hello"]).await;
    let deleted = alice.call(Method::DELETE, "/v1/sessions/a").send().await.expect("answer");
    assert_eq!(deleted.json().expect("json"), json!({"id": "a", "object": "session", "deleted": true}));
    assert_eq!(alice.get("/v1/sessions/a").await.status, 404);
    assert_eq!(alice.json("/v1/sessions").await["data"].as_array().map(Vec::len), Some(2));
    let data = setup.gateway.directory().join("data");
    assert!(is_in_documents(&data, "xyzzy-plugh") && is_in_documents(&data, "alice-in-chains"));
    let path = "/admin/v1/users/alice-in-chains/forget";
    assert_eq!(alice.call(Method::POST, path).send().await.expect("answer").status, 401, "the operator's alone");
    let admin: Value = serde_json::from_slice(&std::fs::read(data.join("admin.json")).expect("file")).expect("json");
    let token = admin["token"].as_str().expect("token");
    let operator = Call::post(format!("{}{path}", setup.gateway.origin())).bearer(token);
    let said = operator.send().await.expect("answer");
    assert_eq!(said.status, 200);
    // Two sessions of a head, an outline, a place and two messages.
    assert!(said.json().expect("json")["message"].as_str().expect("text").starts_with("10 documents"), "{said:?}");
    assert_eq!(alice.json("/v1/sessions").await["data"], json!([]));
    assert!(!is_in_documents(&data, "xyzzy-plugh") && !is_in_documents(&data, "alice-in-chains"));
    assert_eq!(bob.thread("a").await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_with_its_time_and_content_may_stay_out() {
    let setup = start("[sessions]\nkeep_for = \"1ms\"\n").await;
    let alice = Who::of(&setup, "alice");
    alice.say("s", &["one"]).await;
    assert_eq!(alice.get("/v1/sessions/s").await.status, 404);
    setup.gateway.write_config(&setup.config(&format!("{MODEL}[sessions]\ncontent = false\n"))).expect("write");
    setup.gateway.hup().expect("hup");
    // Until the new configuration is in force, content is kept.
    loop {
        alice.say("r", &["nothing"]).await;
        if alice.get("/v1/sessions/r").await.status == 200 {
            break;
        }
    }
    alice.say("s", &["the word is xyzzy-plugh"]).await;
    let session = alice.json("/v1/sessions/s").await;
    assert_eq!((&session["content_kept"], &session["title"]), (&json!(false), &Value::Null));
    assert_eq!((&session["data"][0]["role"], &session["data"][0]["parts"]), (&json!("user"), &Value::Null));
    assert_eq!(session["data"][1]["answer"]["outcome"], "answered");
    assert!(!is_in_documents(&setup.gateway.directory().join("data"), "xyzzy-plugh"));
    let call = alice.call(Method::POST, "/v1/chat/completions").header("x-haltline-session", "s");
    let refused =
        call.header("x-haltline-history", "session").body(chat(&["x"]).to_string()).send().await.expect("answer");
    assert_eq!(refused.status, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_of_50_megabytes_is_read_page_by_page_and_gone_on_from() {
    let setup = start("[bounds]\nbody_bytes = 67108864\n").await;
    let alice = Who::of(&setup, "alice");
    let texts: Vec<String> = (0..55).map(|number| format!("{number:03}{}", "word ".repeat(190_000))).collect();
    let turns: Vec<&str> = texts.iter().map(String::as_str).collect();
    let answer = alice.say("s", &turns).await;
    let mut after = String::new();
    let mut read = Vec::new();
    let mut bytes = 0;
    loop {
        let page = alice.get(&format!("/v1/sessions/s?limit=500{after}")).await;
        assert_eq!(page.status, 200);
        assert!(page.body.len() < 10 << 20, "{}", page.body.len());
        bytes += page.body.len();
        let page = page.json().expect("json");
        read.extend(page["data"].as_array().expect("messages").iter().map(line));
        if page["has_more"] == false {
            break;
        }
        after = format!("&after={}", page["last_id"].as_str().expect("id"));
    }
    assert!(bytes > 50_000_000, "{bytes}");
    assert_eq!((read.len(), read.pop().expect("answer")), (56, format!("assistant: {answer}")));
    for (read, text) in read.iter().zip(&texts) {
        assert!(read.ends_with(text.as_str()), "{}", &read[..20]);
    }
    let call = alice.call(Method::POST, "/v1/chat/completions").header("x-haltline-session", "s");
    let more = call.header("x-haltline-history", "session").body(chat(&["and now?"]).to_string());
    let more = more.limit(Duration::from_secs(120)).send().await.expect("answer");
    assert_eq!((more.status.as_u16(), more.header("x-haltline-dropped")), (200, None));
    assert_eq!(seen(&setup).len(), 57);
    assert_eq!(alice.json("/v1/sessions/s?limit=1").await["messages"], 58);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_messages_are_restored_quickly() {
    let setup = start("").await;
    let alice = Who::of(&setup, "alice");
    let texts: Vec<String> = (0..199).map(|number| format!("{number} {}", "word ".repeat(100))).collect();
    let turns: Vec<&str> = texts.iter().map(String::as_str).collect();
    alice.say("s", &turns).await;
    let mut took = Vec::new();
    for _ in 0..20 {
        let began = std::time::Instant::now();
        let session = alice.json("/v1/sessions/s?limit=200").await;
        took.push(began.elapsed());
        assert_eq!(session["data"].as_array().map(Vec::len), Some(200));
    }
    took.sort();
    println!("200 messages were restored in {:?} (median), {:?} (best)", took[took.len() / 2], took[0]);
    // The bound is 10 ms for a release build on a machine that does nothing else.
    assert!(took[0].as_millis() < 250, "{took:?}");
}
