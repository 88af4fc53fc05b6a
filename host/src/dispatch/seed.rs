//! Randomness of invocations: numbers that follow from a secret and from which invocation it is. Pure.

use std::sync::Arc;

use sha2::{Digest as _, Sha256};

/// Where an invocation's randomness comes from: the same on a re-run, unpredictable from outside.
#[derive(Debug, Clone)]
pub struct Seed {
    /// 256 random bits of the process.
    pub secret: Arc<[u8; 32]>,
    /// The invocation's number in the process.
    pub invocation: u64,
}

impl Seed {
    /// Of what has an id of its own, and no number.
    #[must_use]
    pub fn of(secret: &[u8; 32], id: &str) -> Self {
        let of_id = Sha256::new().chain_update(secret).chain_update(id);
        Self {
            secret: Arc::new(of_id.finalize().into()),
            invocation: 0,
        }
    }

    /// The `count`th 64 bits: SHA-256 in counter mode under the process's secret.
    pub(crate) fn draw(&self, count: u64) -> u64 {
        let mut hash = Sha256::new();
        hash.update(self.secret.as_slice());
        hash.update(self.invocation.to_be_bytes());
        hash.update(count.to_be_bytes());
        let mut bits = [0; 8];
        bits.copy_from_slice(&hash.finalize()[..8]);
        u64::from_be_bytes(bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn randomness_follows_from_secret_and_id_and_is_nobody_elses() {
        let drawn = |secret, id| Seed::of(&[secret; 32], id).draw(1);
        assert_eq!(drawn(1, "a"), drawn(1, "a"));
        assert_ne!(drawn(1, "a"), drawn(1, "b"));
        assert_ne!(drawn(1, "a"), drawn(2, "a"));
        let seed = Seed::of(&[1; 32], "a");
        assert_ne!(seed.draw(1), seed.draw(2));
    }
}
