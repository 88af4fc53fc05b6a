//! A transaction as the script reads it: the keys that it touches, and one packed argument that names
//! them by their numbers. Pure.

use std::collections::{BTreeMap, HashMap};

use super::super::keys::Keys;
use super::super::pack::Pack;
use super::super::reply::{entry_id, strange};
use super::super::snapshot::pack_range;
use crate::store::{
    CommitError, Error, Offset, Partition, Range, Space, Transaction, chain, partition_of,
};

/// What a row costs beside its content, bytes, so that many tiny rows count too.
const ROW_BYTES: usize = 64;

/// Keys that every commit names before those of the transaction.
const KEYS_BEFORE: u64 = 7;

/// What a transaction weighs, bytes.
pub(super) fn weigh(transaction: &Transaction) -> usize {
    let writes = transaction.writes.iter();
    let writes = writes.map(|w| w.key.len() + w.value.as_ref().map_or(0, Vec::len));
    let appends = transaction.appends.iter();
    let appends = appends.map(|a| a.key.len() + a.payload.len());
    let postings = transaction.postings.iter();
    let postings = postings.map(|p| p.reference.len() + p.debit.len() + p.credit.len());
    let keys = transaction.reads.keys.iter().map(|(_, key)| key.len());
    let ranges = transaction.reads.ranges.iter();
    let ranges = ranges.map(|(_, r)| r.start.len() + r.end.as_ref().map_or(0, Vec::len));
    let rows = writes.chain(appends).chain(postings).chain(keys);
    rows.chain(ranges).map(|bytes| bytes + ROW_BYTES).sum()
}

/// What a transaction asks of a space.
#[derive(Default)]
struct Part<'a> {
    reads: Vec<&'a [u8]>,
    ranges: Vec<&'a Range>,
    /// The last write of each key, with its place in `order`.
    last: HashMap<&'a [u8], usize>,
    order: Vec<(&'a [u8], Option<&'a [u8]>)>,
}

impl<'a> Part<'a> {
    fn write(&mut self, key: &'a [u8], value: Option<&'a [u8]>) {
        if let Some(earlier) = self.last.insert(key, self.order.len()) {
            self.order[earlier].0 = b"";
        }
        self.order.push((key, value));
    }

    /// What was read, packed by itself: where nobody has committed meanwhile the script does not look at it.
    fn pack_seen(&self) -> Vec<u8> {
        let mut pack = Pack::default();
        pack.array(2);
        pack.array(self.reads.len());
        self.reads.iter().for_each(|key| pack.bytes(key));
        pack.array(self.ranges.len());
        self.ranges
            .iter()
            .for_each(|range| pack_range(&mut pack, range));
        pack.finish()
    }

    fn writes(&self, live: bool) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone {
        let writes = self.order.iter();
        let last = writes.filter(move |(key, value)| !key.is_empty() && value.is_some() == live);
        last.map(|(key, value)| (*key, value.unwrap_or_default()))
    }
}

/// A transaction, written down.
pub(super) struct Transcript<'a> {
    /// The keys after those that every commit names.
    pub(super) keys: Vec<String>,
    pub(super) packed: Vec<u8>,
    pub(super) at: u64,
    /// The partitions that get records, as the outcome counts them.
    pub(super) logs: Vec<Partition>,
    names: Vec<&'a str>,
}

/// Writes one down.
struct Scribe<'a> {
    names_of: &'a Keys,
    keys: Vec<String>,
    pack: Pack,
}

impl Scribe<'_> {
    /// The number of a key.
    fn key(&mut self, key: String) -> u64 {
        self.keys.push(key);
        KEYS_BEFORE + self.keys.len() as u64
    }

    fn texts<'t>(&mut self, texts: impl ExactSizeIterator<Item = &'t [u8]>) {
        self.pack.array(texts.len());
        texts.for_each(|text| self.pack.bytes(text));
    }

    fn pairs<'t>(&mut self, pairs: impl Iterator<Item = (&'t [u8], &'t [u8])> + Clone) {
        self.pack.array(2 * pairs.clone().count());
        for (key, value) in pairs {
            self.pack.bytes(key);
            self.pack.bytes(value);
        }
    }

    fn input(&mut self, transaction: &Transaction) {
        let Some(done) = &transaction.acknowledgement else {
            return self.pack.nothing();
        };
        let subscription = &done.claim.subscription;
        let key = self.key(self.names_of.stream(&subscription.partition));
        self.pack.array(5);
        self.pack.number(key);
        self.pack.bytes(subscription.group.as_bytes());
        self.pack.bytes(done.claim.holder.0.as_bytes());
        let unit = subscription.partition.number.to_string();
        self.pack.bytes(unit.as_bytes());
        let ids: Vec<_> = done.offsets.iter().copied().map(entry_id).collect();
        self.texts(ids.iter().map(String::as_bytes));
    }

    fn space(&mut self, space: &Space, part: &Part<'_>) {
        let key = self.key(self.names_of.state(space));
        self.key(self.names_of.index(space));
        self.key(self.names_of.removed(space));
        self.pack.array(5);
        self.pack.number(key);
        self.pack.bytes(&part.pack_seen());
        self.pairs(part.writes(true));
        self.pairs(part.writes(false));
        self.pack.bytes(space.0.as_bytes());
    }

    fn log(&mut self, partition: &Partition, records: &[(&[u8], &[u8])]) {
        let key = self.key(self.names_of.stream(partition));
        self.pack.array(2);
        self.pack.number(key);
        self.pairs(records.iter().copied());
    }

    fn removals(&mut self, removals: &[(Partition, Offset)]) {
        self.pack.array(removals.len());
        for (partition, offset) in removals {
            let key = self.key(self.names_of.stream(partition));
            self.pack.array(2);
            self.pack.number(key);
            self.pack.bytes(entry_id(*offset).as_bytes());
        }
    }

    /// The movements, five values each; the names of their accounts. The last value is the hash to keep, in hex; of the
    /// last movement it is the bytes that the script is to link.
    fn postings<'a>(&mut self, transaction: &'a Transaction) -> Vec<&'a str> {
        let mut names = Vec::new();
        let mut numbers = HashMap::new();
        let mut number = |name: &'a str| {
            *numbers.entry(name).or_insert_with(|| {
                names.push(name);
                names.len() as u64
            })
        };
        let rows = transaction.postings.iter();
        let rows: Vec<_> = rows
            .map(|p| (number(&p.debit), number(&p.credit), p))
            .collect();
        self.texts(names.iter().map(|name| name.as_bytes()));
        self.pack.array(5 * rows.len());
        let parts = chain::parts(&transaction.postings, transaction.at);
        let last = parts.len().saturating_sub(1);
        for (n, ((debit, credit, posting), part)) in rows.into_iter().zip(parts).enumerate() {
            self.pack.number(debit);
            self.pack.number(credit);
            self.pack.number(posting.amount);
            self.pack.bytes(posting.reference.as_bytes());
            match n == last {
                true => self.pack.bytes(part.bytes()),
                false => self.pack.bytes(part.to_string().as_bytes()),
            }
        }
        names
    }
}

fn parts(transaction: &Transaction) -> BTreeMap<&Space, Part<'_>> {
    let mut parts = BTreeMap::<&Space, Part<'_>>::new();
    for (space, key) in &transaction.reads.keys {
        parts.entry(space).or_default().reads.push(key);
    }
    for (space, range) in &transaction.reads.ranges {
        // An empty range was seen to be empty by its bounds alone.
        if range.end.as_ref().is_none_or(|end| *end > range.start) {
            parts.entry(space).or_default().ranges.push(range);
        }
    }
    for write in &transaction.writes {
        let part = parts.entry(&write.space).or_default();
        part.write(&write.key, write.value.as_deref());
    }
    parts
}

/// Key and payload.
type Written<'a> = (&'a [u8], &'a [u8]);

/// Records by partition; `counts` says how many partitions each one's stream has.
fn logs<'a>(transaction: &'a Transaction, counts: &[u16]) -> BTreeMap<Partition, Vec<Written<'a>>> {
    let mut logs = BTreeMap::<Partition, Vec<_>>::new();
    for (append, count) in transaction.appends.iter().zip(counts) {
        let partition = Partition {
            stream: append.stream.clone(),
            number: partition_of(&append.key, *count),
        };
        let record = (append.key.as_bytes(), append.payload.as_slice());
        logs.entry(partition).or_default().push(record);
    }
    logs
}

impl<'a> Transcript<'a> {
    /// Writes a transaction down; `counts` says how many partitions the stream of each record has.
    pub(super) fn of(transaction: &'a Transaction, counts: &[u16], names_of: &Keys) -> Self {
        let mut scribe = Scribe {
            names_of,
            keys: Vec::new(),
            pack: Pack::with_capacity(weigh(transaction)),
        };
        scribe.pack.array(7);
        scribe.input(transaction);
        scribe.pack.number(transaction.reads.version);
        let parts = parts(transaction);
        scribe.pack.array(parts.len());
        for (space, part) in &parts {
            scribe.space(space, part);
        }
        let logs = logs(transaction, counts);
        scribe.pack.array(logs.len());
        for (partition, records) in &logs {
            scribe.log(partition, records);
        }
        scribe.removals(&transaction.removals);
        let names = scribe.postings(transaction);
        Self {
            keys: scribe.keys,
            packed: scribe.pack.finish(),
            at: transaction.at,
            logs: logs.into_keys().collect(),
            names,
        }
    }

    /// The partition that the script counted as full.
    pub(super) fn full(&self, number: Option<&str>) -> Result<CommitError, Error> {
        let log = number.and_then(|number| self.logs.get(at(number)?));
        let log = log.ok_or_else(|| strange("a commit"))?;
        Ok(CommitError::LogFull(log.stream.clone()))
    }

    /// The account that does not hold enough, and what it holds.
    pub(super) fn overdrawn(
        &self,
        number: Option<&str>,
        balance: Option<&str>,
    ) -> Result<CommitError, Error> {
        let account = number.and_then(|number| self.names.get(at(number)?));
        let balance = balance.and_then(|balance| balance.parse().ok());
        let known = account.zip(balance);
        let (account, balance) = known.ok_or_else(|| strange("a commit"))?;
        Ok(CommitError::Overdrawn {
            account: (*account).to_owned(),
            balance,
        })
    }
}

/// Lua counts from 1.
fn at(number: &str) -> Option<usize> {
    number.parse::<usize>().ok()?.checked_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Write;

    fn write(key: &str, value: Option<&str>) -> Write {
        Write {
            space: Space::from("s"),
            key: key.into(),
            value: value.map(Into::into),
        }
    }

    #[test]
    fn the_last_write_of_a_key_counts() {
        let transaction = Transaction {
            writes: vec![
                write("a", Some("1")),
                write("b", Some("1")),
                write("a", None),
                write("b", Some("2")),
            ],
            ..Transaction::default()
        };
        let parts = parts(&transaction);
        let part = &parts[&Space::from("s")];
        let live: Vec<_> = part.writes(true).collect();
        let removed: Vec<_> = part.writes(false).map(|(key, _)| key).collect();
        assert_eq!(live, [(b"b".as_slice(), b"2".as_slice())]);
        assert_eq!(removed, [b"a"]);
    }

    #[test]
    fn all_keys_are_numbered_after_the_common_ones() {
        let transaction = Transaction {
            writes: vec![write("a", Some("1"))],
            ..Transaction::default()
        };
        let written = Transcript::of(&transaction, &[], &Keys::new("x"));
        let state = "{x}:state:s";
        assert_eq!(written.keys, [state, "{x}:index:s", "{x}:removed:s"]);
        let number = [0x95, 0xcf, 0, 0, 0, 0, 0, 0, 0, 8];
        let found = written.packed.windows(number.len()).any(|w| w == number);
        assert!(found, "{:x?}", written.packed);
    }
}
