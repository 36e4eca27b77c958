//! What it costs to verify a token, by algorithm: taking apart, signature and claims together.
//!
//! `cargo bench -p haltline-jwt --bench checks` prints a table. A number after `--` is the most
//! microseconds that a check may take; above it the command fails.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaKeyPair,
    RsaPublicKeyComponents, RsaSignatureEncoding,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use haltline_jwt::{KeySet, Rules, Token};
use haltline_types::Timestamp;
use serde_json::{Value, json};
use std::hint::black_box;
use std::process::ExitCode;
use std::time::Instant;

const NOW: i64 = 1_795_478_400;
/// Few, so that a round ends before the machine does something else.
const CHECKS: u32 = 10;
const ROUNDS: u32 = 500;

fn url(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// What an identity provider puts into its tokens.
fn claims() -> Value {
    json!({
        "iss": "https://id.example/", "aud": ["haltline", "https://id.example/userinfo"], "sub": "auth0|65f0c1d2e3a4b5c6",
        "iat": NOW - 10, "exp": NOW + 300, "azp": "W5uUr0b3pVQ8mJ2xk1Zt7Ey6", "scope": "openid profile email",
        "org_id": "org_9f8e7d6c5b4a", "email": "alice@example.com", "email_verified": true,
        "app_metadata": {"plan": "pro", "models": ["fast", "smart"]},
    })
}

fn token(alg: &str, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
    let header = json!({"alg": alg, "typ": "JWT", "kid": "the-key-of-this-month"});
    let signed = format!("{}.{}", url(header.to_string()), url(claims().to_string()));
    format!("{signed}.{}", url(sign(signed.as_bytes())))
}

fn keys(mut jwk: Value) -> KeySet {
    jwk["kid"] = json!("the-key-of-this-month");
    KeySet::parse(json!({"keys": [jwk]}).to_string().as_bytes()).expect("a key set")
}

fn rsa(size: KeySize, alg: &str, encoding: &'static RsaSignatureEncoding) -> (String, KeySet) {
    let pair = RsaKeyPair::generate(size).expect("a key");
    let public = RsaPublicKeyComponents::<Vec<u8>>::from(pair.public_key());
    let sign = |message: &[u8]| {
        let mut signature = vec![0; pair.public_modulus_len()];
        pair.sign(encoding, &SystemRandom::new(), message, &mut signature).expect("signed");
        signature
    };
    (token(alg, sign), keys(json!({"kty": "RSA", "n": url(public.n), "e": url(public.e)})))
}

fn curve(crv: &str, alg: &str, signing: &'static EcdsaSigningAlgorithm) -> (String, KeySet) {
    let pair = EcdsaKeyPair::generate(signing).expect("a key");
    let (x, y) = pair.public_key().as_ref()[1..].split_at((pair.public_key().as_ref().len() - 1) / 2);
    let jwk = json!({"kty": "EC", "crv": crv, "x": url(x), "y": url(y)});
    let sign = |message: &[u8]| pair.sign(&SystemRandom::new(), message).expect("signed").as_ref().to_vec();
    (token(alg, sign), keys(jwk))
}

fn edwards() -> (String, KeySet) {
    let pair = Ed25519KeyPair::generate().expect("a key");
    let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": url(pair.public_key())});
    (token("EdDSA", |message| pair.sign(message).as_ref().to_vec()), keys(jwk))
}

fn main() -> ExitCode {
    let bound = std::env::args().skip(1).find_map(|word| word.parse::<f64>().ok());
    let cases = [
        ("RS256, 2048 bits", rsa(KeySize::Rsa2048, "RS256", &RSA_PKCS1_SHA256)),
        ("RS256, 4096 bits", rsa(KeySize::Rsa4096, "RS256", &RSA_PKCS1_SHA256)),
        ("PS256, 2048 bits", rsa(KeySize::Rsa2048, "PS256", &RSA_PSS_SHA256)),
        ("ES256", curve("P-256", "ES256", &ECDSA_P256_SHA256_FIXED_SIGNING)),
        ("ES384", curve("P-384", "ES384", &ECDSA_P384_SHA384_FIXED_SIGNING)),
        ("ES512", curve("P-521", "ES512", &ECDSA_P521_SHA512_FIXED_SIGNING)),
        ("EdDSA", edwards()),
    ];
    let rules = Rules::new("https://id.example/", &["haltline"]);
    let now = Timestamp::from_secs(NOW);
    let mut too_dear = false;
    println!("| algorithm | token, bytes | a check, µs |\n|---|---:|---:|");
    for (name, (token, keys)) in cases {
        let round = |_| {
            let began = Instant::now();
            for _ in 0..CHECKS {
                let checked = Token::parse(black_box(&token)).and_then(|parsed| parsed.verify(&keys, &rules, now));
                black_box(checked).expect("a good token");
            }
            began.elapsed()
        };
        // The fastest round: whatever else the machine does can only add to it.
        let best = (0..ROUNDS).map(round).min().unwrap_or_default();
        let micros = best.as_secs_f64() * 1e6 / f64::from(CHECKS);
        println!("| {name} | {} | {micros:.1} |", token.len());
        too_dear |= bound.is_some_and(|bound| micros > bound);
    }
    if too_dear { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
