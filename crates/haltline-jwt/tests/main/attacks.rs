//! The usual attacks, one after the other: all of them refused.

use crate::signer::{
    ED, ISSUER, NOW, P256, P384, RSA, all_keys, check, checked, claims, claims_with, curve, rules, set, url,
};
use aws_lc_rs::hmac;
use haltline_jwt::{Refused, Rules, TOKEN_BYTES_MAX, Token};
use haltline_types::Timestamp;
use serde_json::{Value, json};

fn unsigned(header: &Value) -> String {
    format!("{}.{}", url(header.to_string()), url(claims().to_string()))
}

#[test]
fn no_signature_is_none() {
    for alg in ["none", "None", "NONE", "nOnE", "", " none", "none\u{0}", "RS256 "] {
        let signed = unsigned(&json!({"alg": alg, "kid": "rsa"}));
        for signature in ["", "AA", "e30"] {
            let token = format!("{signed}.{signature}");
            assert!(checked(&token).is_err(), "{alg}");
        }
    }
    for header in [json!({"kid": "rsa"}), json!({"alg": null}), json!({"alg": ["RS256"]}), json!({"alg": 256})] {
        assert!(checked(&format!("{}.AAAA", unsigned(&header))).is_err(), "{header}");
    }
    let honest = P256.token(&json!({"alg": "ES256", "kid": "p256"}), &claims());
    let (signed, signature) = honest.rsplit_once('.').expect("three parts");
    for stripped in [signed.to_owned(), format!("{signed}."), format!("{signed}..{signature}"), signature.to_owned()] {
        assert!(checked(&stripped).is_err(), "{stripped}");
    }
}

/// The public key is no secret: whoever takes it for one takes anybody's tokens.
#[test]
fn a_public_key_is_no_secret() {
    let jwk = RSA.jwk();
    let secrets = [jwk.to_string(), jwk["n"].as_str().expect("n").to_owned(), String::new()];
    for secret in secrets {
        for (alg, algorithm) in
            [("HS256", hmac::HMAC_SHA256), ("HS384", hmac::HMAC_SHA384), ("HS512", hmac::HMAC_SHA512)]
        {
            let signed = unsigned(&json!({"alg": alg, "kid": "rsa"}));
            let tag = hmac::sign(&hmac::Key::new(algorithm, secret.as_bytes()), signed.as_bytes());
            assert_eq!(checked(&format!("{signed}.{}", url(tag))).err(), Some(Refused::Algorithm), "{alg}");
        }
    }
}

#[test]
fn keys_that_a_token_brings_along_are_not_used() {
    let mallory = curve("P-256");
    for header in [
        json!({"alg": "ES256", "jwk": mallory.jwk()}),
        json!({"alg": "ES256", "kid": "p256", "jwk": mallory.jwk()}),
        json!({"alg": "ES256", "kid": "p256", "x5c": ["MIIB"]}),
        json!({"alg": "ES256", "kid": "p256", "jku": "https://evil.example/jwks.json"}),
        json!({"alg": "ES256", "kid": "p256", "x5u": "https://evil.example/cert.pem"}),
        json!({"alg": "ES256", "kid": "p256", "x5t": "AAAA"}),
        json!({"alg": "ES256", "kid": "https://evil.example/jwks.json"}),
        json!({"alg": "ES256", "kid": "../../../../dev/null"}),
        json!({"alg": "ES256", "kid": "p256' UNION SELECT 'AAAA"}),
        json!({"alg": "ES256", "kid": "p256\u{0}"}),
        json!({"alg": "ES256", "kid": "P256"}),
        json!({"alg": "ES256", "kid": ["p256"]}),
        json!({"alg": "ES256", "kid": 1}),
        json!({"alg": "ES256", "kid": "x".repeat(257)}),
        json!({"alg": "ES256", "kid": ""}),
    ] {
        assert!(checked(&mallory.token(&header, &claims())).is_err(), "{header}");
    }
}

#[test]
fn a_key_of_one_issuer_says_nothing_for_another() {
    let other = curve("P-256");
    let others_keys = set(&[other.jwk_with(&json!({"kid": "p256"}))]);
    let other_rules = Rules::new("https://other.example/", &["haltline"]);
    // The other issuer says that it is ours.
    let token = other.token(&json!({"alg": "ES256", "kid": "p256"}), &claims());
    assert_eq!(check(&token, &others_keys, &other_rules).err(), Some(Refused::Issuer));
    assert_eq!(checked(&token).err(), Some(Refused::Signature));
    // Ours says that it is the other one.
    let token =
        P256.token(&json!({"alg": "ES256", "kid": "p256"}), &claims_with(&json!({"iss": "https://other.example/"})));
    assert_eq!(checked(&token).err(), Some(Refused::Issuer));
    assert_eq!(check(&token, &others_keys, &other_rules).err(), Some(Refused::Signature));
}

#[test]
fn what_is_not_understood_is_not_accepted() {
    for (more, value) in [
        ("crit", json!(["exp"])),
        ("crit", json!([])),
        ("b64", json!(false)),
        ("b64", json!(true)),
        ("zip", json!("DEF")),
        ("enc", json!("A128GCM")),
        ("cty", json!("JWT")),
        ("typ", json!("logout+jwt")),
        ("typ", json!("dpop+jwt")),
        ("typ", json!("secevent+jwt")),
        ("typ", json!("JWE")),
        ("typ", json!(["JWT"])),
        ("typ", json!("")),
    ] {
        let mut header = json!({"alg": "ES256", "kid": "p256"});
        header[more] = value;
        assert!(matches!(checked(&P256.token(&header, &claims())), Err(Refused::Header(_))), "{header}");
    }
    for typ in ["JWT", "jwt", "at+jwt", "application/at+jwt", "application/JWT"] {
        assert!(checked(&P256.token(&json!({"alg": "ES256", "kid": "p256", "typ": typ}), &claims())).is_ok(), "{typ}");
    }
    // A token within a token, and one that is encrypted.
    let inner = P256.token(&json!({"alg": "ES256", "kid": "p256"}), &claims());
    assert!(checked(&P256.token_of(r#"{"alg":"ES256","kid":"p256"}"#, &inner, "ES256")).is_err());
    let quoted = Value::String(inner).to_string();
    assert!(checked(&P256.token_of(r#"{"alg":"ES256","kid":"p256"}"#, &quoted, "ES256")).is_err());
    assert!(checked("eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkEyNTZHQ00ifQ.AAAA.AAAA.AAAA.AAAA").is_err());
}

#[test]
fn signatures_of_another_kind_are_none() {
    let header = |alg: &str, kid: &str| json!({"alg": alg, "kid": kid}).to_string();
    let body = claims().to_string();
    // Zeros and the order of the curve for r and s, and lengths that are none.
    let order: Vec<u8> = [
        0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa, 0xad,
        0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
    ]
    .to_vec();
    let one: Vec<u8> = [vec![0; 31], vec![1]].concat();
    let signed = format!("{}.{}", url(header("ES256", "p256")), url(&body));
    let good = P256.sign("ES256", signed.as_bytes());
    let (r, s) = good.split_at(32);
    let der = |r: &[u8], s: &[u8]| {
        let integer = |n: &[u8]| [&[2, 33, 0][..], n].concat();
        let both = [integer(r), integer(s)].concat();
        [&[0x30, 70][..], &both].concat()
    };
    for signature in [
        vec![0; 64],
        [order.clone(), order.clone()].concat(),
        [vec![0; 32], one.clone()].concat(),
        [one.clone(), vec![0; 32]].concat(),
        [one, order].concat(),
        vec![],
        vec![0],
        good[..63].to_vec(),
        [&good[..], &[0]].concat(),
        [&[0], &good[..]].concat(),
        [s, r].concat(),
        der(r, s),
        vec![0xff; 64],
        vec![0; 96],
    ] {
        assert!(checked(&format!("{signed}.{}", url(&signature))).is_err(), "{signature:?}");
    }
    assert!(checked(&format!("{signed}.{}", url(&good))).is_ok());
    // The key of one curve for the algorithm of another, and one padding for the other.
    for (pair, alg, kid) in [
        (&*P256, "ES384", "p256"),
        (&*P256, "ES256", "p384"),
        (&*P384, "ES256", "p384"),
        (&*P384, "ES384", "p256"),
        (&*P256, "EdDSA", "p256"),
        (&*ED, "ES256", "ed"),
        (&*ED, "EdDSA", "p256"),
        (&*RSA, "ES256", "rsa"),
        (&*RSA, "RS256", "p256"),
        (&*P256, "RS256", "rsa"),
    ] {
        assert!(checked(&pair.token_of(&header(alg, kid), &body, alg)).is_err(), "{alg} {kid}");
    }
    for (signed_as, said) in
        [("RS256", "PS256"), ("PS256", "RS256"), ("RS256", "RS512"), ("PS512", "PS256"), ("RS384", "RS256")]
    {
        assert!(checked(&RSA.token_of(&header(said, "rsa"), &body, signed_as)).is_err(), "{signed_as} as {said}");
    }
    // The key says what it is for; the token cannot say otherwise.
    let only = set(&[RSA.jwk_with(&json!({"kid": "rsa", "alg": "PS256"}))]);
    let token = RSA.token_of(&header("RS256", "rsa"), &body, "RS256");
    assert_eq!(check(&token, &only, &rules()).err(), Some(Refused::Algorithm));
}

#[test]
fn what_can_be_read_in_two_ways_is_refused() {
    let header = r#"{"alg":"ES256","kid":"p256"}"#;
    let body = claims().to_string();
    let twice = |name: &str, value: &str| body.replacen('{', &format!("{{\"{name}\":{value},"), 1);
    for claims in [
        twice("sub", "\"root\""),
        twice("exp", "9999999999"),
        twice("\\u0073ub", "\"root\""),
        format!("{body}{body}"),
        format!("{body} x"),
        format!("\u{feff}{body}"),
        "[]".to_owned(),
        "7".to_owned(),
        String::new(),
        format!("{{\"a\":{}{}}}", "[".repeat(2_000), "]".repeat(2_000)),
    ] {
        assert!(checked(&P256.token_of(header, &claims, "ES256")).is_err(), "{claims:.80}");
    }
    for header in [
        r#"{"alg":"none","alg":"ES256","kid":"p256"}"#,
        r#"{"alg":"ES256","kid":"x","kid":"p256"}"#,
        r#"{"alg":"ES256","\u0061lg":"none","kid":"p256"}"#,
        r#"["ES256"]"#,
        r#"{"alg":"ES256","kid":"p256"}{}"#,
    ] {
        assert!(checked(&P256.token_of(header, &body, "ES256")).is_err(), "{header}");
    }
    let good = P256.token_of(header, &body, "ES256");
    let parts: Vec<&str> = good.split('.').collect();
    for forged in [
        format!("{}=.{}.{}", parts[0], parts[1], parts[2]),
        format!("{}.{}.{}=", parts[0], parts[1], parts[2]),
        format!("{}.{}.{}==", parts[0], parts[1], parts[2]),
        format!(" {good}"),
        format!("{good} "),
        format!("{good}\n"),
        good.replace('.', ". "),
        format!("{good}."),
        format!(".{good}"),
        format!("{good}.{}", parts[2]),
        good.replace('.', ","),
        format!("{}.{}.{}", parts[0], parts[1], parts[2].replace(['-', '_'], "+")) + "+",
    ] {
        assert!(checked(&forged).is_err(), "{forged}");
    }
    // 64 bytes are 86 characters, of which the last has four bits that say nothing.
    let last = parts[2].chars().last().expect("a character");
    for other in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".chars().filter(|c| *c != last) {
        let forged = format!("{}.{}.{}{other}", parts[0], parts[1], &parts[2][..parts[2].len() - 1]);
        assert!(checked(&forged).is_err(), "{other} for {last}");
    }
}

#[test]
fn size_has_a_bound_before_any_work() {
    let fill = |bytes: usize| claims_with(&json!({"pad": "x".repeat(bytes)}));
    let good = P256.token(&json!({"alg": "ES256", "kid": "p256"}), &fill(11_000));
    assert!(good.len() < TOKEN_BYTES_MAX && checked(&good).is_ok());
    let large = P256.token(&json!({"alg": "ES256", "kid": "p256"}), &fill(13_000));
    assert_eq!(checked(&large).err(), Some(Refused::TooLarge));
    assert_eq!(checked(&"e".repeat(100 << 20)).err(), Some(Refused::TooLarge));
    let header = json!({"alg": "ES256", "kid": "p256", "pad": "x".repeat(4096)});
    assert!(checked(&P256.token(&header, &claims())).is_err());
}

#[test]
fn what_a_refusal_says_holds_nothing_of_the_token() {
    let secret = "verysecretclaim";
    let token =
        P256.token(&json!({"alg": "ES256", "kid": secret}), &claims_with(&json!({"sub": secret, "aud": secret})));
    for text in [token.clone(), format!("{token}x"), token.replace('.', "")] {
        if let Err(why) =
            Token::parse(&text).and_then(|token| token.verify(&all_keys(), &rules(), Timestamp::from_secs(NOW)))
        {
            assert!(!why.to_string().contains(secret) && !format!("{why:?}").contains(secret), "{why}");
        }
    }
    assert_eq!(Token::parse(&token).expect("a token").claimed_issuer(), Some(ISSUER));
}
