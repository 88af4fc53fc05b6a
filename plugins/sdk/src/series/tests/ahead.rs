//! What is read ahead is all that recording reads, and reading ahead changes nothing.

use std::cell::RefCell;

use super::*;

/// A map that remembers what was read ahead, and what was read that was not.
#[derive(Default)]
struct Far {
    map: Map,
    near: RefCell<BTreeSet<Vec<u8>>>,
    waits: Cell<usize>,
}

impl State for Far {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let waited = self.near.borrow_mut().insert(key.to_vec());
        self.waits.set(self.waits.get() + usize::from(waited));
        State::get(&self.map, key)
    }

    fn prefetch(&self, keys: &[Vec<u8>]) -> Result<()> {
        self.waits.set(self.waits.get() + 1);
        self.near.borrow_mut().extend(keys.iter().cloned());
        Ok(())
    }

    fn set(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        State::set(&mut self.map, key, value)
    }

    fn delete(&mut self, key: &[u8]) -> Result<()> {
        State::delete(&mut self.map, key)
    }

    fn scan(&self, start: &[u8], end: &[u8], limit: usize) -> Result<Block> {
        State::scan(&self.map, start, end, limit)
    }
}

#[test]
fn a_batch_waits_for_the_state_twice_at_most() {
    let (mut far, mut near) = (Far::default(), Map::new());
    let houses: Vec<String> = (0..300).map(|house| format!("house-{house}")).collect();
    for (round, most_waits) in [(0, 1), (1, 2), (2, 2)] {
        let rows = houses.iter().enumerate().map(|(number, name)| {
            let at = slot(round / 2, round / 2 + 1, number as u64 / 3);
            measured(at, name, Some(round + 1), None)
        });
        let rows: Vec<_> = rows.collect();
        far.waits.set(0);
        far.near.borrow_mut().clear();
        let mut batch = Batch::new(7);
        batch
            .prefetch(&far, Vec::new(), rows.iter().copied())
            .expect("read ahead");
        for row in &rows {
            batch.record(&mut far, row).expect("recorded");
        }
        let touched = batch.finish(&mut far).expect("finished");
        assert_eq!(touched, record_in(7, &mut near, &rows));
        assert!(far.waits.get() <= most_waits, "{} waits", far.waits.get());
    }
    assert_eq!(far.map, near);
}

#[test]
fn what_was_only_read_ahead_is_not_touched() {
    let mut state = Map::new();
    let row = measured(slot(0, 1, 1), "a", Some(1), None);
    record(&mut state, &[row]);
    let mut batch = Batch::new(0);
    let other = measured(slot(0, 1, 1), "b", Some(1), None);
    batch
        .prefetch(&state, Vec::new(), [other].into_iter())
        .expect("read ahead");
    assert_eq!(batch.finish(&mut state), Ok(Vec::new()));
}
