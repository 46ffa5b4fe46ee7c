//! Queries: by what is mentioned and by kind through the index, else along the entries.

use std::collections::BTreeSet;

use edsr_model::Entry;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _, params, params_from_iter};

use super::mentions::settled;
use super::rows::{ENTRY_COLUMNS, entry};
use crate::error::JournalError;
use crate::mention;
use crate::port::{Order, QUERY_KINDS_MAX, QUERY_LIMIT_MAX, Query};

pub(super) type Entries = Result<Vec<Entry>, JournalError>;

/// Where a part of the answer is found.
enum Source {
    /// Along the entries that come after this one.
    Beyond(u64),
    /// By an id, in one of the two tables of what is mentioned.
    Mentioned(&'static str, String),
    /// By the kinds asked for, among those that are settled.
    Kinds,
}

/// The entries that fit.
pub(super) fn find(connection: &Connection, query: &Query) -> rusqlite::Result<Entries> {
    // One state of the journal for both parts.
    let transaction = connection.unchecked_transaction()?;
    let limit = query.limit.min(QUERY_LIMIT_MAX);
    let mut rest = query.clone();
    let mut found = Vec::new();
    for source in sources(&transaction, query)? {
        rest.limit = limit - found.len();
        match part(&transaction, &rest, &source)? {
            Ok(entries) => found.extend(entries),
            Err(error) => return Ok(Err(error)),
        }
    }
    Ok(Ok(found))
}

/// What is settled and what is recent, in the order asked for: all of the one is earlier than all of the other.
fn sources(connection: &Connection, query: &Query) -> rusqlite::Result<Vec<Source>> {
    let correlation = query.correlation.as_deref().map(mention::correlation);
    let mut parts = match query.mention.clone().or(correlation) {
        Some(id) => vec![
            Source::Mentioned("mention", id.clone()),
            Source::Mentioned("recent", id),
        ],
        None if query.kinds.is_empty() => vec![Source::Beyond(0)],
        None => {
            let sql = "SELECT seq FROM head";
            let end = connection
                .prepare_cached(sql)?
                .query_row([], |row| row.get(0))
                .optional()?;
            match settled(end.unwrap_or(0)) {
                0 => vec![Source::Beyond(0)],
                last => vec![Source::Kinds, Source::Beyond(last)],
            }
        }
    };
    if query.order == Order::NewestFirst {
        parts.reverse();
    }
    Ok(parts)
}

fn part(connection: &Connection, query: &Query, source: &Source) -> rusqlite::Result<Entries> {
    if query.limit == 0 {
        return Ok(Ok(Vec::new()));
    }
    if let Source::Kinds = source {
        return of_kinds(connection, query);
    }
    let (sql, values) = statement(query, source);
    let mut statement = connection.prepare_cached(&sql)?;
    statement
        .query_map(params_from_iter(values), entry)?
        .collect()
}

/// The places of each kind by itself, as many as can be asked for, and the first of all of them.
fn of_kinds(connection: &Connection, query: &Query) -> rusqlite::Result<Entries> {
    let (order, limit) = (order(query), query.limit);
    let mut places = connection.prepare_cached(&format!(
        "SELECT seq FROM mention WHERE id = ?1 AND seq > ?2 AND seq < ?3 ORDER BY seq {order} LIMIT ?4"
    ))?;
    let after = query.after.map_or(0, |seq| number(seq.0));
    let before = query.before.map_or(i64::MAX, |seq| number(seq.0));
    let kinds: BTreeSet<_> = query.kinds.iter().take(QUERY_KINDS_MAX).collect();
    let mut seqs: Vec<i64> = Vec::new();
    for kind in kinds {
        let id = mention::kind(kind);
        let rows = places.query_map(params![id, after, before, limit], |row| row.get(0))?;
        for seq in rows {
            seqs.push(seq?);
        }
    }
    seqs.sort_unstable();
    if query.order == Order::NewestFirst {
        seqs.reverse();
    }
    seqs.truncate(limit);
    let sql = format!("SELECT {ENTRY_COLUMNS} FROM entry e WHERE e.seq = ?1");
    let mut get = connection.prepare_cached(&sql)?;
    // The index may name an entry that is not there; to see that is for the verifier.
    let found = seqs
        .into_iter()
        .filter_map(|seq| get.query_row([seq], entry).optional().transpose());
    found.collect()
}

const fn order(query: &Query) -> &'static str {
    match query.order {
        Order::NewestFirst => "DESC",
        Order::OldestFirst => "ASC",
    }
}

fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn statement(query: &Query, source: &Source) -> (String, Vec<Value>) {
    let mut values = Vec::new();
    let mut conditions = Vec::new();
    // Every condition has the place of its value at its end, so that values are never part of the text.
    let mut add = |condition: &str, value: Value| {
        values.push(value);
        conditions.push(format!("{condition} ?{}", values.len()));
    };
    let (from, seq) = match source {
        Source::Mentioned(table, id) => {
            add("m.id =", Value::Text(id.clone()));
            let from = format!("{table} m CROSS JOIN entry e ON e.seq = m.seq");
            (from, "m.seq")
        }
        Source::Beyond(0) | Source::Kinds => ("entry e".to_owned(), "e.seq"),
        Source::Beyond(last) => {
            add("e.seq >", Value::Integer(number(*last)));
            ("entry e".to_owned(), "e.seq")
        }
    };
    if let Some(after) = query.after {
        add(&format!("{seq} >"), Value::Integer(number(after.0)));
    }
    if let Some(before) = query.before {
        add(&format!("{seq} <"), Value::Integer(number(before.0)));
    }
    if let Some(correlation) = &query.correlation {
        add("e.correlation =", Value::Text(correlation.clone()));
    }
    if !query.kinds.is_empty() {
        let kinds = query.kinds.iter().take(QUERY_KINDS_MAX);
        let first = values.len() + 1;
        values.extend(kinds.map(|kind| Value::Text(kind.clone())));
        let places: Vec<_> = (first..=values.len())
            .map(|place| format!("?{place}"))
            .collect();
        conditions.push(format!("e.kind IN ({})", places.join(", ")));
    }
    let filter = if conditions.is_empty() {
        "true".to_owned()
    } else {
        conditions.join(" AND ")
    };
    let (order, limit) = (order(query), query.limit);
    let sql = format!(
        "SELECT {ENTRY_COLUMNS} FROM {from} WHERE {filter} ORDER BY {seq} {order} LIMIT {limit}"
    );
    (sql, values)
}
