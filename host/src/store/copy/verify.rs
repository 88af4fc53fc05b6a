//! Reads the target back as hosts read it, page by page along the source, and notes what it was. What the
//! target has beside the source is found as well, since every part is read to its end.

use std::collections::BTreeMap;

use super::fill::Filled;
use super::sums::Sums;
use super::{Error, Meter, PAGE, Part, Progress, Result, Stage};
use crate::store::chain::Head;
use crate::store::embedded::Dump;
use crate::store::redis::{Place, Restore};
use crate::store::{GroupStatus, Order, Partition, PartitionStatus, Range, Space, Store as _};

fn differs(part: Part, what: impl Into<String>) -> Error {
    Error::Differs {
        part,
        what: what.into(),
    }
}

/// Reads everything.
pub(super) async fn verify<P: FnMut(Progress)>(
    dump: &Dump<'_>,
    restore: &Restore,
    filled: &Filled,
    meter: &mut Meter<P>,
) -> Result<Sums> {
    let mut sums = Sums::default();
    let sizes = dump.sizes()?;
    meter.begin(Stage::Verifying, Part::State, sizes.state);
    verify_state(dump, restore, &mut sums, meter).await?;
    meter.begin(Stage::Verifying, Part::Log, sizes.log);
    for partition in filled.places.keys() {
        verify_partition(restore, partition, &mut sums, meter).await?;
    }
    verify_places(restore, filled).await?;
    meter.begin(Stage::Verifying, Part::Ledger, sizes.ledger);
    verify_ledger(dump, restore, &mut sums, meter).await?;
    Ok(sums)
}

async fn verify_state<P: FnMut(Progress)>(
    dump: &Dump<'_>,
    restore: &Restore,
    sums: &mut Sums,
    meter: &mut Meter<P>,
) -> Result<()> {
    let mut spaces = Vec::new();
    for space in dump.spaces()? {
        if verify_space(dump, restore, &space, sums, meter).await? {
            spaces.push(space);
        }
    }
    let found = restore.spaces().await?;
    if found == spaces {
        Ok(())
    } else {
        Err(differs(Part::State, format!("its spaces are {found:?}")))
    }
}

/// Whether the space has anything.
async fn verify_space<P: FnMut(Progress)>(
    dump: &Dump<'_>,
    restore: &Restore,
    space: &Space,
    sums: &mut Sums,
    meter: &mut Meter<P>,
) -> Result<bool> {
    let mut snapshot = restore.store().snapshot().await?;
    let mut rest = Range {
        start: Vec::new(),
        end: None,
    };
    let mut after = Vec::new();
    loop {
        // The source tells how many entries fit into a page.
        let page = dump.state(space, &after, PAGE)?;
        let limit = page.len().max(1);
        let found = snapshot.scan(space, &rest, Order::Ascending, limit).await?;
        found.iter().for_each(|entry| sums.entry(space, entry));
        let Some(last) = page.last() else {
            return Ok(!after.is_empty());
        };
        meter.add(page.len());
        after.clone_from(&last.key);
        rest.start = [&after, &[0][..]].concat();
    }
}

async fn verify_partition<P: FnMut(Progress)>(
    restore: &Restore,
    partition: &Partition,
    sums: &mut Sums,
    meter: &mut Meter<P>,
) -> Result<()> {
    let mut after = 0;
    loop {
        let page = restore
            .store()
            .read_log(partition, after, PAGE.rows, PAGE.bytes)
            .await?;
        let Some(last) = page.last() else {
            return Ok(());
        };
        after = last.offset;
        page.iter()
            .for_each(|record| sums.record(partition, record));
        meter.add(page.len());
    }
}

/// Whether every group stands where it should, with everything after that still to come.
async fn verify_places(restore: &Restore, filled: &Filled) -> Result<()> {
    let store = restore.store();
    let found = store.streams().await?;
    let mut found: BTreeMap<_, _> = found
        .into_iter()
        .map(|status| (status.partition.clone(), status))
        .collect();
    for (partition, places) in &filled.places {
        let (groups, length) = match found.remove(partition) {
            Some(status) => (standing(&status)?, status.length),
            None => (Vec::new(), 0),
        };
        let place = |place: &Place| {
            let lag = length.saturating_sub(place.count);
            (place.group.to_string(), place.done, lag)
        };
        let mut expected: Vec<_> = places.iter().map(place).collect();
        expected.sort();
        if groups != expected {
            let what = format!("groups of {partition:?} are at {groups:?}, not {expected:?}");
            return Err(differs(Part::Log, what));
        }
    }
    match found.into_keys().next() {
        Some(partition) => Err(differs(Part::Log, format!("it has {partition:?}, too"))),
        None => Ok(()),
    }
}

/// The groups with their places and lags, by name.
fn standing(status: &PartitionStatus) -> Result<Vec<(String, u64, u64)>> {
    let odd = |group: &&GroupStatus| group.lost || group.pending > 0;
    if let Some(group) = status.groups.iter().find(odd) {
        return Err(differs(
            Part::Log,
            format!("{group:?} has lost or fetched records"),
        ));
    }
    let place = |group: &GroupStatus| (group.group.to_string(), group.done, group.lag);
    let mut groups: Vec<_> = status.groups.iter().map(place).collect();
    groups.sort();
    Ok(groups)
}

async fn verify_ledger<P: FnMut(Progress)>(
    dump: &Dump<'_>,
    restore: &Restore,
    sums: &mut Sums,
    meter: &mut Meter<P>,
) -> Result<()> {
    let mut snapshot = restore.store().snapshot().await?;
    let (mut accounts, mut entries) = (0, 0);
    let mut after = String::new();
    loop {
        let page = dump.accounts(&after, PAGE)?;
        let Some((last, _)) = page.last() else { break };
        for (name, _) in &page {
            sums.account(name, &snapshot.account(name).await?);
        }
        accounts += page.len() as u64;
        meter.add(page.len());
        after.clone_from(last);
    }
    let mut after = (0, 0);
    loop {
        let page = restore.entries_after(after, PAGE.rows).await?;
        let Some(last) = page.last() else { break };
        page.iter().for_each(|entry| sums.ledger_entry(entry));
        entries += page.len() as u64;
        meter.add(page.len());
        after = (last.version, last.position);
    }
    if restore.ledger_sizes().await? != (accounts, entries) {
        return Err(differs(Part::Ledger, "it has more accounts"));
    }
    verify_head(&dump.head()?, &restore.kept_head().await?)
}

/// Whether the chain ends where it does in the source. That the entries make it up is as true as it was there: they
/// are compared with their hashes.
fn verify_head(source: &Head, target: &Head) -> Result<()> {
    if source == target {
        return Ok(());
    }
    let what = format!("its chain ends with {target:?}, not with {source:?}");
    Err(differs(Part::Ledger, what))
}
