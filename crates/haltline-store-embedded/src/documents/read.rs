//! Questions for documents.

use crate::seal::{OVERHEAD, Seal};
use haltline_ports::{Document, DocumentHead, DocumentQuery, Owner, Shelf};
use haltline_types::{Name, Timestamp};
use rusqlite::types::{ToSql, Type};
use rusqlite::{Connection, OptionalExtension, Row, params};

const COLUMNS: &str = "d.id, d.key, d.user, d.labels, d.changed, d.expires, d.body";
const HEAD_COLUMNS: &str = "d.id, d.key, d.user, d.labels, d.changed, d.expires, length(d.body)";
/// No text begins with it, and every text is less.
const END: u8 = 0xff;

pub(super) fn get(
    connection: &Connection,
    seal: &Seal,
    shelf: Shelf,
    id: &str,
    now: Timestamp,
) -> rusqlite::Result<Option<Document>> {
    connection
        .prepare_cached(
            "SELECT id, key, user, labels, changed, expires, body FROM documents
             WHERE shelf = ?1 AND id = ?2 AND (expires IS NULL OR expires > ?3)",
        )?
        .query_row(params![shelf.word(), id.as_bytes(), now.as_millis()], |row| read(seal, shelf, row))
        .optional()
}

pub(super) fn list(
    connection: &Connection,
    seal: &Seal,
    query: &DocumentQuery,
    now: Timestamp,
) -> rusqlite::Result<Vec<Document>> {
    asked(connection, query, now, COLUMNS, |row| read(seal, query.shelf, row))
}

/// The same without bodies, of which only the length is read, less what encryption adds: of what lies there from
/// before a store was encrypted, that is a few bytes too few.
pub(super) fn heads(
    connection: &Connection,
    seal: &Seal,
    query: &DocumentQuery,
    now: Timestamp,
) -> rusqlite::Result<Vec<DocumentHead>> {
    let added = if seal.is_on() { OVERHEAD } else { 0 };
    asked(connection, query, now, HEAD_COLUMNS, |row| read_head(row, added))
}

fn asked<T>(
    connection: &Connection,
    query: &DocumentQuery,
    now: Timestamp,
    columns: &str,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    let prefix = query.prefix.as_deref().unwrap_or_default();
    let after = query.after.as_deref();
    let (from, until) = if query.backwards {
        let until = beyond(prefix);
        (low(prefix, None), after.map_or(until.clone(), |after| until.min(after.as_bytes().to_vec())))
    } else {
        (low(prefix, after), beyond(prefix))
    };
    let limit = i64::try_from(query.limit).unwrap_or(i64::MAX);
    let shelf = query.shelf.word();
    let now = now.as_millis();
    let mut params: Vec<&dyn ToSql> = vec![&shelf, &from, &until, &now, &limit];
    let label = query.label.as_deref();
    let key = query.owner.as_ref().map(|owner| owner.key.as_str());
    let user = query.owner.as_ref().and_then(|owner| owner.user.as_deref());
    if let Some(label) = &label {
        params.push(label);
    }
    if query.owner.is_some() {
        params.extend([&key as &dyn ToSql, &user]);
    }
    let mut statement = connection.prepare_cached(&list_sql(query, columns))?;
    statement.query_map(params.as_slice(), read)?.collect()
}

/// One of eight statements: with a label or none, with an owner or none, forwards or backwards.
/// Each walks an index in the order of the ids.
fn list_sql(query: &DocumentQuery, columns: &str) -> String {
    let (source, walked, label, next) = match &query.label {
        Some(_) => ("labels l JOIN documents d ON d.n = l.document", "l", " AND l.label = ?6", 7),
        None => ("documents d", "d", "", 6),
    };
    let owner = match &query.owner {
        Some(_) => format!(" AND d.key = ?{next} AND d.user IS ?{}", next + 1),
        None => String::new(),
    };
    let order = if query.backwards { "DESC" } else { "ASC" };
    format!(
        "SELECT {columns} FROM {source}
         WHERE {walked}.shelf = ?1 AND {walked}.id >= ?2 AND {walked}.id < ?3{label}{owner}
           AND (d.expires IS NULL OR d.expires > ?4)
         ORDER BY {walked}.id {order} LIMIT ?5"
    )
}

/// The least id that begins with `prefix` and is greater than `after`.
pub(super) fn low(prefix: &str, after: Option<&str>) -> Vec<u8> {
    let next = after.map(|after| {
        let mut next = after.as_bytes().to_vec();
        next.push(0);
        next
    });
    next.unwrap_or_default().max(prefix.as_bytes().to_vec())
}

/// The least bytes that are greater than every id which begins with `prefix`.
pub(super) fn beyond(prefix: &str) -> Vec<u8> {
    let mut bytes = prefix.as_bytes().to_vec();
    match bytes.last_mut() {
        // No byte of a text is the greatest one.
        Some(last) => *last += 1,
        None => bytes.push(END),
    }
    bytes
}

fn read(seal: &Seal, shelf: Shelf, row: &Row<'_>) -> rusqlite::Result<Document> {
    let body: Vec<u8> = row.get(6)?;
    let DocumentHead { id, owner, labels, changed, expires, .. } = head(row, body.len())?;
    let opened = seal.opened(&body, &about(shelf, &id));
    let opened = opened.map_err(|error| rusqlite::Error::FromSqlConversionFailure(6, Type::Blob, Box::new(error)))?;
    let body = opened.unwrap_or(body);
    Ok(Document { shelf, id, owner, labels, changed, expires, body: body.into() })
}

/// The place of a document, for what is sealed in it.
pub(super) fn about(shelf: Shelf, id: &str) -> Vec<u8> {
    [b"document\0", shelf.word().as_bytes(), b"\0", id.as_bytes()].concat()
}

fn read_head(row: &Row<'_>, added: usize) -> rusqlite::Result<DocumentHead> {
    let bytes: i64 = row.get(6)?;
    head(row, usize::try_from(bytes).unwrap_or(usize::MAX).saturating_sub(added))
}

fn head(row: &Row<'_>, bytes: usize) -> rusqlite::Result<DocumentHead> {
    let unreadable = |column: usize, kind: Type, error: Box<dyn std::error::Error + Send + Sync>| {
        rusqlite::Error::FromSqlConversionFailure(column, kind, error)
    };
    let id = String::from_utf8(row.get(0)?).map_err(|error| unreadable(0, Type::Blob, Box::new(error)))?;
    let key: Option<String> = row.get(1)?;
    let user: Option<String> = row.get(2)?;
    let labels: String = row.get(3)?;
    let labels = if labels.is_empty() {
        Vec::new()
    } else {
        serde_json::from_str(&labels).map_err(|error| unreadable(3, Type::Text, Box::new(error)))?
    };
    Ok(DocumentHead {
        id,
        owner: key.map(|key| Owner { key: key.into(), user: user.map(Name::from) }),
        labels,
        changed: Timestamp::from_millis(row.get(4)?),
        expires: row.get::<_, Option<i64>>(5)?.map(Timestamp::from_millis),
        bytes,
    })
}
