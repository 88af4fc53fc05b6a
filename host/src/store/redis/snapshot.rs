//! A snapshot of a server that keeps no old versions: it reads what is there, and sees by the version
//! in a value's header whether that is newer than what it has read so far. Then it moves forward,
//! provided that nothing it has read was written meanwhile; otherwise it is overtaken.
//!
//! **Invariants.** All that was read was there at one version, [`Snapshot::version`]. A key that is not there was
//! not there at that version either: tombstones that are forgotten are known by their newest version.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use futures_util::future::BoxFuture;
use redis::{Script, Value};

use super::Shared;
use super::pack::Pack;
use super::reply::{bytes, items, number, strange};
use crate::store::{Account, Entry, Error, Order, Range, Result, Snapshot, Space, Version};

/// Bytes before a value: 7 of the version that wrote it, and 1 that tells a value from a tombstone.
const HEADER_BYTES: usize = 8;

/// How often a snapshot moves forward for one read before it gives up: others write faster than it reads.
const MOVES_MAX: u32 = 10;

/// Keys read by one command: half a millisecond of the server.
const READ_STEP: usize = 1_000;

static CHECK: LazyLock<Script> = LazyLock::new(|| {
    Script::new(concat!(
        "#!lua flags=no-writes\n",
        include_str!("scripts/changed.lua"),
        include_str!("scripts/check.lua")
    ))
});

static SCAN: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/scan.lua")));

/// A snapshot of everything committed so far.
pub(super) async fn take(shared: &Arc<Shared>) -> Result<Box<dyn Snapshot>> {
    let mut ask = redis::cmd("GET");
    ask.arg(shared.keys.version());
    let version = shared.link.run::<Option<Version>>(&ask).await?;
    Ok(Box::new(View {
        version: version.unwrap_or(0),
        shared: Arc::clone(shared),
        seen: BTreeMap::new(),
    }))
}

/// What was read of a space.
#[derive(Default)]
struct Seen {
    keys: Vec<Vec<u8>>,
    ranges: Vec<Range>,
}

struct View {
    shared: Arc<Shared>,
    version: Version,
    seen: BTreeMap<Space, Seen>,
}

/// One step of a scan.
struct Step {
    newest: Version,
    forgotten: Version,
    complete: bool,
    last: Vec<u8>,
    entries: Vec<Entry>,
}

impl View {
    /// Makes the present version the snapshot's, if nothing it has read was written since.
    async fn move_forward(&mut self) -> Result<()> {
        let keys = &self.shared.keys;
        let mut invocation = CHECK.key(keys.version());
        for space in self.seen.keys() {
            invocation.key(keys.state(space)).key(keys.index(space));
        }
        invocation.arg(self.version).arg(pack_seen(&self.seen));
        let present = self.shared.link.script::<Option<Version>>(&invocation);
        self.version = present.await?.ok_or(Error::Overtaken)?;
        Ok(())
    }

    /// The values of some keys, at the snapshot's version.
    async fn read_keys(&mut self, space: &Space, keys: &[&[u8]]) -> Result<Vec<Option<Vec<u8>>>> {
        let mut ask = redis::cmd("HMGET");
        ask.arg(self.shared.keys.state(space)).arg(b"").arg(keys);
        for _ in 0..MOVES_MAX {
            let found = self.shared.link.run(&ask).await?;
            let (newest, values) = judge(found)?;
            if newest <= self.version {
                let seen = self.seen.entry(space.clone()).or_default();
                seen.keys.extend(keys.iter().map(|key| key.to_vec()));
                return Ok(values);
            }
            self.move_forward().await?;
        }
        Err(Error::Overtaken)
    }

    async fn read_steps(
        &mut self,
        space: &Space,
        keys: &[Vec<u8>],
    ) -> Result<Vec<Option<Vec<u8>>>> {
        let mut values = Vec::with_capacity(keys.len());
        for step in keys.chunks(READ_STEP) {
            let step: Vec<_> = step.iter().map(Vec::as_slice).collect();
            values.extend(self.read_keys(space, &step).await?);
        }
        Ok(values)
    }

    /// One step of a scan, at the snapshot's version.
    async fn step(
        &mut self,
        space: &Space,
        range: &Range,
        order: Order,
        limit: usize,
    ) -> Result<Step> {
        let keys = &self.shared.keys;
        let mut invocation = SCAN.key(keys.state(space));
        invocation.key(keys.index(space));
        let (low, high) = (included(&range.start), excluded(range.end.as_deref()));
        match order {
            Order::Ascending => invocation.arg(low).arg(high).arg(""),
            Order::Descending => invocation.arg(high).arg(low).arg("REV"),
        };
        invocation.arg(limit);
        for _ in 0..MOVES_MAX {
            let step = Step::read(self.shared.link.script::<Value>(&invocation).await?)?;
            if step.newest.max(step.forgotten) <= self.version {
                return Ok(step);
            }
            self.move_forward().await?;
        }
        Err(Error::Overtaken)
    }

    async fn scan_range(
        &mut self,
        space: &Space,
        range: &Range,
        order: Order,
        limit: usize,
    ) -> Result<Vec<Entry>> {
        let (mut entries, mut left) = (Vec::new(), range.clone());
        while entries.len() < limit && !is_empty(&left) {
            let step = self
                .step(space, &left, order, limit - entries.len())
                .await?;
            let (looked, rest) = split(left, order, &step);
            let seen = self.seen.entry(space.clone()).or_default();
            extend(&mut seen.ranges, looked);
            entries.extend(step.entries);
            match rest {
                Some(rest) => left = rest,
                None => break,
            }
        }
        Ok(entries)
    }
}

impl Snapshot for View {
    fn version(&self) -> Version {
        self.version
    }

    fn read<'a>(
        &'a mut self,
        space: &'a Space,
        key: &'a [u8],
    ) -> BoxFuture<'a, Result<Option<Vec<u8>>>> {
        Box::pin(async move {
            let values = self.read_keys(space, &[key]).await?;
            Ok(values.into_iter().next().flatten())
        })
    }

    fn read_many<'a>(
        &'a mut self,
        space: &'a Space,
        keys: &'a [Vec<u8>],
    ) -> BoxFuture<'a, Result<Vec<Option<Vec<u8>>>>> {
        Box::pin(self.read_steps(space, keys))
    }

    fn scan<'a>(
        &'a mut self,
        space: &'a Space,
        range: &'a Range,
        order: Order,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Entry>>> {
        Box::pin(self.scan_range(space, range, order, limit))
    }

    fn account<'a>(&'a mut self, account: &'a str) -> BoxFuture<'a, Result<Account>> {
        Box::pin(self.shared.account(account))
    }
}

impl Step {
    fn read(value: Value) -> Result<Self> {
        let mut parts = items(value)?.into_iter();
        let mut part = || parts.next().ok_or_else(|| strange("a scan"));
        let (newest, forgotten) = (number(part()?)?, number(part()?)?);
        let (complete, last) = (number(part()?)? == 1, bytes(part()?)?);
        let mut entries = Vec::new();
        while let (Some(key), Some(value)) = (parts.next(), parts.next()) {
            let key = bytes(key)?;
            entries.extend(live(bytes(value)?).map(|value| Entry { key, value }));
        }
        Ok(Self {
            newest,
            forgotten,
            complete,
            last,
            entries,
        })
    }
}

/// Of the marks of a space and what is stored under some keys of it: the newest version that tells, and
/// the values.
fn judge(mut found: Vec<Option<Vec<u8>>>) -> Result<(Version, Vec<Option<Vec<u8>>>)> {
    let stored = found.split_off(1.min(found.len()));
    let marks = found.pop().flatten();
    // A key without a tombstone may have been removed as late as the newest tombstone that is forgotten.
    let mut newest = match marks {
        Some(marks) if stored.iter().any(Option::is_none) => version_in(&marks)?,
        _ => 0,
    };
    for stored in stored.iter().flatten() {
        newest = newest.max(version_in(stored)?);
    }
    let values = stored.into_iter().map(|stored| stored.and_then(live));
    Ok((newest, values.collect()))
}

/// The big-endian version that a header begins with.
fn version_in(header: &[u8]) -> Result<Version> {
    let digits = header.get(..HEADER_BYTES - 1);
    let digits = digits.ok_or_else(|| strange("a version"))?;
    Ok(digits
        .iter()
        .fold(0, |sum, byte| (sum << 8) | Version::from(*byte)))
}

/// The value behind a header; none behind a tombstone's.
fn live(mut stored: Vec<u8>) -> Option<Vec<u8>> {
    let lives = stored.get(HEADER_BYTES - 1) == Some(&1);
    lives.then(|| stored.split_off(HEADER_BYTES))
}

fn is_empty(range: &Range) -> bool {
    range.end.as_ref().is_some_and(|end| *end <= range.start)
}

/// As `ZRANGE … BYLEX` writes the first key of a range.
fn included(start: &[u8]) -> Vec<u8> {
    [b"[", start].concat()
}

/// As `ZRANGE … BYLEX` writes the first key after a range.
fn excluded(end: Option<&[u8]>) -> Vec<u8> {
    end.map_or_else(|| b"+".to_vec(), |end| [b"(", end].concat())
}

/// What a step has looked at of a range, and what is left of it.
fn split(range: Range, order: Order, step: &Step) -> (Range, Option<Range>) {
    if step.complete || step.last.is_empty() {
        return (range, None);
    }
    let border = match order {
        Order::Ascending => [&step.last, [0].as_slice()].concat(),
        Order::Descending => step.last.clone(),
    };
    let below = Range {
        start: range.start,
        end: Some(border.clone()),
    };
    let above = Range {
        start: border,
        end: range.end,
    };
    match order {
        Order::Ascending => (below, Some(above)),
        Order::Descending => (above, Some(below)),
    }
}

/// Adds a range, to the last one where they touch.
fn extend(ranges: &mut Vec<Range>, more: Range) {
    if let Some(last) = ranges.last_mut() {
        if last.end.as_ref() == Some(&more.start) {
            last.end = more.end;
            return;
        }
        if more.end.as_ref() == Some(&last.start) {
            last.start = more.start;
            return;
        }
    }
    ranges.push(more);
}

/// As `check.lua` reads it.
fn pack_seen(seen: &BTreeMap<Space, Seen>) -> Vec<u8> {
    let mut pack = Pack::default();
    pack.array(seen.len());
    for seen in seen.values() {
        pack.array(2);
        pack.array(seen.keys.len());
        seen.keys.iter().for_each(|key| pack.bytes(key));
        pack.array(seen.ranges.len());
        seen.ranges
            .iter()
            .for_each(|range| pack_range(&mut pack, range));
    }
    pack.finish()
}

/// As `changed.lua` reads it.
pub(super) fn pack_range(pack: &mut Pack, range: &Range) {
    pack.array(2);
    pack.bytes(&included(&range.start));
    pack.bytes(&excluded(range.end.as_deref()));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(start: &str, end: Option<&str>) -> Range {
        Range {
            start: start.into(),
            end: end.map(Into::into),
        }
    }

    fn step(complete: bool, last: &str) -> Step {
        Step {
            newest: 0,
            forgotten: 0,
            complete,
            last: last.into(),
            entries: Vec::new(),
        }
    }

    #[test]
    fn a_header_tells_version_and_tombstones() {
        let stored = b"\0\0\0\0\0\x01\x02\x01value".to_vec();
        assert_eq!(version_in(&stored).expect("a version"), 258);
        assert_eq!(live(stored), Some(b"value".to_vec()));
        assert_eq!(live(b"\0\0\0\0\0\0\x02\0".to_vec()), None);
        assert!(version_in(b"short").is_err());
    }

    #[test]
    fn what_is_missing_is_as_new_as_the_newest_tombstone_forgotten() {
        let marks = Some(b"\0\0\0\0\0\0\x05\0\0\0\0\0\0\x09".to_vec());
        let value = Some(b"\0\0\0\0\0\0\x02\x01v".to_vec());
        let judged = |found| judge(found).expect("an answer");
        assert_eq!(judged(vec![marks.clone(), value.clone()]).0, 2);
        let both = judged(vec![marks, value, None]);
        assert_eq!(both, (5, vec![Some(b"v".to_vec()), None]));
        assert_eq!(judged(vec![None, None]), (0, vec![None]));
        assert_eq!(judged(Vec::new()), (0, Vec::new()));
    }

    #[test]
    fn a_scan_goes_on_after_what_it_has_looked_at() {
        let (looked, rest) = split(range("a", Some("z")), Order::Ascending, &step(false, "k"));
        assert_eq!(looked, range("a", Some("k\0")));
        assert_eq!(rest, Some(range("k\0", Some("z"))));
        let (looked, rest) = split(range("a", None), Order::Descending, &step(false, "k"));
        assert_eq!(looked, range("k", None));
        assert_eq!(rest, Some(range("a", Some("k"))));
        let (looked, rest) = split(range("a", None), Order::Ascending, &step(true, "k"));
        assert_eq!((looked, rest), (range("a", None), None));
    }

    #[test]
    fn steps_that_touch_are_one_range() {
        let mut ranges = vec![range("a", Some("c"))];
        extend(&mut ranges, range("c", Some("e")));
        assert_eq!(ranges, [range("a", Some("e"))]);
        extend(&mut ranges, range("0", Some("a")));
        assert_eq!(ranges, [range("0", Some("e"))]);
        extend(&mut ranges, range("x", None));
        assert_eq!(ranges.len(), 2);
    }
}
