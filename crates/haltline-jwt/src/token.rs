//! A token as it arrives: taken apart, its header judged, and nothing of it believed. What it says
//! of itself serves to find the rules and the key that it is checked with.

use crate::algorithm::Algorithm;
use crate::base64url::decode;
use crate::json;
use crate::key::KID_BYTES_MAX;
use crate::{KeySet, Refused, Rules, Verified};
use haltline_types::Timestamp;
use serde_json::{Map, Value};

/// The largest token. Proxies cut headers off at 8 to 16 KB.
pub const TOKEN_BYTES_MAX: usize = 16 * 1024;
/// The largest header of a token.
const HEADER_BYTES_MAX: usize = 4 * 1024;
/// What `typ` may be (RFC 7519 section 5.1, RFC 9068), in lower case and without `application/`.
/// A token for another purpose is none for this one (RFC 8725 section 3.11).
const TYPES: [&str; 2] = ["jwt", "at+jwt"];

/// A token that was taken apart. Nothing of it is verified.
#[derive(Debug)]
pub struct Token<'t> {
    parts: Parts<'t>,
    claims: Map<String, Value>,
}

/// A signed message and what its header says (RFC 7515, compact), whatever the message is.
#[derive(Debug)]
pub(crate) struct Parts<'t> {
    signed: &'t str,
    payload: Vec<u8>,
    signature: Vec<u8>,
    algorithm: Algorithm,
    kid: Option<String>,
}

/// Has the text the shape of a signed token: three parts of base64url?
#[must_use]
pub fn looks_like_a_token(text: &str) -> bool {
    // `{"` in base64url.
    text.starts_with("ey") && text.bytes().filter(|byte| *byte == b'.').count() == 2
}

impl<'t> Token<'t> {
    /// Takes a token apart.
    ///
    /// # Errors
    /// When it is none, or its header asks for what is not done here.
    pub fn parse(text: &'t str) -> Result<Self, Refused> {
        let parts = Parts::parse(text)?;
        let claims = json::object(&parts.payload).map_err(|_| Refused::Malformed("its claims are no JSON object"))?;
        Ok(Self { parts, claims })
    }

    /// Whose it claims to be. Not verified: good for finding the rules to check it with, and for
    /// nothing else.
    #[must_use]
    pub fn claimed_issuer(&self) -> Option<&str> {
        self.claims.get("iss").and_then(Value::as_str)
    }

    /// Verifies signature and claims.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn verify(self, keys: &KeySet, rules: &Rules, now: Timestamp) -> Result<Verified, Refused> {
        if !rules.allow(self.parts.algorithm) {
            return Err(Refused::Algorithm);
        }
        // Before the key is looked for: a key of one issuer says nothing for another.
        if self.claimed_issuer() != Some(&rules.issuer) {
            return Err(Refused::Issuer);
        }
        self.parts.signed_by(keys)?;
        rules.check(self.claims, now)
    }
}

impl<'t> Parts<'t> {
    pub(crate) fn parse(text: &'t str) -> Result<Self, Refused> {
        if text.len() > TOKEN_BYTES_MAX {
            return Err(Refused::TooLarge);
        }
        let three = Refused::Malformed("it has not three parts");
        let (signed, signature) = text.rsplit_once('.').ok_or(three.clone())?;
        let (header, payload) = signed.split_once('.').ok_or(three.clone())?;
        if payload.contains('.') {
            return Err(three);
        }
        if header.len() > HEADER_BYTES_MAX {
            return Err(Refused::Malformed("its header is too large"));
        }
        let header = decode(header).ok_or(Refused::Malformed("its header is not base64url"))?;
        let header = json::object(&header).map_err(|_| Refused::Malformed("its header is no JSON object"))?;
        let (algorithm, kid) = head(&header)?;
        let signature = decode(signature).ok_or(Refused::Malformed("its signature is not base64url"))?;
        if signature.is_empty() {
            return Err(Refused::Malformed("it has no signature"));
        }
        let payload = decode(payload).ok_or(Refused::Malformed("its claims are not base64url"))?;
        Ok(Self { signed, payload, signature, algorithm, kid })
    }

    /// Has one of the keys signed it, the one that the header means?
    pub(crate) fn signed_by(&self, keys: &KeySet) -> Result<(), Refused> {
        let key = keys.key(self.kid.as_deref(), self.algorithm)?;
        if !key.verifies(self.algorithm, self.signed.as_bytes(), &self.signature) {
            return Err(Refused::Signature);
        }
        Ok(())
    }
}

/// The algorithm and the key's name.
fn head(header: &Map<String, Value>) -> Result<(Algorithm, Option<String>), Refused> {
    if header.contains_key("crit") || header.contains_key("b64") {
        return Err(Refused::Header("it wants an extension to be understood (`crit`, `b64`)"));
    }
    if header.contains_key("enc") || header.contains_key("zip") {
        return Err(Refused::Header("encrypted or compressed tokens are not read"));
    }
    if header.contains_key("jwk") || header.contains_key("x5c") {
        return Err(Refused::Header("keys that a token brings along are never used (`jwk`, `x5c`)"));
    }
    if header.contains_key("cty") {
        return Err(Refused::Header("tokens within tokens are not read (`cty`)"));
    }
    match header.get("typ") {
        None => {}
        Some(Value::String(typ)) => {
            let typ = typ.to_ascii_lowercase();
            let typ = typ.strip_prefix("application/").unwrap_or(&typ);
            if !TYPES.contains(&typ) {
                return Err(Refused::Header("its type is none of access tokens (`typ`)"));
            }
        }
        Some(_) => return Err(Refused::Header("its type is no string (`typ`)")),
    }
    let kid = match header.get("kid") {
        None => None,
        Some(Value::String(kid)) if kid.len() <= KID_BYTES_MAX => Some(kid.clone()),
        Some(_) => return Err(Refused::Header("its `kid` is no string, or a very long one")),
    };
    match header.get("alg") {
        Some(Value::String(word)) => Ok((Algorithm::from_word(word).ok_or(Refused::Algorithm)?, kid)),
        _ => Err(Refused::Header("it names no algorithm (`alg`)")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_known_by_its_shape() {
        assert!(looks_like_a_token("eyJh.eyJz.c2ln"));
        for other in ["", "hl-live-1", "hl-web-1.2.3", "eyJh.eyJz", "eyJh.eyJz.c2ln.x.y", "sk-ey.a.b"] {
            assert!(!looks_like_a_token(other), "{other}");
        }
    }
}
