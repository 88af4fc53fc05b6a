//! Writes what the source holds into the target, page by page, and notes what it was.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::sums::Sums;
use super::{Meter, PAGE, Part, Progress, Result, Stage};
use crate::store::embedded::{Dump, StreamDump};
use crate::store::redis::{Place, Restore};
use crate::store::{Offset, Partition, Record, partition_of};

/// What was written.
pub(super) struct Filled {
    pub(super) sums: Sums,
    /// Where the groups of each partition stand.
    pub(super) places: BTreeMap<Partition, Vec<Place>>,
    /// Groups of all streams, each counted once.
    pub(super) groups: u64,
}

/// Writes everything.
pub(super) async fn fill<P: FnMut(Progress)>(
    dump: &Dump<'_>,
    restore: &Restore,
    meter: &mut Meter<P>,
) -> Result<Filled> {
    let mut filled = Filled {
        sums: Sums::default(),
        places: BTreeMap::new(),
        groups: 0,
    };
    let sizes = dump.sizes()?;
    meter.begin(Stage::Copying, Part::State, sizes.state);
    fill_state(dump, restore, &mut filled.sums, meter).await?;
    meter.begin(Stage::Copying, Part::Log, sizes.log);
    for stream in dump.streams()? {
        fill_stream(dump, restore, &stream, &mut filled, meter).await?;
    }
    meter.begin(Stage::Copying, Part::Ledger, sizes.ledger);
    fill_ledger(dump, restore, &mut filled.sums, meter).await?;
    restore.version(dump.version()).await?;
    Ok(filled)
}

async fn fill_state<P: FnMut(Progress)>(
    dump: &Dump<'_>,
    restore: &Restore,
    sums: &mut Sums,
    meter: &mut Meter<P>,
) -> Result<()> {
    for space in dump.spaces()? {
        let mut after = Vec::new();
        loop {
            let page = dump.state(&space, &after, PAGE)?;
            let Some(last) = page.last() else { break };
            restore.state(&space, &page, dump.version()).await?;
            page.iter().for_each(|entry| sums.entry(&space, entry));
            meter.add(page.len());
            after.clone_from(&last.key);
        }
    }
    Ok(())
}

/// The partitions of a stream while they are filled.
struct Partitions {
    all: Vec<Partition>,
    places: Vec<Vec<Place>>,
}

impl Partitions {
    fn new(stream: &StreamDump, count: u16) -> Self {
        let place = |group: &Arc<str>| Place {
            group: Arc::clone(group),
            done: 0,
            count: 0,
        };
        let places: Vec<_> = stream
            .groups
            .iter()
            .map(|(group, _)| place(group))
            .collect();
        let partition = |number| Partition {
            stream: stream.name.clone(),
            number,
        };
        Self {
            all: (0..count).map(partition).collect(),
            places: vec![places; count.into()],
        }
    }

    /// Gives each record to its partition, and notes which groups are done with it.
    fn share(
        &mut self,
        page: Vec<Record>,
        groups: &[(Arc<str>, Offset)],
        sums: &mut Sums,
    ) -> Vec<Vec<Record>> {
        let mut shared = vec![Vec::new(); self.all.len()];
        let count = u16::try_from(self.all.len()).unwrap_or(u16::MAX);
        for record in page {
            let number = usize::from(partition_of(&record.key, count));
            sums.record(&self.all[number], &record);
            for (place, (_, done)) in self.places[number].iter_mut().zip(groups) {
                if record.offset <= *done {
                    place.done = record.offset;
                    place.count += 1;
                }
            }
            shared[number].push(record);
        }
        shared
    }
}

async fn fill_stream<P: FnMut(Progress)>(
    dump: &Dump<'_>,
    restore: &Restore,
    stream: &StreamDump,
    filled: &mut Filled,
    meter: &mut Meter<P>,
) -> Result<()> {
    let count = restore.stream(&stream.name).await?;
    let mut partitions = Partitions::new(stream, count);
    let mut after = 0;
    loop {
        let page = dump.log(&stream.name, after, PAGE)?;
        let Some(last) = page.last() else { break };
        after = last.offset;
        let rows = page.len();
        let shared = partitions.share(page, &stream.groups, &mut filled.sums);
        for (partition, records) in partitions.all.iter().zip(shared) {
            restore.records(partition, &records).await?;
        }
        meter.add(rows);
    }
    for (partition, places) in partitions.all.into_iter().zip(partitions.places) {
        restore.groups(&partition, &places).await?;
        filled.places.insert(partition, places);
    }
    filled.groups += stream.groups.len() as u64;
    Ok(())
}

async fn fill_ledger<P: FnMut(Progress)>(
    dump: &Dump<'_>,
    restore: &Restore,
    sums: &mut Sums,
    meter: &mut Meter<P>,
) -> Result<()> {
    let mut after = String::new();
    loop {
        let page = dump.accounts(&after, PAGE)?;
        let Some((last, _)) = page.last() else { break };
        restore.accounts(&page).await?;
        for (name, account) in &page {
            sums.account(name, account);
        }
        meter.add(page.len());
        after.clone_from(last);
    }
    let mut after = (0, 0);
    loop {
        let page = dump.entries(after, PAGE)?;
        let Some(last) = page.last() else { break };
        restore.entries(&page).await?;
        page.iter().for_each(|entry| sums.ledger_entry(entry));
        meter.add(page.len());
        after = (last.version, last.position);
    }
    Ok(restore.head(&dump.head()?).await?)
}
