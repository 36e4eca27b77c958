//! A sign-in: what was granted, and how its tokens stand. As it is kept: no token, only keyed hashes.

use super::tokens::Hash;
use crate::auth::OfBrowser;
use bytes::Bytes;
use haltline_ports::{Document, KeyRecord, Owner, Shelf, UserClaims};
use haltline_types::{Name, Timestamp};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// Live access tokens of one sign-in; a newer one takes the place of the oldest.
pub(super) const ACCESS_MAX: usize = 8;
/// Refresh tokens that were used a moment ago.
pub(super) const BEFORE_MAX: usize = 16;

/// What a backend granted to one user's browser.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Grant {
    /// `sgn_…`: no secret, it proves nothing.
    pub(crate) id: String,
    pub(crate) key: String,
    /// Of the secret that the backend presented: with another secret of the key it is over.
    #[serde(with = "hex")]
    pub(crate) key_hash: Hash,
    pub(crate) user: String,
    /// Models that it is narrowed to; empty = the key's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) models: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) tags: Vec<(String, String)>,
    /// The page that it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) origin: Option<String>,
    /// Its own budget, in nanodollars.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) budget: Option<i64>,
    /// Milliseconds since the epoch.
    pub(crate) created: i64,
    pub(crate) ends: i64,
    /// Milliseconds that an access token lives.
    pub(crate) expires_in: u64,
}

/// A hash, and a time that belongs to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Timed {
    #[serde(with = "hex")]
    pub(super) hash: Hash,
    pub(super) at: i64,
}

/// How the tokens of a sign-in stand.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct BrowserTokens {
    /// To be exchanged until then.
    pub(super) code: Option<Timed>,
    /// It was exchanged: a second time ends the sign-in.
    #[serde(default)]
    pub(super) code_is_used: bool,
    /// What its refresh tokens are found by.
    pub(super) handle: Option<HexHash>,
    /// The one refresh token that is good.
    pub(super) refresh: Option<HexHash>,
    /// Those before it, and when each was used.
    #[serde(default)]
    pub(super) before: Vec<Timed>,
    /// Access tokens, and until when they are good; the oldest first.
    pub(super) access: Vec<Timed>,
    /// When it was made, exchanged or refreshed last.
    pub(super) used: i64,
    /// The page that exchanged the code.
    #[serde(default)]
    pub(super) page: Option<String>,
}

/// A hash in hexadecimal digits, where it may be absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct HexHash(#[serde(with = "hex")] pub(super) Hash);

#[derive(Serialize, Deserialize)]
struct Written {
    grant: Grant,
    tokens: BrowserTokens,
}

/// A sign-in in memory.
#[derive(Debug)]
pub(crate) struct SignIn {
    pub(crate) grant: Arc<Grant>,
    pub(super) user: Name,
    pub(super) tags: Vec<(Name, Name)>,
    mark: OfBrowser,
    pub(super) tokens: Mutex<BrowserTokens>,
    /// Its tokens change one after the other.
    pub(super) turn: tokio::sync::Mutex<()>,
    /// The key's record as it was read last, and what is left of it.
    narrowed: Mutex<Option<(Arc<KeyRecord>, Arc<KeyRecord>)>>,
}

impl SignIn {
    pub(super) fn new(grant: Grant, tokens: BrowserTokens) -> Self {
        Self {
            user: Name::new(&grant.user),
            mark: OfBrowser { counted: grant.budget.map(|_| grant.id.clone()) },
            tags: grant.tags.iter().map(|(name, value)| (Name::new(name), Name::new(value))).collect(),
            grant: Arc::new(grant),
            tokens: Mutex::new(tokens),
            turn: tokio::sync::Mutex::new(()),
            narrowed: Mutex::new(None),
        }
    }

    /// As it stands in the store; `None` where that is not ours.
    pub(super) fn read(document: &Document) -> Option<Self> {
        let Written { grant, tokens } = serde_json::from_slice(&document.body).ok()?;
        Some(Self::new(grant, tokens))
    }

    /// For the store.
    pub(super) fn document(&self, tokens: &BrowserTokens, idle_for: Duration, now: Timestamp) -> Document {
        let written = Written { grant: Grant::clone(&self.grant), tokens: tokens.clone() };
        Document {
            shelf: Shelf::SignIn,
            id: self.grant.id.clone(),
            owner: Some(self.grant.owner()),
            labels: Vec::new(),
            changed: now,
            expires: Some(self.grant.over_at(tokens, idle_for)),
            body: Bytes::from(serde_json::to_vec(&written).unwrap_or_default()),
        }
    }

    pub(super) fn mark(&self) -> OfBrowser {
        self.mark.clone()
    }

    pub(super) fn is_over(&self, idle_for: Duration, now: Timestamp) -> bool {
        now >= self.grant.over_at(&self.tokens.lock(), idle_for)
    }

    /// The key's record within what was granted; `None` where the key allows none of it now.
    pub(super) fn narrow(&self, key: &Arc<KeyRecord>) -> Option<Arc<KeyRecord>> {
        let mut known = self.narrowed.lock();
        if let Some((_, narrowed)) = known.as_ref().filter(|(from, _)| Arc::ptr_eq(from, key)) {
            return Some(Arc::clone(narrowed));
        }
        let narrowed = Arc::new(self.grant.narrow(key)?);
        *known = Some((Arc::clone(key), Arc::clone(&narrowed)));
        Some(narrowed)
    }
}

impl Grant {
    pub(crate) fn owner(&self) -> Owner {
        Owner { key: Name::new(&self.key), user: Some(Name::new(&self.user)) }
    }

    pub(super) fn ends_at(&self) -> Timestamp {
        Timestamp::from_millis(self.ends)
    }

    /// Until when a refresh token is good.
    pub(super) fn refresh_until(&self, tokens: &BrowserTokens, idle_for: Duration) -> Timestamp {
        Timestamp::from_millis(tokens.used).saturating_add(idle_for).min(self.ends_at())
    }

    /// When nothing of it is good any more.
    fn over_at(&self, tokens: &BrowserTokens, idle_for: Duration) -> Timestamp {
        let code = tokens.code.filter(|_| !tokens.code_is_used).map(|code| code.at);
        let last = tokens.access.iter().map(|access| access.at).chain(code).max().map(Timestamp::from_millis);
        let refresh = tokens.refresh.map(|_| self.refresh_until(tokens, idle_for));
        last.into_iter().chain(refresh).max().unwrap_or_default().min(self.ends_at())
    }

    /// When an access token ends that is made now.
    pub(super) fn access_until(&self, now: Timestamp) -> Timestamp {
        now.saturating_add(Duration::from_millis(self.expires_in)).min(self.ends_at())
    }

    fn narrow(&self, key: &KeyRecord) -> Option<KeyRecord> {
        let may_speak = match &key.users {
            UserClaims::Any => true,
            UserClaims::Listed(users) => users.iter().any(|user| **user == *self.user),
            UserClaims::None => false,
        };
        let models = match (self.models.is_empty(), key.models.is_empty()) {
            (true, _) => key.models.clone(),
            (false, true) => self.models.iter().map(|model| Name::new(model)).collect(),
            (false, false) => {
                let both: Vec<Name> = key.models.iter().filter(|model| self.allows(model)).cloned().collect();
                // An empty list would mean all of them.
                if both.is_empty() {
                    return None;
                }
                both
            }
        };
        may_speak.then(|| KeyRecord { models, users: UserClaims::Listed(vec![Name::new(&self.user)]), ..key.clone() })
    }

    fn allows(&self, model: &Name) -> bool {
        self.models.iter().any(|granted| **granted == **model)
    }
}

/// 64 hexadecimal digits.
mod hex {
    use super::Hash;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(hash: &Hash, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hash.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Hash, D::Error> {
        let text = String::deserialize(deserializer)?;
        let mut hash = [0_u8; 32];
        let is_hex = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        for (index, byte) in hash.iter_mut().enumerate().filter(|_| is_hex) {
            let digits = text.get(2 * index..2 * index + 2).unwrap_or_default();
            *byte = u8::from_str_radix(digits, 16).map_err(D::Error::custom)?;
        }
        if is_hex { Ok(hash) } else { Err(D::Error::custom("a hash has 64 hexadecimal digits")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(models: &[&str]) -> Grant {
        Grant {
            id: "sgn_1".to_owned(),
            key: "web".to_owned(),
            key_hash: [7; 32],
            user: "alice".to_owned(),
            models: models.iter().map(|model| (*model).to_owned()).collect(),
            tags: Vec::new(),
            origin: None,
            budget: None,
            created: 0,
            ends: 100_000,
            expires_in: 10_000,
        }
    }

    fn key(models: &[&str], users: UserClaims) -> Arc<KeyRecord> {
        Arc::new(KeyRecord {
            name: "web".into(),
            hash: [7; 32],
            hint: String::new(),
            team: None,
            tier: None,
            users,
            models: models.iter().map(|model| Name::new(model)).collect(),
            created: Timestamp::default(),
            expires: None,
            ..KeyRecord::default()
        })
    }

    #[test]
    fn a_grant_narrows_and_never_widens() {
        let narrowed = |granted: &[&str], of: &[&str]| {
            let narrowed = SignIn::new(grant(granted), BrowserTokens::default()).narrow(&key(of, UserClaims::Any));
            narrowed.map(|key| key.models.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        assert_eq!(narrowed(&[], &["a"]), Some(vec!["a".to_owned()]));
        assert_eq!(narrowed(&["a"], &[]), Some(vec!["a".to_owned()]));
        assert_eq!(narrowed(&["a", "b"], &["b", "c"]), Some(vec!["b".to_owned()]));
        assert_eq!(narrowed(&["a"], &["c"]), None);
        let signed = SignIn::new(grant(&[]), BrowserTokens::default());
        assert!(signed.narrow(&key(&[], UserClaims::None)).is_none());
        assert!(signed.narrow(&key(&[], UserClaims::Listed(vec!["bob".into()]))).is_none());
        assert!(signed.narrow(&key(&[], UserClaims::Listed(vec!["alice".into()]))).is_some());
    }

    #[test]
    fn a_record_that_changed_is_narrowed_anew() {
        let signed = SignIn::new(grant(&["a"]), BrowserTokens::default());
        assert!(signed.narrow(&key(&["a", "b"], UserClaims::Any)).is_some());
        assert!(signed.narrow(&key(&["b"], UserClaims::Any)).is_none());
    }

    #[test]
    fn it_is_over_when_its_last_token_is() {
        let idle = Duration::from_secs(20);
        let mut tokens = BrowserTokens { code: Some(Timed { hash: [1; 32], at: 60_000 }), ..BrowserTokens::default() };
        let over = |tokens: &BrowserTokens| grant(&[]).over_at(tokens, idle).as_millis();
        assert_eq!(over(&tokens), 60_000);
        tokens.code_is_used = true;
        tokens.access.push(Timed { hash: [2; 32], at: 12_000 });
        assert_eq!(over(&tokens), 12_000);
        (tokens.refresh, tokens.used) = (Some(HexHash([3; 32])), 5_000);
        assert_eq!(over(&tokens), 25_000);
        tokens.used = 95_000;
        assert_eq!(over(&tokens), 100_000);
    }

    #[test]
    fn it_comes_back_from_the_store_as_it_was() {
        let tokens = BrowserTokens {
            code: Some(Timed { hash: [0xab; 32], at: 5 }),
            refresh: Some(HexHash([0x0f; 32])),
            used: 9,
            ..BrowserTokens::default()
        };
        let signed = SignIn::new(grant(&["a"]), tokens.clone());
        let read = SignIn::read(&signed.document(&tokens, Duration::ZERO, Timestamp::default())).expect("ours");
        assert_eq!((&*read.grant, read.tokens.into_inner()), (&*signed.grant, tokens));
    }
}
