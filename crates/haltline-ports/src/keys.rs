//! The door to API keys. A secret is shown once when it is made; only its keyed hash is kept.

mod budgets;
mod network;
mod rules;

pub use budgets::{KEY_BUDGETS, KEY_BUDGETS_MAX, budgets_with_keys, shown_budget};
pub use network::{Network, masked};
pub use rules::{KeyBudget, KeyLimit, KeyRules, RULES_MAX, RouteGroup};

use haltline_types::{Name, Timestamp};
use std::fmt;
use std::sync::Arc;

/// Which users a key may speak for.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum UserClaims {
    /// None: the key itself is the user.
    #[default]
    None,
    /// These.
    Listed(Vec<Name>),
    /// Whomever it names.
    Any,
}

/// A secret that was replaced and works for a while yet, so that clients can change over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OldSecret {
    /// Its keyed hash.
    pub hash: [u8; 32],
    /// Its first characters.
    pub hint: String,
    /// When it ends.
    pub until: Timestamp,
}

impl KeyRecord {
    /// The key of a hash at `now`: by its secret, or by its old one while that works.
    #[must_use]
    pub fn find(keys: &dyn Keys, hash: &[u8; 32], now: Timestamp) -> Option<Arc<Self>> {
        let old = || keys.find_old(hash).filter(|key| key.old.as_ref().is_some_and(|old| now < old.until));
        keys.find(hash).or_else(old)
    }
}

/// When a key was last used, and from where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyUse {
    /// When.
    pub at: Timestamp,
    /// The network of the address, not the machine; none if none was known.
    pub from: Option<String>,
}

/// An API key without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRecord {
    /// Unique name.
    pub name: Name,
    /// HMAC-SHA256 of the secret under the store's pepper.
    pub hash: [u8; 32],
    /// The first characters of the secret, to recognise it by.
    pub hint: String,
    /// The team it belongs to.
    pub team: Option<Name>,
    /// The tier it belongs to.
    pub tier: Option<Name>,
    /// Which users it may speak for.
    pub users: UserClaims,
    /// Models it may ask for; empty = all.
    pub models: Vec<Name>,
    /// When it was made.
    pub created: Timestamp,
    /// When it ends.
    pub expires: Option<Timestamp>,
    /// Switched off by an operator.
    pub frozen: bool,
    /// The secret before this one, while it works.
    pub old: Option<OldSecret>,
    /// What it is for, in the operator's words.
    pub description: String,
    /// Who made it.
    pub created_by: Option<Name>,
    /// What it may do.
    pub rules: KeyRules,
}

/// A key that no secret opens, to be filled in.
impl Default for KeyRecord {
    fn default() -> Self {
        Self {
            name: Name::new(""),
            hash: [0; 32],
            hint: String::new(),
            team: None,
            tier: None,
            users: UserClaims::None,
            models: Vec::new(),
            created: Timestamp::default(),
            expires: None,
            frozen: false,
            old: None,
            description: String::new(),
            created_by: None,
            rules: KeyRules::default(),
        }
    }
}

/// Why keys could not be read or written.
#[derive(Clone, Debug)]
pub enum KeysError {
    /// The store failed; the text says what to do.
    Store(String),
    /// A key of that name exists.
    Exists(Name),
    /// The key's rules cannot be in force; the text says why.
    Rules(String),
    /// No key of that name exists.
    Unknown(Name),
    /// A key of that name was removed then. What is kept for its users goes by that name, so it is
    /// not given again.
    Used(Name, Timestamp),
}

impl fmt::Display for KeysError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(why) | Self::Rules(why) => f.write_str(why),
            Self::Exists(name) => {
                write!(f, "a key named `{name}` exists already; choose another name, or `haltline key rotate {name}`")
            }
            Self::Used(name, removed) => write!(
                f,
                "a key named `{name}` was removed at {removed}; sessions, answers and jobs that are kept for it go by \
                 its name, so no other key gets it: choose another name"
            ),
            Self::Unknown(name) => write!(f, "there is no key named `{name}`; `haltline key list` shows all"),
        }
    }
}

impl std::error::Error for KeysError {}

/// The set of API keys. Small, read on every request: kept in memory, written through.
pub trait Keys: Send + Sync {
    /// The keyed hash of a secret, to look it up by.
    fn hash(&self, secret: &str) -> [u8; 32];

    /// The key with this hash.
    fn find(&self, hash: &[u8; 32]) -> Option<Arc<KeyRecord>>;

    /// The key whose old secret has this hash; whoever asks must ask as well whether that works yet.
    fn find_old(&self, _hash: &[u8; 32]) -> Option<Arc<KeyRecord>> {
        None
    }

    /// All keys, by name.
    fn list(&self) -> Vec<Arc<KeyRecord>>;

    /// Adds a key.
    ///
    /// # Errors
    /// When the name is taken, or was a removed key's, or the store fails.
    fn add(&self, record: KeyRecord) -> Result<(), KeysError>;

    /// Replaces the key of the same name.
    ///
    /// # Errors
    /// When there is none or the store fails.
    fn replace(&self, record: KeyRecord) -> Result<(), KeysError>;

    /// Removes a key. Its name is remembered, and never given again.
    ///
    /// # Errors
    /// When there is none or the store fails.
    fn remove(&self, name: &Name, now: Timestamp) -> Result<(), KeysError>;

    /// When a key was last used, as far as it was told. Not known to a store that does not keep it.
    fn last_use(&self, _name: &Name) -> Option<KeyUse> {
        None
    }

    /// Keeps when keys were last used; now and then, since nothing depends on it.
    ///
    /// # Errors
    /// When the store fails.
    fn note_uses(&self, _uses: Vec<(Name, KeyUse)>) -> Result<(), KeysError> {
        Ok(())
    }
}
