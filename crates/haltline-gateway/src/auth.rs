//! Who may come in: what a client presents, and what that proves. What the proof allows is decided
//! by the stages of the line.

pub(crate) mod browser;
pub(crate) mod jwt;
pub(crate) mod note;
mod presented;
mod secret;
pub(crate) mod settings;

pub use presented::Presented;
pub use secret::new_secret;

use haltline_ports::KeyRecord;
use haltline_types::{Name, Timestamp};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What a credential proves.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The key whose rules and accounts apply. An identity that no API key was presented for has a
    /// record that stands for whoever vouches for it.
    pub key: Arc<KeyRecord>,
    /// The user that the credential itself names: no header and no body changes it. None where the
    /// key says which users it may speak for.
    pub user: Option<Name>,
    /// Tags that the credential names: no header changes them.
    pub tags: Vec<(Name, Name)>,
    /// Where the credential is a browser's: what only backends may do is refused.
    pub(crate) browser: Option<OfBrowser>,
    /// When the credential was made, where it says so: what was made before a revocation is void.
    pub issued: Option<Timestamp>,
}

/// What a browser token says of the work that is done with it, also long after.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OfBrowser {
    /// The sign-in, where it has a budget of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) counted: Option<String>,
}

impl Identity {
    /// What an API key proves by itself.
    #[must_use]
    pub fn of_key(key: Arc<KeyRecord>) -> Self {
        Self { key, user: None, tags: Vec::new(), browser: None, issued: None }
    }
}
