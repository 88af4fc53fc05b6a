//! Reads what the server answers where it has no fixed shape: entries of streams and nested lists.
//! Entries that producers outside wrote may lack every field and have ids that no offset can name.

use redis::Value;

use crate::ids::Instant;
use crate::store::{Error, Offset, Record, Result, offset_of, offset_text};

/// A batch of records begins with this many where nobody knows their size: bodies of 1 MiB should
/// not fill the memory at once.
const FIRST_STEP: usize = 64;

/// Most records of one command: a millisecond or two of the server.
const STEP_MAX: usize = 1_000;

/// What a shape that nobody expects becomes.
pub(super) fn strange(what: &'static str) -> Error {
    Error::Backend(format!("the server answered {what} in an unknown form").into())
}

/// A list's members; none for nil.
pub(super) fn items(value: Value) -> Result<Vec<Value>> {
    match value {
        Value::Array(items) | Value::Set(items) => Ok(items),
        Value::Nil => Ok(Vec::new()),
        _ => Err(strange("a list")),
    }
}

/// A string's text.
pub(super) fn text(value: Value) -> Result<String> {
    match value {
        Value::BulkString(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Value::SimpleString(text) => Ok(text),
        Value::Int(number) => Ok(number.to_string()),
        _ => Err(strange("a text")),
    }
}

/// A string's bytes.
pub(super) fn bytes(value: Value) -> Result<Vec<u8>> {
    match value {
        Value::BulkString(bytes) => Ok(bytes),
        _ => Err(strange("bytes")),
    }
}

/// A number, not below zero.
pub(super) fn number(value: Value) -> Result<u64> {
    let number = match value {
        Value::Int(number) => u64::try_from(number).ok(),
        other => text(other)?.parse().ok(),
    };
    number.ok_or_else(|| strange("a number"))
}

/// The id of the entry that has an offset.
pub(super) fn entry_id(offset: Offset) -> String {
    let id = offset_text(offset);
    if id.contains('-') {
        id
    } else {
        format!("0-{id}")
    }
}

/// The milliseconds of an id.
pub(super) fn id_ms(id: &str) -> u64 {
    let (ms, _) = id.split_once('-').unwrap_or((id, ""));
    ms.parse().unwrap_or(0)
}

/// When an entry was published: as it says, or when Redis took it in.
pub(super) fn published_at(id: &str, at: Option<&str>) -> Instant {
    let said = at.and_then(|at| at.parse().ok());
    Instant(said.unwrap_or_else(|| id_ms(id)).min(Instant::MAX.0))
}

/// An entry of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) id: String,
    /// None where only the id is left of it.
    pub(super) body: Option<Body>,
}

/// What an entry says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Body {
    pub(super) key: String,
    pub(super) payload: Vec<u8>,
    pub(super) published_at: Instant,
}

impl Entry {
    fn read(value: Value) -> Result<Self> {
        let mut parts = items(value)?.into_iter();
        let (Some(id), fields) = (parts.next(), parts.next().unwrap_or_default()) else {
            return Err(strange("an entry"));
        };
        let id = text(id)?;
        let body = match fields {
            Value::Nil => None,
            fields => Some(Body::read(&id, items(fields)?)?),
        };
        Ok(Self { id, body })
    }

    /// The record; none where the body is gone or no offset can name it.
    pub(super) fn into_record(self) -> Option<Record> {
        let body = self.body?;
        Some(Record {
            offset: offset_of(&self.id)?,
            key: body.key,
            payload: body.payload,
            published_at: body.published_at,
        })
    }
}

impl Body {
    fn read(id: &str, fields: Vec<Value>) -> Result<Self> {
        let (mut key, mut payload, mut at) = (String::new(), Vec::new(), None);
        let mut fields = fields.into_iter();
        while let (Some(name), Some(value)) = (fields.next(), fields.next()) {
            match text(name)?.as_str() {
                "key" => key = text(value)?,
                "payload" => payload = bytes(value)?,
                "at" => at = Some(text(value)?),
                _ => {}
            }
        }
        let published_at = published_at(id, at.as_deref());
        Ok(Self {
            key,
            payload,
            published_at,
        })
    }
}

/// A list of entries, as `XRANGE` answers.
pub(super) fn entries(value: Value) -> Result<Vec<Entry>> {
    items(value)?.into_iter().map(Entry::read).collect()
}

/// The entries of the one stream that `XREADGROUP` was asked for.
pub(super) fn entries_of_one(value: Value) -> Result<Vec<Entry>> {
    let found = match value {
        Value::Map(streams) => streams.into_iter().next().map(|(_, entries)| entries),
        value => match items(value)?.into_iter().next() {
            Some(stream) => items(stream)?.into_iter().nth(1),
            None => None,
        },
    };
    entries(found.unwrap_or_default())
}

/// Records that are being collected, within bounds.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) records: Vec<Record>,
    bytes: usize,
    limit: usize,
    bytes_max: usize,
    /// Bytes of a record's payload, as far as one knows.
    typical: Option<usize>,
}

impl Batch {
    pub(super) fn new(limit: usize, bytes_max: usize, typical: Option<usize>) -> Self {
        Self {
            records: Vec::new(),
            bytes: 0,
            limit,
            bytes_max,
            typical,
        }
    }

    /// How many entries to ask for next; none when it is full.
    pub(super) fn room(&self) -> Option<usize> {
        let left = self.limit.saturating_sub(self.records.len());
        // With as many bytes as may be, records without a payload still fit.
        let full = self.bytes > self.bytes_max;
        if left == 0 || full {
            return None;
        }
        let bytes_left = self.bytes_max.saturating_sub(self.bytes);
        let fitting = self.typical.map_or(FIRST_STEP, |typical| {
            // One more than fits shows that the next does not.
            (bytes_left / typical.max(1)).saturating_add(1)
        });
        Some(left.min(fitting).min(STEP_MAX))
    }

    /// Learns how large records are.
    pub(super) fn learn(&mut self, entries: &[Entry]) {
        let bodies = entries.iter().filter_map(|entry| entry.body.as_ref());
        let bytes: usize = bodies.map(|body| body.payload.len()).sum();
        if let Some(typical) = bytes.checked_div(entries.len()) {
            self.typical = Some(typical);
        }
    }

    /// What it has learnt.
    pub(super) fn typical(&self) -> Option<usize> {
        self.typical
    }

    /// Takes a record if it fits; whether it did.
    pub(super) fn push(&mut self, record: Record) -> bool {
        let bytes = self.bytes + record.payload.len();
        let fits = self.records.is_empty() || bytes <= self.bytes_max;
        if fits {
            self.bytes = bytes;
            self.records.push(record);
        }
        fits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    #[test]
    fn without_a_bound_there_is_room_for_small_records() {
        let batch = Batch::new(usize::MAX, usize::MAX, Some(1));
        assert_eq!(batch.room(), Some(STEP_MAX));
    }

    #[test]
    fn an_entry_from_outside_may_lack_everything() {
        let entry = |fields: Vec<Value>| {
            let value = Value::Array(vec![bulk("1700000000000-3"), Value::Array(fields)]);
            Entry::read(value).expect("an entry").into_record()
        };
        let record = entry(vec![bulk("colour"), bulk("red")]).expect("a record");
        assert_eq!((record.key.as_str(), record.payload.len()), ("", 0));
        assert_eq!(record.published_at, Instant(1_700_000_000_000));
        let record = entry(vec![bulk("at"), bulk("soon"), bulk("key"), bulk("7")]);
        assert_eq!(record.expect("a record").published_at.0, 1_700_000_000_000);
        let record = entry(vec![bulk("at"), bulk("5")]).expect("a record");
        assert_eq!(record.published_at, Instant(5));
    }

    #[test]
    fn what_no_offset_names_is_no_record() {
        let value = |id, body| Value::Array(vec![bulk(id), body]);
        let gone = Entry::read(value("1-1", Value::Nil)).expect("an entry");
        assert_eq!(gone.into_record(), None);
        let odd = Entry::read(value("1-1048576", Value::Array(Vec::new()))).expect("an entry");
        assert_eq!(odd.into_record(), None);
        assert!(Entry::read(Value::Int(1)).is_err());
    }

    #[test]
    fn a_batch_takes_one_record_whatever_its_size() {
        let record = |bytes| Record {
            offset: 1,
            key: String::new(),
            payload: vec![0; bytes],
            published_at: Instant(0),
        };
        let mut batch = Batch::new(10, 100, None);
        assert_eq!(batch.room(), Some(10));
        assert!(batch.push(record(1_000)) && !batch.push(record(1)));
        assert_eq!(batch.room(), None);
        let mut batch = Batch::new(10, 100, Some(50));
        assert_eq!(batch.room(), Some(3));
        assert!(batch.push(record(60)) && batch.push(record(40)) && !batch.push(record(1)));
        assert!(batch.room() == Some(1) && batch.push(record(0)));
        assert_eq!(Batch::new(0, 100, None).room(), None);
    }

    #[test]
    fn ids_of_small_offsets_are_sequences() {
        assert_eq!(entry_id(17), "0-17");
        assert_eq!(entry_id((5 << 20) | 2), "5-2");
    }
}
