//! The consumer that the component is compared with: plain Rust on the same store, with the same
//! batches, the same rows and the same guarantees (what it reads is checked, and rows, sums, balances and
//! the acknowledgement are one commit). No component, no host.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use leyden::ids::StreamName;
use leyden::store::{
    Acknowledgement, Append, Claim, CommitError, Error, Holder, HostInfo, Partition, ReadSet,
    Record, Snapshot, Space, Store, Transaction, Write,
};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::rows::{self, Balance, Community, Interval, Reading, Slot, Sums};
use super::workload::{self, BALANCES, GROUP};

/// Records of a batch, as the component has them.
const BATCH: usize = 500;

/// Payload bytes of a batch, as a host has them.
const BATCH_BYTES_MAX: usize = 4 << 20;

/// Longer than any run: nobody else is there to take over.
const LEASE_MS: u64 = 3_600_000;

/// Consumers of all partitions.
pub(crate) struct Native {
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Native {
    /// Takes all partitions and consumes them, as many batches at a time as are permitted.
    pub(crate) async fn start(store: Arc<dyn Store>, at_a_time: usize) -> Self {
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let permits = Arc::new(Semaphore::new(at_a_time));
        let holder = Holder("native".into());
        join(store.as_ref(), &holder).await;
        for subscription in workload::subscriptions(store.as_ref()).await {
            store.subscribe(&subscription).await.expect("a group");
            let consumer = Consumer {
                store: store.clone(),
                claim: Claim {
                    subscription,
                    holder: holder.clone(),
                },
                space: GROUP.into(),
                balances: StreamName::parse(BALANCES).expect("a name"),
            };
            tasks.spawn(consumer.run(permits.clone(), stop.clone()));
        }
        Self { stop, tasks }
    }

    /// Finishes the batches at hand.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

async fn join(store: &dyn Store, holder: &Holder) {
    let info = HostInfo {
        holder: holder.clone(),
        url: String::new(),
        version: String::new(),
        started_at_ms: 0,
        generation: 0,
    };
    store.beat(&info, LEASE_MS).await.expect("a member");
    for unit in 0..store.units() {
        let taken = store.take(unit, None, holder).await;
        assert!(taken.expect("an answer"), "unit {unit} is held already");
    }
}

/// Consumes one partition.
struct Consumer {
    store: Arc<dyn Store>,
    claim: Claim,
    space: Space,
    balances: StreamName,
}

impl Consumer {
    async fn run(self, permits: Arc<Semaphore>, stop: CancellationToken) {
        let mut tail = self.store.tail(self.partition());
        let mut done = 0;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                more = tail.wait_for(|newest| *newest > done) => assert!(more.is_ok()),
            }
            let _permit = permits.acquire().await.expect("open");
            let fetched = self.store.fetch(&self.claim, done, BATCH, BATCH_BYTES_MAX);
            let records = fetched.await.expect("records");
            if let Some(last) = records.last() {
                done = last.offset;
                self.handle(&records).await;
            }
        }
    }

    fn partition(&self) -> &Partition {
        &self.claim.subscription.partition
    }

    /// Handles a batch, again when what it read has changed.
    async fn handle(&self, records: &[Record]) {
        let parse = |record| serde_json::from_slice(record).expect("a reading");
        let readings: Vec<Reading<'_>> = records.iter().map(|r| parse(&r.payload)).collect();
        loop {
            let outcome = match self.transaction(records, &readings).await {
                Ok(transaction) => self.store.commit(transaction).await,
                Err(error) => Err(error.into()),
            };
            match outcome {
                Ok(_) => return,
                Err(CommitError::Conflict | CommitError::Store(Error::Overtaken)) => {}
                Err(error) => panic!("a batch does not commit: {error:?}"),
            }
        }
    }

    async fn transaction(
        &self,
        records: &[Record],
        readings: &[Reading<'_>],
    ) -> leyden::store::Result<Transaction> {
        let mut batch = Batch {
            space: &self.space,
            partition: self.partition().number,
            snapshot: self.store.snapshot().await?,
            keys: Vec::new(),
            known: HashMap::new(),
            written: HashMap::new(),
        };
        let balances = batch.apply(readings).await?;
        let append = |balance: &Balance| Append {
            stream: self.balances.clone(),
            key: balance.community.to_string(),
            payload: serde_json::to_vec(balance).expect("plain"),
        };
        Ok(Transaction {
            reads: ReadSet {
                version: batch.snapshot.version(),
                keys: batch.keys,
                ranges: Vec::new(),
            },
            writes: writes(&self.space, batch.written),
            appends: balances.iter().map(append).collect(),
            acknowledgement: Some(Acknowledgement {
                claim: self.claim.clone(),
                offsets: records.iter().map(|record| record.offset).collect(),
            }),
            at: workload::now_ms(),
            ..Transaction::default()
        })
    }
}

fn writes(space: &Space, written: HashMap<Vec<u8>, Vec<u8>>) -> Vec<Write> {
    let write = |(key, value)| Write {
        space: space.clone(),
        key,
        value: Some(value),
    };
    written.into_iter().map(write).collect()
}

/// One batch's reads and writes.
struct Batch<'c> {
    space: &'c Space,
    partition: u16,
    snapshot: Box<dyn Snapshot>,
    keys: Vec<(Space, Vec<u8>)>,
    /// What was read ahead.
    known: HashMap<Vec<u8>, Option<Vec<u8>>>,
    written: HashMap<Vec<u8>, Vec<u8>>,
}

/// A community's sums in an interval: as they are stored, and now.
type Group = (Option<Sums>, Sums);

impl Batch<'_> {
    /// The value under a key, the batch's own writes included.
    async fn read(&mut self, key: &[u8]) -> leyden::store::Result<Option<Vec<u8>>> {
        if let Some(value) = self.written.get(key) {
            return Ok(Some(value.clone()));
        }
        if let Some(value) = self.known.remove(key) {
            return Ok(value);
        }
        self.keys.push((self.space.clone(), key.to_vec()));
        self.snapshot.read(self.space, key).await
    }

    /// Reads keys in one go, as the component does.
    async fn ahead(&mut self, keys: BTreeSet<Vec<u8>>) -> leyden::store::Result<()> {
        let keys: Vec<_> = keys.into_iter().collect();
        let values = self.snapshot.read_many(self.space, &keys).await?;
        let read = keys.iter().map(|key| (self.space.clone(), key.clone()));
        self.keys.extend(read);
        self.known.extend(keys.into_iter().zip(values));
        Ok(())
    }

    /// Reads what all readings need ahead: first sums and communities, then the rows that there may be.
    async fn read_ahead(&mut self, readings: &[Reading<'_>]) -> leyden::store::Result<()> {
        let mut keys = BTreeSet::from([rows::longest_key(self.partition)]);
        for reading in readings {
            let slot = reading.slot();
            keys.insert(rows::community_key(slot.community));
            keys.insert(rows::sums_key(slot));
            keys.insert(rows::total_key(self.partition, slot.interval));
        }
        self.ahead(keys).await?;
        let stored = |slot| matches!(self.known.get(&rows::sums_key(slot)), Some(Some(_)));
        let repeated = readings.iter().filter(|reading| stored(reading.slot()));
        let keys = repeated.map(|reading| rows::row_key(reading.slot(), reading.house));
        let keys = keys.collect::<BTreeSet<_>>();
        if keys.is_empty() {
            return Ok(());
        }
        self.ahead(keys).await
    }

    async fn apply(&mut self, readings: &[Reading<'_>]) -> leyden::store::Result<Vec<Balance>> {
        self.read_ahead(readings).await?;
        let mut communities: BTreeMap<u64, Community> = BTreeMap::new();
        let mut groups: BTreeMap<Slot, Group> = BTreeMap::new();
        let mut new = HashSet::new();
        for reading in readings {
            let slot = reading.slot();
            let community = match communities.entry(slot.community) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => new.insert(self.community(slot).await?),
            };
            community.begin(slot.interval.starts_at_ms);
            let group = match groups.entry(slot) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => new.insert(self.group(slot).await?),
            };
            // Where nothing is stored of a group there is no row of it either.
            let look_up = group.0.is_some() || !new.insert((slot, reading.house));
            self.record(reading, &mut group.1, look_up).await?;
        }
        self.totals(&groups).await?;
        Ok(self.finish(communities, &groups))
    }

    async fn community(&mut self, slot: Slot) -> leyden::store::Result<Community> {
        let stored = self.read(&rows::community_key(slot.community)).await?;
        let first = || Community::first(slot.interval.starts_at_ms, self.partition);
        Ok(stored.map_or_else(first, |bytes| Community::decode(&bytes)))
    }

    async fn group(&mut self, slot: Slot) -> leyden::store::Result<Group> {
        let stored = self.read(&rows::sums_key(slot)).await?;
        let stored = stored.map(|bytes| Sums::decode(&bytes));
        Ok((stored, stored.unwrap_or_default()))
    }

    /// Puts a reading's row in place of the former one.
    async fn record(
        &mut self,
        reading: &Reading<'_>,
        sums: &mut Sums,
        look_up: bool,
    ) -> leyden::store::Result<()> {
        let key = rows::row_key(reading.slot(), reading.house);
        let former = if look_up {
            self.read(&key).await?
        } else {
            None
        };
        let row = rows::row(reading);
        if former.as_ref() != Some(&row) {
            let share = |energy_uj: u64| Sums {
                energy_uj: energy_uj.into(),
                houses: 1,
                closed: false,
            };
            let before = former.map(|row| share(rows::energy_of(&row)));
            sums.swap(before.unwrap_or_default(), share(reading.consumption_uj));
            self.written.insert(key, row);
        }
        sums.closed |= reading.closes;
        Ok(())
    }

    /// Writes the sums that changed, and those over all communities of the partition.
    async fn totals(&mut self, groups: &BTreeMap<Slot, Group>) -> leyden::store::Result<()> {
        let mut totals: BTreeMap<Interval, (Sums, Sums)> = BTreeMap::new();
        for (slot, (stored, now)) in groups {
            let before = stored.unwrap_or_default();
            if *now != before {
                self.written.insert(rows::sums_key(*slot), now.encode());
                let total = totals.entry(slot.interval).or_default();
                total.0.swap(Sums::default(), before);
                total.1.swap(Sums::default(), *now);
            }
        }
        let mut longest_new_ms = 0;
        for (interval, (before, now)) in totals {
            let key = rows::total_key(self.partition, interval);
            let stored = self.read(&key).await?;
            if stored.is_none() {
                longest_new_ms = longest_new_ms.max(interval.length_ms());
            }
            let mut total = stored.map_or_else(Sums::default, |bytes| Sums::decode(&bytes));
            total.swap(before, now);
            self.written.insert(key, total.encode());
        }
        self.note_length(longest_new_ms).await
    }

    async fn note_length(&mut self, length_ms: u64) -> leyden::store::Result<()> {
        if length_ms == 0 {
            return Ok(());
        }
        let key = rows::longest_key(self.partition);
        let stored = self.read(&key).await?;
        if stored.is_none_or(|bytes| rows::take(&mut bytes.as_slice()) < length_ms.into()) {
            let mut bytes = Vec::new();
            rows::put(&mut bytes, length_ms.into());
            self.written.insert(key, bytes);
        }
        Ok(())
    }

    /// Judges which intervals are closed and writes what is remembered of the communities.
    fn finish(
        &mut self,
        communities: BTreeMap<u64, Community>,
        groups: &BTreeMap<Slot, Group>,
    ) -> Vec<Balance> {
        let mut balances = Vec::new();
        for (id, mut community) in communities {
            let own = groups.iter().filter(|(slot, _)| slot.community == id);
            let touched: Vec<_> = own
                .map(|(slot, (stored, now))| (slot.interval, *now, *stored != Some(*now)))
                .collect();
            for (interval, closed) in community.judge(&touched) {
                let slot = Slot {
                    interval,
                    community: id,
                };
                balances.push(balance(slot, &groups[&slot].1, closed));
            }
            self.written
                .insert(rows::community_key(id), community.encode());
        }
        balances
    }
}

fn balance(slot: Slot, sums: &Sums, closed: bool) -> Balance {
    Balance {
        community: slot.community,
        interval: slot.interval,
        consumption_mw: sums.mean_mw(slot.interval.length_ms()),
        houses: sums.houses,
        closed,
    }
}
