//! Work that was ordered with a token of an identity provider, and outlives it.

use crate::world::{ANSWER, Act, Node, World};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use haltline_gateway::settings::{AuthSettings, IssuerSettings, KeySource, Mapping, Said};
use haltline_gateway::{Letters, Presented};
use haltline_jwt::{ClaimPath, KeySet, Rules};
use haltline_ports::Owner;
use haltline_types::{Code, Name, Subjects};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

struct Provider(Ed25519KeyPair);

impl Provider {
    fn new() -> Self {
        Self(Ed25519KeyPair::generate().expect("a key"))
    }

    fn settings(&self) -> AuthSettings {
        let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode(self.0.public_key())});
        let keys = KeySet::parse(jwk.to_string().as_bytes()).expect("keys");
        let said = |claim: &str| Said { claim: ClaimPath::parse(claim).ok(), fixed: None };
        let mapping = Mapping {
            team: said("org"),
            tier: said("plan"),
            tags: BTreeMap::from([(Name::new("plan"), said("plan"))]),
            models: ClaimPath::parse("models").ok(),
            ..Mapping::default()
        };
        let rules = Rules::new("https://id.example/", &["haltline"]);
        let issuer = IssuerSettings { rules, keys: KeySource::Fixed(Arc::new(keys)), mapping };
        AuthSettings { jwt: BTreeMap::from([(Name::new("acme"), issuer)]), ..AuthSettings::default() }
    }

    fn token(&self, user: &str) -> Presented {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
        let claims = json!({
            "iss": "https://id.example/", "aud": "haltline", "sub": user, "exp": now + 60,
            "org": "web", "plan": "pro", "models": ["chat"],
        });
        let signed = format!("{}.{}", part(&json!({"alg": "EdDSA"})), part(&claims));
        let signature = URL_SAFE_NO_PAD.encode(self.0.sign(signed.as_bytes()));
        Presented::credential(&format!("{signed}.{signature}"))
    }
}

fn alice() -> Owner {
    Owner { key: Name::new("jwt:acme"), user: Some(Name::new("alice")) }
}

fn submit(node: &Node, provider: &Provider) -> String {
    let mut order = node.order("a", "for alice");
    order.incoming.presented = provider.token("alice");
    // Claims of headers do not change who somebody is, nor what a token says of him.
    order.incoming.claims.user = Some("mallory".to_owned());
    order.incoming.claims.tags = vec![(Name::new("plan"), Name::new("gold")), (Name::new("page"), Name::new("home"))];
    let job = node.run(node.gateway.submit_job(order)).expect("a job");
    job["id"].as_str().expect("an id").to_owned()
}

fn wait_for(node: &Node, id: &str, status: &str) -> Value {
    let standing = || node.run(node.gateway.job(&alice(), id)).expect("a job");
    node.until(status, || standing()["status"] == status);
    standing()
}

/// What the request of a job's last run is charged to.
fn charged_to(node: &Node, job: &Value) -> Arc<Subjects> {
    let runs = job["attempts"].as_array().expect("runs");
    let request = runs.last().expect("a run")["request_id"].as_str().expect("an id").parse().expect("an id");
    node.run(node.gateway.records().generation(request)).expect("records").expect("a record").subjects
}

fn assert_alices(subjects: &Subjects) {
    let said = [&subjects.key, &subjects.user, &subjects.team, &subjects.tier];
    assert_eq!(said.map(|name| name.as_deref()), [Some("jwt:acme"), Some("alice"), Some("web"), Some("pro")]);
    let tags = [(Name::new("page"), Name::new("home")), (Name::new("plan"), Name::new("pro"))];
    assert_eq!(subjects.tags, tags);
}

#[test]
fn a_job_is_charged_to_whom_the_token_named_also_after_a_restart() {
    let provider = Provider::new();
    let mut world = World::new();
    world.settings.auth = provider.settings();
    world.provider.then([Act::Answer, Act::Hang]);
    let node = world.start();
    let id = submit(&node, &provider);
    assert_alices(&charged_to(&node, &wait_for(&node, &id, "succeeded")));
    let cut = submit(&node, &provider);
    node.until("it runs", || world.provider.calls() == 2);
    node.kill();
    let node = world.start();
    assert_alices(&charged_to(&node, &wait_for(&node, &cut, "succeeded")));
    // Another user of the same issuer does not see it.
    let bob = Owner { user: Some(Name::new("bob")), ..alice() };
    assert_eq!(node.run(node.gateway.job(&bob, &cut)).expect_err("not his").code, Code::NotFound);
}

#[test]
fn an_issuer_that_is_gone_is_a_key_that_is_gone() {
    let provider = Provider::new();
    let mut world = World::new();
    world.settings.auth = provider.settings();
    world.settings.jobs.max_attempts = 2;
    world.provider.always(Act::Hang);
    let node = world.start();
    let id = submit(&node, &provider);
    node.until("it runs", || world.provider.calls() == 1);
    node.kill();
    world.settings.auth = AuthSettings::default();
    world.provider.always(Act::Answer);
    let node = world.start();
    let job = wait_for(&node, &id, "failed");
    assert_eq!(job["error"]["code"], "key_invalid", "{job}");
    assert_eq!(world.provider.calls(), 1);
    let letters = node.run(node.gateway.dead_letters(Letters::Open, None, 10)).expect("letters");
    let retried = node.run(node.gateway.retry_dead_letter(&letters[0].id, None));
    assert_eq!(retried.expect_err("nobody's").code, Code::KeyInvalid);
    node.kill();
    // It is there again: so is the work.
    world.settings.auth = provider.settings();
    let node = world.start();
    let again = node.run(node.gateway.retry_dead_letter(&letters[0].id, None)).expect("a job");
    assert_alices(&charged_to(&node, &wait_for(&node, &again, "succeeded")));
}

#[test]
fn a_token_s_models_bind_jobs_and_requests() {
    let provider = Provider::new();
    let mut world = World::new();
    world.settings.auth = provider.settings();
    let node = world.start();
    let models = node.gateway.models_for(&provider.token("alice")).expect("models");
    assert_eq!(models, ["chat"]);
    let mut order = node.order("a", "x");
    order.incoming = node.incoming(
        "a",
        "/v1/chat/completions",
        &json!({"model": "fake/m", "messages": [{"role": "user", "content": "x"}]}),
    );
    order.incoming.presented = provider.token("alice");
    assert_eq!(node.run(node.gateway.submit_job(order)).expect_err("refused").code, Code::ModelNotAllowed);
    let id = submit(&node, &provider);
    wait_for(&node, &id, "succeeded");
    node.assert_balanced(ANSWER);
}
