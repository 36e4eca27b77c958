//! Issuers whose keys come, change and stay away, with a clock and a door of the test's own.

use super::Issuers;
use super::refresh::World;
use crate::auth::Identity;
use crate::auth::settings::{AuthSettings, FetchSettings, IssuerSettings, KeySource, KeysFrom, Mapping, Said};
use crate::chance::SeededEntropy;
use crate::metrics::Metrics;
use crate::problem::Problem;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use haltline_jwt::{ClaimPath, KeySet, Rules};
use haltline_ports::{BoxFuture, Clock, Fetched, KeySets, Reach, UserClaims};
use haltline_types::{Code, Name, Timestamp};
use parking_lot::Mutex;
use prometheus_client::registry::Registry;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

const START: i64 = 1_795_478_400;
const URL: &str = "https://id.example/jwks.json";

struct Signer(Ed25519KeyPair, &'static str);

impl Signer {
    fn new(kid: &'static str) -> Self {
        Self(Ed25519KeyPair::generate().expect("a key"), kid)
    }

    fn jwk(&self) -> Value {
        let x = URL_SAFE_NO_PAD.encode(self.0.public_key());
        json!({"kty": "OKP", "crv": "Ed25519", "x": x, "kid": self.1})
    }

    fn token(&self, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&json!({"alg": "EdDSA", "kid": self.1})), part(claims));
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(self.0.sign(signed.as_bytes())))
    }
}

/// A provider, a clock and a gateway's issuers.
struct Scene {
    now: Mutex<Timestamp>,
    answers: Mutex<BTreeMap<String, Result<Fetched, String>>>,
    asked: Mutex<Vec<String>>,
    metrics: Metrics,
    entropy: SeededEntropy,
}

impl Clock for Scene {
    fn now(&self) -> Timestamp {
        *self.now.lock()
    }
}

impl KeySets for Scene {
    fn fetch<'a>(&'a self, url: &'a str, _reach: Reach) -> BoxFuture<'a, Result<Fetched, String>> {
        self.asked.lock().push(url.to_owned());
        let answer = self.answers.lock().get(url).cloned();
        Box::pin(std::future::ready(answer.unwrap_or_else(|| Err("nobody is there".to_owned()))))
    }
}

impl Scene {
    fn new() -> Self {
        Self {
            now: Mutex::new(Timestamp::from_secs(START)),
            answers: Mutex::default(),
            asked: Mutex::default(),
            metrics: Metrics::new(&mut Registry::default()),
            entropy: SeededEntropy::new(7),
        }
    }

    fn publish(&self, signers: &[&Signer]) {
        self.publish_for(signers, None);
    }

    fn publish_for(&self, signers: &[&Signer], max_age: Option<Duration>) {
        let keys: Vec<Value> = signers.iter().map(|signer| signer.jwk()).collect();
        let fetched = Fetched { bytes: json!({"keys": keys}).to_string().into_bytes(), max_age };
        self.answers.lock().insert(URL.to_owned(), Ok(fetched));
    }

    fn go_away(&self) {
        self.answers.lock().clear();
    }

    fn pass(&self, secs: u64) {
        let mut now = self.now.lock();
        *now = now.saturating_add(Duration::from_secs(secs));
    }

    async fn refresh(&self, issuers: &Issuers) {
        issuers.refresh(&World { door: self, clock: self, entropy: &self.entropy, metrics: &self.metrics }).await;
    }

    fn prove(&self, issuers: &Issuers, token: &str) -> Result<Identity, Problem> {
        issuers.prove(token, self.now(), &self.metrics)
    }

    fn code(&self, issuers: &Issuers, token: &str) -> Option<Code> {
        self.prove(issuers, token).err().map(|problem| problem.code)
    }

    fn fetches(&self) -> usize {
        self.asked.lock().len()
    }
}

fn fetched() -> KeySource {
    KeySource::Fetched(FetchSettings::from(KeysFrom::Url(URL.to_owned()), Reach::Public))
}

fn settings(keys: KeySource, mapping: Mapping) -> AuthSettings {
    let issuer = IssuerSettings { rules: Rules::new("https://id.example/", &["haltline"]), keys, mapping };
    AuthSettings { jwt: BTreeMap::from([(Name::new("acme"), issuer)]), ..AuthSettings::default() }
}

fn claims(more: &Value) -> Value {
    let mut claims = json!({"iss": "https://id.example/", "aud": "haltline", "sub": "alice", "exp": START + 900_000});
    claims.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    claims
}

#[tokio::test]
async fn keys_come_change_and_stay_away() {
    let (scene, one, two) = (Scene::new(), Signer::new("one"), Signer::new("two"));
    let issuers = Issuers::new(&settings(fetched(), Mapping::default()), None);
    let (first, second) = (one.token(&claims(&json!({}))), two.token(&claims(&json!({}))));
    assert_eq!(scene.code(&issuers, &first), Some(Code::IdentityUnavailable), "before the first fetch");
    scene.refresh(&issuers).await;
    assert_eq!(scene.code(&issuers, &first), Some(Code::IdentityUnavailable), "nobody is there");
    scene.publish(&[&one]);
    scene.pass(2);
    scene.refresh(&issuers).await;
    assert_eq!(scene.code(&issuers, &first), None);
    assert_eq!(scene.code(&issuers, &second), Some(Code::KeyInvalid));
    // Both keys: nothing breaks for tokens of the first.
    scene.publish(&[&one, &two]);
    scene.pass(3600);
    scene.refresh(&issuers).await;
    assert_eq!((scene.code(&issuers, &first), scene.code(&issuers, &second)), (None, None));
    // The first key is withdrawn: what was verified with it is void, remembered or not.
    scene.publish(&[&two]);
    scene.pass(3600);
    scene.refresh(&issuers).await;
    assert_eq!((scene.code(&issuers, &first), scene.code(&issuers, &second)), (Some(Code::KeyInvalid), None));
    // An outage: the keys serve on for a day after they were due, and no more.
    scene.go_away();
    for _ in 0..24 {
        scene.pass(3600);
        scene.refresh(&issuers).await;
        assert_eq!(scene.code(&issuers, &second), None);
    }
    scene.pass(3700);
    assert_eq!(scene.code(&issuers, &second), Some(Code::IdentityUnavailable));
    scene.publish(&[&two]);
    scene.refresh(&issuers).await;
    assert_eq!(scene.code(&issuers, &second), None);
}

#[tokio::test]
async fn tokens_with_unknown_keys_lead_to_one_fetch_in_half_a_minute() {
    let (scene, one, two) = (Scene::new(), Signer::new("one"), Signer::new("two"));
    scene.publish(&[&one]);
    let issuers = Issuers::new(&settings(fetched(), Mapping::default()), None);
    scene.refresh(&issuers).await;
    assert_eq!(scene.fetches(), 1);
    let stranger = two.token(&claims(&json!({})));
    for second in 1..=120 {
        scene.pass(1);
        for _ in 0..50 {
            assert_eq!(scene.code(&issuers, &stranger), Some(Code::KeyInvalid));
            scene.refresh(&issuers).await;
        }
        assert_eq!(scene.fetches(), 1 + second / 30);
    }
    // The key was new indeed.
    scene.publish(&[&one, &two]);
    scene.pass(30);
    assert_eq!(scene.code(&issuers, &stranger), Some(Code::KeyInvalid));
    scene.refresh(&issuers).await;
    assert_eq!(scene.code(&issuers, &stranger), None);
    // A bad signature, another audience or a token of nobody asks for nothing.
    let before = scene.fetches();
    scene.pass(31);
    let forged = forged(&stranger);
    let strange = one.token(&claims(&json!({"iss": "https://other.example/"})));
    for token in [forged, strange, one.token(&claims(&json!({"aud": "x"})))] {
        assert!(scene.code(&issuers, &token).is_some());
    }
    scene.refresh(&issuers).await;
    assert_eq!(scene.fetches(), before);
}

#[tokio::test]
async fn a_bad_answer_changes_nothing() {
    let (scene, one) = (Scene::new(), Signer::new("one"));
    scene.publish(&[&one]);
    let issuers = Issuers::new(&settings(fetched(), Mapping::default()), None);
    scene.refresh(&issuers).await;
    let token = one.token(&claims(&json!({})));
    for bytes in ["", "<html>", "{\"keys\":[]}", "{\"keys\":[{\"kty\":\"oct\",\"k\":\"AAAA\",\"kid\":\"one\"}]}"] {
        let answer = Fetched { bytes: bytes.as_bytes().to_vec(), max_age: None };
        scene.answers.lock().insert(URL.to_owned(), Ok(answer));
        scene.pass(3600);
        let before = scene.fetches();
        scene.refresh(&issuers).await;
        assert_eq!(scene.fetches(), before + 1);
        assert_eq!(scene.code(&issuers, &token), None, "{bytes}");
    }
}

#[tokio::test]
async fn the_server_s_word_on_age_counts_within_bounds() {
    let one = Signer::new("one");
    for (max_age, asked_after) in [(0, 60), (10, 60), (300, 300), (86_400, 3600)] {
        let scene = Scene::new();
        scene.publish_for(&[&one], Some(Duration::from_secs(max_age)));
        let issuers = Issuers::new(&settings(fetched(), Mapping::default()), None);
        scene.refresh(&issuers).await;
        // A tenth earlier at most.
        scene.pass(asked_after * 9 / 10 - 1);
        scene.refresh(&issuers).await;
        assert_eq!(scene.fetches(), 1, "{max_age}");
        scene.pass(asked_after / 10 + 2);
        scene.refresh(&issuers).await;
        assert_eq!(scene.fetches(), 2, "{max_age}");
    }
}

#[tokio::test]
async fn an_issuer_says_where_its_keys_are() {
    let (scene, one) = (Scene::new(), Signer::new("one"));
    scene.publish(&[&one]);
    let from = FetchSettings::from(KeysFrom::Discovery, Reach::Public);
    let issuers = Issuers::new(&settings(KeySource::Fetched(from), Mapping::default()), None);
    let token = one.token(&claims(&json!({})));
    let place = "https://id.example/.well-known/openid-configuration";
    let say = |document: Value| {
        let answer = Fetched { bytes: document.to_string().into_bytes(), max_age: None };
        scene.answers.lock().insert(place.to_owned(), Ok(answer));
        scene.pass(600);
    };
    say(json!({"issuer": "https://evil.example/", "jwks_uri": URL}));
    scene.refresh(&issuers).await;
    assert_eq!(scene.code(&issuers, &token), Some(Code::IdentityUnavailable), "another issuer's document");
    say(json!({"issuer": "https://id.example/", "jwks_uri": URL}));
    scene.refresh(&issuers).await;
    assert_eq!(scene.code(&issuers, &token), None);
    assert_eq!(*scene.asked.lock(), [place, place, URL]);
}

#[tokio::test]
async fn a_reload_keeps_keys_and_forgets_what_was_verified() {
    let (scene, one) = (Scene::new(), Signer::new("one"));
    scene.publish(&[&one]);
    let before = Issuers::new(&settings(fetched(), Mapping::default()), None);
    scene.refresh(&before).await;
    let token = one.token(&claims(&json!({"org": "web"})));
    assert_eq!(scene.prove(&before, &token).expect("an identity").key.team, None);
    assert_eq!(before.remembered(), 1);
    let team = Said { claim: ClaimPath::parse("org").ok(), fixed: None };
    let after = Issuers::new(&settings(fetched(), Mapping { team, ..Mapping::default() }), Some(&before));
    assert_eq!(scene.prove(&after, &token).expect("an identity").key.team, Some(Name::new("web")));
    scene.refresh(&after).await;
    assert_eq!(scene.fetches(), 1, "the keys are young");
    // From another place they are other keys.
    let elsewhere = FetchSettings::from(KeysFrom::Url("https://new.example/jwks".to_owned()), Reach::Public);
    let moved = Issuers::new(&settings(KeySource::Fetched(elsewhere), Mapping::default()), Some(&after));
    assert_eq!(scene.code(&moved, &token), Some(Code::IdentityUnavailable));
    let none = Issuers::new(&AuthSettings::default(), Some(&after));
    assert_eq!(scene.code(&none, &token), Some(Code::KeyInvalid));
}

/// With one character of its signature changed.
fn forged(token: &str) -> String {
    let (signed, signature) = token.rsplit_once('.').expect("three parts");
    let first = if signature.starts_with('A') { 'B' } else { 'A' };
    format!("{signed}.{first}{}", &signature[1..])
}

fn fixed(one: &Signer) -> KeySource {
    let keys = json!({"keys": [one.jwk()]}).to_string();
    KeySource::Fixed(Arc::new(KeySet::parse(keys.as_bytes()).expect("keys")))
}

#[test]
fn a_token_is_remembered_until_it_ends() {
    let (scene, one) = (Scene::new(), Signer::new("one"));
    let issuers = Issuers::new(&settings(fixed(&one), Mapping::default()), None);
    let token = one.token(&claims(&json!({"exp": START + 100})));
    for _ in 0..3 {
        assert_eq!(scene.code(&issuers, &token), None);
    }
    assert_eq!(issuers.remembered(), 1);
    // One character else is another token.
    let other = forged(&token);
    assert_eq!(scene.code(&issuers, &other), Some(Code::KeyInvalid));
    scene.pass(159);
    assert_eq!(scene.code(&issuers, &token), None);
    scene.pass(1);
    assert_eq!(scene.code(&issuers, &token), Some(Code::KeyExpired));
}

#[test]
fn what_is_remembered_has_a_bound() {
    let (scene, one) = (Scene::new(), Signer::new("one"));
    let issuers = Issuers::new(&settings(fixed(&one), Mapping::default()), None);
    let kept = one.token(&claims(&json!({"jti": "kept"})));
    for number in 0..12_000 {
        assert_eq!(scene.code(&issuers, &one.token(&claims(&json!({"jti": number})))), None);
        if number % 1_000 == 0 {
            assert_eq!(scene.code(&issuers, &kept), None);
        }
    }
    assert!(issuers.remembered() <= 10_001, "{}", issuers.remembered());
}

#[test]
fn claims_become_an_identity() {
    let (scene, one) = (Scene::new(), Signer::new("one"));
    let path = |text: &str| ClaimPath::parse(text).expect(text);
    let claim = |text: &str| Said { claim: Some(path(text)), fixed: None };
    let mapping = Mapping {
        user: path("sub"),
        user_prefix: "acme:".to_owned(),
        team: claim("org_id"),
        tier: Said { claim: Some(path("app_metadata.plan")), fixed: Some(Name::new("free")) },
        tags: BTreeMap::from([
            (Name::new("plan"), claim("https://example.com/plan")),
            (Name::new("source"), Said { claim: None, fixed: Some(Name::new("web")) }),
        ]),
        models: Some(path("models")),
        models_are: Vec::new(),
    };
    let issuers = Issuers::new(&settings(fixed(&one), mapping), None);
    let good = json!({"org_id": "web", "https://example.com/plan": 7, "models": ["b", "a", "a"], "iat": START});
    let with = |change: Value| {
        let mut all = claims(&good);
        for (name, value) in change.as_object().expect("an object") {
            match value {
                Value::Null => drop(all.as_object_mut().expect("an object").remove(name)),
                _ => all[name] = value.clone(),
            }
        }
        one.token(&all)
    };
    let identity = scene.prove(&issuers, &with(json!({"app_metadata": {"plan": "pro"}}))).expect("an identity");
    assert_eq!(&*identity.key.name, "jwt:acme");
    assert_eq!(identity.user, Some(Name::new("acme:alice")));
    assert_eq!(identity.key.users, UserClaims::Listed(vec![Name::new("acme:alice")]));
    assert_eq!((identity.key.team.as_deref(), identity.key.tier.as_deref()), (Some("web"), Some("pro")));
    assert_eq!(identity.key.models, [Name::new("a"), Name::new("b")]);
    let tags = [(Name::new("plan"), Name::new("7")), (Name::new("source"), Name::new("web"))];
    assert_eq!(identity.tags, tags);
    assert_eq!(identity.issued, Some(Timestamp::from_secs(START)));
    let usual = scene.prove(&issuers, &with(json!({"models": "x y"}))).expect("an identity");
    assert_eq!((usual.key.tier.as_deref(), usual.key.models.len()), (Some("free"), 2));
    for (change, named) in [
        (json!({"sub": null}), "sub"),
        (json!({"sub": ""}), "sub"),
        (json!({"sub": "  "}), "sub"),
        (json!({"sub": "a\nb"}), "sub"),
        (json!({"sub": "x".repeat(257)}), "sub"),
        (json!({"sub": ["alice"]}), "sub"),
        (json!({"sub": 1.5}), "sub"),
        (json!({"org_id": null}), "org_id"),
        (json!({"org_id": {"id": "web"}}), "org_id"),
        (json!({"https://example.com/plan": null}), "https://example.com/plan"),
        (json!({"app_metadata": {"plan": ["pro"]}}), "app_metadata.plan"),
        (json!({"models": null}), "models"),
        (json!({"models": []}), "models"),
        (json!({"models": ""}), "models"),
        (json!({"models": ["a", 1]}), "models"),
        (json!({"models": {"a": true}}), "models"),
        (json!({"models": vec!["m"; 201]}), "models"),
    ] {
        let problem = scene.prove(&issuers, &with(change.clone())).expect_err(&change.to_string());
        assert_eq!(problem.code, Code::KeyInvalid, "{change}");
        assert!(problem.message.contains(&format!("`{named}`")), "{change}: {}", problem.message);
    }
}
