//! Tokens and key sets of any shape: nobody can invent one that is accepted.

use haltline_jwt::{ClaimPath, KeySet, Rules, TOKEN_BYTES_MAX, Token, looks_like_a_token};
use haltline_types::Timestamp;

/// Public keys whose private halves are thrown away (RFC 7517 appendix A, RFC 8037 appendix A).
const KEYS: &str = r#"{"keys":[
{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM","kid":"1"},
{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","kid":"2"},
{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","kid":"3"}]}"#;

/// No text is a good token, and what is taken apart has the shape of one.
pub(super) fn jwt_token(data: &[u8]) {
    let keys = KeySet::parse(KEYS.as_bytes()).expect("keys");
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(token) = Token::parse(text) else { return };
    assert!(text.len() <= TOKEN_BYTES_MAX && text.bytes().filter(|byte| *byte == b'.').count() == 2);
    assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)));
    let issuer = token.claimed_issuer().unwrap_or("https://id.example/").to_owned();
    let now = Timestamp::from_secs(1_795_478_400);
    let refused = token.verify(&keys, &Rules::new(&issuer, &["haltline"]), now);
    let why = refused.expect_err("nobody has the private keys").to_string();
    assert!(!why.is_empty() && why.len() < 1_000);
    let _ = looks_like_a_token(text);
    let _ = ClaimPath::parse(text);
}

/// A set that is taken has keys, each for some algorithm; the same bytes are the same set.
pub(super) fn jwt_key_set(data: &[u8]) {
    let Ok(set) = KeySet::parse(data) else { return };
    assert!(!set.is_empty() && set.algorithms().next().is_some());
    assert!(set.is_same(&KeySet::parse(data).expect("the same again")));
}
