//! Reads of the log, each on one connection and so at one instant: records, the oldest one, and how
//! many are kept.
//!
//! **Invariant.** The records of a stream are those from its oldest to its newest without the holes,
//! and every record that was taken out from between them is a hole. So they are counted without being
//! visited.

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::schema::{OFFSET_MAX, offset_of, record_id, trimmed_name, unsigned};
use crate::ids::Instant;
use crate::store::{Offset, Record};

const RECORDS: &str = "SELECT id, key, payload, published_at_ms FROM log WHERE id > ?1 AND id <= ?2 ORDER BY id LIMIT ?3";
const PUBLISHED: &str = "SELECT published_at_ms FROM log WHERE id = ?1";
const FIRST: &str = "SELECT min(id) FROM log WHERE id > ?1 AND id <= ?2";
const LAST: &str = "SELECT max(id) FROM log WHERE id > ?1 AND id <= ?2";
const TRIMMED: &str = "SELECT value FROM meta WHERE name = ?1";
const HOLES: &str = "SELECT count(*) FROM holes WHERE id > ?1 AND id < ?2";

/// Records of a stream after an offset, at most `limit` and as many as fit in `bytes_max`.
pub(super) fn records(
    connection: &Connection,
    stream: i64,
    after: Offset,
    limit: usize,
    bytes_max: usize,
) -> rusqlite::Result<Vec<Record>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let (after, end) = (record_id(stream, after), record_id(stream, OFFSET_MAX));
    let mut statement = connection.prepare_cached(RECORDS)?;
    fitting(statement.query(params![after, end, limit])?, bytes_max)
}

/// The records that fit in `bytes_max` together, and always the first.
fn fitting(mut rows: rusqlite::Rows<'_>, bytes_max: usize) -> rusqlite::Result<Vec<Record>> {
    let mut records = Vec::new();
    let mut bytes = 0_usize;
    while let Some(row) = rows.next()? {
        bytes = bytes.saturating_add(row.get_ref(2)?.as_blob()?.len());
        if bytes > bytes_max && !records.is_empty() {
            break;
        }
        records.push(record(row)?);
    }
    Ok(records)
}

fn record(row: &Row<'_>) -> rusqlite::Result<Record> {
    Ok(Record {
        offset: offset_of(row.get(0)?),
        key: row.get(1)?,
        payload: row.get(2)?,
        published_at: Instant(unsigned(row.get(3)?)),
    })
}

/// The offset of a stream's first record after an offset.
pub(super) fn first_after(
    connection: &Connection,
    stream: i64,
    after: Offset,
) -> rusqlite::Result<Option<Offset>> {
    Ok(edge(connection, FIRST, stream, after)?.map(offset_of))
}

/// When a record was published.
pub(super) fn published_at(
    connection: &Connection,
    stream: i64,
    offset: Offset,
) -> rusqlite::Result<Instant> {
    let mut statement = connection.prepare_cached(PUBLISHED)?;
    let at = statement.query_row([record_id(stream, offset)], |row| row.get(0))?;
    Ok(Instant(unsigned(at)))
}

/// How many records of a stream are kept after an offset.
pub(super) fn kept_after(
    connection: &Connection,
    stream: i64,
    after: Offset,
) -> rusqlite::Result<u64> {
    let Some(first) = edge(connection, FIRST, stream, after)? else {
        return Ok(0);
    };
    let last = edge(connection, LAST, stream, after)?.unwrap_or(first);
    let mut statement = connection.prepare_cached(HOLES)?;
    let holes: i64 = statement.query_row([first, last], |row| row.get(0))?;
    Ok(unsigned(last - first + 1 - holes))
}

/// The greatest offset of a stream that was trimmed; 0 for none.
pub(super) fn trimmed(connection: &Connection, stream: i64) -> rusqlite::Result<Offset> {
    let mut statement = connection.prepare_cached(TRIMMED)?;
    let trimmed = statement.query_row([trimmed_name(stream)], |row| row.get(0));
    Ok(trimmed.optional()?.map_or(0, unsigned))
}

fn edge(
    connection: &Connection,
    sql: &str,
    stream: i64,
    after: Offset,
) -> rusqlite::Result<Option<i64>> {
    let mut statement = connection.prepare_cached(sql)?;
    let range = [record_id(stream, after), record_id(stream, OFFSET_MAX)];
    statement.query_row(range, |row| row.get(0))
}
