//! The set of an issuer's public keys (RFC 7517 section 5). Read whole or not at all: a set in
//! which something must not be is not half believed. Keys that are for something else are left
//! aside.

use crate::algorithm::Algorithm;
use crate::json;
use crate::key::{Key, NoKey};
use crate::refused::Refused;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt;

/// The largest set that is read.
pub const KEY_SET_BYTES_MAX: usize = 1 << 20;
/// The most keys of a set.
pub const KEYS_MAX: usize = 100;

/// An issuer's keys.
#[derive(Debug)]
pub struct KeySet {
    keys: Vec<Key>,
    /// What it was read from.
    read_from: Box<[u8]>,
    /// Keys that were left aside, and why; for operators.
    pub left_aside: Vec<String>,
}

/// Why a set cannot be used; a sentence without a full stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadKeySet(pub String);

impl fmt::Display for BadKeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadKeySet {}

impl KeySet {
    /// Reads a set, or a single key.
    ///
    /// # Errors
    /// When it is none, has no key that verifies, or holds what must not be in one: a private or
    /// shared key, a key that is too weak, two keys of one name.
    pub fn parse(bytes: &[u8]) -> Result<Self, BadKeySet> {
        let bad = |why: String| BadKeySet(format!("it is no set of public keys (JWKS): {why}"));
        if bytes.len() > KEY_SET_BYTES_MAX {
            return Err(bad(format!("it is larger than {KEY_SET_BYTES_MAX} bytes")));
        }
        let members = json::object(bytes).map_err(|why| bad(why.to_owned()))?;
        let single = [Value::Object(members.clone())];
        let items = match members.get("keys") {
            Some(Value::Array(items)) => items.as_slice(),
            None if members.contains_key("kty") => &single,
            _ => return Err(bad("it has no list `keys`".to_owned())),
        };
        if items.len() > KEYS_MAX {
            return Err(bad(format!("it has more than {KEYS_MAX} keys")));
        }
        let mut set = Self { keys: Vec::new(), read_from: bytes.into(), left_aside: Vec::new() };
        let mut names = BTreeSet::new();
        for (at, item) in items.iter().enumerate() {
            let jwk = item.as_object().ok_or_else(|| bad(format!("keys[{at}] is no object")))?;
            if let Some(name) = jwk.get("kid").and_then(Value::as_str)
                && !names.insert(name)
            {
                return Err(bad(format!("keys[{at}] has the same `kid` as another one")));
            }
            match Key::read(jwk) {
                Ok(key) => set.keys.push(key),
                Err(NoKey::Other(why)) => set.left_aside.push(format!("keys[{at}] {why}")),
                Err(NoKey::Bad(why)) => return Err(bad(format!("keys[{at}] {why}"))),
            }
        }
        if set.keys.is_empty() {
            let aside = set.left_aside.join("; ");
            let why = if aside.is_empty() { "it is empty".to_owned() } else { aside };
            return Err(BadKeySet(format!("it has no key that tokens can be verified with: {why}")));
        }
        Ok(set)
    }

    /// Was it read from the same bytes?
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.read_from == other.read_from
    }

    /// How many keys verify.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Never: a set without a key is not made.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The algorithms that some key is for.
    pub fn algorithms(&self) -> impl Iterator<Item = Algorithm> + '_ {
        Algorithm::ALL.into_iter().filter(|algorithm| self.keys.iter().any(|key| key.is_for(*algorithm)))
    }

    /// The one key that a header can mean.
    pub(crate) fn key(&self, kid: Option<&str>, algorithm: Algorithm) -> Result<&Key, Refused> {
        if let Some(kid) = kid {
            let named = self.keys.iter().find(|key| key.kid.as_deref() == Some(kid)).ok_or(Refused::UnknownKey)?;
            return if named.is_for(algorithm) { Ok(named) } else { Err(Refused::Algorithm) };
        }
        let mut fitting = self.keys.iter().filter(|key| key.is_for(algorithm));
        match (fitting.next(), fitting.next()) {
            (Some(only), None) => Ok(only),
            (None, _) => Err(Refused::Algorithm),
            (Some(_), Some(_)) => Err(Refused::NoKeyNamed),
        }
    }
}
