//! The door to documents: small things that the gateway keeps for its clients and for itself, by
//! shelf and id. What a document says is its shelf's matter; stores know only whose it is, what it
//! is labelled with, and until when it is kept.

mod memory;

pub use memory::MemoryDocuments;

use crate::{BoxFuture, Owner};
use bytes::Bytes;
use haltline_types::{Name, Timestamp};
use std::fmt;

/// What a document is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Shelf {
    /// A response of the Responses dialect that a client asked us to keep.
    Response,
    /// What is known of a conversation.
    Session,
    /// One message of a conversation.
    Message,
    /// Work to be done without a client waiting for it.
    Job,
    /// What failed for good.
    DeadLetter,
    /// A message to a webhook.
    Delivery,
    /// What somebody was alerted to, so that it is not said twice.
    Alert,
    /// An answer in the response cache.
    CachedAnswer,
    /// How often a cache tag was invalidated.
    CacheTag,
    /// What a guard has found, for people to look at; and what they have allowed.
    Case,
}

impl Shelf {
    /// All shelves.
    pub const ALL: [Self; 10] = [
        Self::Response,
        Self::Session,
        Self::Message,
        Self::Job,
        Self::DeadLetter,
        Self::Delivery,
        Self::Alert,
        Self::CachedAnswer,
        Self::CacheTag,
        Self::Case,
    ];

    /// The word by which stores know it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Response => "response",
            Self::Session => "session",
            Self::Message => "message",
            Self::Job => "job",
            Self::DeadLetter => "dead_letter",
            Self::Delivery => "delivery",
            Self::Alert => "alert",
            Self::CachedAnswer => "cached_answer",
            Self::CacheTag => "cache_tag",
            Self::Case => "case",
        }
    }
}

/// The longest id, in bytes.
pub const ID_BYTES_MAX: usize = 1024;
/// The longest body, in bytes.
pub const BODY_BYTES_MAX: usize = 64 << 20;
/// The most labels of one document.
pub const LABELS_MAX: usize = 16;
/// The longest label, in bytes.
pub const LABEL_BYTES_MAX: usize = 256;

/// A document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// What it is.
    pub shelf: Shelf,
    /// Its id, unique on its shelf; at most 1,024 bytes.
    pub id: String,
    /// Whose it is; none for the gateway's own.
    pub owner: Option<Owner>,
    /// What it can be listed by besides its owner: `state=queued`. Few and short.
    pub labels: Vec<String>,
    /// When it was made or last changed.
    pub changed: Timestamp,
    /// From when on it is gone.
    pub expires: Option<Timestamp>,
    /// What it says.
    pub body: Bytes,
}

impl Document {
    /// Is it within the bounds? Stores refuse what is not.
    ///
    /// # Errors
    /// What is too long or too many.
    pub fn check(&self) -> Result<(), DocumentsError> {
        let shelf = self.shelf.word();
        let refused = |what: &str, found: usize, most: usize| {
            Err(DocumentsError(format!("a document on the shelf `{shelf}` has {what}: {found}, the most is {most}")))
        };
        if self.id.len() > ID_BYTES_MAX {
            return refused("an id of too many bytes", self.id.len(), ID_BYTES_MAX);
        }
        if self.body.len() > BODY_BYTES_MAX {
            return refused("a body of too many bytes", self.body.len(), BODY_BYTES_MAX);
        }
        if self.labels.len() > LABELS_MAX {
            return refused("too many labels", self.labels.len(), LABELS_MAX);
        }
        match self.labels.iter().map(String::len).max() {
            Some(longest) if longest > LABEL_BYTES_MAX => {
                refused("a label of too many bytes", longest, LABEL_BYTES_MAX)
            }
            _ => Ok(()),
        }
    }
}

/// A question for documents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentQuery {
    /// On this shelf.
    pub shelf: Shelf,
    /// Of this owner.
    pub owner: Option<Owner>,
    /// With this label.
    pub label: Option<String>,
    /// Whose ids begin so.
    pub prefix: Option<String>,
    /// Whose ids are greater than this one, or less when they are listed backwards.
    pub after: Option<String>,
    /// From the greatest id to the least.
    pub backwards: bool,
    /// At most so many.
    pub limit: usize,
}

impl DocumentQuery {
    /// All of a shelf, in the order of their ids.
    #[must_use]
    pub const fn of(shelf: Shelf, limit: usize) -> Self {
        Self { shelf, owner: None, label: None, prefix: None, after: None, backwards: false, limit }
    }
}

/// What is known of a document without what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentHead {
    /// Its id.
    pub id: String,
    /// Whose it is.
    pub owner: Option<Owner>,
    /// What it can be listed by.
    pub labels: Vec<String>,
    /// When it was made or last changed.
    pub changed: Timestamp,
    /// From when on it is gone.
    pub expires: Option<Timestamp>,
    /// How many bytes its body has.
    pub bytes: usize,
}

impl From<Document> for DocumentHead {
    fn from(document: Document) -> Self {
        let Document { id, owner, labels, changed, expires, body, .. } = document;
        Self { id, owner, labels, changed, expires, bytes: body.len() }
    }
}

/// Why documents could not be written or read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentsError(pub String);

impl fmt::Display for DocumentsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for DocumentsError {}

/// Where documents are kept. What was written survives `kill -9` when the future is done; writes
/// that come together go out together. Whoever drops the future may not rely on the write being
/// undone.
pub trait Documents: Send + Sync {
    /// Writes documents, each in place of the one of its shelf and id: all of them, or none.
    fn put(&self, documents: Vec<Document>) -> BoxFuture<'_, Result<(), DocumentsError>>;

    /// Writes a document only if what is there now was changed at `expected` (`None`: nothing is
    /// there). `false` when it was not so.
    fn put_if(&self, document: Document, expected: Option<Timestamp>) -> BoxFuture<'_, Result<bool, DocumentsError>>;

    /// A document that is not expired at `now`.
    fn get(&self, shelf: Shelf, id: &str, now: Timestamp) -> BoxFuture<'_, Result<Option<Document>, DocumentsError>>;

    /// Documents that are not expired at `now`, in the order of their ids.
    fn list(&self, query: DocumentQuery, now: Timestamp) -> BoxFuture<'_, Result<Vec<Document>, DocumentsError>>;

    /// The same without bodies: for counting what there is.
    fn heads(&self, query: DocumentQuery, now: Timestamp) -> BoxFuture<'_, Result<Vec<DocumentHead>, DocumentsError>> {
        let found = self.list(query, now);
        Box::pin(async move { Ok(found.await?.into_iter().map(DocumentHead::from).collect()) })
    }

    /// Removes documents. Returns how many there were.
    fn remove(&self, shelf: Shelf, ids: Vec<String>) -> BoxFuture<'_, Result<u64, DocumentsError>>;

    /// Removes all documents of a shelf whose ids begin with `prefix`. Returns how many there were.
    fn remove_prefix(&self, shelf: Shelf, prefix: &str) -> BoxFuture<'_, Result<u64, DocumentsError>>;

    /// Removes all documents of a user, whatever the key and shelf. Returns how many there were.
    fn forget_user(&self, user: &Name) -> BoxFuture<'_, Result<u64, DocumentsError>>;

    /// Removes what is expired.
    ///
    /// # Errors
    /// When it cannot be removed.
    fn sweep(&self, now: Timestamp) -> Result<(), DocumentsError>;
}
