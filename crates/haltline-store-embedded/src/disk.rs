//! The door to the disk: just what the journal and the log of streams need, so that a simulated
//! disk can stand behind it and lose what a real one may lose. Knows nothing of frames or money.

mod real;
mod sim;

pub use real::{LockError, RealDisk};
pub use sim::{Crash, DiskFault, SimDisk};

use std::io;
use std::path::Path;
use std::sync::Arc;

/// A flat directory of files.
pub trait Disk: Send + Sync {
    /// The names of all files, sorted.
    ///
    /// # Errors
    /// When the directory cannot be read.
    fn list(&self) -> io::Result<Vec<String>>;

    /// The bytes of a file from `offset` on, at most `len_max` of them; fewer at its end.
    ///
    /// # Errors
    /// When the file is absent or cannot be read.
    fn read(&self, name: &str, offset: u64, len_max: usize) -> io::Result<Vec<u8>>;

    /// Opens an existing file for appending.
    ///
    /// # Errors
    /// When the file is absent or cannot be opened.
    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;

    /// Opens a file that is read and written at places, and makes it where it is absent: only its
    /// owner may read it, and a power loss may take a new one away until it is synced.
    ///
    /// # Errors
    /// When it cannot be opened or made.
    fn open_placed(&self, name: &str) -> io::Result<Arc<dyn PlacedFile>>;

    /// Makes `name` hold exactly `bytes`, durably: after a power loss it is either as before or
    /// as wanted, and after this returned it is as wanted. Only the owner may read it.
    ///
    /// # Errors
    /// When it cannot be written; the old content is then still there.
    fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()>;

    /// Removes a file, durably.
    ///
    /// # Errors
    /// When it cannot be removed.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// A text that changes whenever the machine was without power since.
    fn boot_id(&self) -> String;

    /// Where the directory is, when it is a real one.
    fn path(&self) -> Option<&Path>;

    /// The whole of a file.
    ///
    /// # Errors
    /// When the file is absent or cannot be read.
    fn read_all(&self, name: &str) -> io::Result<Vec<u8>> {
        self.read(name, 0, usize::MAX)
    }
}

/// An open file that only grows. Appends come from one place at a time; a sync may run beside them.
pub trait DiskFile: Send + Sync {
    /// Appends all of `bytes` in one write. It survives the end of the process when this returns.
    ///
    /// # Errors
    /// When not all bytes were taken; the file may then hold a part of them.
    fn append(&self, bytes: &[u8]) -> io::Result<()>;

    /// What was appended before the call survives power loss when this returns.
    ///
    /// # Errors
    /// Nothing is known about what survives; a repeated call cannot mend that.
    fn sync(&self) -> io::Result<()>;

    /// Cuts the file to `len` bytes.
    ///
    /// # Errors
    /// When it cannot be cut.
    fn truncate(&self, len: u64) -> io::Result<()>;
}

/// An open file that is read and written at places. Reads may run beside anything; writes of the
/// same bytes come from one place at a time.
pub trait PlacedFile: Send + Sync {
    /// Reads bytes from `offset` on until `bytes` is full or the file ends. Returns how many.
    ///
    /// # Errors
    /// When it cannot be read.
    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<usize>;

    /// Writes all of `bytes` at `offset`. They survive the end of the process when this returns.
    ///
    /// # Errors
    /// When not all bytes were taken; the file may then hold a part of them.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// What was written before the call survives power loss when this returns.
    ///
    /// # Errors
    /// Nothing is known about what survives.
    fn sync(&self) -> io::Result<()>;

    /// Cuts the file to `len` bytes.
    ///
    /// # Errors
    /// When it cannot be cut.
    fn truncate(&self, len: u64) -> io::Result<()>;

    /// How long the file is, in bytes.
    ///
    /// # Errors
    /// When it cannot be said.
    fn len(&self) -> io::Result<u64>;

    /// Has it no bytes?
    ///
    /// # Errors
    /// When it cannot be said.
    fn is_empty(&self) -> io::Result<bool> {
        self.len().map(|len| len == 0)
    }
}
