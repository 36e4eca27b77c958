//! How a store is opened.

use crate::disk::{Disk, LockError, RealDisk, SimDisk};
use crate::seal::Encryption;
use haltline_ports::Clock;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(86_400);

/// Who does what need not be done at once: syncing, projecting, compacting.
#[derive(Clone)]
pub enum Threads {
    /// Threads of the store's own, which read this clock.
    Own(Arc<dyn Clock>),
    /// Nobody: the owner calls `EmbeddedStore::tick`, and a sync that a permit waits for happens in
    /// the call that takes the hold. Everything is then the same for the same calls.
    None,
}

/// How a store is opened.
#[derive(Clone)]
pub struct Options {
    /// Where the files are.
    pub disk: Arc<dyn Disk>,
    /// Who does the work in the background.
    pub threads: Threads,
    /// A segment of the journal that is as long as this is the last of its kind: the next begins.
    pub segment_bytes: u64,
    /// Entries are kept so long at least, also when no window of today's budgets needs them: a
    /// budget that is made tomorrow opens with the sum of what is there.
    pub keep_entries: Duration,
    /// Records of requests stay in the views so long.
    pub keep_records: Duration,
    /// Streams are kept so long after their end, if there is room.
    pub keep_streams: Duration,
    /// Streams take so many bytes at most; the oldest go first.
    pub stream_bytes_max: u64,
    /// What is encrypted with, for what clients say; `None` = it lies there in the clear.
    pub encryption: Option<Encryption>,
    /// The pepper to use when there is none yet; `None` = from the system's randomness.
    pub pepper: Option<[u8; 32]>,
}

impl Options {
    /// The usual settings on a disk.
    #[must_use]
    pub fn on(disk: Arc<dyn Disk>, threads: Threads) -> Self {
        Self {
            disk,
            threads,
            segment_bytes: 64 << 20,
            keep_entries: 32 * DAY,
            keep_records: 400 * DAY,
            keep_streams: DAY,
            stream_bytes_max: 4 << 30,
            encryption: None,
            pepper: None,
        }
    }

    /// The usual settings in a directory, which is made where it is absent, and locked.
    ///
    /// # Errors
    /// When another process owns the directory, or it cannot be used.
    pub fn directory(dir: &Path, clock: Arc<dyn Clock>) -> Result<Self, LockError> {
        Ok(Self::on(Arc::new(RealDisk::lock(dir)?), Threads::Own(clock)))
    }

    /// A store in memory, gone with the process: it keeps only what open windows need.
    #[must_use]
    pub fn memory(clock: Arc<dyn Clock>) -> Self {
        let usual = Self::on(Arc::new(SimDisk::new(0)), Threads::Own(clock));
        Self {
            segment_bytes: 1 << 20,
            keep_entries: Duration::ZERO,
            keep_records: DAY,
            stream_bytes_max: 256 << 20,
            ..usual
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("directory", &self.disk.path())
            .field("segment_bytes", &self.segment_bytes)
            .field("keep_entries", &self.keep_entries)
            .field("keep_records", &self.keep_records)
            .field("keep_streams", &self.keep_streams)
            .field("stream_bytes_max", &self.stream_bytes_max)
            .finish_non_exhaustive()
    }
}
