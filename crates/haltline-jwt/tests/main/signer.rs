//! An issuer with keys of every kind, and the tokens that it signs.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    self, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaKeyPair, RsaPublicKeyComponents, RsaSignatureEncoding,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use haltline_jwt::{KeySet, Refused, Rules, Token, Verified};
use haltline_types::Timestamp;
use serde_json::{Value, json};
use std::sync::LazyLock;

pub(crate) const NOW: i64 = 1_795_478_400;
pub(crate) const ISSUER: &str = "https://id.example/";

/// One key pair.
pub(crate) enum Pair {
    Rsa(Box<RsaKeyPair>),
    Curve(EcdsaKeyPair, &'static str),
    Edwards(Ed25519KeyPair),
}

pub(crate) static RSA: LazyLock<Pair> =
    LazyLock::new(|| Pair::Rsa(Box::new(RsaKeyPair::generate(KeySize::Rsa2048).expect("a key"))));
pub(crate) static P256: LazyLock<Pair> = LazyLock::new(|| curve("P-256"));
pub(crate) static P384: LazyLock<Pair> = LazyLock::new(|| curve("P-384"));
pub(crate) static P521: LazyLock<Pair> = LazyLock::new(|| curve("P-521"));
pub(crate) static ED: LazyLock<Pair> = LazyLock::new(|| Pair::Edwards(Ed25519KeyPair::generate().expect("a key")));

pub(crate) fn curve(name: &'static str) -> Pair {
    let signing = match name {
        "P-256" => &signature::ECDSA_P256_SHA256_FIXED_SIGNING,
        "P-384" => &signature::ECDSA_P384_SHA384_FIXED_SIGNING,
        _ => &signature::ECDSA_P521_SHA512_FIXED_SIGNING,
    };
    Pair::Curve(EcdsaKeyPair::generate(signing).expect("a key"), name)
}

pub(crate) fn url(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl Pair {
    /// The public key, without name and algorithm.
    pub(crate) fn jwk(&self) -> Value {
        match self {
            Self::Rsa(pair) => {
                let public = RsaPublicKeyComponents::<Vec<u8>>::from(pair.public_key());
                json!({"kty": "RSA", "n": url(public.n), "e": url(public.e)})
            }
            Self::Curve(pair, name) => {
                let point = pair.public_key().as_ref();
                let (x, y) = point[1..].split_at((point.len() - 1) / 2);
                json!({"kty": "EC", "crv": name, "x": url(x), "y": url(y)})
            }
            Self::Edwards(pair) => json!({"kty": "OKP", "crv": "Ed25519", "x": url(pair.public_key())}),
        }
    }

    pub(crate) fn jwk_with(&self, more: &Value) -> Value {
        let mut jwk = self.jwk();
        let members = more.as_object().expect("an object");
        jwk.as_object_mut().expect("an object").extend(members.clone());
        jwk
    }

    pub(crate) fn sign(&self, alg: &str, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::Rsa(pair) => {
                let encoding: &'static RsaSignatureEncoding = match alg {
                    "RS384" => &signature::RSA_PKCS1_SHA384,
                    "RS512" => &signature::RSA_PKCS1_SHA512,
                    "PS256" => &signature::RSA_PSS_SHA256,
                    "PS384" => &signature::RSA_PSS_SHA384,
                    "PS512" => &signature::RSA_PSS_SHA512,
                    _ => &signature::RSA_PKCS1_SHA256,
                };
                let mut signed = vec![0; pair.public_modulus_len()];
                pair.sign(encoding, &random, message, &mut signed).expect("signed");
                signed
            }
            Self::Curve(pair, _) => pair.sign(&random, message).expect("signed").as_ref().to_vec(),
            Self::Edwards(pair) => pair.sign(message).as_ref().to_vec(),
        }
    }

    /// A token of this header and these claims.
    pub(crate) fn token(&self, header: &Value, claims: &Value) -> String {
        self.token_of(&header.to_string(), &claims.to_string(), header["alg"].as_str().unwrap_or_default())
    }

    /// The same of any texts.
    pub(crate) fn token_of(&self, header: &str, claims: &str, alg: &str) -> String {
        let signed = format!("{}.{}", url(header), url(claims));
        let signature = self.sign(alg, signed.as_bytes());
        format!("{signed}.{}", url(signature))
    }
}

/// Claims that are accepted.
pub(crate) fn claims() -> Value {
    json!({"iss": ISSUER, "aud": "haltline", "sub": "alice", "iat": NOW - 10, "exp": NOW + 300})
}

pub(crate) fn claims_with(more: &Value) -> Value {
    let mut claims = claims();
    for (name, value) in more.as_object().expect("an object") {
        match value {
            Value::Null => drop(claims.as_object_mut().expect("an object").remove(name)),
            _ => claims[name] = value.clone(),
        }
    }
    claims
}

pub(crate) fn rules() -> Rules {
    Rules::new(ISSUER, &["haltline"])
}

/// One key of each kind, each with its name.
pub(crate) fn all_keys() -> KeySet {
    set(&[
        RSA.jwk_with(&json!({"kid": "rsa"})),
        P256.jwk_with(&json!({"kid": "p256"})),
        P384.jwk_with(&json!({"kid": "p384"})),
        P521.jwk_with(&json!({"kid": "p521"})),
        ED.jwk_with(&json!({"kid": "ed"})),
    ])
}

pub(crate) fn set(keys: &[Value]) -> KeySet {
    KeySet::parse(json!({"keys": keys}).to_string().as_bytes()).expect("a key set")
}

pub(crate) fn check(token: &str, keys: &KeySet, rules: &Rules) -> Result<Verified, Refused> {
    Token::parse(token)?.verify(keys, rules, Timestamp::from_secs(NOW))
}

/// Against one key of each kind and the usual rules.
pub(crate) fn checked(token: &str) -> Result<Verified, Refused> {
    check(token, &all_keys(), &rules())
}
