//! All sign-ins in memory: found by token, bounded in number by key, user and altogether.

use super::grant::SignIn;
use super::tokens::Hash;
use haltline_ports::Owner;
use haltline_types::{Name, Timestamp};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// Sign-ins of one user of one key; a newer one ends the oldest.
pub(super) const OF_USER_MAX: usize = 50;

/// What finds sign-ins.
#[derive(Default)]
pub(super) struct Register {
    by_id: HashMap<Arc<str>, Arc<SignIn>>,
    access: HashMap<Hash, (Arc<SignIn>, Timestamp)>,
    codes: HashMap<Hash, Arc<SignIn>>,
    handles: HashMap<Hash, Arc<SignIn>>,
    /// The oldest first.
    owners: HashMap<Owner, VecDeque<Arc<str>>>,
    keys: HashMap<Name, usize>,
}

/// Whose room is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    Key,
    All,
}

impl Register {
    /// Is there room for one more of this owner, once its oldest has made way?
    pub(super) fn room_for(&self, owner: &Owner, most: usize, most_of_key: usize) -> Result<(), Full> {
        let makes_way = self.owners.get(owner).is_some_and(|ids| ids.len() >= OF_USER_MAX);
        if makes_way {
            return Ok(());
        }
        if self.keys.get(&owner.key).copied().unwrap_or(0) >= most_of_key {
            return Err(Full::Key);
        }
        if self.by_id.len() >= most { Err(Full::All) } else { Ok(()) }
    }

    /// Takes a sign-in in, with all of its tokens. Gives those that made way for it.
    pub(super) fn enter(&mut self, signed: &Arc<SignIn>) -> Vec<Arc<SignIn>> {
        let id: Arc<str> = signed.grant.id.as_str().into();
        let owner = signed.grant.owner();
        *self.keys.entry(owner.key.clone()).or_default() += 1;
        let ids = self.owners.entry(owner).or_default();
        ids.push_back(Arc::clone(&id));
        let too_many = ids.len().saturating_sub(OF_USER_MAX);
        let oldest: Vec<Arc<str>> = ids.iter().take(too_many).cloned().collect();
        self.by_id.insert(id, Arc::clone(signed));
        self.find_by_tokens(signed);
        oldest.iter().filter_map(|id| self.remove(id)).collect()
    }

    /// Its tokens find it, all that it has now.
    pub(super) fn find_by_tokens(&mut self, signed: &Arc<SignIn>) {
        let tokens = signed.tokens.lock();
        for access in &tokens.access {
            self.access.insert(access.hash, (Arc::clone(signed), Timestamp::from_millis(access.at)));
        }
        if let Some(code) = tokens.code {
            self.codes.insert(code.hash, Arc::clone(signed));
        }
        if let Some(handle) = tokens.handle {
            self.handles.insert(handle.0, Arc::clone(signed));
        }
    }

    /// These access tokens find nothing any more.
    pub(super) fn drop_access(&mut self, hashes: &[Hash]) {
        for hash in hashes {
            self.access.remove(hash);
        }
    }

    pub(super) fn by_access(&self, hash: &Hash) -> Option<&(Arc<SignIn>, Timestamp)> {
        self.access.get(hash)
    }

    pub(super) fn by_code(&self, hash: &Hash) -> Option<Arc<SignIn>> {
        self.codes.get(hash).cloned()
    }

    pub(super) fn by_handle(&self, hash: &Hash) -> Option<Arc<SignIn>> {
        self.handles.get(hash).cloned()
    }

    /// Is it still there? Whoever has waited for its turn must ask.
    pub(super) fn has(&self, signed: &SignIn) -> bool {
        self.by_id.contains_key(signed.grant.id.as_str())
    }

    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Those that it concerns, in no order.
    pub(super) fn those(&self, concerns: impl Fn(&SignIn) -> bool) -> Vec<Arc<SignIn>> {
        self.by_id.values().filter(|signed| concerns(signed)).cloned().collect()
    }

    /// Ends a sign-in: no token of it finds anything from now on.
    pub(super) fn remove(&mut self, id: &str) -> Option<Arc<SignIn>> {
        let (id, signed) = self.by_id.remove_entry(id)?;
        let tokens = signed.tokens.lock();
        for access in &tokens.access {
            self.access.remove(&access.hash);
        }
        if let Some(code) = tokens.code {
            self.codes.remove(&code.hash);
        }
        if let Some(handle) = tokens.handle {
            self.handles.remove(&handle.0);
        }
        drop(tokens);
        let owner = signed.grant.owner();
        if let Some(ids) = self.owners.get_mut(&owner) {
            ids.retain(|known| *known != id);
            if ids.is_empty() {
                self.owners.remove(&owner);
            }
        }
        if let Some(count) = self.keys.get_mut(&owner.key) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.keys.remove(&owner.key);
            }
        }
        Some(signed)
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        let Self { by_id, access, codes, handles, owners, keys } = self;
        by_id.is_empty()
            && access.is_empty()
            && codes.is_empty()
            && handles.is_empty()
            && owners.is_empty()
            && keys.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::super::grant::{BrowserTokens, Grant, HexHash, Timed};
    use super::*;

    fn signed(number: u8, key: &str, user: &str) -> Arc<SignIn> {
        let grant = Grant {
            id: format!("sgn_{number}"),
            key: key.to_owned(),
            key_hash: [0; 32],
            user: user.to_owned(),
            models: Vec::new(),
            tags: Vec::new(),
            origin: None,
            budget: None,
            created: 0,
            ends: 1000,
            expires_in: 10,
        };
        let hash = |kind: u8| [number.wrapping_mul(3).wrapping_add(kind); 32];
        let tokens = BrowserTokens {
            code: Some(Timed { hash: hash(0), at: 10 }),
            handle: Some(HexHash(hash(1))),
            access: vec![Timed { hash: hash(2), at: 10 }],
            ..BrowserTokens::default()
        };
        Arc::new(SignIn::new(grant, tokens))
    }

    #[test]
    fn what_ends_leaves_nothing_behind() {
        let mut register = Register::default();
        for number in 0..4 {
            register.enter(&signed(number, if number % 2 == 0 { "a" } else { "b" }, "alice"));
        }
        assert!(register.by_access(&[2; 32]).is_some() && register.by_code(&[0; 32]).is_some());
        for number in 0..4 {
            assert!(register.remove(&format!("sgn_{number}")).is_some());
        }
        assert!(register.is_empty());
    }

    #[test]
    fn a_user_s_oldest_makes_way_and_a_full_key_refuses() {
        let mut register = Register::default();
        for number in 0..50 {
            assert!(register.enter(&signed(number, "a", "alice")).is_empty());
        }
        let alice = signed(0, "a", "alice").grant.owner();
        let bob = signed(0, "a", "bob").grant.owner();
        assert_eq!(register.room_for(&alice, 50, 50), Ok(()));
        assert_eq!(register.room_for(&bob, 100, 50), Err(Full::Key));
        assert_eq!(register.room_for(&bob, 50, 51), Err(Full::All));
        let gone = register.enter(&signed(50, "a", "alice"));
        assert_eq!(gone.iter().map(|signed| signed.grant.id.as_str()).collect::<Vec<_>>(), ["sgn_0"]);
        assert_eq!(register.len(), 50);
        assert!(register.by_code(&[0; 32]).is_none());
    }
}
