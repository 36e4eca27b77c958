//! The tables of the documents, and how their file is opened and kept small.

use super::FILE;
use crate::error::OpenError;
use rusqlite::{Connection, ErrorCode};
use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The version of the tables.
const VERSION: u32 = 1;

const TABLES: &str = "
CREATE TABLE documents (
    n       INTEGER PRIMARY KEY,
    shelf   TEXT NOT NULL,
    id      BLOB NOT NULL,
    key     TEXT,
    user    TEXT,
    labels  TEXT NOT NULL,
    changed INTEGER NOT NULL,
    expires INTEGER,
    body    BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX documents_id ON documents (shelf, id);
CREATE INDEX documents_owner ON documents (shelf, key, user, id) WHERE key IS NOT NULL;
CREATE INDEX documents_user ON documents (user) WHERE user IS NOT NULL;
CREATE INDEX documents_expires ON documents (expires) WHERE expires IS NOT NULL;
CREATE TABLE labels (
    shelf    TEXT NOT NULL,
    label    TEXT NOT NULL,
    id       BLOB NOT NULL,
    document INTEGER NOT NULL,
    PRIMARY KEY (shelf, label, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX labels_document ON labels (document);
";

/// Reads the ends of everything that questions walk: a damaged file fails here, at the start.
const PROBES: [&str; 5] = [
    "SELECT count(*) FROM (SELECT n, body FROM documents ORDER BY n LIMIT 1)",
    "SELECT count(*) FROM (SELECT n, body FROM documents ORDER BY n DESC LIMIT 1)",
    "SELECT count(*) FROM (SELECT id FROM documents ORDER BY shelf, id LIMIT 1)",
    "SELECT count(*) FROM (SELECT id FROM documents WHERE expires IS NOT NULL ORDER BY expires LIMIT 1)",
    "SELECT count(*) FROM (SELECT id FROM labels ORDER BY shelf, label, id LIMIT 1)",
];

/// Opens or makes the documents. A damaged file is set aside, not removed.
pub(super) fn open(path: Option<&Path>) -> Result<Connection, OpenError> {
    let Some(path) = path else {
        return Connection::open_in_memory().and_then(prepare).map_err(|error| failed(&error));
    };
    make_private(path).map_err(OpenError::io(format!("making {FILE}")))?;
    let opened = match Connection::open(path).and_then(prepare) {
        Err(error) if is_damage(&error) => {
            let aside = set_aside(path).map_err(OpenError::io(format!("setting the damaged {FILE} aside")))?;
            tracing::error!(
                %error, moved_to = %aside.display(),
                "{FILE} is damaged: sessions, jobs and kept responses begin anew, spending is not affected; keep or remove the old file"
            );
            make_private(path).map_err(OpenError::io(format!("making {FILE}")))?;
            Connection::open(path).and_then(prepare)
        }
        opened => opened,
    };
    let connection = opened.map_err(|error| failed(&error))?;
    let found = version(&connection).map_err(|error| failed(&error))?;
    if found > VERSION {
        return Err(OpenError::Newer { file: FILE.to_owned(), found, known: VERSION });
    }
    Ok(connection)
}

/// Writes the whole file anew, without what is free in it, then as `checkpoint`.
pub(super) fn write_anew(connection: &Connection) -> rusqlite::Result<bool> {
    // The new file is made beside memory, in a temporary file without a name: it may be large.
    connection.pragma_update(None, "temp_store", "FILE")?;
    let written = connection.execute_batch("VACUUM");
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    written?;
    checkpoint(connection)
}

/// Moves the write-ahead log into the file, and empties it.
pub(super) fn checkpoint(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| Ok(row.get::<_, i64>(0)? == 0))
}

/// Gives pages that hold nothing back to the file system, some at a time.
pub(super) fn give_back(connection: &Connection) -> rusqlite::Result<()> {
    let mut statement = connection.prepare("PRAGMA incremental_vacuum(2000)")?;
    let mut rows = statement.query([])?;
    while rows.next()?.is_some() {}
    Ok(())
}

/// Files that were set aside.
pub(super) fn set_aside_files(path: &Path) -> Vec<PathBuf> {
    let (Some(dir), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else {
        return Vec::new();
    };
    let prefix = format!("{name}.damaged-");
    let names = std::fs::read_dir(dir).into_iter().flatten().filter_map(Result::ok);
    let is_one =
        |path: &PathBuf| path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(&prefix));
    names.map(|entry| entry.path()).filter(is_one).collect()
}

fn prepare(connection: Connection) -> rusqlite::Result<Connection> {
    connection.busy_timeout(Duration::from_secs(5))?;
    // Before the first table, or it is for a later VACUUM.
    connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "secure_delete", "ON")?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "wal_autocheckpoint", 4000)?;
    connection.pragma_update(None, "journal_size_limit", 64 << 20)?;
    connection.set_prepared_statement_cache_capacity(64);
    if version(&connection)? == 0 {
        connection.execute_batch(&format!("BEGIN IMMEDIATE;{TABLES}PRAGMA user_version = {VERSION};COMMIT;"))?;
    }
    for probe in PROBES {
        connection.query_row(probe, [], |_| Ok(()))?;
    }
    Ok(connection)
}

fn version(connection: &Connection) -> rusqlite::Result<u32> {
    connection.query_row("PRAGMA user_version", [], |row| row.get(0))
}

/// What clients said is nobody's business but the owner's of the directory.
fn make_private(path: &Path) -> io::Result<()> {
    #[cfg_attr(not(unix), expect(unused_mut, reason = "the mode is a matter of Unix"))]
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.write(true).create(true).truncate(false).open(path).map(drop)
}

fn set_aside(path: &Path) -> io::Result<PathBuf> {
    let free = (1_u32..).map(|number| with_suffix(path, &format!(".damaged-{number}"))).find(|aside| !aside.exists());
    let aside = free.unwrap_or_else(|| with_suffix(path, ".damaged"));
    for suffix in ["", "-wal", "-shm"] {
        let from = with_suffix(path, suffix);
        if from.exists() {
            std::fs::rename(&from, with_suffix(&aside, suffix))?;
        }
    }
    Ok(aside)
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name: OsString = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

fn failed(error: &rusqlite::Error) -> OpenError {
    let kind = match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => io::ErrorKind::StorageFull,
        _ => io::ErrorKind::Other,
    };
    OpenError::Io { doing: format!("opening {FILE}"), error: io::Error::new(kind, error.to_string()) }
}
