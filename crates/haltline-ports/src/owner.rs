//! Whose something is that the gateway keeps for a client: a stream, a session, a job, an answer.

use haltline_types::Name;

/// The key that asked, and the user it asked for. What belongs to one owner does not exist for
/// another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner {
    /// The API key, by name.
    pub key: Name,
    /// The user; none where the key may speak for users and named none.
    pub user: Option<Name>,
}
