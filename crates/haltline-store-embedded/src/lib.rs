//! The embedded store: one directory with a journal that survives `kill -9` and power loss, the
//! ledger that is replayed from it, views of the records in SQLite, the keys, and a log of the
//! streams that clients were shown.
//!
//! What is absent: decisions about money, which are the ledger's; a permit for a hold that is not
//! durable; a repeated sync after one that failed; and a way to start on a journal that is not as
//! it was written.

mod acts;
mod admins;
mod book;
mod carry;
mod codec;
mod disk;
mod documents;
mod error;
mod frame;
mod housekeeping;
mod inner;
mod journal;
mod keys;
mod load;
mod options;
mod rebudget;
mod records;
mod recovery;
mod restored;
mod seal;
mod segment;
mod shared;
mod store;
mod streams;
#[cfg(test)]
mod testing;
mod verify;
mod views;

pub use disk::{Crash, Disk, DiskFault, DiskFile, LockError, PlacedFile, RealDisk, SimDisk};
pub use error::OpenError;
pub use load::Counts;
pub use options::{Options, Threads};
pub use restored::mark_restored;
pub use seal::{Encryption, StoreKey};
pub use store::{EmbeddedStore, Recovered, Start};
pub use verify::{Report, verify, verify_disk};
