//! One public key of an issuer (RFC 7517): read, judged, and ready to verify with the algorithms
//! that it is for.

use crate::algorithm::Algorithm;
use crate::base64url::decode;
use aws_lc_rs::signature::{ED25519, ParsedPublicKey, RsaPublicKeyComponents};
use serde_json::{Map, Value};

/// Bits of an RSA modulus: fewer are too weak (RFC 7518 section 3.3), more too slow.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;
/// The longest `kid`.
pub(crate) const KID_BYTES_MAX: usize = 256;

/// A key that verifies.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) kid: Option<String>,
    /// Each algorithm that it may be used with.
    uses: Vec<(Algorithm, ParsedPublicKey)>,
}

/// What a member of a set is, if it is no key of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NoKey {
    /// For something else than verifying tokens: left aside.
    Other(&'static str),
    /// Must not stand in a set of public keys at all.
    Bad(&'static str),
}

impl Key {
    pub(crate) fn read(jwk: &Map<String, Value>) -> Result<Self, NoKey> {
        // What is private or shared is known to whoever can read the set.
        if ["d", "p", "q", "dp", "dq", "qi", "oth", "k"].iter().any(|name| jwk.contains_key(*name)) {
            return Err(NoKey::Bad("holds a private or a shared key"));
        }
        let kid = match jwk.get("kid") {
            None => None,
            Some(Value::String(kid)) if kid.len() <= KID_BYTES_MAX => Some(kid.clone()),
            Some(_) => return Err(NoKey::Bad("has a `kid` that is no string, or a very long one")),
        };
        match jwk.get("use") {
            None => {}
            Some(Value::String(what)) if what == "sig" => {}
            Some(_) => return Err(NoKey::Other("is not for signatures (`use`)")),
        }
        match jwk.get("key_ops") {
            None => {}
            Some(Value::Array(what)) if what.iter().any(|one| one == "verify") => {}
            Some(_) => return Err(NoKey::Other("is not for verifying (`key_ops`)")),
        }
        let only = match jwk.get("alg") {
            None => None,
            Some(Value::String(word)) => {
                Some(Algorithm::from_word(word).ok_or(NoKey::Other("is for an algorithm that is not accepted"))?)
            }
            Some(_) => return Err(NoKey::Bad("has an `alg` that is no string")),
        };
        let uses = match text(jwk, "kty")? {
            "RSA" => rsa(jwk, only)?,
            "EC" => curve(jwk)?,
            "OKP" => edwards(jwk)?,
            _ => return Err(NoKey::Other("is of a type that is not accepted (`kty`)")),
        };
        let uses: Vec<_> = uses.into_iter().filter(|(one, _)| only.is_none_or(|only| only == *one)).collect();
        if uses.is_empty() {
            return Err(NoKey::Bad("is not of the type that its `alg` needs"));
        }
        Ok(Self { kid, uses })
    }

    pub(crate) fn is_for(&self, algorithm: Algorithm) -> bool {
        self.uses.iter().any(|(one, _)| *one == algorithm)
    }

    /// Is this the signature of the message?
    pub(crate) fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        if algorithm.signature_bytes().is_some_and(|bytes| bytes != signature.len()) {
            return false;
        }
        let key = self.uses.iter().find(|(one, _)| *one == algorithm);
        key.is_some_and(|(_, key)| key.verify_sig(message, signature).is_ok())
    }
}

fn text<'j>(jwk: &'j Map<String, Value>, name: &str) -> Result<&'j str, NoKey> {
    jwk.get(name).and_then(Value::as_str).ok_or(NoKey::Bad("lacks a member that its type needs, or it is no string"))
}

fn number(jwk: &Map<String, Value>, name: &str) -> Result<Vec<u8>, NoKey> {
    decode(text(jwk, name)?).ok_or(NoKey::Bad("holds what is not base64url without padding"))
}

type Uses = Vec<(Algorithm, ParsedPublicKey)>;

fn rsa(jwk: &Map<String, Value>, only: Option<Algorithm>) -> Result<Uses, NoKey> {
    let (n, e) = (number(jwk, "n")?, number(jwk, "e")?);
    let (n, e) = (without_zeros(&n), without_zeros(&e));
    let leading = n.first().map_or(8, |byte| byte.leading_zeros());
    let bits = (n.len() * 8).saturating_sub(usize::try_from(leading).unwrap_or(8));
    if !RSA_BITS.contains(&bits) {
        return Err(NoKey::Bad("is an RSA key of fewer than 2048 or more than 8192 bits"));
    }
    let is_odd = |number: &[u8]| number.last().is_some_and(|byte| byte & 1 == 1);
    if !is_odd(n) || !is_odd(e) || e.len() > 4 || e == [1] {
        return Err(NoKey::Bad("is an RSA key whose modulus or exponent is none"));
    }
    if has_roca(n) {
        return Err(NoKey::Bad("is an RSA key that can be factored (ROCA, CVE-2017-15361)"));
    }
    let components = RsaPublicKeyComponents { n, e };
    let wanted = Algorithm::RSA.into_iter().filter(|one| only.is_none_or(|only| only == *one));
    let uses = wanted.filter_map(|algorithm| Some((algorithm, algorithm.of_rsa()?)));
    uses.map(|(algorithm, parameters)| {
        let key = components.to_parsed_public_key(parameters);
        key.map(|key| (algorithm, key)).map_err(|_| NoKey::Bad("is no RSA key"))
    })
    .collect()
}

/// Was the key made by the broken library of some smart cards? The moduli that it makes are powers of
/// 65537 modulo each small prime (Nemec et al., "The Return of Coppersmith's Attack", 2017).
fn has_roca(n: &[u8]) -> bool {
    const PRIMES: [u32; 38] = [
        3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107,
        109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
    ];
    PRIMES.into_iter().all(|prime| {
        let rest = n.iter().fold(0, |rest, byte| (rest * 256 + u32::from(*byte)) % prime);
        let mut power = 1;
        (0..prime).any(|_| {
            power = power * 65537 % prime;
            power == rest
        })
    })
}

/// Some issuers write a zero in front.
fn without_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}

fn curve(jwk: &Map<String, Value>) -> Result<Uses, NoKey> {
    let Some((algorithm, bytes, verification)) = Algorithm::of_curve(text(jwk, "crv")?) else {
        return Err(NoKey::Other("is on a curve that is not accepted"));
    };
    let (x, y) = (number(jwk, "x")?, number(jwk, "y")?);
    if x.len() != bytes || y.len() != bytes {
        return Err(NoKey::Bad("has coordinates of another length than its curve's"));
    }
    // A point as SEC 1 writes it uncompressed; the library checks that it is on the curve.
    let mut point = vec![4];
    point.extend_from_slice(&x);
    point.extend_from_slice(&y);
    let key = ParsedPublicKey::new(verification, point).map_err(|_| NoKey::Bad("is not on its curve"))?;
    Ok(vec![(algorithm, key)])
}

fn edwards(jwk: &Map<String, Value>) -> Result<Uses, NoKey> {
    if text(jwk, "crv")? != "Ed25519" {
        return Err(NoKey::Other("is on a curve that is not accepted"));
    }
    let x = number(jwk, "x")?;
    if x.len() != 32 {
        return Err(NoKey::Bad("has a coordinate of another length than its curve's"));
    }
    let key = ParsedPublicKey::new(&ED25519, x).map_err(|_| NoKey::Bad("is no Ed25519 key"))?;
    Ok(vec![(Algorithm::EdDsa, key)])
}
