//! Where a session is kept: an id that is a keyed hash of whose it is and what its client calls it.
//! Another owner's session, and one that was never there, are the same absence.

use haltline_ports::{Keys, Owner};
use std::fmt::Write;

/// A session by its owner and the id that its client gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SessionName {
    /// Whose it is.
    pub(crate) owner: Owner,
    /// What its client calls it.
    pub(crate) id: String,
    key: String,
    shelf_of_owner: String,
}

impl SessionName {
    pub(crate) fn new(keys: &dyn Keys, owner: Owner, id: &str) -> Self {
        let whose = whose(&owner);
        // Lengths keep parts apart that run into each other; the words, hashes of other things.
        let key = hex(&keys.hash(&format!("session:{whose}{}:{id}", id.len())), 16);
        let shelf_of_owner = shelf_of(keys, &owner);
        Self { owner, id: id.to_owned(), key, shelf_of_owner }
    }

    /// The id of the session's head.
    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// The id of the session's outline.
    pub(crate) fn outline(&self) -> String {
        format!("{}/outline", self.key)
    }

    /// What the ids of its messages begin with.
    pub(crate) fn messages(&self) -> String {
        format!("{}/", self.key)
    }

    /// The id of a message.
    pub(crate) fn message(&self, number: u64) -> String {
        format!("{}/{number:010}", self.key)
    }

    /// The id under which it is listed when it was changed at `millis`.
    pub(crate) fn place(&self, millis: i64) -> String {
        format!("{}{:015}/{}", self.shelf_of_owner, millis.max(0), self.key)
    }
}

/// What the places of all sessions of an owner begin with, in the order of their last changes.
pub(crate) fn shelf_of(keys: &dyn Keys, owner: &Owner) -> String {
    format!("by-time/{}/", hex(&keys.hash(&format!("sessions:{}", whose(owner))), 12))
}

fn whose(owner: &Owner) -> String {
    let user = owner.user.as_ref().map_or_else(|| "-".to_owned(), |user| format!("{}:{user}", user.len()));
    format!("{}:{}/{user}/", owner.key.len(), owner.key)
}

fn hex(hash: &[u8; 32], bytes: usize) -> String {
    hash.iter().take(bytes).fold(String::with_capacity(2 * bytes), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
