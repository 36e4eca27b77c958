//! Keys with rules of their own, administrators with roles, and the audit log, on the real binary.

use crate::setup::{Setup, ask, code};
use haltline_testkit::http_client::{Answer, Call};
use haltline_testkit::{Behaviour, FakeConfig};
use http::Method;
use serde_json::{Value, json};

const MODEL: &str = "[models.chat]\ntargets = [\"fake/m\"]\nmax_output_tokens = 100\n";

async fn chat(setup: &Setup, secret: &str) -> Answer {
    let url = format!("{}/v1/chat/completions", setup.gateway.origin());
    Call::post(url).bearer(secret).json(&ask("hello")).send().await.expect("answer")
}

fn run(setup: &Setup, words: &[&str]) -> String {
    let output = setup.gateway.command_line(words).expect("it runs");
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("utf-8")
}

fn refused(setup: &Setup, words: &[&str]) -> String {
    let output = setup.gateway.command_line(words).expect("it runs");
    assert!(!output.status.success(), "{words:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

async fn admin(setup: &Setup, secret: &str, method: Method, path: &str, body: &Value) -> Answer {
    let call = Call::new(method, format!("{}/admin/v1{path}", setup.gateway.origin())).bearer(secret);
    let call = if body.is_null() { call } else { call.json(body) };
    call.send().await.expect("answer")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_keys_own_rules_hold_and_survive_a_restart() {
    let mut setup = Setup::start(FakeConfig::with_script(Behaviour::tokens(100)), MODEL).await;
    let key = |words: &[&str]| setup.gateway.create_key(words).expect("key");
    let narrow = key(&["narrow", "--routes", "models,jobs"]);
    let answer = chat(&setup, &narrow).await;
    assert_eq!((answer.status.as_u16(), code(&answer)), (403, "route_not_allowed".to_owned()));
    // Google's verbs are served below anything.
    let google = json!({"contents": [{"role": "user", "parts": [{"text": "hello"}]}]});
    let elsewhere =
        ["/v1beta/models/chat", "/v1beta/chat", "/v1/chat", "/google/v1/chat", "/v1beta/models/models/chat"];
    for place in elsewhere.iter().flat_map(|path| ["generateContent", "streamGenerateContent"].map(|verb| (path, verb)))
    {
        let url = format!("{}{}:{}", setup.gateway.origin(), place.0, place.1);
        let answer = Call::post(url).bearer(&narrow).json(&google).send().await.expect("answer");
        assert_eq!(answer.status, 403, "{place:?}: {:?}", answer.body);
    }
    let whole = setup.gateway.create_key(&["whole"]).expect("key");
    let url = format!("{}/v1beta/chat:generateContent", setup.gateway.origin());
    assert_eq!(Call::post(url).bearer(&whole).json(&google).send().await.expect("answer").status, 200);
    let models =
        Call::get(format!("{}/v1/models", setup.gateway.origin())).bearer(&narrow).send().await.expect("answer");
    assert_eq!(models.status, 200);
    let elsewhere = key(&["elsewhere", "--from", "203.0.113.0/24"]);
    let answer = chat(&setup, &elsewhere).await;
    assert_eq!((answer.status.as_u16(), code(&answer)), (403, "address_not_allowed".to_owned()));
    assert!(!String::from_utf8_lossy(&answer.body).contains("203.0.113"), "it says where to go");
    let neither = key(&["neither", "--routes", "models", "--from", "203.0.113.0/24"]);
    assert_eq!(code(&chat(&setup, &neither).await), "address_not_allowed", "it says what for");
    let here = key(&["here", "--from", "127.0.0.0/8"]);
    assert_eq!(chat(&setup, &here).await.status, 200);
    let slow = key(&["slow", "--limit", "1/1m"]);
    assert_eq!(chat(&setup, &slow).await.status, 200);
    let answer = chat(&setup, &slow).await;
    assert_eq!((answer.status.as_u16(), code(&answer)), (429, "rate_limited".to_owned()));

    // 100 tokens of output cost $0.001, so that the sixth is too much.
    let poor = key(&["poor", "--budget", "$0.005/day"]);
    let mut answer = chat(&setup, &poor).await;
    assert_eq!(answer.status, 200, "{:?}", answer.body);
    for _ in 0..5 {
        answer = chat(&setup, &poor).await;
    }
    assert_eq!(answer.status, 402, "{:?}", answer.body);
    assert!(String::from_utf8_lossy(&answer.body).contains("key poor/day"), "{:?}", answer.body);
    assert_eq!(chat(&setup, &here).await.status, 200, "nobody else's budget");
    setup.gateway.restart().await.expect("restart");
    assert_eq!(chat(&setup, &poor).await.status, 402);
    run(&setup, &["key", "set", "poor", "--budget", "$5/day"]);
    assert_eq!(chat(&setup, &poor).await.status, 200);
    run(&setup, &["key", "set", "poor", "--budget", "$0.0001/day"]);
    assert_eq!(chat(&setup, &poor).await.status, 402, "what was spent stays spent");
    run(&setup, &["key", "set", "poor", "--budget", ""]);
    assert_eq!(chat(&setup, &poor).await.status, 200);
    assert!(refused(&setup, &["key", "set", "poor", "--budget", "$5"]).contains("write it like"));

    assert_eq!(chat(&setup, &here).await.status, 200);
    let shown = &lines(&run(&setup, &["key", "show", "here", "--format", "json"]))[0];
    assert_eq!(shown["last_from"], "127.0.0.0/24");
    assert_eq!(shown["from"], json!(["127.0.0.0/8"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_secret_works_for_its_overlap_and_a_leaked_one_not_at_all() {
    let setup = Setup::start(FakeConfig::default(), MODEL).await;
    let first = setup.gateway.create_key(&["web"]).expect("key");
    let made = &lines(&run(&setup, &["key", "rotate", "web", "--overlap", "1h", "--format", "json"]))[0];
    let second = made["secret"].as_str().expect("secret").to_owned();
    assert_eq!([chat(&setup, &first).await.status, chat(&setup, &second).await.status], [200, 200]);
    let listed = lines(&run(&setup, &["key", "list", "--format", "json"]));
    let web = listed.iter().find(|key| key["name"] == "web").expect("web");
    assert!(first.starts_with(web["old_hint"].as_str().expect("hint").trim_end_matches('…')));
    assert!(second.starts_with(web["hint"].as_str().expect("hint").trim_end_matches('…')));
    let made = &lines(&run(&setup, &["key", "rotate", "web", "--overlap", "0", "--format", "json"]))[0];
    let third = made["secret"].as_str().expect("secret").to_owned();
    for (secret, status) in [(&first, 401), (&second, 401), (&third, 200)] {
        assert_eq!(chat(&setup, secret).await.status, status);
    }

    let report = format!("{}-nonsense", &third[..20]);
    let found = lines(&run(&setup, &["key", "leaked", &third, &report, "--then", "freeze", "--format", "json"]));
    assert_eq!((found[0]["is"].as_str(), found[0]["key"].as_str()), (Some("key"), Some("web")));
    assert_eq!((found[0]["done"].as_str(), found[0]["works"].as_bool()), (Some("frozen"), Some(true)));
    assert!(found[0]["last_used"].is_string() && found[0]["spent"].is_string(), "{}", found[0]);
    assert_eq!((found[1]["is"].as_str(), &found[1]["key"]), (Some("unknown"), &Value::Null));
    assert_eq!(code(&chat(&setup, &third).await), "key_frozen");
    run(&setup, &["key", "thaw", "web"]);
    assert_eq!(chat(&setup, &third).await.status, 200);
    let log = std::fs::read_to_string(setup.gateway.directory().join("data/audit.log")).expect("log");
    assert!(log.contains("key.leaked"));
    for secret in [&first, &second, &third] {
        assert!(!log.contains(&secret[12..]), "a secret is in the audit log");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_role_may_do_what_it_may_on_every_route() {
    let setup = Setup::start(FakeConfig::default(), MODEL).await;
    let document = setup.get("/openapi.json").send().await.expect("document").json().expect("json");
    let roles = ["viewer", "operator", "owner"];
    let mut secrets = Vec::new();
    for role in roles {
        let made = run(&setup, &["admin", "create", &format!("a-{role}"), "--role", role, "--format", "json"]);
        secrets.push(lines(&made)[0]["secret"].as_str().expect("secret").to_owned());
    }
    let mut tried = 0;
    for (path, item) in document["paths"].as_object().expect("paths") {
        let Some(rest) = path.strip_prefix("/admin/v1") else { continue };
        for (method, operation) in item.as_object().expect("operations") {
            let needed = operation["x-haltline-role"].as_str().unwrap_or_else(|| panic!("{method} {path} has no role"));
            let needed = roles.iter().position(|role| *role == needed).expect("a role");
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).expect("a method");
            let rest = rest.replace("{name}", "nobody").replace("{id}", "nothing").replace("{user}", "nobody");
            for (place, secret) in secrets.iter().enumerate() {
                // No body: what is let in is refused as not understood, and does nothing.
                let answer = admin(&setup, secret, method.clone(), &rest, &Value::Null).await;
                let about = format!("{method} {path} by a {}: {:?}", roles[place], answer.body);
                assert_eq!(answer.status == 403, place < needed, "{about}");
                assert_ne!(answer.status, 401, "{about}");
                if answer.status == 403 {
                    assert!(String::from_utf8_lossy(&answer.body).contains(roles[needed]), "{about}");
                }
                tried += 1;
            }
            for secret in ["hl-admin-nonsense", "", &setup.secret] {
                assert_eq!(admin(&setup, secret, method.clone(), &rest, &Value::Null).await.status, 401);
            }
        }
    }
    assert!(tried > 90, "only {tried} tries");
    run(&setup, &["admin", "rm", "a-viewer"]);
    assert_eq!(admin(&setup, &secrets[0], Method::GET, "/keys", &Value::Null).await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_administrators_do_is_in_a_log_that_cannot_be_changed_unseen() {
    let mut setup = Setup::start(FakeConfig::default(), MODEL).await;
    let made = run(&setup, &["admin", "create", "ann", "--role", "owner", "--format", "json"]);
    let ann = lines(&made)[0]["secret"].as_str().expect("secret").to_owned();
    let wanted = json!({"name": "lab", "budgets": ["$1/day"]});
    let made = admin(&setup, &ann, Method::POST, "/keys", &wanted).await;
    assert_eq!(made.status, 201, "{:?}", made.body);
    let secret = made.json().expect("json")["secret"].as_str().expect("secret").to_owned();
    let set = json!({"budgets": ["$2/day"]});
    assert_eq!(admin(&setup, &ann, Method::PATCH, "/keys/lab", &set).await.status, 200);
    assert_eq!(admin(&setup, &ann, Method::DELETE, "/keys/none", &Value::Null).await.status, 404);
    assert_eq!(admin(&setup, "hl-admin-guess", Method::GET, "/keys", &Value::Null).await.status, 401);

    let acts = lines(&run(&setup, &["audit", "export"]));
    let find = |what: &str, outcome: &str| {
        acts.iter()
            .find(|act| act["what"] == what && act["outcome"] == outcome)
            .unwrap_or_else(|| panic!("{what} {outcome}: {acts:?}"))
    };
    let created = acts.iter().find(|act| act["what"] == "key.create" && act["outcome"] == "done" && act["on"] == "lab");
    assert_eq!(created.expect("it is there")["by"], "ann");
    let changed = find("key.set", "done");
    let detail = changed["detail"].as_str().expect("detail");
    assert!(detail.contains("$1.00/day") && detail.contains("$2.00/day"), "{detail}");
    assert_eq!((changed["by"].as_str(), changed["from"].as_str()), (Some("ann"), Some("127.0.0.1")));
    assert_eq!(find("key.remove", "failed")["on"], "none");
    assert_eq!(find("login", "denied")["by"], "unknown");
    assert_eq!(find("key.create", "begun")["by"], "local", "the key of the test was made before the gateway ran");
    let text = acts.iter().map(Value::to_string).collect::<String>();
    assert!(!text.contains(&secret[12..]) && !text.contains(&ann[12..]), "a secret is in the log");
    assert!(run(&setup, &["audit", "verify"]).contains("entries"));
    assert_eq!(lines(&run(&setup, &["audit", "list", "--by", "ann", "--what", "key.", "--format", "json"])).len(), 6);

    let log = setup.gateway.directory().join("data/audit.log");
    setup.gateway.kill9().expect("killed");
    let text = std::fs::read_to_string(&log).expect("log");
    std::fs::write(&log, text.replacen("\"by\":\"ann\"", "\"by\":\"bob\"", 1)).expect("written");
    assert!(refused(&setup, &["audit", "verify"]).contains("something was changed"));
}
