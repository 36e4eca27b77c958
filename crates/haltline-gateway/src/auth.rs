//! Who may come in: what a client presents, and what that proves. What the proof allows is decided
//! by the stages of the line.

pub(crate) mod jwt;
pub(crate) mod note;
mod presented;
pub(crate) mod settings;

pub use presented::Presented;

use haltline_ports::KeyRecord;
use haltline_types::{Name, Timestamp};
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
    /// When the credential was made, where it says so: what was made before a revocation is void.
    pub issued: Option<Timestamp>,
}

impl Identity {
    /// What an API key proves by itself.
    #[must_use]
    pub fn of_key(key: Arc<KeyRecord>) -> Self {
        Self { key, user: None, tags: Vec::new(), issued: None }
    }
}
