//! `[auth.jwt.NAME]`: the examples of the documents, with tokens as the providers make them.

use super::{NOW, load_text, said};
use crate::config::ConfigCode;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use haltline_gateway::Identity;
use haltline_gateway::settings::{AuthSettings, KeySource, KeysFrom};
use haltline_jwt::{KeySet, Token};
use haltline_ports::Reach;
use haltline_types::Name;
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;

/// The sections of the how-to, together.
fn documented() -> AuthSettings {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/how-to/jwt.md");
    let text = std::fs::read_to_string(path).expect("the how-to");
    let blocks = text.split("```toml\n").skip(1).map(|rest| rest.split("```").next().expect("an end"));
    let config: String = blocks.collect();
    let loaded = load_text(&config).unwrap_or_else(|found| panic!("{}", found.to_text(crate::config::Paint::None)));
    loaded.settings.auth
}

/// What a token with these claims proves to the issuer of this name.
fn proved(auth: &AuthSettings, name: &str, claims: &Value) -> Result<Identity, String> {
    let pair = Ed25519KeyPair::generate().expect("a key");
    let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode(pair.public_key()), "kid": "k"});
    let keys = KeySet::parse(jwk.to_string().as_bytes()).expect("keys");
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(&json!({"alg": "EdDSA", "typ": "JWT", "kid": "k"})), part(claims));
    let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(pair.sign(signed.as_bytes())));
    let issuer = auth.jwt.get(name).expect("an issuer");
    let token = Token::parse(&token).and_then(|token| token.verify(&keys, &issuer.rules, NOW));
    issuer.identity(&Name::new(name), &token.map_err(|why| why.to_string())?)
}

/// A provider, claims as its tokens have them, what is changed for a refusal, and who it is.
struct Shape {
    name: &'static str,
    claims: Value,
    bad: Vec<(&'static str, Value)>,
    who: (&'static str, Option<&'static str>, Option<&'static str>),
}

fn shapes() -> Vec<Shape> {
    let now = NOW.as_millis() / 1000;
    vec![
        Shape {
            name: "auth0",
            claims: json!({
                "iss": "https://example.eu.auth0.com/", "sub": "auth0|65f0c1d2e3a4b5c6d7e8f901",
                "aud": ["https://llm.example.com", "https://example.eu.auth0.com/userinfo"], "iat": now, "exp": now + 86_400,
                "scope": "openid profile", "azp": "W5uUr0b3pVQ8mJ2xk1Zt7Ey6", "org_id": "org_9ybsU1dN2dKfDkBi",
                "https://example.com/plan": "pro",
            }),
            bad: vec![
                ("aud", json!("https://example.eu.auth0.com/userinfo")),
                ("iss", json!("https://example.eu.auth0.com")),
                ("https://example.com/plan", Value::Null),
            ],
            who: ("auth0|65f0c1d2e3a4b5c6d7e8f901", Some("org_9ybsU1dN2dKfDkBi"), None),
        },
        Shape {
            name: "clerk",
            claims: json!({
                "iss": "https://clerk.example.com", "sub": "user_2abcDEFghiJKL", "aud": "haltline", "v": 2,
                "azp": "https://app.example.com", "sid": "sess_2abc", "iat": now, "nbf": now - 10, "exp": now + 60,
                "fva": [0, -1], "o": {"id": "org_2xyz", "rol": "admin", "slg": "acme"},
            }),
            bad: vec![("azp", json!("https://evil.example.com")), ("aud", Value::Null), ("nbf", json!(now + 100))],
            who: ("user_2abcDEFghiJKL", Some("org_2xyz"), None),
        },
        Shape {
            name: "supabase",
            claims: json!({
                "iss": "https://abcdefghijkl.supabase.co/auth/v1", "sub": "7b6d1f0e-4c8e-4d3b-9a57-0a4f2f3e9c11",
                "aud": "authenticated", "exp": now + 3_600, "iat": now, "email": "a@example.com", "phone": "",
                "app_metadata": {"provider": "email", "providers": ["email"], "plan": "pro"},
                "user_metadata": {"plan": "enterprise"}, "role": "authenticated", "aal": "aal1",
                "amr": [{"method": "password", "timestamp": now}], "session_id": "c2f4", "is_anonymous": false,
            }),
            bad: vec![("role", json!("anon")), ("is_anonymous", json!(true)), ("aud", json!("anon"))],
            who: ("7b6d1f0e-4c8e-4d3b-9a57-0a4f2f3e9c11", None, Some("pro")),
        },
        Shape {
            name: "keycloak",
            claims: json!({
                "iss": "https://login.example.com/realms/main", "sub": "f:1:alice", "aud": ["haltline", "account"],
                "exp": now + 300, "iat": now, "jti": "onrtac:9f", "typ": "Bearer", "azp": "web", "acr": "1",
                "realm_access": {"roles": ["user"]}, "scope": "openid email", "preferred_username": "alice",
                "department": "research", "llm_models": ["chat"],
            }),
            bad: vec![
                ("aud", json!("account")),
                ("preferred_username", Value::Null),
                ("llm_models", json!([])),
                ("iss", json!("https://login.example.com/realms/other")),
            ],
            who: ("alice", Some("research"), None),
        },
        Shape {
            name: "cognito",
            claims: json!({
                "iss": "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbCdEfGhI", "sub": "aaaa-bbbb",
                "client_id": "4h57oqexample1k2m3n", "token_use": "access", "scope": "openid", "auth_time": now,
                "iat": now, "exp": now + 3_600, "jti": "cc", "username": "alice", "cognito:groups": ["users"],
            }),
            bad: vec![("token_use", json!("id")), ("client_id", json!("another")), ("client_id", Value::Null)],
            who: ("aaaa-bbbb", None, None),
        },
    ]
}

#[test]
fn tokens_of_the_usual_providers_are_taken_as_documented() {
    let auth = documented();
    let shapes = shapes();
    assert_eq!(auth.jwt.len(), shapes.len());
    for Shape { name, claims, bad, who } in shapes {
        let identity = proved(&auth, name, &claims).unwrap_or_else(|why| panic!("{name}: {why}"));
        let (user, team, tier) = who;
        assert_eq!(identity.user.as_deref(), Some(user), "{name}");
        assert_eq!(
            (identity.key.team.as_deref(), identity.key.tier.as_deref()),
            (team.or(identity.key.team.as_deref()), tier)
        );
        assert_eq!(*identity.key.name, *format!("jwt:{name}"));
        for (claim, value) in bad {
            let mut other = claims.clone();
            other[claim] = value;
            assert!(proved(&auth, name, &other).is_err(), "{name}: {claim}");
        }
    }
    let keycloak = proved(&auth, "keycloak", &shapes_of("keycloak")).expect("an identity");
    assert_eq!(keycloak.key.models, [Name::new("chat")]);
    let auth0 = proved(&auth, "auth0", &shapes_of("auth0")).expect("an identity");
    assert_eq!(auth0.tags, [(Name::new("plan"), Name::new("pro"))]);
    let mut alone = shapes_of("auth0");
    alone.as_object_mut().expect("an object").remove("org_id");
    assert_eq!(proved(&auth, "auth0", &alone).expect("an identity").key.team.as_deref(), Some("none"));
}

fn shapes_of(name: &str) -> Value {
    shapes().into_iter().find(|shape| shape.name == name).expect("a shape").claims
}

const USUAL: &str = "[auth.jwt.a]\nissuer = \"https://id.example/\"\naudience = \"haltline\"\n";

#[test]
fn what_is_not_said_is_the_usual() {
    let loaded = load_text(&format!("{USUAL}jwks = \"https://id.example/jwks\"\n")).expect("a configuration");
    let issuer = &loaded.settings.auth.jwt["a"];
    let KeySource::Fetched(fetch) = &issuer.keys else { panic!("{:?}", issuer.keys) };
    assert_eq!(fetch.from, KeysFrom::Url("https://id.example/jwks".to_owned()));
    let times = (fetch.reach, fetch.refresh, fetch.stale_for, issuer.rules.leeway);
    let hour = Duration::from_secs(3600);
    assert_eq!(times, (Reach::Public, hour, hour * 24, Duration::from_secs(60)));
    assert!(issuer.rules.algorithms.is_empty() && issuer.mapping.models_are.is_empty());
}

#[test]
fn keys_come_from_where_they_may() {
    for (jwks, is_fine) in [
        ("jwks = \"http://127.0.0.1:9000/jwks\"", true),
        ("jwks = \"http://localhost:9000/jwks\"", true),
        ("jwks = \"http://[::1]:9000/jwks\"", true),
        ("jwks = \"http://id.example/jwks\"", false),
        ("jwks = \"https://10.0.0.7/jwks\"", false),
        ("jwks = \"https://10.0.0.7/jwks\"\nallow_private = true", true),
        ("jwks = \"https://169.254.169.254/jwks\"\nallow_private = true", false),
        ("jwks = \"http://localhost.evil.example/jwks\"", false),
        ("jwks = \"http://127.0.0.1@evil.example/jwks\"", false),
        ("jwks = \"ftp://id.example/jwks\"", false),
        ("jwks = \"file:absent.json\"", false),
        ("discover = true", true),
        ("discover = true\njwks = \"https://id.example/jwks\"", false),
        ("", false),
    ] {
        assert_eq!(load_text(&format!("{USUAL}{jwks}\n")).is_ok(), is_fine, "{jwks}");
    }
    let plain = said(&format!("{USUAL}jwks = \"http://id.internal/jwks\"\nallow_private = true\n"));
    assert!(plain.items.iter().any(|item| item.code == ConfigCode::PlainHttp));
}
