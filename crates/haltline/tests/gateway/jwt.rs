//! Tokens of an identity provider over HTTP: who they are, keys that change under load, and a
//! provider that is not there.

use crate::setup::{Setup, ask, code};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use haltline_testkit::FakeConfig;
use haltline_testkit::http_client::{Answer, Call};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

struct Key(Ed25519KeyPair, &'static str);

impl Key {
    fn new(kid: &'static str) -> Self {
        Self(Ed25519KeyPair::generate().expect("a key"), kid)
    }

    fn token(&self, more: &Value) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
        let mut claims =
            json!({"iss": "http://id.test/", "aud": "haltline", "sub": "alice", "org": "web", "exp": now + 600});
        claims.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&json!({"alg": "EdDSA", "kid": self.1})), part(&claims));
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(self.0.sign(signed.as_bytes())))
    }
}

/// The server of an identity provider.
struct Provider {
    url: String,
    keys: Arc<Mutex<Option<String>>>,
    asked: Arc<AtomicUsize>,
}

impl Provider {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}/jwks.json", listener.local_addr().expect("an address"));
        let (keys, asked) = (Arc::<Mutex<Option<String>>>::default(), Arc::<AtomicUsize>::default());
        let (published, count) = (Arc::clone(&keys), Arc::clone(&asked));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                let body = published.lock().expect("not poisoned").clone();
                let answer = match body {
                    Some(body) => format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()),
                    None => "HTTP/1.1 503 Not now\r\ncontent-length: 0\r\n\r\n".to_owned(),
                };
                let _ = stream.read(&mut [0; 4096]).await;
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        Self { url, keys, asked }
    }

    fn publish(&self, keys: &[&Key]) {
        let jwk = |key: &&Key| {
            let x = URL_SAFE_NO_PAD.encode(key.0.public_key());
            json!({"kty": "OKP", "crv": "Ed25519", "x": x, "kid": key.1, "use": "sig", "alg": "EdDSA"})
        };
        let keys: Vec<Value> = keys.iter().map(jwk).collect();
        *self.keys.lock().expect("not poisoned") = Some(json!({"keys": keys}).to_string());
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn config(&self) -> String {
        format!(
            "[models.chat]\ntargets = [\"fake/m\"]\nmax_output_tokens = 100\n[models.other]\ntargets = [\"fake/m\"]\n\
             [[budgets]]\nname = \"mine\"\nscope = [\"team\", \"user\"]\nlimit = \"$1000\"\nwindow = \"day\"\n\
             [auth.jwt.acme]\nissuer = \"http://id.test/\"\naudience = \"haltline\"\njwks = \"{}\"\nteam = \"org\"\n\
             models = \"models\"\nmodels_are = [\"chat\", \"other\"]\n",
            self.url
        )
    }
}

async fn send(setup: &Setup, token: &str, model: &str) -> Answer {
    let mut body = ask("hello");
    body["model"] = json!(model);
    let url = format!("{}/v1/chat/completions", setup.gateway.origin());
    Call::post(url).bearer(token).header("x-haltline-user", "mallory").json(&body).send().await.expect("an answer")
}

async fn until_known(setup: &Setup, token: &str) -> Answer {
    let until = Instant::now() + Duration::from_secs(45);
    loop {
        let answer = send(setup, token, "chat").await;
        if answer.status == 200 || Instant::now() > until {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_says_who_is_asking() {
    let (provider, key, other) = (Provider::start().await, Key::new("one"), Key::new("one"));
    provider.publish(&[&key]);
    let setup = Setup::start(FakeConfig::default(), &provider.config()).await;
    let token = key.token(&json!({}));
    let answer = until_known(&setup, &token).await;
    assert_eq!(answer.status, 200, "{:?}", answer.json());
    let accounts = setup.accounts("mine");
    assert_eq!(accounts.len(), 1, "{accounts:?}");
    let subject = accounts[0].to_string();
    assert!(subject.contains("alice") && subject.contains("web") && !subject.contains("mallory"), "{subject}");
    let narrow = key.token(&json!({"models": ["chat"]}));
    assert_eq!(send(&setup, &narrow, "chat").await.status, 200);
    let refused = send(&setup, &narrow, "other").await;
    assert_eq!((refused.status.as_u16(), code(&refused).as_str()), (403, "model_not_allowed"));
    for (token, status, word) in [
        (key.token(&json!({"exp": 1_000})), 401, "key_expired"),
        (key.token(&json!({"aud": "somebody"})), 401, "key_invalid"),
        (key.token(&json!({"iss": "http://other.test/"})), 401, "key_invalid"),
        (key.token(&json!({"sub": ""})), 401, "key_invalid"),
        (key.token(&json!({"org": null})), 401, "key_invalid"),
        (other.token(&json!({})), 401, "key_invalid"),
        (format!("{token}A"), 401, "key_invalid"),
        (format!("eyJ{}.e30.AAAA", "A".repeat(60_000)), 401, "key_invalid"),
    ] {
        let refused = send(&setup, &token, "chat").await;
        assert_eq!((refused.status.as_u16(), code(&refused).as_str()), (status, word), "{:?}", refused.json());
    }
    // The answer of one user is not another's, and an API key works as ever.
    let id = answer.header("x-request-id").expect("an id").to_owned();
    let see = |token: String| {
        let url = format!("{}/v1/generation?id={id}", setup.gateway.origin());
        async move { Call::get(url).bearer(&token).send().await.expect("an answer").status.as_u16() }
    };
    // The record is written after the last byte is out.
    let mut seen = 0;
    for _ in 0..100 {
        seen = see(key.token(&json!({}))).await;
        if seen == 200 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(seen, 200);
    assert_eq!(see(key.token(&json!({"sub": "bob"}))).await, 404);
    assert_eq!(see(setup.secret.clone()).await, 404);
    assert_eq!(setup.post(&ask("hello")).send().await.expect("an answer").status, 200);
    let log = setup.gateway.log();
    assert!(!log.contains(&token), "a token in the log");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_change_under_load_and_a_storm_of_strangers_asks_for_nothing() {
    let (provider, one, two) = (Provider::start().await, Key::new("one"), Key::new("two"));
    provider.publish(&[&one]);
    let setup = Arc::new(Setup::start(FakeConfig::default(), &provider.config()).await);
    assert_eq!(until_known(&setup, &one.token(&json!({}))).await.status, 200);
    let began = provider.asked();
    provider.publish(&[&one, &two]);
    let done = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let load = {
        let (setup, done) = (Arc::clone(&setup), Arc::clone(&done));
        tokio::spawn(async move {
            let mut answers = 0;
            while !done.load(Ordering::SeqCst) {
                let answer = send(&setup, &one.token(&json!({"jti": answers})), "chat").await;
                assert_eq!(answer.status, 200, "{:?}", answer.json());
                answers += 1;
            }
            answers
        })
    };
    let storm = {
        let (setup, done) = (Arc::clone(&setup), Arc::clone(&done));
        tokio::spawn(async move {
            let stranger = Key::new("stranger");
            while !done.load(Ordering::SeqCst) {
                assert_eq!(send(&setup, &stranger.token(&json!({})), "chat").await.status, 401);
            }
        })
    };
    // The storm has the new keys fetched as soon as that may be: half a minute after the last time.
    let answer = until_known(&setup, &two.token(&json!({}))).await;
    done.store(true, Ordering::SeqCst);
    assert_eq!(answer.status, 200, "{:?}", answer.json());
    assert!(load.await.expect("no refusal") > 10);
    storm.await.expect("no stranger came in");
    assert!(provider.asked() - began <= 2, "asked {} times", provider.asked() - began);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_provider_tokens_wait_and_api_keys_work() {
    let (provider, key) = (Provider::start().await, Key::new("one"));
    let setup = Setup::start(FakeConfig::default(), &provider.config()).await;
    let token = key.token(&json!({}));
    let refused = send(&setup, &token, "chat").await;
    assert_eq!((refused.status.as_u16(), code(&refused).as_str()), (503, "identity_unavailable"));
    assert!(refused.header("retry-after").is_some());
    assert_eq!(setup.post(&ask("hello")).send().await.expect("an answer").status, 200);
    provider.publish(&[&key]);
    assert_eq!(until_known(&setup, &token).await.status, 200);
    // Gone again: the keys serve on.
    *provider.keys.lock().expect("not poisoned") = None;
    assert_eq!(send(&setup, &key.token(&json!({"jti": 2})), "chat").await.status, 200);
}
