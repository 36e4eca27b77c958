//! The door to administrators: named people or programs with a role. A secret is shown once when it is
//! made; only its keyed hash is kept. The bootstrap token of a running gateway is not here: it is an
//! owner's, and ends with the process.

use haltline_types::{Name, Timestamp};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// What an administrator may do. A later role may do all that an earlier one may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Look at numbers and states; no text of prompts or answers.
    Viewer,
    /// Keep it running: freeze, rotate, correct and override budgets, purge, retry, decide.
    Operator,
    /// Everything: make and remove keys and administrators, see text, forget users, reload.
    Owner,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Viewer, Self::Operator, Self::Owner];

    /// Its word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Owner => "owner",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|role| role.word() == text)
            .ok_or_else(|| format!("`{text}` is no role; there are viewer, operator and owner"))
    }
}

/// An administrator without the secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminRecord {
    /// Unique name.
    pub name: Name,
    /// The keyed hash of the secret.
    pub hash: [u8; 32],
    /// The first characters of the secret.
    pub hint: String,
    /// What the administrator may do.
    pub role: Role,
    /// When it was made.
    pub created: Timestamp,
    /// When it ends.
    pub expires: Option<Timestamp>,
}

/// Why administrators could not be read or written.
#[derive(Clone, Debug)]
pub enum AdminsError {
    /// The store failed; the text says what to do.
    Store(String),
    /// One of that name exists.
    Exists(Name),
    /// None of that name exists.
    Unknown(Name),
}

impl fmt::Display for AdminsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(why) => f.write_str(why),
            Self::Exists(name) => write!(
                f,
                "an administrator named `{name}` exists already; choose another name, or `haltline admin rotate {name}`"
            ),
            Self::Unknown(name) => {
                write!(f, "there is no administrator named `{name}`; `haltline admin list` shows all")
            }
        }
    }
}

impl std::error::Error for AdminsError {}

/// The set of administrators. Small: kept in memory, written through.
pub trait Admins: Send + Sync {
    /// The keyed hash of a secret; never that of the same text as an API key.
    fn admin_hash(&self, secret: &str) -> [u8; 32];

    /// The administrator with this hash.
    fn find_admin(&self, hash: &[u8; 32]) -> Option<Arc<AdminRecord>>;

    /// All of them, by name.
    fn list_admins(&self) -> Vec<Arc<AdminRecord>>;

    /// Adds one.
    ///
    /// # Errors
    /// When the name is taken or the store fails.
    fn add_admin(&self, record: AdminRecord) -> Result<(), AdminsError>;

    /// Replaces the one of the same name.
    ///
    /// # Errors
    /// When there is none or the store fails.
    fn replace_admin(&self, record: AdminRecord) -> Result<(), AdminsError>;

    /// Removes one.
    ///
    /// # Errors
    /// When there is none or the store fails.
    fn remove_admin(&self, name: &Name) -> Result<(), AdminsError>;
}
