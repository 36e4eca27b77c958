//! Tokens that were verified a moment ago, by the SHA-256 of their whole text. Bounded, in two
//! generations: a token that is used moves to the young one, and when that is full the old one is
//! forgotten.

use crate::auth::Identity;
use haltline_jwt::KeySet;
use haltline_types::Timestamp;
use parking_lot::RwLock;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// Tokens of a generation; there are two.
const GENERATION: usize = 5_000;
/// For so long at most a token is not looked at again.
pub(super) const TRUSTED_FOR: Duration = Duration::from_secs(300);

/// The hash of a whole token. Whoever finds two texts of one hash has broken SHA-256.
pub(super) type TokenHash = [u8; 32];

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
#[derive(Debug, Default)]
pub(super) struct Memory {
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

impl Memory {
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
