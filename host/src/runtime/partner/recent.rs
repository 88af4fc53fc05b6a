//! The components that were used last, ready to run. Bounded by count and by the size of their code, since
//! each keeps its code mapped.

use std::collections::HashMap;
use std::sync::Arc;

use crate::ids::Digest;

/// Most components kept ready.
const COUNT_MAX: usize = 256;

/// Most bytes of uploads behind them: their compiled code is some four times as large, and mapped.
const BYTES_MAX: usize = 256 << 20;

/// What is kept, and how large it is.
pub(in crate::runtime) trait Weighed {
    /// Bytes of the upload.
    fn bytes(&self) -> usize;
}

struct Kept<T> {
    value: Arc<T>,
    used: u64,
}

/// What was used last.
pub(super) struct Recent<T> {
    kept: HashMap<Digest, Kept<T>>,
    uses: u64,
}

impl<T> Default for Recent<T> {
    fn default() -> Self {
        Self {
            kept: HashMap::new(),
            uses: 0,
        }
    }
}

impl<T: Weighed> Recent<T> {
    /// The one of this digest; it counts as used.
    pub(super) fn get(&mut self, digest: &Digest) -> Option<Arc<T>> {
        self.uses += 1;
        let kept = self.kept.get_mut(digest)?;
        kept.used = self.uses;
        Some(kept.value.clone())
    }

    /// Keeps one, unless another has been kept under the digest meanwhile; that one is returned then.
    /// Those used longest ago make room.
    pub(super) fn put(&mut self, digest: Digest, value: Arc<T>) -> Arc<T> {
        if let Some(kept) = self.get(&digest) {
            return kept;
        }
        let used = self.uses;
        let returned = value.clone();
        self.kept.insert(digest, Kept { value, used });
        while self.kept.len() > 1 && self.is_full() {
            let oldest = self.kept.iter().min_by_key(|(_, kept)| kept.used);
            let Some(oldest) = oldest.map(|(digest, _)| *digest) else {
                break;
            };
            self.kept.remove(&oldest);
        }
        returned
    }

    fn is_full(&self) -> bool {
        let bytes: usize = self.kept.values().map(|kept| kept.value.bytes()).sum();
        self.kept.len() > COUNT_MAX || bytes > BYTES_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fake(usize);

    impl Weighed for Fake {
        fn bytes(&self) -> usize {
            self.0
        }
    }

    fn digest(number: usize) -> Digest {
        Digest::of(&number.to_be_bytes())
    }

    #[test]
    fn those_used_longest_ago_make_room() {
        let mut recent = Recent::default();
        for number in 0..COUNT_MAX {
            recent.put(digest(number), Arc::new(Fake(1)));
        }
        recent.get(&digest(0)).expect("kept");
        recent.put(digest(COUNT_MAX), Arc::new(Fake(1)));
        assert!(recent.get(&digest(0)).is_some(), "used since");
        assert!(recent.get(&digest(1)).is_none(), "used longest ago");
        recent.put(digest(COUNT_MAX + 1), Arc::new(Fake(BYTES_MAX + 1)));
        assert_eq!(recent.kept.len(), 1, "one that is too large stays alone");
    }

    #[test]
    fn the_first_under_a_digest_stays() {
        let mut recent = Recent::default();
        let first = recent.put(digest(1), Arc::new(Fake(1)));
        let second = recent.put(digest(1), Arc::new(Fake(2)));
        assert!(Arc::ptr_eq(&first, &second));
    }
}
