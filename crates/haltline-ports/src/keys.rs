//! The door to API keys. A secret is shown once when it is made; only its keyed hash is kept.

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
}

/// Why keys could not be read or written.
#[derive(Clone, Debug)]
pub enum KeysError {
    /// The store failed; the text says what to do.
    Store(String),
    /// A key of that name exists.
    Exists(Name),
    /// No key of that name exists.
    Unknown(Name),
    /// A key of that name was removed then. What is kept for its users goes by that name, so it is
    /// not given again.
    Used(Name, Timestamp),
}

impl fmt::Display for KeysError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(why) => f.write_str(why),
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
}
