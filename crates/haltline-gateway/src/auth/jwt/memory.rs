//! Tokens that were verified a moment ago, by a keyed hash of their whole text. Bounded, in two
//! generations: a token that is used moves to the young one, and when that is full the old one is
//! forgotten.

use crate::auth::Identity;
use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand;
use haltline_jwt::KeySet;
use haltline_types::Timestamp;
use parking_lot::RwLock;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Tokens of a generation; there are two.
const GENERATION: usize = 5_000;
/// For so long at most a token is not looked at again.
pub(super) const TRUSTED_FOR: Duration = Duration::from_secs(300);

/// The hash of a whole token.
pub(super) type TokenHash = [u8; 16];

/// Hashes tokens with the universal hash of AES-GCM (GHASH) under a key of this process that nobody
/// sees, and neither do hashes leave it. Two texts of at most 16 KB have the same hash with a chance
/// of 2^-117, whoever chose them (McGrew and Viega, "The Security and Performance of the
/// Galois/Counter Mode", 2004, lemma 2); a third of the time of SHA-256.
pub(super) struct Hasher(LessSafeKey);

impl Hasher {
    fn new() -> Result<Self, Unspecified> {
        let mut key = [0; 16];
        rand::fill(&mut key)?;
        Ok(Self(LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key)?)))
    }

    /// The hash; none when the library fails, and then nothing is remembered.
    fn hash(&self, text: &str) -> Option<TokenHash> {
        // Always the same nonce: what it masks is never shown, and nothing is encrypted.
        let nonce = Nonce::assume_unique_for_key([0; 12]);
        let tag = self.0.seal_in_place_separate_tag(nonce, Aad::from(text.as_bytes()), &mut []).ok()?;
        tag.as_ref().try_into().ok()
    }
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hasher")
    }
}

/// A token that was verified.
#[derive(Clone, Debug)]
pub(super) struct Remembered {
    pub(super) identity: Identity,
    /// With these keys: with other ones it would have to be verified again.
    pub(super) keys: Arc<KeySet>,
    pub(super) issuer: Arc<super::issuer::Issuer>,
    pub(super) until: Timestamp,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Memory {
    /// None where the system has no randomness: then nothing is remembered.
    hasher: Option<Hasher>,
    generations: RwLock<Generations>,
}

#[derive(Debug, Default)]
struct Generations {
    young: HashMap<TokenHash, Arc<Remembered>>,
    old: HashMap<TokenHash, Arc<Remembered>>,
}

impl Generations {
    fn put(&mut self, hash: TokenHash, remembered: Arc<Remembered>) {
        if self.young.len() >= GENERATION {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(hash, remembered);
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self { hasher: Hasher::new().ok(), generations: RwLock::default() }
    }
}

impl Memory {
    pub(super) fn hash(&self, text: &str) -> Option<TokenHash> {
        self.hasher.as_ref()?.hash(text)
    }

    pub(super) fn get(&self, hash: &TokenHash) -> Option<Arc<Remembered>> {
        let generations = self.generations.read();
        if let Some(known) = generations.young.get(hash) {
            return Some(Arc::clone(known));
        }
        let known = Arc::clone(generations.old.get(hash)?);
        drop(generations);
        self.generations.write().put(*hash, Arc::clone(&known));
        Some(known)
    }

    pub(super) fn put(&self, hash: TokenHash, remembered: Remembered) {
        self.generations.write().put(hash, Arc::new(remembered));
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        let generations = self.generations.read();
        generations.young.len() + generations.old.len()
    }
}
