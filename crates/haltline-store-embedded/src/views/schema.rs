//! The tables of the views, and how their file is opened, checked and kept small.

use super::{FILE, project};
use crate::codec;
use crate::error::OpenError;
use haltline_types::Timestamp;
use rusqlite::{Connection, ErrorCode, OpenFlags, params};
use std::path::Path;

/// The version of the tables. Older ones are brought up to it: the journal may not reach as far
/// back as they do.
const VERSION: u32 = 2;

const TABLES: &str = "
CREATE TABLE requests (
    id      BLOB PRIMARY KEY NOT NULL,
    started INTEGER NOT NULL,
    ended   INTEGER NOT NULL,
    key     TEXT,
    team    TEXT,
    user    TEXT,
    model   TEXT NOT NULL,
    surface TEXT NOT NULL,
    outcome TEXT NOT NULL,
    code    TEXT,
    status  INTEGER NOT NULL,
    cost    INTEGER NOT NULL,
    record  BLOB NOT NULL,
    session TEXT,
    trace   BLOB
) STRICT;
CREATE INDEX requests_started ON requests (started);
CREATE INDEX requests_session ON requests (session, key, user, id) WHERE session IS NOT NULL;
CREATE INDEX requests_trace ON requests (trace, id) WHERE trace IS NOT NULL;
CREATE TABLE attempts (
    request  BLOB NOT NULL,
    number   INTEGER NOT NULL,
    provider TEXT NOT NULL,
    model    TEXT NOT NULL,
    sent     INTEGER NOT NULL,
    basis    TEXT NOT NULL,
    fault    TEXT,
    input    INTEGER NOT NULL,
    output   INTEGER NOT NULL,
    cost     INTEGER NOT NULL,
    PRIMARY KEY (request, number)
) STRICT, WITHOUT ROWID;
CREATE TABLE tags (
    request BLOB NOT NULL,
    name    TEXT NOT NULL,
    value   TEXT NOT NULL,
    PRIMARY KEY (request, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE projected (
    one     INTEGER PRIMARY KEY CHECK (one = 1),
    segment INTEGER NOT NULL,
    bytes   INTEGER NOT NULL
) STRICT;
";

/// From version 1: requests are found by their session and by their trace.
const FROM_1: &str = "
ALTER TABLE requests ADD COLUMN session TEXT;
ALTER TABLE requests ADD COLUMN trace BLOB;
CREATE INDEX requests_session ON requests (session, key, user, id) WHERE session IS NOT NULL;
CREATE INDEX requests_trace ON requests (trace, id) WHERE trace IS NOT NULL;
";

/// As many of the newest requests can be found by session and trace after they came from version
/// 1: a start must not take minutes.
const FROM_1_MAX: u32 = 50_000;

/// Opens or makes the views. A damaged file is moved aside, not removed.
pub(super) fn open(path: Option<&Path>) -> Result<Connection, OpenError> {
    let Some(path) = path else {
        return Connection::open_in_memory().and_then(prepare).map_err(|error| failed(&error));
    };
    match Connection::open(path).and_then(prepare) {
        Err(error) if is_damage(&error) => {
            let aside = path.with_extension("db.damaged");
            tracing::error!(%error, moved_to = %aside.display(), "the views are damaged and are made again from the journal");
            for suffix in ["", "-wal", "-shm"] {
                let from = with_suffix(path, suffix);
                if from.exists() {
                    std::fs::rename(&from, with_suffix(&aside, suffix)).map_err(OpenError::io("moving damaged views aside"))?;
                }
            }
            Connection::open(path).and_then(prepare).map_err(|error| failed(&error))
        }
        opened => opened.map_err(|error| failed(&error)),
    }
    .and_then(|connection| {
        let found = version(&connection).map_err(|error| failed(&error))?;
        if found > VERSION {
            return Err(OpenError::Newer { file: FILE.to_owned(), found, known: VERSION });
        }
        Ok(connection)
    })
}

/// A second connection that only reads.
pub(super) fn open_reader(path: &Path) -> Result<Connection, OpenError> {
    open_read_only(path).map_err(|error| failed(&error))
}

/// A connection to any file that only reads.
pub(crate) fn open_read_only(path: &Path) -> rusqlite::Result<Connection> {
    Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)
}

/// Moves the write-ahead log into the database, synced; was all of it moved?
pub(super) fn checkpoint(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| {
        let (busy, written, moved): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok(busy == 0 && written == moved)
    })
}

/// Removes at most 1,000 of the requests that began before `oldest`.
pub(super) fn forget_before(connection: &Connection, oldest: Timestamp) -> rusqlite::Result<()> {
    let outdated = "SELECT id FROM requests WHERE started < ?1 ORDER BY started LIMIT 1000";
    let transaction = connection.unchecked_transaction()?;
    for (table, column) in [("attempts", "request"), ("tags", "request"), ("requests", "id")] {
        let sql = format!("DELETE FROM {table} WHERE {column} IN ({outdated})");
        transaction.prepare_cached(&sql)?.execute(params![oldest.as_millis()])?;
    }
    transaction.commit()
}

pub(super) fn failed(error: &rusqlite::Error) -> OpenError {
    let kind = match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => std::io::ErrorKind::StorageFull,
        _ => std::io::ErrorKind::Other,
    };
    OpenError::Io { doing: format!("opening {FILE}"), error: std::io::Error::new(kind, error.to_string()) }
}

fn prepare(connection: Connection) -> rusqlite::Result<Connection> {
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    connection.set_prepared_statement_cache_capacity(32);
    match version(&connection)? {
        0 => connection.execute_batch(&format!("BEGIN IMMEDIATE;{TABLES}PRAGMA user_version = {VERSION};COMMIT;"))?,
        1 => from_1(&connection)?,
        _ => {}
    }
    Ok(connection)
}

fn from_1(connection: &Connection) -> rusqlite::Result<()> {
    let transaction = connection.unchecked_transaction()?;
    transaction.execute_batch(FROM_1)?;
    {
        let mut read = transaction.prepare("SELECT id, record FROM requests ORDER BY started DESC LIMIT ?1")?;
        let mut write = transaction.prepare("UPDATE requests SET session = ?2, trace = ?3 WHERE id = ?1")?;
        let mut rows = read.query(params![FROM_1_MAX])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let (id, encoded): (Vec<u8>, Vec<u8>) = (row.get(0)?, row.get(1)?);
            if let Some(record) = codec::read_record(&encoded) {
                found.push((id, record.subjects.session.clone(), project::trace_bytes(&record.trace_id)));
            }
        }
        for (id, session, trace) in found {
            write.execute(params![id, session.as_deref(), trace])?;
        }
    }
    transaction.execute_batch(&format!("PRAGMA user_version = {VERSION};"))?;
    transaction.commit()
}

fn version(connection: &Connection) -> rusqlite::Result<u32> {
    connection.query_row("PRAGMA user_version", [], |row| row.get(0))
}

fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

fn with_suffix(path: &Path, suffix: &str) -> std::path::PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLES_1: &str = "
        CREATE TABLE requests (
            id BLOB PRIMARY KEY NOT NULL, started INTEGER NOT NULL, ended INTEGER NOT NULL, key TEXT, team TEXT,
            user TEXT, model TEXT NOT NULL, surface TEXT NOT NULL, outcome TEXT NOT NULL, code TEXT,
            status INTEGER NOT NULL, cost INTEGER NOT NULL, record BLOB NOT NULL
        ) STRICT;
        CREATE INDEX requests_started ON requests (started);
        PRAGMA user_version = 1;";

    #[test]
    fn views_of_version_1_keep_their_requests_and_learn_to_find_them() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let path = dir.path().join(FILE);
        let record = crate::testing::record(7, "alice", Timestamp::from_millis(5), &[("openai", 70)]);
        let mut encoded = Vec::new();
        codec::write_record(&record, &mut encoded);
        let old = Connection::open(&path).expect("open");
        old.execute_batch(TABLES_1).expect("tables");
        old.execute(
            "INSERT INTO requests VALUES (?1, 5, 5, 'app', NULL, 'alice', 'chat', 'chat', 'answered', NULL, 200, 70, ?2)",
            params![project::id_bytes(record.id), encoded],
        )
        .expect("insert");
        drop(old);
        for _ in 0..2 {
            let connection = open(Some(&path)).expect("brought up");
            assert_eq!(version(&connection).expect("version"), VERSION);
            let (session, trace): (Option<String>, Vec<u8>) = connection
                .query_row("SELECT session, trace FROM requests", [], |row| Ok((row.get(0)?, row.get(1)?)))
                .expect("one row");
            assert_eq!(session.as_deref(), record.subjects.session.as_deref());
            assert!(session.is_some());
            assert_eq!(Some(trace), project::trace_bytes(&record.trace_id).map(Vec::from));
        }
    }

    #[test]
    fn a_damaged_file_is_moved_aside_and_a_newer_one_refused() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let path = dir.path().join(FILE);
        std::fs::write(&path, [7; 4096]).expect("write");
        let connection = open(Some(&path)).expect("made again");
        assert_eq!(std::fs::read(dir.path().join("views.db.damaged")).expect("kept"), [7; 4096]);
        connection.pragma_update(None, "user_version", 9).expect("pragma");
        drop(connection);
        let refused = open(Some(&path)).expect_err("newer").to_string();
        assert!(refused.contains("version 9"), "{refused}");
    }
}
