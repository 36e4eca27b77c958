//! A fact: whatever one frame of the journal says.

use super::{Reader, Writer, budgets, entry, record};
use crate::frame::Place;
use haltline_ledger::{Budgets, Entry};
use haltline_ports::RequestRecord;
use haltline_types::Timestamp;

const ENTRY: u8 = 1;
const CARRIED: u8 = 2;
const RECORD: u8 = 3;
const SYNCED: u8 = 4;
const CLEAN: u8 = 5;
const BUDGETS: u8 = 6;

/// A fact as it was read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Fact {
    /// An entry of the ledger.
    Entry(Entry),
    /// An entry that an earlier segment holds as well, repeated so that this segment can be the
    /// oldest.
    Carried(Entry),
    /// The record of a request.
    Record(Box<RequestRecord>),
    /// Everything before this place was on the disk for good when this was written.
    Synced(Place),
    /// The journal was closed in order.
    Clean(Timestamp),
    /// These budgets are in force from here on.
    Budgets(Budgets),
}

/// A fact to be written.
#[derive(Clone, Copy)]
pub(crate) enum FactRef<'a> {
    /// See `Fact::Entry`.
    Entry(&'a Entry),
    /// See `Fact::Carried`.
    Carried(&'a Entry),
    /// See `Fact::Record`.
    Record(&'a RequestRecord),
    /// See `Fact::Synced`.
    Synced(Place),
    /// See `Fact::Clean`.
    Clean(Timestamp),
    /// See `Fact::Budgets`.
    Budgets(&'a Budgets),
}

impl FactRef<'_> {
    /// When it happened; `None` for what has no time.
    pub(crate) const fn at(&self) -> Option<Timestamp> {
        match self {
            Self::Entry(entry) | Self::Carried(entry) => Some(entry.at),
            Self::Record(record) => Some(record.ended),
            Self::Clean(at) => Some(*at),
            Self::Synced(_) | Self::Budgets(_) => None,
        }
    }

    /// Appends its bytes.
    pub(crate) fn write(self, out: &mut Vec<u8>) {
        let mut writer = Writer(out);
        match self {
            Self::Entry(entry) => {
                writer.u8(ENTRY);
                entry::write(&mut writer, entry);
            }
            Self::Carried(entry) => {
                writer.u8(CARRIED);
                entry::write(&mut writer, entry);
            }
            Self::Record(record) => {
                writer.u8(RECORD);
                record::write(&mut writer, record);
            }
            Self::Synced(place) => {
                writer.u8(SYNCED);
                writer.u64(place.segment);
                writer.u64(place.offset);
            }
            Self::Clean(at) => {
                writer.u8(CLEAN);
                writer.time(at);
            }
            Self::Budgets(in_force) => {
                writer.u8(BUDGETS);
                budgets::write(&mut writer, in_force);
            }
        }
    }
}

impl Fact {
    /// When it happened; `None` for what has no time.
    pub(crate) const fn at(&self) -> Option<Timestamp> {
        self.as_ref().at()
    }

    /// The same, to be written.
    pub(crate) const fn as_ref(&self) -> FactRef<'_> {
        match self {
            Self::Entry(entry) => FactRef::Entry(entry),
            Self::Carried(entry) => FactRef::Carried(entry),
            Self::Record(record) => FactRef::Record(record),
            Self::Synced(place) => FactRef::Synced(*place),
            Self::Clean(at) => FactRef::Clean(*at),
            Self::Budgets(budgets) => FactRef::Budgets(budgets),
        }
    }

    /// Reads a whole payload; `None` when it is none that this version writes.
    pub(crate) fn read(payload: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(payload);
        let fact = match reader.u8()? {
            ENTRY => Self::Entry(entry::read(&mut reader)?),
            CARRIED => Self::Carried(entry::read(&mut reader)?),
            RECORD => Self::Record(Box::new(record::read(&mut reader)?)),
            SYNCED => Self::Synced(Place { segment: reader.u64()?, offset: reader.u64()? }),
            CLEAN => Self::Clean(reader.time()?),
            BUDGETS => Self::Budgets(budgets::read(&mut reader)?),
            _ => return None,
        };
        reader.end().map(|()| fact)
    }
}

/// The bytes of a record, where this payload is one. Spares whoever wants only those the reading of
/// the others.
pub(crate) fn record_bytes(payload: &[u8]) -> Option<&[u8]> {
    payload.strip_prefix(&[RECORD])
}

/// Appends a record without the mark of its kind, as `record_bytes` gives it.
#[cfg(test)]
pub(crate) fn write_record(request: &RequestRecord, out: &mut Vec<u8>) {
    record::write(&mut Writer(out), request);
}

/// Reads what `write_record` wrote.
pub(crate) fn read_record(bytes: &[u8]) -> Option<RequestRecord> {
    let mut reader = Reader::new(bytes);
    let request = record::read(&mut reader)?;
    reader.end().map(|()| request)
}
