//! Fills an empty namespace with what another store holds. It writes past the script of commits, since
//! nobody else is there: a mark in `meta` keeps hosts out until all is written and checked.
//!
//! **Invariants.** Everything sent may be sent again. A namespace that somebody uses is left alone; one
//! that a copy has not finished is emptied and begun again.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, LazyLock};

use redis::Script;

use super::catalog::partitions_of_new;
use super::keys::Keys;
use super::ledger::{self, ENTRY_FIELDS, Kept};
use super::link::Link;
use super::reply::entry_id;
use super::server::{self, FORMAT, Opened};
use super::{OpenError, Options, Redis};
use crate::ids::StreamName;
use crate::store::audit::Row;
use crate::store::chain::Head;
use crate::store::copy::LedgerEntry;
use crate::store::{
    Account, Entry, Error, Offset, Partition, Posting, Record, Result, Space, Version,
};

static BEGIN: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("scripts/restore_begin.lua")));
static APPEND: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("scripts/restore_append.lua")));
static GROUPS: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("scripts/restore_groups.lua")));
static FINISH: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("scripts/restore_finish.lua")));

/// Keys removed by one command.
const UNLINKED_MAX: usize = 1_000;

/// Bytes of a version before and after which a space says what it remembers; see [`super::keys`].
const VERSION_BYTES: usize = 7;

/// Where a group stands in a partition that is filled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store) struct Place {
    pub(in crate::store) group: Arc<str>,
    /// The last record that it is done with; 0 for none.
    pub(in crate::store) done: Offset,
    /// How many records of the partition that are.
    pub(in crate::store) count: u64,
}

/// A namespace that is being filled.
pub(in crate::store) struct Restore {
    store: Redis,
    link: Link,
    keys: Keys,
    units: u16,
    /// The name of this copy.
    name: String,
}

impl Restore {
    /// Begins; `None` where somebody uses the namespace.
    pub(in crate::store) async fn begin(
        options: Options,
    ) -> std::result::Result<Option<Self>, OpenError> {
        let (link, durability) = server::reach(&options).await?;
        let opened = Opened {
            link: link.clone(),
            units: options.partitions,
            durability,
        };
        let restore = Self {
            link,
            keys: Keys::new(&options.namespace),
            units: options.partitions,
            name: uuid::Uuid::new_v4().to_string(),
            store: Redis::over(opened, options),
        };
        let begun = match restore.mark(false).await? {
            2 => {
                restore.clear().await?;
                restore.mark(true).await?
            }
            begun => begun,
        };
        Ok((begun == 1).then_some(restore))
    }

    async fn mark(&self, again: bool) -> Result<u8> {
        let keys = &self.keys;
        let mut script = BEGIN.key(keys.meta());
        for key in [
            keys.version(),
            keys.spaces(),
            keys.streams(),
            keys.accounts(),
            keys.entries(),
            keys.ledger(),
            keys.hosts(),
        ] {
            script.key(key);
        }
        script.arg(FORMAT).arg(self.units).arg(&self.name);
        self.link.script(script.arg(u8::from(again))).await
    }

    /// Removes what a copy that was not finished has written; the mark stays.
    async fn clear(&self) -> Result<()> {
        let keys = &self.keys;
        let spaces = self
            .link
            .run::<HashSet<String>>(redis::cmd("SMEMBERS").arg(keys.spaces()))
            .await?;
        let streams = self
            .link
            .run::<HashMap<String, u16>>(redis::cmd("HGETALL").arg(keys.streams()))
            .await?;
        let mut old = Vec::new();
        for space in spaces.iter().map(|name| Space::from(name.as_str())) {
            old.extend([keys.state(&space), keys.index(&space), keys.removed(&space)]);
        }
        for (name, partitions) in &streams {
            let Ok(stream) = StreamName::parse(name) else {
                continue;
            };
            old.extend((0..*partitions).map(|number| {
                let stream = stream.clone();
                keys.stream(&Partition { stream, number })
            }));
        }
        old.extend([
            keys.version(),
            keys.accounts(),
            keys.entries(),
            keys.ledger(),
        ]);
        // Last, since they name the others.
        old.extend([keys.spaces(), keys.streams()]);
        for some in old.chunks(UNLINKED_MAX) {
            self.link.run::<u64>(redis::cmd("UNLINK").arg(some)).await?;
        }
        Ok(())
    }

    /// The store as hosts will see it.
    pub(in crate::store) fn store(&self) -> &Redis {
        &self.store
    }

    /// Writes entries of a space as of a version.
    pub(in crate::store) async fn state(
        &self,
        space: &Space,
        entries: &[Entry],
        version: Version,
    ) -> Result<()> {
        let version = packed(version);
        let mut pipeline = redis::pipe();
        // First, so that a copy that begins again knows what to remove.
        pipeline.cmd("SADD").arg(self.keys.spaces()).arg(&*space.0);
        pipeline.cmd("HSET").arg(self.keys.state(space));
        let marks = [[0; VERSION_BYTES], version].concat();
        pipeline.arg(&b""[..]).arg(marks);
        for entry in entries {
            let value = [&version, &[1][..], &entry.value].concat();
            pipeline.arg(&entry.key).arg(value);
        }
        pipeline.cmd("ZADD").arg(self.keys.index(space));
        for entry in entries {
            pipeline.arg(0).arg(&entry.key);
        }
        self.link.pipe::<()>(pipeline.ignore()).await
    }

    /// Makes a stream known; how many partitions it has.
    pub(in crate::store) async fn stream(&self, stream: &StreamName) -> Result<u16> {
        let partitions = partitions_of_new(stream, self.units);
        let mut set = redis::cmd("HSET");
        set.arg(self.keys.streams())
            .arg(stream.as_str())
            .arg(partitions);
        self.link.run::<()>(&set).await?;
        Ok(partitions)
    }

    /// Appends records under their offsets, which must be greater than those before.
    pub(in crate::store) async fn records(
        &self,
        partition: &Partition,
        records: &[Record],
    ) -> Result<()> {
        let Some(last) = records.last() else {
            return Ok(());
        };
        let mut script = APPEND.key(self.keys.stream(partition));
        script.arg(&["3", "key", "payload", "at"]);
        script.arg(entry_id(last.offset));
        for record in records {
            script.arg(entry_id(record.offset)).arg(&record.key);
            script.arg(&record.payload[..]).arg(record.published_at.0);
        }
        self.link.script::<()>(&script).await
    }

    /// Makes the groups of a partition.
    pub(in crate::store) async fn groups(
        &self,
        partition: &Partition,
        places: &[Place],
    ) -> Result<()> {
        if places.is_empty() {
            return Ok(());
        }
        let mut script = GROUPS.key(self.keys.stream(partition));
        for place in places {
            script.arg(&*place.group).arg(entry_id(place.done));
            script.arg(place.count);
        }
        self.link.script::<()>(&script).await
    }

    /// Writes accounts.
    pub(in crate::store) async fn accounts(&self, accounts: &[(String, Account)]) -> Result<()> {
        let mut set = redis::cmd("HSET");
        set.arg(self.keys.accounts());
        for (name, sums) in accounts {
            set.arg(name)
                .arg(format!("{} {}", sums.debits, sums.credits));
        }
        self.link.run::<()>(&set).await
    }

    /// Appends entries of the ledger.
    pub(in crate::store) async fn entries(&self, entries: &[LedgerEntry]) -> Result<()> {
        let Some(last) = entries.last() else {
            return Ok(());
        };
        let mut script = APPEND.key(self.keys.entries());
        script.arg(6).arg(&ENTRY_FIELDS);
        script.arg(ledger_id(last));
        for entry in entries {
            let Posting {
                debit,
                credit,
                amount,
                reference,
            } = &entry.posting;
            script.arg(ledger_id(entry)).arg(debit).arg(credit);
            script.arg(*amount).arg(reference).arg(entry.at);
            script.arg(entry.chain.to_string());
        }
        self.link.script::<()>(&script).await
    }

    /// Writes where the ledger's chain ends.
    pub(in crate::store) async fn head(&self, head: &Head) -> Result<()> {
        let mut set = redis::cmd("HSET");
        set.arg(self.keys.ledger()).arg("entries").arg(head.entries);
        set.arg("head").arg(head.hash.to_string());
        self.link.run::<()>(&set).await
    }

    /// Writes how many commits there were, which ends the writing; what reads back is then to be checked.
    pub(in crate::store) async fn version(&self, version: Version) -> Result<()> {
        let mut set = redis::cmd("SET");
        set.arg(self.keys.version()).arg(version);
        self.link.run::<()>(&set).await
    }

    /// The ledger's entries after a version and a position in it.
    pub(in crate::store) async fn entries_after(
        &self,
        after: (Version, u64),
        count: usize,
    ) -> Result<Vec<LedgerEntry>> {
        let mut range = redis::cmd("XRANGE");
        range.arg(self.keys.entries());
        range.arg(format!("({}-{}", after.0, after.1)).arg("+");
        range.arg("COUNT").arg(count);
        let page = ledger::rows(self.link.run(&range).await?)?;
        page.into_iter().map(ledger_entry).collect()
    }

    /// Where the ledger's chain ends, as it was written.
    pub(in crate::store) async fn kept_head(&self) -> Result<Head> {
        let kept: Vec<_> = self.link.run(&Kept::ask(&self.keys)).await?;
        Ok(Kept::read(&kept).head)
    }

    /// How many accounts and entries of the ledger there are.
    pub(in crate::store) async fn ledger_sizes(&self) -> Result<(u64, u64)> {
        let mut pipeline = redis::pipe();
        pipeline.cmd("HLEN").arg(self.keys.accounts());
        pipeline.cmd("XLEN").arg(self.keys.entries());
        self.link.pipe(&pipeline).await
    }

    /// The names of the spaces.
    pub(in crate::store) async fn spaces(&self) -> Result<Vec<Space>> {
        let mut ask = redis::cmd("SMEMBERS");
        ask.arg(self.keys.spaces());
        let mut names: Vec<String> = self.link.run(&ask).await?;
        names.sort();
        Ok(names
            .iter()
            .map(|name| Space::from(name.as_str()))
            .collect())
    }

    /// Lets hosts in; `false` where another copy has begun since.
    pub(in crate::store) async fn finish(&self) -> Result<bool> {
        let mut script = FINISH.key(self.keys.meta());
        self.link.script(script.arg(&self.name)).await
    }
}

/// A version as state keeps it.
fn packed(version: Version) -> [u8; VERSION_BYTES] {
    let [_, packed @ ..] = version.to_be_bytes();
    packed
}

fn ledger_id(entry: &LedgerEntry) -> String {
    format!("{}-{}", entry.version, entry.position)
}

fn ledger_entry(row: Row) -> Result<LedgerEntry> {
    let Row {
        version, position, ..
    } = row;
    let entry = row.entry.and_then(|entry| {
        Some(LedgerEntry {
            version,
            position,
            posting: entry.posting,
            at: entry.at,
            chain: entry.chain?,
        })
    });
    let what = || format!("entry {version}-{position} of the ledger is in an unknown form");
    entry.ok_or_else(|| Error::Backend(what().into()))
}
