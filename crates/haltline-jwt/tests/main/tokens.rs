//! What is accepted, and what the rules say of claims.

use crate::signer::{ED, NOW, P256, P384, P521, Pair, RSA, all_keys, check, checked, claims, claims_with, rules, set};
use haltline_jwt::{Algorithm, ClaimPath, Refused};
use haltline_types::Timestamp;
use serde_json::{Value, json};
use std::time::Duration;

#[test]
fn every_algorithm_is_verified() {
    let pairs: [(&Pair, &str, &[&str]); 5] = [
        (&RSA, "rsa", &["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"]),
        (&P256, "p256", &["ES256"]),
        (&P384, "p384", &["ES384"]),
        (&P521, "p521", &["ES512"]),
        (&ED, "ed", &["EdDSA", "Ed25519"]),
    ];
    for (pair, kid, algorithms) in pairs {
        for alg in algorithms {
            let token = pair.token(&json!({"alg": alg, "kid": kid, "typ": "JWT"}), &claims());
            let verified = checked(&token).unwrap_or_else(|why| panic!("{alg}: {why}"));
            assert_eq!(verified.claim(&ClaimPath::SUBJECT), Some(&json!("alice")), "{alg}");
            assert_eq!(verified.expires, Timestamp::from_secs(NOW + 360));
            assert_eq!(verified.issued, Some(Timestamp::from_secs(NOW - 10)));
            // One bit of the signature, of the claims, of the header.
            for part in 0..3 {
                let mut parts: Vec<Vec<u8>> = token.split('.').map(|part| part.as_bytes().to_vec()).collect();
                let byte = &mut parts[part][3];
                *byte = if *byte == b'A' { b'B' } else { b'A' };
                let forged = parts.iter().map(|part| String::from_utf8_lossy(part)).collect::<Vec<_>>().join(".");
                assert!(checked(&forged).is_err(), "{alg}, part {part}");
            }
        }
    }
}

fn es(claims: &Value) -> String {
    P256.token(&json!({"alg": "ES256", "kid": "p256"}), claims)
}

#[test]
fn what_the_claims_must_say() {
    let audience = || Refused::Audience("aud".to_owned());
    let not_a_time =
        |name: &str| Refused::Claim(name.to_owned(), "is not a time: a whole number of seconds since 1970");
    for (change, expected) in [
        (json!({}), None),
        (json!({"aud": ["other", "haltline"]}), None),
        (json!({"aud": ["other"]}), Some(audience())),
        (json!({"aud": []}), Some(audience())),
        (json!({"aud": "haltline2"}), Some(audience())),
        (json!({"aud": "Haltline"}), Some(audience())),
        (json!({"aud": ["haltline", 7]}), Some(audience())),
        (json!({"aud": {"haltline": true}}), Some(audience())),
        (json!({"aud": null}), Some(audience())),
        (json!({"iss": "https://id.example"}), Some(Refused::Issuer)),
        (json!({"iss": "https://ID.example/"}), Some(Refused::Issuer)),
        (json!({"iss": ["https://id.example/"]}), Some(Refused::Issuer)),
        (json!({"iss": null}), Some(Refused::Issuer)),
        (json!({"exp": null}), Some(Refused::Claim("exp".to_owned(), "is missing"))),
        (json!({"exp": NOW - 59}), None),
        (json!({"exp": NOW - 60}), Some(Refused::Expired)),
        (json!({"exp": 0}), Some(Refused::Expired)),
        (json!({"exp": -1}), Some(not_a_time("exp"))),
        (json!({"exp": (NOW + 300).to_string()}), Some(not_a_time("exp"))),
        (json!({"exp": 1.8e9}), Some(not_a_time("exp"))),
        (json!({"exp": true}), Some(not_a_time("exp"))),
        (json!({"exp": [NOW + 300]}), Some(not_a_time("exp"))),
        (json!({"exp": u64::MAX}), Some(not_a_time("exp"))),
        (json!({"exp": 253_402_300_800_i64}), Some(not_a_time("exp"))),
        (json!({"nbf": NOW + 60}), None),
        (json!({"nbf": NOW + 61}), Some(Refused::NotYet)),
        (json!({"nbf": "0"}), Some(not_a_time("nbf"))),
        (json!({"nbf": -5}), Some(not_a_time("nbf"))),
        (json!({"iat": NOW + 60}), None),
        (json!({"iat": NOW + 61}), Some(Refused::NotYet)),
        (json!({"iat": "now"}), Some(not_a_time("iat"))),
        (json!({"iat": null}), None),
    ] {
        let result = checked(&es(&claims_with(&change)));
        assert_eq!(result.err(), expected, "{change}");
    }
    // Written as JSON itself would not write it.
    for exp in ["1e400", "-0", "1795478700.0", "17954787e2", "NaN", "01795478700", "0x6b0f"] {
        let text = claims().to_string().replace(&(NOW + 300).to_string(), exp);
        let token = P256.token_of(r#"{"alg":"ES256","kid":"p256"}"#, &text, "ES256");
        assert!(checked(&token).is_err(), "{exp}");
    }
}

#[test]
fn the_operator_s_rules_are_kept() {
    let path = |text: &str| ClaimPath::parse(text).expect(text);
    let with = |change: Value| es(&claims_with(&change));
    let mut strict = rules();
    strict.required = vec![(path("email_verified"), json!(true)), (path("realm.role"), json!("user"))];
    let good = json!({"email_verified": true, "realm": {"role": "user"}});
    assert!(check(&with(good), &all_keys(), &strict).is_ok());
    for bad in [
        json!({"realm": {"role": "user"}}),
        json!({"email_verified": "true", "realm": {"role": "user"}}),
        json!({"email_verified": 1, "realm": {"role": "user"}}),
        json!({"email_verified": false, "realm": {"role": "user"}}),
        json!({"email_verified": true, "realm": {"role": ["user"]}}),
        json!({"email_verified": true, "realm": "user"}),
    ] {
        assert!(matches!(check(&with(bad.clone()), &all_keys(), &strict), Err(Refused::Claim(..))), "{bad}");
    }
    let mut party = rules();
    party.authorized_party = vec!["https://app.example".to_owned()];
    assert!(check(&with(json!({"azp": "https://app.example"})), &all_keys(), &party).is_ok());
    for azp in [json!("https://evil.example"), json!(["https://app.example"]), Value::Null] {
        assert!(check(&with(json!({"azp": azp})), &all_keys(), &party).is_err(), "{azp}");
    }
    // Cognito's access tokens have no `aud`.
    let mut cognito = rules();
    cognito.audience_claim = path("client_id");
    cognito.required = vec![(path("token_use"), json!("access"))];
    let access = json!({"aud": null, "client_id": "haltline", "token_use": "access"});
    assert!(check(&with(access), &all_keys(), &cognito).is_ok());
    let id = json!({"aud": "haltline", "client_id": null, "token_use": "id"});
    assert!(check(&with(id), &all_keys(), &cognito).is_err());
    let mut exact = rules();
    exact.leeway = Duration::ZERO;
    assert_eq!(check(&with(json!({"exp": NOW})), &all_keys(), &exact).err(), Some(Refused::Expired));
    assert!(check(&with(json!({"exp": NOW + 1})), &all_keys(), &exact).is_ok());
    let mut narrow = rules();
    narrow.algorithms = vec![Algorithm::EdDsa];
    assert_eq!(check(&es(&claims()), &all_keys(), &narrow).err(), Some(Refused::Algorithm));
}

#[test]
fn a_key_is_found_by_its_name_or_by_being_the_only_one() {
    let token = |header: Value| P256.token(&header, &claims());
    let nameless = json!({"alg": "ES256"});
    assert!(checked(&token(nameless.clone())).is_ok(), "one key alone is for ES256");
    let two = set(&[P256.jwk_with(&json!({"kid": "a"})), crate::signer::curve("P-256").jwk_with(&json!({"kid": "b"}))]);
    assert_eq!(check(&token(nameless), &two, &rules()).err(), Some(Refused::NoKeyNamed));
    for (kid, expected) in [("a", None), ("b", Some(Refused::Signature)), ("c", Some(Refused::UnknownKey))] {
        let header = json!({"alg": "ES256", "kid": kid});
        assert_eq!(check(&token(header), &two, &rules()).err(), expected, "{kid}");
    }
    let only = set(&[P256.jwk()]);
    let named = json!({"alg": "ES256", "kid": "a"});
    assert_eq!(check(&token(named), &only, &rules()).err(), Some(Refused::UnknownKey));
}
