//! The journal as it grows: batches of facts, each batch one write; segments that follow one
//! another; what is known to be durable. Decides nothing about money.

use crate::codec::FactRef;
use crate::disk::{Disk, DiskFile};
use crate::error::OpenError;
use crate::frame::{self, Place};
use crate::segment::{self, Head};
use haltline_types::Timestamp;
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

const BEGINNING: Timestamp = Timestamp::from_millis(i64::MIN);

/// One segment, as far as keeping or dropping it is concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    /// Its number.
    pub(crate) number: u64,
    /// The newest time that any of its facts carries.
    pub(crate) newest: Timestamp,
}

/// The open journal.
pub(crate) struct Journal {
    disk: Arc<dyn Disk>,
    file: Arc<dyn DiskFile>,
    segment_bytes: u64,
    extents: VecDeque<Extent>,
    end: Place,
    synced: Place,
    announced: Place,
    batch: Vec<u8>,
    batch_newest: Timestamp,
}

impl Journal {
    /// Opens the journal behind its last good frame, `end`. Nothing counts as durable yet.
    pub(crate) fn open(
        disk: Arc<dyn Disk>,
        segment_bytes: u64,
        extents: VecDeque<Extent>,
        end: Place,
    ) -> Result<Self, OpenError> {
        let name = segment::name(end.segment);
        let file = disk.open(&name).map_err(OpenError::io(format!("opening {name}")))?;
        let start = Place { segment: end.segment, offset: 0 };
        Ok(Self {
            disk,
            file,
            segment_bytes,
            extents,
            end,
            synced: start,
            announced: end,
            batch: Vec::with_capacity(4096),
            batch_newest: BEGINNING,
        })
    }

    /// Makes a segment that begins with `facts`, durable as a whole or not at all, and says where
    /// it ends.
    pub(crate) fn begin_segment<'f>(
        disk: &dyn Disk,
        number: u64,
        at: Timestamp,
        facts: impl IntoIterator<Item = FactRef<'f>>,
    ) -> io::Result<(Extent, Place)> {
        let mut bytes = segment::write_head(&Head { number, boot_id: disk.boot_id(), begun: at });
        for fact in facts {
            let place = Place { segment: number, offset: bytes.len() as u64 };
            if !frame::push(&mut bytes, place, |out| fact.write(out)) {
                return Err(too_long());
            }
        }
        disk.replace(&segment::name(number), &bytes)?;
        Ok((Extent { number, newest: at }, Place { segment: number, offset: bytes.len() as u64 }))
    }

    /// Adds a fact to the batch that the next `commit` writes.
    pub(crate) fn push(&mut self, fact: FactRef<'_>) -> io::Result<()> {
        if self.batch.is_empty() && self.synced > self.announced {
            self.announced = self.synced;
            self.push_frame(FactRef::Synced(self.synced))?;
        }
        if let Some(at) = fact.at() {
            self.batch_newest = self.batch_newest.max(at);
        }
        self.push_frame(fact)
    }

    fn push_frame(&mut self, fact: FactRef<'_>) -> io::Result<()> {
        let place = Place { segment: self.end.segment, offset: self.end.offset + self.batch.len() as u64 };
        if frame::push(&mut self.batch, place, |out| fact.write(out)) { Ok(()) } else { Err(too_long()) }
    }

    /// Forgets the batch.
    pub(crate) fn discard(&mut self) {
        self.batch.clear();
    }

    /// Writes the batch in one write. On an error nothing of it counts: what was written of it is
    /// cut off again, or is an unfinished frame that the next start cuts off.
    pub(crate) fn commit(&mut self) -> io::Result<Place> {
        let written = self.file.append(&self.batch);
        let length = self.batch.len() as u64;
        self.batch.clear();
        let newest = std::mem::replace(&mut self.batch_newest, BEGINNING);
        if let Err(error) = written {
            if let Err(cut) = self.file.truncate(self.end.offset) {
                tracing::warn!(%cut, "an unfinished write stays in the journal until the next start");
            }
            return Err(error);
        }
        self.end.offset += length;
        if let Some(current) = self.extents.back_mut() {
            current.newest = current.newest.max(newest);
        }
        Ok(self.end)
    }

    /// Behind the last good frame.
    pub(crate) const fn end(&self) -> Place {
        self.end
    }

    /// Is the current segment as long as segments get?
    pub(crate) const fn is_full(&self) -> bool {
        self.end.offset >= self.segment_bytes
    }

    /// Syncs the current segment and goes on in a new one that begins with `facts`.
    pub(crate) fn rotate<'f>(&mut self, at: Timestamp, facts: impl IntoIterator<Item = FactRef<'f>>) -> io::Result<()> {
        self.batch.clear();
        self.file.sync()?;
        let number = self.end.segment + 1;
        let (extent, end) = Self::begin_segment(self.disk.as_ref(), number, at, facts)?;
        self.file = self.disk.open(&segment::name(number))?;
        self.extents.push_back(extent);
        (self.end, self.synced, self.announced) = (end, end, end);
        Ok(())
    }

    /// What to sync, and how far the journal is durable once that is done; `None` when it is already.
    pub(crate) fn unsynced(&self) -> Option<(Arc<dyn DiskFile>, Place)> {
        (self.synced < self.end).then(|| (Arc::clone(&self.file), self.end))
    }

    /// A sync up to `place` is done.
    pub(crate) fn mark_synced(&mut self, place: Place) {
        self.synced = self.synced.max(place);
    }

    /// Up to where the journal is durable.
    pub(crate) const fn synced(&self) -> Place {
        self.synced
    }

    /// The number of the oldest segment.
    pub(crate) fn oldest(&self) -> u64 {
        self.extents.front().map_or(self.end.segment, |extent| extent.number)
    }

    /// The number of the oldest segment when all its facts are older than `horizon`. The current
    /// segment never is outdated.
    pub(crate) fn outdated(&self, horizon: Timestamp) -> Option<u64> {
        let oldest = self.extents.front()?;
        (oldest.number < self.end.segment && oldest.newest < horizon).then_some(oldest.number)
    }

    /// The file of the oldest segment is removed.
    pub(crate) fn forget_oldest(&mut self) {
        self.extents.pop_front();
    }
}

fn too_long() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, format!("an entry is longer than {} bytes", frame::PAYLOAD_MAX))
}
