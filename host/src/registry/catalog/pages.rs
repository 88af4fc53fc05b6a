//! Records read whole, however many there are: as many as operators have made, each small. The store answers in pages, so that
//! no answer of it grows with them.

use crate::store::{Entry, Order, Range, Result, Snapshot, Space};

/// Records of one page.
const PAGE: usize = 1_000;

/// All entries of a range, in order.
///
/// # Errors
/// The store did not answer.
pub(super) async fn all(
    snapshot: &mut dyn Snapshot,
    space: &str,
    mut range: Range,
) -> Result<Vec<Entry>> {
    let space = Space::from(space);
    let mut entries: Vec<Entry> = Vec::new();
    loop {
        let page = snapshot
            .scan(&space, &range, Order::Ascending, PAGE)
            .await?;
        let is_last = page.len() < PAGE;
        entries.extend(page);
        let Some(last) = entries.last().filter(|_| !is_last) else {
            return Ok(entries);
        };
        // The least key that comes after the last one.
        range.start = [last.key.as_slice(), &[0]].concat();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::embedded::{Embedded, Options};
    use crate::store::{Store as _, Transaction, Write};

    #[tokio::test]
    async fn as_many_as_there_are_come_each_once_and_in_order() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Embedded::open(Options::new(folder.path())).expect("a store");
        let key = |number: usize| format!("{number:05}").into_bytes();
        let mut there = 0;
        for count in [0, 1, PAGE - 1, PAGE, PAGE + 1, 10_000, 10_001] {
            let write = |number| Write {
                space: "x".into(),
                key: key(number),
                value: Some(Vec::new()),
            };
            let writes = (there..count).map(write).collect();
            let more = Transaction {
                writes,
                ..Transaction::default()
            };
            store.commit(more).await.expect("committed");
            there = count;
            let mut snapshot = store.snapshot().await.expect("a snapshot");
            let range = Range {
                start: vec![0],
                end: None,
            };
            let found = all(snapshot.as_mut(), "x", range).await.expect("read");
            let found: Vec<Vec<u8>> = found.into_iter().map(|entry| entry.key).collect();
            assert_eq!(found, (0..count).map(key).collect::<Vec<_>>());
        }
    }
}
