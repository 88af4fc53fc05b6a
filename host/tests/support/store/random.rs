//! The conformance suite: random sequences of everything a store can do, each answer compared with the
//! model's. Runs against any backend; says at which step of which seed an answer differs, so that a
//! failure can be repeated. Streams and groups are in `random_groups`, commits in `random_commits`.
//!
//! Numbers that are a store's own, versions and offsets, are translated: the store's commits are counted,
//! and each partition's records are read after they were committed and paired with the model's.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use leyden::ids::StreamName;
use leyden::store::{
    Entry, Error, Offset, Order, Partition, Range, ReadSet, Record, Snapshot, Space, Store, Version,
};

use crate::inputs::{ACCOUNTS, SPACES, STREAMS, seen};
use crate::model::{Flaw, Kind, State, World};
use crate::numbers::Numbers;

/// Snapshots open at a time, at most.
const OPEN_MAX: usize = 6;

/// A store that can be closed and opened again.
pub(crate) trait Backend: Sync {
    fn open(&self) -> BoxFuture<'_, Arc<dyn Store>>;

    /// What it does in its own way.
    fn kind(&self) -> Kind;
}

/// How often what happened: a run that never met a conflict has shown nothing about conflicts.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) committed: u64,
    pub(crate) conflicts: u64,
    pub(crate) overdrawn: u64,
    pub(crate) invalid: u64,
    pub(crate) full: u64,
    pub(crate) fenced: u64,
    pub(crate) acknowledged: u64,
    pub(crate) removed: u64,
    pub(crate) fetched: u64,
    pub(crate) refused_fetches: u64,
    pub(crate) taken: u64,
    pub(crate) lost: u64,
    pub(crate) reads: u64,
    pub(crate) extended: u64,
    pub(crate) overtaken: u64,
    pub(crate) trims: u64,
    pub(crate) reopened: u64,
}

/// An answer that differs from the model's.
#[derive(Debug)]
pub(crate) struct Mismatch(pub(crate) String);

pub(crate) type Checked<T = ()> = Result<T, Mismatch>;

/// A snapshot of the store, and what was read from it; `reads.version` is the store's.
pub(crate) struct Open {
    found: Box<dyn Snapshot>,
    pub(crate) reads: ReadSet,
}

pub(crate) struct Run<'b> {
    backend: &'b dyn Backend,
    subject: Option<Arc<dyn Store>>,
    pub(crate) world: World,
    open: Vec<Open>,
    pub(crate) numbers: Numbers,
    pub(crate) tally: Tally,
    place: String,
    /// The model's version after each of the store's.
    versions: BTreeMap<Version, Version>,
    /// The store's offset of each record; the model counts 1, 2, 3.
    pub(crate) offsets: BTreeMap<Partition, Vec<Offset>>,
}

/// Runs so many steps from a seed.
pub(crate) async fn run(backend: &dyn Backend, seed: u64, steps: u64) -> Checked<Tally> {
    let kind = Kind {
        step: 1,
        ..backend.kind()
    };
    let mut run = Run {
        backend,
        subject: Some(backend.open().await),
        world: World::new(kind, Flaw::None),
        open: Vec::new(),
        numbers: Numbers(seed),
        tally: Tally::default(),
        place: String::new(),
        versions: BTreeMap::from([(0, 0)]),
        offsets: BTreeMap::new(),
    };
    for step in 0..steps {
        run.place = format!("seed {seed}, step {step}");
        run.step().await?;
    }
    run.reopen().await?;
    Ok(run.tally)
}

impl Run<'_> {
    async fn step(&mut self) -> Checked {
        if self.numbers.once_in(2500) {
            return self.reopen().await;
        }
        match self.numbers.below(100) {
            0..13 => self.begin().await,
            13..24 => self.read().await,
            24..28 => self.read_many().await,
            28..39 => self.scan().await,
            39..45 => self.read_log().await,
            45..48 => self.account().await,
            48..66 => self.commit().await,
            66..71 => self.commit_together().await,
            71..77 => self.trim().await,
            77..80 => self.take().await,
            80..81 => self.release().await,
            81..83 => self.beat().await,
            83..95 => self.fetch().await,
            95..97 => self.subscribe().await,
            97..98 => self.backlog().await,
            98..99 => self.status().await,
            _ => self.ledger().await,
        }
    }

    pub(crate) fn same<T: PartialEq + Debug>(
        &self,
        what: &str,
        expected: &T,
        found: &T,
    ) -> Checked {
        if expected == found {
            return Ok(());
        }
        self.wrong(&format!("{what}: expected {expected:?}, found {found:?}"))
    }

    pub(crate) fn wrong<T>(&self, what: &str) -> Checked<T> {
        Err(Mismatch(format!("{}: {what}", self.place)))
    }

    pub(crate) fn works<T, E: Debug>(&self, what: &str, result: Result<T, E>) -> Checked<T> {
        result.or_else(|error| self.wrong(&format!("{what}: {error:?}")))
    }

    pub(crate) fn subject(&self) -> Arc<dyn Store> {
        Arc::clone(self.subject.as_ref().expect("open between steps"))
    }

    /// The model's version at one of the store's, which may count more than commits.
    pub(crate) fn model_version(&self, version: Version) -> Version {
        self.versions
            .range(..=version)
            .next_back()
            .map_or(0, |(_, model)| *model)
    }

    pub(crate) fn note_version(&mut self, found: Version, expected: Version) -> Checked {
        let newest = self.versions.keys().next_back().copied().unwrap_or(0);
        self.same("versions grow", &true, &(found > newest))?;
        self.versions.insert(found, expected);
        Ok(())
    }

    /// The store's offset for one of the model's; for one that is not there yet, one that the store has
    /// not reached.
    pub(crate) fn offset(&self, partition: &Partition, offset: Offset) -> Offset {
        let known = self.offsets.get(partition).map_or(&[][..], Vec::as_slice);
        match offset.checked_sub(1).map(|index| index as usize) {
            None => 0,
            Some(index) if index < known.len() => known[index],
            Some(_) if offset == Offset::MAX => offset,
            Some(index) => known.last().unwrap_or(&0) + (index - known.len()) as u64 + 1,
        }
    }

    pub(crate) fn translated(&self, partition: &Partition, records: Vec<Record>) -> Vec<Record> {
        let translate = |record: Record| Record {
            offset: self.offset(partition, record.offset),
            ..record
        };
        records.into_iter().map(translate).collect()
    }

    async fn begin(&mut self) -> Checked {
        if self.open.len() == OPEN_MAX {
            let which = self.numbers.below(OPEN_MAX as u64) as usize;
            self.open.swap_remove(which);
        }
        let found = self.works("snapshot", self.subject().snapshot().await)?;
        let version = found.version();
        let newest = self.world.version();
        self.same("version", &newest, &self.model_version(version))?;
        let reads = ReadSet {
            version,
            ..ReadSet::default()
        };
        self.open.push(Open { found, reads });
        let versions = self.open.iter().map(|open| open.reads.version);
        let oldest = self.model_version(versions.min().unwrap_or(version));
        self.world.forget_before(oldest);
        Ok(())
    }

    /// Takes a snapshot out; whoever took it puts it back.
    async fn any_open(&mut self) -> Checked<Open> {
        if self.open.is_empty() {
            self.begin().await?;
        }
        let which = self.numbers.below(self.open.len() as u64) as usize;
        Ok(self.open.swap_remove(which))
    }

    /// What the next transaction has read.
    pub(crate) async fn any_reads(&mut self) -> Checked<ReadSet> {
        let open = self.any_open().await?;
        let reads = open.reads.clone();
        // Most are done with their snapshot then, as an invocation is.
        if self.numbers.once_in(3) {
            self.open.push(open);
        }
        Ok(reads)
    }

    /// The state that a snapshot reads now. It may have moved to a later version, if nothing that it had
    /// read has changed; `None` where it has, and the snapshot said so.
    fn state_of(&mut self, open: &mut Open, error: Option<Error>) -> Checked<Option<Arc<State>>> {
        let (from, newest) = (self.model_version(open.reads.version), self.world.version());
        let overtaken = self.world.changed(&open.reads, from, newest);
        match error {
            None => {}
            Some(Error::Overtaken) if overtaken && self.world.kind.extends => {
                self.tally.overtaken += 1;
                return Ok(None);
            }
            Some(error) => return self.wrong(&format!("read: {error:?}")),
        }
        let version = open.found.version();
        let to = self.model_version(version);
        if version != open.reads.version {
            self.same("snapshots move", &self.world.kind.extends, &true)?;
            self.same(
                "snapshots move forward",
                &true,
                &(version > open.reads.version),
            )?;
            let changed = self.world.changed(&open.reads, from, to);
            self.same("what was read has changed", &false, &changed)?;
            open.reads.version = version;
            self.tally.extended += 1;
        }
        self.tally.reads += 1;
        Ok(Some(self.world.at(to)))
    }

    async fn read(&mut self) -> Checked {
        let mut open = self.any_open().await?;
        let (space, key) = (self.numbers.space(), self.numbers.key());
        let (found, error) = split(open.found.read(&space, &key).await);
        if let Some(state) = self.state_of(&mut open, error)? {
            let expected = state.read(&space, &key);
            self.same(
                &format!("read of {space:?} {key:?}"),
                &Some(expected),
                &found,
            )?;
            open.reads.keys.push((space, key));
            self.open.push(open);
        }
        Ok(())
    }

    async fn read_many(&mut self) -> Checked {
        let mut open = self.any_open().await?;
        let space = self.numbers.space();
        let keys: Vec<_> = (0..self.numbers.below(6))
            .map(|_| self.numbers.key())
            .collect();
        let (found, error) = split(open.found.read_many(&space, &keys).await);
        if let Some(state) = self.state_of(&mut open, error)? {
            let expected = keys.iter().map(|key| state.read(&space, key)).collect();
            self.same(
                &format!("read of {space:?} {keys:?}"),
                &Some(expected),
                &found,
            )?;
            let keys = keys.into_iter().map(|key| (space.clone(), key));
            open.reads.keys.extend(keys);
            self.open.push(open);
        }
        Ok(())
    }

    async fn scan(&mut self) -> Checked {
        let mut open = self.any_open().await?;
        let (space, range) = (self.numbers.space(), self.numbers.range());
        let order = *self.numbers.pick(&[Order::Ascending, Order::Descending]);
        let limit = *self.numbers.pick(&[0, 1, 2, 5, 1000, usize::MAX]);
        let (found, error) = split(open.found.scan(&space, &range, order, limit).await);
        if let Some(state) = self.state_of(&mut open, error)? {
            let expected = state.scan(&space, &range, order, limit, Flaw::None);
            let what = format!("scan of {space:?} {range:?} {order:?} {limit}");
            let found: Vec<Entry> = found.unwrap_or_default();
            self.same(&what, &expected, &found)?;
            let seen = seen(range, order, limit, &found);
            open.reads.ranges.push((space, seen));
            self.open.push(open);
        }
        Ok(())
    }

    /// As it was at the snapshot's version, or as it is now.
    async fn account(&mut self) -> Checked {
        let mut open = self.any_open().await?;
        let name = *self.numbers.pick(&ACCOUNTS);
        let found = self.works("account", open.found.account(name).await)?;
        let then = self.world.at(self.model_version(open.reads.version));
        let right = [then.account(name), self.world.state.account(name)];
        self.open.push(open);
        self.same(
            &format!("{name}: {found:?} in {right:?}"),
            &true,
            &right.contains(&found),
        )
    }

    async fn ledger(&mut self) -> Checked {
        let found = self.works("ledger", self.subject().check_ledger(None).await)?;
        self.same("ledger", &self.world.state.check(None), &found)?;
        let after = *self.numbers.pick(&["", "fees", "issuer", "j", "z"]);
        let limit = *self.numbers.pick(&[0, 1, 2, usize::MAX]);
        let found = self.subject().accounts(after, limit).await;
        let found = self.works("accounts", found)?;
        let expected = self.world.state.accounts_after(after, limit);
        self.same(&format!("accounts after {after}"), &expected, &found)
    }

    /// Closes and opens the store, then compares all there is.
    async fn reopen(&mut self) -> Checked {
        self.open.clear();
        self.subject = None;
        self.subject = Some(self.backend.open().await);
        self.tally.reopened += 1;
        self.world.log.reopen();
        self.begin().await?;
        self.compare_entries().await?;
        for partition in self.partitions() {
            self.compare_records(&partition).await?;
        }
        self.status().await?;
        self.ledger().await
    }

    async fn compare_entries(&mut self) -> Checked {
        let mut open = self.any_open().await?;
        let all = Range {
            start: Vec::new(),
            end: None,
        };
        for space in SPACES.map(Space::from) {
            let found = open
                .found
                .scan(&space, &all, Order::Ascending, usize::MAX)
                .await;
            let expected =
                self.world
                    .state
                    .scan(&space, &all, Order::Ascending, usize::MAX, Flaw::None);
            self.same("all entries", &expected, &self.works("scan", found)?)?;
        }
        Ok(())
    }

    pub(crate) fn partitions(&self) -> Vec<Partition> {
        let streams = STREAMS.map(|name| StreamName::parse(name).expect("a name"));
        let partitions = streams.iter().flat_map(|stream| {
            let number = |number| Partition {
                stream: stream.clone(),
                number,
            };
            (0..self.world.log.partitions_of(stream)).map(number)
        });
        partitions.collect()
    }
}

fn split<T>(result: Result<T, Error>) -> (Option<T>, Option<Error>) {
    match result {
        Ok(found) => (Some(found), None),
        Err(error) => (None, Some(error)),
    }
}
