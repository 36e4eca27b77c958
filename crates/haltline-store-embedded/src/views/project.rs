//! From the journal into the tables: reads facts from where the last batch ended, and keeps the
//! new position in the same transaction.

use super::failed;
use crate::codec;
use crate::disk::Disk;
use crate::frame::{self, Found, Place};
use crate::segment;
use haltline_ports::{AttemptRecord, Basis, RecordsError, RequestRecord};
use haltline_types::{FaultKind, RequestId};
use rusqlite::{CachedStatement, Connection, OptionalExtension, Transaction, params};

/// Before everything.
const POSITION_START: Place = Place { segment: 0, offset: 0 };

const RECORDS_PER_BATCH: usize = 512;
const CHUNK: usize = 4 * frame::PAYLOAD_MAX;

/// Where the last batch ended.
pub(super) fn position(connection: &Connection) -> rusqlite::Result<Place> {
    let kept = connection
        .query_row("SELECT segment, bytes FROM projected", [], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))
        .optional()?;
    Ok(kept.map_or(POSITION_START, |(segment, offset)| Place {
        segment: segment.cast_unsigned(),
        offset: offset.cast_unsigned(),
    }))
}

/// Projects all records between `position` and `end`.
pub(super) fn catch_up(
    disk: &dyn Disk,
    connection: &mut Connection,
    position: &mut Place,
    end: Place,
) -> Result<(), RecordsError> {
    while *position < end {
        let Batch { records, next } = next_batch(disk, *position, end)?;
        let transaction = connection.transaction().map_err(|error| failed(&error))?;
        write(&transaction, &records, next).map_err(|error| failed(&error))?;
        transaction.commit().map_err(|error| failed(&error))?;
        *position = next;
    }
    Ok(())
}

/// Records of one transaction.
struct Batch {
    /// Each with its bytes.
    records: Vec<(RequestRecord, Vec<u8>)>,
    /// Where the next batch begins.
    next: Place,
}

/// The records from `from` on, as many as one transaction takes.
fn next_batch(disk: &dyn Disk, from: Place, end: Place) -> Result<Batch, RecordsError> {
    let unreadable = |why: &dyn std::fmt::Display| {
        RecordsError(format!("{} cannot be read at byte {}: {why}", segment::name(from.segment), from.offset))
    };
    let name = segment::name(from.segment);
    if from.offset == 0 {
        let first = segment::first_frame(disk, from.segment).map_err(|error| unreadable(&error))?;
        return Ok(Batch { records: Vec::new(), next: Place { offset: first, ..from } });
    }
    let known = if from.segment == end.segment { end.offset - from.offset } else { u64::MAX };
    let bytes = disk
        .read(&name, from.offset, usize::try_from(known).unwrap_or(CHUNK).min(CHUNK))
        .map_err(|error| unreadable(&error))?;
    let mut records = Vec::new();
    let mut at = 0;
    while records.len() < RECORDS_PER_BATCH {
        let place = Place { segment: from.segment, offset: from.offset + at as u64 };
        match frame::find(&bytes[at..], place) {
            Found::Frame(payload) => {
                if let Some(bytes) = codec::record_bytes(payload) {
                    let Some(record) = codec::read_record(bytes) else {
                        return Err(unreadable(&"a record makes no sense"));
                    };
                    records.push((record, bytes.to_vec()));
                }
                at += frame::HEAD + payload.len();
            }
            Found::End if at == 0 && from.segment < end.segment => {
                return Ok(Batch { records, next: Place { segment: from.segment + 1, offset: 0 } });
            }
            Found::End | Found::Partial if at > 0 => break,
            Found::End | Found::Partial | Found::Damage => return Err(unreadable(&"it is damaged")),
        }
    }
    Ok(Batch { records, next: Place { segment: from.segment, offset: from.offset + at as u64 } })
}

fn write(transaction: &Transaction<'_>, records: &[(RequestRecord, Vec<u8>)], next: Place) -> rusqlite::Result<()> {
    let mut tables = Tables::prepare(transaction)?;
    for (record, encoded) in records {
        tables.insert(record, encoded)?;
    }
    drop(tables);
    transaction
        .prepare_cached("INSERT OR REPLACE INTO projected (one, segment, bytes) VALUES (1, ?1, ?2)")?
        .execute(params![next.segment.cast_signed(), next.offset.cast_signed()])?;
    Ok(())
}

/// What writes into the tables, looked up once for all records of a transaction.
struct Tables<'t> {
    requests: CachedStatement<'t>,
    attempts: CachedStatement<'t>,
    tags: CachedStatement<'t>,
}

impl<'t> Tables<'t> {
    fn prepare(transaction: &'t Transaction<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            requests: transaction.prepare_cached(
                "INSERT OR REPLACE INTO requests
                 (id, started, ended, key, team, user, model, surface, outcome, code, status, cost, record, session,
                  trace)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
            )?,
            attempts: transaction.prepare_cached(
                "INSERT OR REPLACE INTO attempts
                 (request, number, provider, model, sent, basis, fault, input, output, cost)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            )?,
            tags: transaction
                .prepare_cached("INSERT OR REPLACE INTO tags (request, name, value) VALUES (?1, ?2, ?3)")?,
        })
    }

    fn insert(&mut self, record: &RequestRecord, encoded: &[u8]) -> rusqlite::Result<()> {
        let id = id_bytes(record.id);
        let subjects = &record.subjects;
        self.requests.execute(params![
            id,
            record.started.as_millis(),
            record.ended.as_millis(),
            subjects.key.as_deref(),
            subjects.team.as_deref(),
            subjects.user.as_deref(),
            &*record.model,
            &*record.surface,
            record.outcome.word(),
            record.outcome.code().map(haltline_types::Code::word),
            record.status,
            record.cost().get(),
            encoded,
            subjects.session.as_deref(),
            trace_bytes(&record.trace_id),
        ])?;
        for attempt in &record.attempts {
            let usage = attempt.usage.unwrap_or_default();
            self.attempts.execute(params![
                id,
                attempt.number,
                &*attempt.endpoint.provider,
                &*attempt.endpoint.model,
                was_sent(attempt),
                attempt.basis.word(),
                attempt.fault.map(FaultKind::word),
                i64::try_from(usage.input.get()).unwrap_or(i64::MAX),
                i64::try_from(usage.output.get()).unwrap_or(i64::MAX),
                attempt.cost.get(),
            ])?;
        }
        for (name, value) in &subjects.tags {
            self.tags.execute(params![id, &**name, &**value])?;
        }
        Ok(())
    }
}

/// Big-endian, so that ids sort by time.
pub(super) fn id_bytes(id: RequestId) -> [u8; 16] {
    id.as_u128().to_be_bytes()
}

/// The 128 bits of a trace id; none when it is none.
pub(super) fn trace_bytes(trace_id: &str) -> Option<[u8; 16]> {
    let is_one = trace_id.len() == 32 && trace_id.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_one.then(|| u128::from_str_radix(trace_id, 16).ok()).flatten().map(u128::to_be_bytes)
}

fn was_sent(attempt: &AttemptRecord) -> bool {
    !(attempt.basis == Basis::Released && attempt.fault == Some(FaultKind::ConnectFailed))
}
