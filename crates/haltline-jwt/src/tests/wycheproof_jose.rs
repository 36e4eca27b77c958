//! Wycheproof's vectors for JSON Web Signatures and key sets. No registry package carries them: they
//! are read from `data/wycheproof` of the shared folder, or from the folder that
//! HALTLINE_WYCHEPROOF names (`testvectors_v1` of C2SP/wycheproof).

use crate::KeySet;
use crate::token::Parts;
use serde_json::Value;
use std::path::{Path, PathBuf};

fn vectors(name: &str) -> Option<Value> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let shared = std::env::var_os("HALTLINE_SHARED").map_or_else(|| root.join("../shared"), PathBuf::from);
    let folder = std::env::var_os("HALTLINE_WYCHEPROOF").map_or_else(|| shared.join("data/wycheproof"), PathBuf::from);
    let Ok(text) = std::fs::read(folder.join(name)) else {
        eprintln!("NOT TESTED: {name} is missing in {}; set HALTLINE_WYCHEPROOF", folder.display());
        return None;
    };
    Some(serde_json::from_slice(&text).expect("vectors"))
}

fn is_accepted(keys: &Value, jws: &Value) -> bool {
    // What is no string is a JWS in JSON, which is no credential.
    let Some(jws) = jws.as_str() else { return false };
    let Ok(keys) = KeySet::parse(keys.to_string().as_bytes()) else { return false };
    Parts::parse(jws).is_ok_and(|parts| parts.signed_by(&keys).is_ok())
}

/// Why a vector that Wycheproof calls valid is refused on purpose.
fn refused_on_purpose(group: &Value, keys: &Value) -> Option<&'static str> {
    let members = keys["keys"].as_array().cloned().unwrap_or_else(|| vec![keys.clone()]);
    if members.iter().any(|key| key["kty"] == "oct" || !key["d"].is_null()) {
        return Some("a secret that is shared, or a private key, in the set");
    }
    if members.iter().any(|key| key["alg"] == "ES521") {
        return Some("there is no algorithm of that name");
    }
    let is_rfc7520 = group["comment"].as_str().is_some_and(|comment| comment.starts_with("rfc7520"));
    if is_rfc7520 && keys["alg"] == "PS256" {
        return Some("the key is for PS256, and the message is signed with PS384");
    }
    None
}

fn run(name: &str) -> Option<(usize, usize, usize)> {
    let (mut accepted, mut refused, mut on_purpose) = (0, 0, 0);
    for group in vectors(name)?["testGroups"].as_array().expect("groups") {
        let keys = if group["public"].is_null() { &group["private"] } else { &group["public"] };
        for test in group["tests"].as_array().expect("tests") {
            let accepts = is_accepted(keys, &test["jws"]);
            match (test["result"].as_str(), refused_on_purpose(group, keys)) {
                (Some("valid"), None) => {
                    assert!(accepts, "{} {test}", group["comment"]);
                    accepted += 1;
                }
                (Some("valid"), Some(why)) => {
                    assert!(!accepts, "{} {test}: {why}", group["comment"]);
                    on_purpose += 1;
                }
                _ => {
                    assert!(!accepts, "{} {test}", group["comment"]);
                    refused += 1;
                }
            }
        }
    }
    Some((accepted, refused, on_purpose))
}

#[test]
fn signatures() {
    if let Some((accepted, refused, on_purpose)) = run("json_web_signature_test.json") {
        assert!(accepted >= 30 && refused >= 350, "{accepted} {refused} {on_purpose}");
    }
}

#[test]
fn key_sets() {
    if let Some((accepted, refused, on_purpose)) = run("json_web_key_test.json") {
        assert!(accepted >= 1 && refused >= 20, "{accepted} {refused} {on_purpose}");
    }
}
