//! Dead letters: records that could not be handled, kept in a stream of their own with everything it
//! takes to try them again.
//!
//! **Invariant.** A letter is written in the commit that gives its record up, and removed in the commit that
//! handles it after all or drops it.

use super::status::{DeadLetter, OffsetValue};
use super::{Error, Shared, Streams};
use crate::dispatch;
use crate::ids::{ComponentName, Digest, Instant, StreamName};
use crate::registry::Generation;
use crate::replay::Taken;
use crate::store::{
    Acknowledgement, Append, Claim, CommitError, Offset, Partition, Record, Transaction, offset_of,
    offset_text,
};

/// Stream of records that could not be handled; it has one partition.
pub(super) const DEAD_LETTERS: &str = "leyden.dead-letters";

/// Most letters listed at once.
const LISTED_MAX: usize = 1_000;

/// Most payload bytes of letters listed at once; one may be longer.
const LISTED_BYTES_MAX: usize = 16 << 20;

/// What is written.
#[derive(serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Letter {
    group: String,
    stream: String,
    #[serde(default)]
    partition: u16,
    /// As [`offset_text`] has it; letters of older versions have a number.
    #[serde(deserialize_with = "offset_of_any")]
    offset: String,
    key: String,
    payload: String,
    /// The payload in hexadecimal digits, where it is not UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    payload_hex: Option<String>,
    #[serde(default)]
    published_at_ms: u64,
    reason: String,
    #[serde(default)]
    component: String,
    deliveries: u32,
}

/// Why a record is given up.
pub(super) struct Failure<'a> {
    pub(super) claim: &'a Claim,
    /// The version that failed last.
    pub(super) version: Digest,
    pub(super) reason: String,
    pub(super) deliveries: u32,
}

impl Failure<'_> {
    /// The commit that writes a letter and is done with the record.
    pub(super) fn burial(self, record: Record, at: u64) -> Transaction {
        let acknowledgement = Acknowledgement {
            claim: self.claim.clone(),
            offsets: vec![record.offset],
        };
        let key = record.key.clone();
        let payload = serde_json::to_vec(&self.letter(record)).unwrap_or_default();
        Transaction {
            appends: vec![Append {
                stream: dead_letters(),
                key,
                payload,
            }],
            acknowledgement: Some(acknowledgement),
            at,
            ..Transaction::default()
        }
    }

    fn letter(self, record: Record) -> Letter {
        let partition = &self.claim.subscription.partition;
        let is_text = std::str::from_utf8(&record.payload).is_ok();
        Letter {
            group: self.claim.subscription.group.to_string(),
            stream: partition.stream.to_string(),
            partition: partition.number,
            offset: offset_text(record.offset),
            key: record.key,
            payload: String::from_utf8_lossy(&record.payload).into_owned(),
            payload_hex: (!is_text).then(|| hex::encode(&record.payload)),
            published_at_ms: record.published_at.0,
            reason: self.reason,
            component: self.version.to_string(),
            deliveries: self.deliveries,
        }
    }
}

impl Letter {
    /// Which component could not handle it, and of which partition it is.
    fn addressee(&self, generation: &Generation) -> Result<(ComponentName, Partition), Error> {
        let no_group = || Error::NoGroup(self.group.clone());
        let component = ComponentName::parse(&self.group).map_err(|_| no_group())?;
        let stream = StreamName::parse(&self.stream).map_err(|_| no_group())?;
        if !generation.components.contains_key(&component) {
            return Err(no_group());
        }
        let number = self.partition;
        Ok((component, Partition { stream, number }))
    }

    /// The record as it was.
    fn record(&self) -> Record {
        let bytes = self
            .payload_hex
            .as_deref()
            .and_then(|text| hex::decode(text).ok());
        Record {
            offset: offset_of(&self.offset).unwrap_or(0),
            key: self.key.clone(),
            payload: bytes.unwrap_or_else(|| self.payload.clone().into_bytes()),
            published_at: Instant(self.published_at_ms),
        }
    }

    fn told(self, record: &Record) -> DeadLetter {
        DeadLetter {
            id: OffsetValue(record.offset),
            buried_at: record.published_at.to_string(),
            group: self.group,
            component: self.component,
            stream: self.stream,
            partition: self.partition,
            offset: OffsetValue(offset_of(&self.offset).unwrap_or(0)),
            key: self.key,
            payload: self.payload,
            reason: self.reason,
            deliveries: self.deliveries,
        }
    }
}

impl Streams {
    /// Dead letters after an offset (0: from the first), the oldest first, a bounded number.
    ///
    /// # Errors
    /// The store did not answer.
    pub async fn dead_letters(&self, after: Offset) -> Result<Vec<DeadLetter>, Error> {
        let (store, grave) = (&self.shared.store, grave());
        let records = store.read_log(&grave, after, LISTED_MAX, LISTED_BYTES_MAX);
        let records = records.await?;
        let told = |record: &Record| Some(letter_of(record)?.told(record));
        Ok(records.iter().filter_map(told).collect())
    }

    /// One dead letter.
    ///
    /// # Errors
    /// There is none of this name, or the store did not answer.
    pub async fn dead_letter(&self, id: Offset) -> Result<DeadLetter, Error> {
        let (letter, record) = self.shared.letter(id).await?;
        Ok(letter.told(&record))
    }

    /// Has the active version of its component handle a dead letter's record, and removes the letter in the
    /// same commit.
    ///
    /// # Errors
    /// It failed again and stays, there is no such letter or component, or the store did not answer.
    pub async fn retry_dead(&self, id: Offset) -> Result<DeadLetter, Error> {
        let shared = &self.shared;
        let (letter, record) = shared.letter(id).await?;
        let generation = shared.registry.generation();
        let (component, partition) = letter.addressee(&generation)?;
        let place = (grave(), id);
        let handled =
            shared
                .dispatch
                .redeliver(&generation, &component, partition, letter.record(), &place);
        match handled.await {
            Ok(()) => Ok(letter.told(&record)),
            Err(dispatch::Error::Fenced) => Err(Error::NoLetter(offset_text(id))),
            Err(dispatch::Error::Store(error)) => Err(error.into()),
            Err(error) => Err(Error::FailedAgain(error)),
        }
    }

    /// Has the active version of its component handle a dead letter's record without keeping what that does; all
    /// that it read and did. The letter stays.
    ///
    /// # Errors
    /// There is no such letter or component, or the host failed; that the component fails is what is told.
    pub(crate) async fn try_dead(&self, id: Offset) -> Result<Taken, Error> {
        let shared = &self.shared;
        let (letter, _) = shared.letter(id).await?;
        let generation = shared.registry.generation();
        let (component, partition) = letter.addressee(&generation)?;
        let tried = shared
            .dispatch
            .dry(&generation, &component, partition, letter.record());
        tried.await.map_err(|error| match error {
            dispatch::Error::Store(error) => error.into(),
            other => Error::FailedAgain(other),
        })
    }

    /// Removes a dead letter; what it said.
    ///
    /// # Errors
    /// There is none of this name, or the store did not answer.
    pub async fn drop_dead(&self, id: Offset) -> Result<DeadLetter, Error> {
        let shared = &self.shared;
        let (letter, record) = shared.letter(id).await?;
        let dropped = Transaction {
            removals: vec![(grave(), id)],
            at: shared.clock.now().0,
            ..Transaction::default()
        };
        match shared.store.commit(dropped).await {
            Ok(_) => Ok(letter.told(&record)),
            // Somebody else dealt with it at the same time.
            Err(CommitError::Conflict) => Err(Error::NoLetter(offset_text(id))),
            Err(error) => Err(error.into()),
        }
    }
}

impl Shared {
    async fn letter(&self, id: Offset) -> Result<(Letter, Record), Error> {
        let before = id.saturating_sub(1);
        let mut found = self
            .store
            .read_log(&grave(), before, 1, LISTED_BYTES_MAX)
            .await?;
        let record = found.pop().filter(|record| record.offset == id);
        record
            .and_then(|record| Some((letter_of(&record)?, record)))
            .ok_or_else(|| Error::NoLetter(offset_text(id)))
    }
}

fn letter_of(record: &Record) -> Option<Letter> {
    serde_json::from_slice(&record.payload).ok()
}

/// The partition of the dead letters.
fn grave() -> Partition {
    Partition {
        stream: dead_letters(),
        number: 0,
    }
}

fn dead_letters() -> StreamName {
    #[expect(clippy::expect_used, reason = "a constant that the tests parse")]
    StreamName::parse(DEAD_LETTERS).expect("a valid stream name")
}

/// An offset as a number or as text.
fn offset_of_any<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    use serde::Deserialize as _;
    let value = serde_json::Value::deserialize(deserializer)?;
    let number = value.as_u64().map(offset_text);
    Ok(number.unwrap_or_else(|| value.as_str().unwrap_or_default().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Holder, Subscription};

    fn claim() -> Claim {
        Claim {
            subscription: Subscription {
                group: "sum".into(),
                partition: Partition {
                    stream: StreamName::parse("in").expect("a name"),
                    number: 3,
                },
            },
            holder: Holder("h".into()),
        }
    }

    fn buried(payload: &[u8]) -> (Record, Letter) {
        let claim = claim();
        let failure = Failure {
            claim: &claim,
            version: Digest::of(b"x"),
            reason: "it trapped".into(),
            deliveries: 5,
        };
        let record = Record {
            offset: 1_700_000_000_000 << 20 | 2,
            key: "k".into(),
            payload: payload.to_vec(),
            published_at: Instant(7),
        };
        let burial = failure.burial(record.clone(), 9);
        let acknowledged = burial.acknowledgement.expect("it is done with the record");
        assert_eq!(acknowledged.offsets, [record.offset]);
        let letter = serde_json::from_slice(&burial.appends[0].payload).expect("a letter");
        (record, letter)
    }

    #[test]
    fn a_letter_gives_back_the_record_whatever_it_holds() {
        for payload in [&b"{\"a\":1}"[..], b"", &[0, 255, 128]] {
            let (record, letter) = buried(payload);
            assert_eq!(letter.record(), record);
            assert_eq!((letter.partition, letter.deliveries), (3, 5));
        }
    }

    #[test]
    fn letters_of_older_versions_can_be_read() {
        let old = r#"{"group":"g","stream":"s","offset":12,"key":"k","payload":"p","reason":"r","deliveries":5}"#;
        let letter: Letter = serde_json::from_str(old).expect("a letter");
        assert_eq!(letter.record().offset, 12);
        assert_eq!(letter.record().payload, b"p");
    }
}
