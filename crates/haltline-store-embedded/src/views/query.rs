//! Questions to the views.

use super::{failed, project};
use crate::codec;
use haltline_ports::{
    Order, Owner, REQUESTS_MAX, RecordsError, RequestRecord, RequestsQuery, SpendKey, SpendQuery, SpendRow, Together,
    Whose,
};
use haltline_types::{NanoUsd, RequestId, Tokens};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};
use std::fmt::Write;

pub(super) fn generation(connection: &Connection, id: RequestId) -> Result<Option<RequestRecord>, RecordsError> {
    let encoded: Option<Vec<u8>> = connection
        .prepare_cached("SELECT record FROM requests WHERE id = ?1")
        .and_then(|mut statement| statement.query_row(params![project::id_bytes(id)], |row| row.get(0)).optional())
        .map_err(|error| failed(&error))?;
    encoded
        .map(|encoded| {
            codec::read_record(&encoded).ok_or_else(|| RecordsError(format!("the record of {id} makes no sense")))
        })
        .transpose()
}

pub(super) fn requests(connection: &Connection, asked: &RequestsQuery) -> Result<Vec<RequestRecord>, RecordsError> {
    let (column, together) = match &asked.together {
        Together::Session(session) => ("session", Value::from(session.as_str().to_owned())),
        Together::Trace(trace) => match project::trace_bytes(trace) {
            Some(bytes) => ("trace", Value::from(bytes.to_vec())),
            None => return Ok(Vec::new()),
        },
    };
    let mut values = vec![together];
    let mut sql = format!("SELECT record FROM requests WHERE {column} = ?1");
    let mut and = |condition: &str, value: Value| {
        values.push(value);
        let _ = write!(sql, " AND {condition} ?{}", values.len());
    };
    let text = |name: &haltline_types::Name| Value::from(name.as_str().to_owned());
    match &asked.whose {
        // `IS`, because an owner without a user owns what has no user.
        Whose::Owner(Owner { key, user }) => {
            and("key IS", text(key));
            and("user IS", user.as_ref().map_or(Value::Null, text));
        }
        Whose::Any { key, user } => {
            for (condition, name) in [("key =", key), ("user =", user)] {
                if let Some(name) = name {
                    and(condition, text(name));
                }
            }
        }
    }
    let (beyond, direction) = match asked.order {
        Order::OldestFirst => ("id >", "ASC"),
        Order::NewestFirst => ("id <", "DESC"),
    };
    if let Some(after) = asked.after {
        and(beyond, Value::from(project::id_bytes(after).to_vec()));
    }
    let _ = write!(sql, " ORDER BY id {direction} LIMIT {}", asked.limit.min(REQUESTS_MAX));
    let encoded: Vec<Vec<u8>> = connection
        .prepare_cached(&sql)
        .and_then(|mut statement| statement.query_map(params_from_iter(values), |row| row.get(0))?.collect())
        .map_err(|error| failed(&error))?;
    let decoded = |encoded: Vec<u8>| {
        codec::read_record(&encoded).ok_or_else(|| RecordsError("the record of a request makes no sense".into()))
    };
    encoded.into_iter().map(decoded).collect()
}

pub(super) fn spend(connection: &Connection, asked: &SpendQuery) -> Result<Vec<SpendRow>, RecordsError> {
    let groups = asked.by.len();
    let read = |row: &Row<'_>| {
        let mut group = Vec::with_capacity(groups);
        for index in 0..groups {
            group.push(row.get(index)?);
        }
        Ok(SpendRow {
            group,
            requests: row.get::<_, i64>(groups)?.cast_unsigned(),
            attempts: row.get::<_, i64>(groups + 1)?.cast_unsigned(),
            input: Tokens::new(row.get::<_, i64>(groups + 2)?.cast_unsigned()),
            output: Tokens::new(row.get::<_, i64>(groups + 3)?.cast_unsigned()),
            cost: NanoUsd::new(row.get(groups + 4)?),
        })
    };
    let mut rows: Vec<SpendRow> = connection
        .prepare_cached(&spend_sql(&asked.by))
        .and_then(|mut statement| {
            statement.query_map(params![asked.since.as_millis(), asked.until.as_millis()], read)?.collect()
        })
        .map_err(|error| failed(&error))?;
    if groups == 0 {
        // Without a grouping SQL gives one row also where nothing was asked of any provider.
        rows.retain(|row| row.requests > 0);
    }
    Ok(rows)
}

/// A request counts when it was sent at least once, or refused.
fn spend_sql(by: &[SpendKey]) -> String {
    let mut select = String::new();
    let mut group = String::new();
    for (index, key) in by.iter().enumerate() {
        let expression = match key {
            SpendKey::Key => "coalesce(r.key, '-')",
            SpendKey::Team => "coalesce(r.team, '-')",
            SpendKey::User => "coalesce(r.user, '-')",
            SpendKey::Model => "r.model",
            SpendKey::Provider => "coalesce(a.provider, '-')",
            SpendKey::Tag => "coalesce(t.name || '=' || t.value, '-')",
            SpendKey::Day => "date(r.started / 1000, 'unixepoch')",
        };
        let _ = write!(select, "{expression}, ");
        let _ = write!(group, "{}{}", if index == 0 { "GROUP BY " } else { ", " }, index + 1);
    }
    let tags = if by.contains(&SpendKey::Tag) { "LEFT JOIN tags t ON t.request = r.id" } else { "" };
    let order: String = (1..=by.len()).map(|index| format!(", {index}")).collect();
    format!(
        "SELECT {select}count(DISTINCT r.id), coalesce(sum(a.sent), 0), coalesce(sum(a.input), 0),
                coalesce(sum(a.output), 0), coalesce(sum(a.cost), 0)
         FROM requests r LEFT JOIN attempts a ON a.request = r.id {tags}
         WHERE r.started >= ?1 AND r.started < ?2 AND (a.sent = 1 OR r.outcome = 'refused')
         {group} ORDER BY {}{order}",
        format_args!("{} DESC", by.len() + 5),
    )
}
