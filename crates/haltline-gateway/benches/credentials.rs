//! What it costs to find out who is calling: an API key, a token that was verified a moment ago,
//! and one that was not.
//!
//! `cargo bench -p haltline-gateway --bench credentials` prints a table and fails when a check costs
//! more than is promised: 1 µs for a key and for a known token, 100 µs for a new one.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
    RsaPublicKeyComponents,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use haltline_gateway::bench::Credentials;
use haltline_gateway::settings::{AuthSettings, IssuerSettings, KeySource, Mapping};
use haltline_jwt::{KeySet, Rules};
use haltline_ledger::Budgets;
use haltline_ports::{Clock, KeyRecord, Keys, UserClaims};
use haltline_store_embedded::{EmbeddedStore, Options};
use haltline_types::{Name, Timestamp};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::hint::black_box;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

const NOW: Timestamp = Timestamp::from_secs(1_795_478_400);
const ROUNDS: usize = 200;

struct Fixed;

impl Clock for Fixed {
    fn now(&self) -> Timestamp {
        NOW
    }
}

fn url(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// What an identity provider puts into its tokens.
fn claims(number: usize) -> Value {
    let now = NOW.as_millis() / 1000;
    json!({
        "iss": "https://id.example/", "aud": ["haltline", "https://id.example/userinfo"], "sub": "auth0|65f0c1d2e3a4b5c6",
        "iat": now - 10, "exp": now + 3000, "azp": "W5uUr0b3pVQ8mJ2xk1Zt7Ey6", "scope": "openid profile email",
        "org_id": "org_9f8e7d6c5b4a", "email": "alice@example.com", "email_verified": true, "jti": number,
    })
}

fn tokens(alg: &str, many: usize, sign: impl Fn(&[u8]) -> Vec<u8>) -> Vec<String> {
    let header = json!({"alg": alg, "typ": "JWT", "kid": alg});
    let token = |number| {
        let signed = format!("{}.{}", url(header.to_string()), url(claims(number).to_string()));
        format!("{signed}.{}", url(sign(signed.as_bytes())))
    };
    (0..many).map(token).collect()
}

fn main() -> ExitCode {
    let random = SystemRandom::new();
    let rsa = RsaKeyPair::generate(KeySize::Rsa2048).expect("a key");
    let curve = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key");
    let edwards = Ed25519KeyPair::generate().expect("a key");
    let public = RsaPublicKeyComponents::<Vec<u8>>::from(rsa.public_key());
    let (x, y) = curve.public_key().as_ref()[1..].split_at(32);
    let keys = json!({"keys": [
        {"kty": "RSA", "kid": "RS256", "n": url(public.n), "e": url(public.e)},
        {"kty": "EC", "kid": "ES256", "crv": "P-256", "x": url(x), "y": url(y)},
        {"kty": "OKP", "kid": "EdDSA", "crv": "Ed25519", "x": url(edwards.public_key())},
    ]});
    let keys = Arc::new(KeySet::parse(keys.to_string().as_bytes()).expect("a key set"));
    let rules = Rules::new("https://id.example/", &["haltline"]);
    let issuer = IssuerSettings { rules, keys: KeySource::Fixed(keys), mapping: Mapping::default() };
    let settings = AuthSettings { jwt: BTreeMap::from([(Name::new("acme"), issuer)]) };
    let (store, _) =
        EmbeddedStore::open(Options::memory(Arc::new(Fixed)), Budgets::new(Vec::new()).expect("none"), NOW)
            .expect("a store");
    for number in 0..1_000 {
        store.add(key(store.as_ref(), number)).expect("a key");
    }
    let credentials = Credentials::new(&settings);
    let prove = |text: &str| credentials.prove(store.as_ref(), text, NOW).expect("an identity");

    let rs = tokens("RS256", ROUNDS, |message| {
        let mut signature = vec![0; rsa.public_modulus_len()];
        rsa.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).expect("signed");
        signature
    });
    let es = tokens("ES256", ROUNDS, |message| curve.sign(&random, message).expect("signed").as_ref().to_vec());
    let ed = tokens("EdDSA", ROUNDS, |message| edwards.sign(message).as_ref().to_vec());
    let mut rows = vec![("API key, of 1,000", 64, 1.0, fastest(|_| drop(black_box(prove(black_box("hl-live-500"))))))];
    for (name, tokens) in [("RS256", &rs), ("ES256", &es), ("EdDSA", &ed)] {
        // Each token for the first time.
        let first = tokens.iter().map(|token| timed(|| drop(black_box(prove(token))))).min().unwrap_or_default();
        rows.push((name, tokens[0].len(), 100.0, first));
    }
    let known = fastest(|round| drop(black_box(prove(black_box(&rs[round % ROUNDS])))));
    rows.push(("RS256, known", rs[0].len(), 1.0, known));
    println!("| credential | bytes | a check, µs | at most |\n|---|---:|---:|---:|");
    let mut too_dear = false;
    for (name, bytes, most, time) in rows {
        let micros = time.as_secs_f64() * 1e6;
        println!("| {name} | {bytes} | {micros:.2} | {most} |");
        too_dear |= micros > most;
    }
    if too_dear { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn key(keys: &dyn Keys, number: usize) -> KeyRecord {
    KeyRecord {
        name: Name::from(format!("key-{number}")),
        hash: keys.hash(&format!("hl-live-{number}")),
        hint: String::new(),
        team: None,
        tier: None,
        users: UserClaims::Any,
        models: Vec::new(),
        created: NOW,
        expires: None,
        frozen: false,
    }
}

fn timed(check: impl FnOnce()) -> Duration {
    let began = Instant::now();
    check();
    began.elapsed()
}

/// The time of one check in the fastest of many rounds: whatever else the machine does can only add
/// to it.
fn fastest(check: impl Fn(usize)) -> Duration {
    const CHECKS: u32 = 1_000;
    let round = |_| timed(|| (0..CHECKS).for_each(|number| check(usize::try_from(number).unwrap_or(0)))) / CHECKS;
    (0..ROUNDS).map(round).min().unwrap_or_default()
}
