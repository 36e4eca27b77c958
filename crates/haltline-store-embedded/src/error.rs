//! Why a store does not open, in words that say what to do.

use crate::disk::LockError;
use std::fmt;
use std::io;

/// Why a store could not be opened. Nothing can be spent from a store that is not open.
#[derive(Debug)]
pub enum OpenError {
    /// The directory is in use or cannot be used.
    Lock(LockError),
    /// A file was written by a newer version.
    Newer {
        /// The file.
        file: String,
        /// The version of its format.
        found: u32,
        /// The newest version that this program reads.
        known: u32,
    },
    /// A file is not what was written.
    Corrupt {
        /// The file.
        file: String,
        /// Where in it.
        offset: u64,
        /// What is wrong.
        why: String,
    },
    /// The disk failed.
    Io {
        /// What was being done.
        doing: String,
        /// Why it failed.
        error: io::Error,
    },
    /// The key of the store is missing or another one; nothing was changed.
    Key(String),
    /// The journal can be read, and its entries contradict each other or the budgets.
    Contradiction(String),
}

impl OpenError {
    pub(crate) fn io(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let doing = doing.into();
        move |error| Self::Io { doing, error }
    }

    pub(crate) fn corrupt(file: &str, offset: u64, why: impl Into<String>) -> Self {
        Self::Corrupt { file: file.to_owned(), offset, why: why.into() }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lock(error) => error.fmt(f),
            Self::Newer { file, found, known } => write!(
                f,
                "{file} was written by a newer Haltline: its format is version {found}, this program reads up to version {known}. \
                 Start the newer program again, or restore a backup from before the upgrade; the file was not touched"
            ),
            Self::Corrupt { file, offset, why } => write!(
                f,
                "{file} is damaged at byte {offset}: {why}. Nothing was started and nothing was changed, so nothing can be spent. \
                 `haltline store verify` shows what can be read; then restore the data directory from a backup"
            ),
            Self::Io { doing, error } => {
                write!(f, "{doing} failed: {error}")?;
                if error.kind() == io::ErrorKind::StorageFull {
                    f.write_str("; the disk is full: free some space and start again, nothing is lost")?;
                }
                Ok(())
            }
            Self::Key(why) => write!(f, "{why}. Nothing was started and nothing was changed"),
            Self::Contradiction(why) => write!(
                f,
                "the journal contradicts itself: {why}. Nothing was started, so nothing can be spent. \
                 Keep a copy of the data directory, run `haltline store verify`, and report this"
            ),
        }
    }
}

impl std::error::Error for OpenError {}

impl From<LockError> for OpenError {
    fn from(error: LockError) -> Self {
        Self::Lock(error)
    }
}
