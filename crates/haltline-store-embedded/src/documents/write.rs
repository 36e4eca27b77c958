//! What changes documents, inside of transactions.

use super::read::{about, beyond, low};
use crate::seal::{Seal, SealError};
use haltline_ports::{Document, Shelf};
use haltline_types::{Name, Timestamp};
use rusqlite::{Connection, OptionalExtension, Params, Transaction, TransactionBehavior, params};

/// A change.
pub(super) enum Command {
    Put(Vec<Document>),
    PutIf(Box<Document>, Option<Timestamp>),
    Remove(Shelf, Vec<String>),
    RemovePrefix(Shelf, String),
    ForgetUser(Name),
}

impl Command {
    /// How much memory it holds, about.
    pub(super) fn bytes(&self) -> usize {
        const FRAME: usize = 256;
        let size = |document: &Document| FRAME + document.id.len() + document.body.len();
        match self {
            Self::Put(documents) => documents.iter().map(size).sum(),
            Self::PutIf(document, _) => size(document),
            Self::Remove(_, ids) => ids.iter().map(|id| FRAME + id.len()).sum(),
            Self::RemovePrefix(..) | Self::ForgetUser(_) => FRAME,
        }
    }
}

/// All of `commands` in one transaction; for each, how many documents it changed.
pub(super) fn together<'a>(
    connection: &mut Connection,
    seal: &Seal,
    commands: impl IntoIterator<Item = &'a Command>,
) -> rusqlite::Result<Vec<u64>> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let counts =
        commands.into_iter().map(|command| run(&transaction, seal, command)).collect::<rusqlite::Result<_>>()?;
    transaction.commit()?;
    Ok(counts)
}

/// Removes at most `most` of the documents that are expired; how many there were.
pub(super) fn sweep(connection: &mut Connection, now: Timestamp, most: usize) -> rusqlite::Result<usize> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let sql = "SELECT n FROM documents WHERE expires <= ?1 LIMIT ?2";
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let removed = remove(&transaction, sql, params![now.as_millis(), most])?;
    transaction.commit()?;
    Ok(usize::try_from(removed).unwrap_or(usize::MAX))
}

fn run(transaction: &Transaction<'_>, seal: &Seal, command: &Command) -> rusqlite::Result<u64> {
    match command {
        Command::Put(documents) => {
            for document in documents {
                put(transaction, seal, document)?;
            }
            Ok(u64::try_from(documents.len()).unwrap_or(u64::MAX))
        }
        Command::PutIf(document, expected) => {
            let found = transaction
                .prepare_cached("SELECT changed FROM documents WHERE shelf = ?1 AND id = ?2")?
                .query_row(params![document.shelf.word(), document.id.as_bytes()], |row| row.get(0))
                .optional()?;
            if found.map(Timestamp::from_millis) != *expected {
                return Ok(0);
            }
            put(transaction, seal, document)?;
            Ok(1)
        }
        Command::Remove(shelf, ids) => ids.iter().try_fold(0, |removed, id| {
            let sql = "SELECT n FROM documents WHERE shelf = ?1 AND id = ?2";
            Ok(removed + remove(transaction, sql, params![shelf.word(), id.as_bytes()])?)
        }),
        Command::RemovePrefix(shelf, prefix) => {
            let sql = "SELECT n FROM documents WHERE shelf = ?1 AND id >= ?2 AND id < ?3";
            remove(transaction, sql, params![shelf.word(), low(prefix, None), beyond(prefix)])
        }
        Command::ForgetUser(user) => {
            remove(transaction, "SELECT n FROM documents WHERE user = ?1", params![user.as_str()])
        }
    }
}

fn put(transaction: &Transaction<'_>, seal: &Seal, document: &Document) -> rusqlite::Result<()> {
    let shelf = document.shelf.word();
    let id = document.id.as_bytes();
    let labels = write_labels(&document.labels);
    let (key, user) = match &document.owner {
        Some(owner) => (Some(owner.key.as_str()), owner.user.as_deref()),
        None => (None, None),
    };
    let expires = document.expires.map(Timestamp::as_millis);
    let changed = document.changed.as_millis();
    let found: Option<(i64, String)> = transaction
        .prepare_cached("SELECT n, labels FROM documents WHERE shelf = ?1 AND id = ?2")?
        .query_row(params![shelf, id], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let sealed = match seal.is_on() {
        true => Some(seal.sealed(&document.body, &about(document.shelf, &document.id)).map_err(unsealed)?),
        false => None,
    };
    let body: &[u8] = sealed.as_deref().unwrap_or(&document.body);
    let number = match &found {
        Some((number, _)) => {
            transaction
                .prepare_cached(
                    "UPDATE documents SET key = ?2, user = ?3, labels = ?4, changed = ?5, expires = ?6, body = ?7 WHERE n = ?1",
                )?
                .execute(params![number, key, user, labels, changed, expires, body])?;
            *number
        }
        None => {
            transaction
                .prepare_cached(
                    "INSERT INTO documents (shelf, id, key, user, labels, changed, expires, body)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                )?
                .execute(params![shelf, id, key, user, labels, changed, expires, body])?;
            transaction.last_insert_rowid()
        }
    };
    match found {
        Some((_, before)) if before == labels => return Ok(()),
        Some((_, before)) if !before.is_empty() => unlabel(transaction, number)?,
        _ => {}
    }
    for label in &document.labels {
        transaction
            .prepare_cached("INSERT OR IGNORE INTO labels (shelf, label, id, document) VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![shelf, label, id, number])?;
    }
    Ok(())
}

fn unsealed(error: SealError) -> rusqlite::Error {
    rusqlite::Error::ToSqlConversionFailure(Box::new(error))
}

/// Removes the documents whose numbers `sql` selects; how many there were.
fn remove(transaction: &Transaction<'_>, sql: &str, params: impl Params) -> rusqlite::Result<u64> {
    let numbers: Vec<i64> =
        transaction.prepare_cached(sql)?.query_map(params, |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    for number in &numbers {
        unlabel(transaction, *number)?;
        transaction.prepare_cached("DELETE FROM documents WHERE n = ?1")?.execute(params![number])?;
    }
    Ok(u64::try_from(numbers.len()).unwrap_or(u64::MAX))
}

fn unlabel(transaction: &Transaction<'_>, number: i64) -> rusqlite::Result<()> {
    transaction.prepare_cached("DELETE FROM labels WHERE document = ?1")?.execute(params![number])?;
    Ok(())
}

/// The labels as they stand beside the document, so that a question needs one row: a JSON array,
/// or nothing.
fn write_labels(labels: &[String]) -> String {
    if labels.is_empty() { String::new() } else { serde_json::Value::from(labels).to_string() }
}
