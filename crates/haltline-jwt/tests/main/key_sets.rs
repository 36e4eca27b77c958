//! What may stand in a key set.

use crate::signer::{ED, P256, RSA, curve, url};
use haltline_jwt::{Algorithm, KEY_SET_BYTES_MAX, KEYS_MAX, KeySet};
use serde_json::{Value, json};

fn parse(keys: &[Value]) -> Result<KeySet, String> {
    KeySet::parse(json!({"keys": keys}).to_string().as_bytes()).map_err(|error| error.to_string())
}

#[test]
fn keys_for_something_else_are_left_aside() {
    let set = parse(&[
        RSA.jwk_with(&json!({"kid": "a", "use": "sig", "alg": "RS256", "x5t": "AAAA"})),
        RSA.jwk_with(&json!({"kid": "b", "use": "enc"})),
        RSA.jwk_with(&json!({"kid": "c", "key_ops": ["encrypt"]})),
        RSA.jwk_with(&json!({"kid": "d", "alg": "RSA-OAEP"})),
        json!({"kty": "OKP", "crv": "X25519", "x": url([1; 32]), "kid": "e"}),
        json!({"kty": "EC", "crv": "secp256k1", "x": url([1; 32]), "y": url([1; 32]), "kid": "f"}),
        json!({"kty": "AKP", "alg": "ML-DSA-44", "pub": "AAAA", "kid": "g"}),
    ]);
    let set = set.expect("a set");
    assert_eq!((set.len(), set.left_aside.len()), (1, 6), "{:?}", set.left_aside);
    assert_eq!(set.algorithms().collect::<Vec<_>>(), [Algorithm::Rs256]);
    let all = parse(&[RSA.jwk(), P256.jwk(), ED.jwk_with(&json!({"key_ops": ["verify"]}))]).expect("a set");
    assert_eq!(all.algorithms().count(), 8);
    let single = KeySet::parse(P256.jwk().to_string().as_bytes()).expect("one key is a set");
    assert_eq!(single.len(), 1);
}

#[test]
fn what_must_not_be_in_a_set_spoils_it() {
    let (n, e) = (RSA.jwk()["n"].clone(), RSA.jwk()["e"].clone());
    let with = |n: &Value, e: &Value| json!({"kty": "RSA", "n": n, "e": e});
    let even = |bytes: usize| json!(url([&[0xff; 8][..], &vec![0xfe; bytes - 8]].concat()));
    let odd = |bytes: usize| json!(url(vec![0xff; bytes]));
    let (x, y) = (P256.jwk()["x"].clone(), P256.jwk()["y"].clone());
    let other = curve("P-256").jwk()["y"].clone();
    let point = |crv: &str, x: &Value, y: &Value| json!({"kty": "EC", "crv": crv, "x": x, "y": y});
    for (bad, why) in [
        (P256.jwk_with(&json!({"d": "AAAA"})), "private"),
        (json!({"kty": "oct", "k": "AAAA"}), "shared"),
        (with(&odd(128), &e), "2048"),
        (with(&odd(255), &e), "2048"),
        (with(&odd(1025), &e), "8192"),
        (with(&json!(""), &e), "2048"),
        (with(&even(256), &e), "modulus"),
        (with(&n, &json!("AQ")), "exponent"),
        (with(&n, &json!("AAE")), "exponent"),
        (with(&n, &json!("Ag")), "exponent"),
        (with(&n, &json!("AA")), "exponent"),
        (with(&n, &json!("")), "exponent"),
        (with(&n, &json!(url([0xff; 5]))), "exponent"),
        (with(&n, &json!("AQAB=")), "base64url"),
        (with(&json!(7), &e), "string"),
        (point("P-256", &x, &other), "curve"),
        (point("P-384", &x, &y), "length"),
        (point("P-256", &json!(url([0; 32])), &json!(url([0; 32]))), "curve"),
        (point("P-256", &json!(url([0; 33])), &y), "length"),
        (point("P-256", &json!("x"), &y), "base64url"),
        (json!({"kty": "OKP", "crv": "Ed25519", "x": url([1; 31])}), "length"),
        (json!({"kty": "RSA", "alg": "ES256", "n": n, "e": e}), "alg"),
        (P256.jwk_with(&json!({"alg": "ES384"})), "alg"),
        (P256.jwk_with(&json!({"kid": 1})), "kid"),
        (json!({"kid": "x"}), "member"),
        (json!("x"), "object"),
    ] {
        let error = parse(&[P256.jwk_with(&json!({"kid": "good"})), bad.clone()]).expect_err(&bad.to_string());
        assert!(error.contains(why), "{bad}: {error}");
    }
    let twice = parse(&[P256.jwk_with(&json!({"kid": "a"})), ED.jwk_with(&json!({"kid": "a"}))]);
    assert!(twice.expect_err("one name twice").contains("same `kid`"));
}

#[test]
fn what_is_no_set_is_said_to_be_none() {
    for text in [
        "",
        "{}",
        "[]",
        "null",
        "{\"keys\":{}}",
        "{\"keys\":[]}",
        "{\"keys\":[],\"keys\":[]}",
        "<html>not found</html>",
        "-----BEGIN PUBLIC KEY-----",
    ] {
        assert!(KeySet::parse(text.as_bytes()).is_err(), "{text}");
    }
    let many: Vec<Value> = (0..=KEYS_MAX).map(|at| P256.jwk_with(&json!({"kid": at.to_string()}))).collect();
    assert!(parse(&many).expect_err("many").contains("more than"));
    let mut large = json!({"keys": [P256.jwk()]}).to_string();
    large.push_str(&" ".repeat(KEY_SET_BYTES_MAX));
    assert!(KeySet::parse(large.as_bytes()).is_err());
}
