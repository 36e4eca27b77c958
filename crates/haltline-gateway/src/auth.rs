//! Who may come in: what a client presents, and what that proves. What the proof allows is decided
//! by the stages of the line.

pub(crate) mod browser;
mod presented;
mod proved;
mod secret;

pub use presented::Presented;
pub(crate) use proved::Proved;
pub use secret::new_secret;

use haltline_ports::KeyRecord;
use haltline_types::Name;
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
    /// The sign-in, where the credential is a browser's: what only backends may do is refused.
    pub(crate) sign_in: Option<Arc<browser::Grant>>,
    /// What was proved when the work began, where nobody presents anything now.
    pub(crate) earlier: Option<Arc<Proved>>,
}

impl Identity {
    /// What an API key proves by itself.
    #[must_use]
    pub fn of_key(key: Arc<KeyRecord>) -> Self {
        Self { key, user: None, tags: Vec::new(), sign_in: None, earlier: None }
    }
}
