//! The chain over the ledger's entries: the hash of each follows from what it says and from the hash before it, so
//! that who has noted a head can tell whether anything up to there was changed, taken out, put in or moved. Pure.
//! Both stores and the verification compute it alike; Redis does in `redis/scripts/chain.lua`.
//!
//! ```text
//! leaf(n)  = SHA-256(01 ‖ field(debit) ‖ field(credit) ‖ field(amount) ‖ field(reference) ‖ field(at))
//! chain(0) = 32 bytes of zero
//! chain(n) = SHA-256(chain(n - 1) ‖ leaf(n))
//! ```
//!
//! A field is its length in bytes, then itself. Lengths, the amount (datapoints) and the instant (ms) are 8
//! bytes, big-endian; texts are UTF-8. Entries count from 1, in the order of commits and of a commit's movements.
//!
//! **Invariants.** Nothing of a store's own is hashed, so a copy in another store has the same chain. Whoever
//! appends an entry keeps the new head in the same commit: otherwise a ledger whose last entries are gone
//! would look like a shorter one.

use sha2::{Digest as _, Sha256};

use super::Posting;
use crate::ids::Digest;

/// How a leaf is made; another way gets another number.
const LEAF_VERSION: u8 = 1;

/// The hash before the first entry.
const ZERO: [u8; 32] = [0; 32];

/// Where the chain ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// How many entries it has.
    pub entries: u64,
    /// The hash of the last one; zeros where there is none.
    pub hash: Digest,
}

impl Default for Head {
    fn default() -> Self {
        Self {
            entries: 0,
            hash: ZERO.into(),
        }
    }
}

impl Head {
    /// Goes on by an entry; its hash.
    pub fn append(&mut self, posting: &Posting, at_ms: u64) -> Digest {
        self.entries += 1;
        self.hash = link(&self.hash, &leaf(posting, at_ms));
        self.hash
    }
}

/// The hash of an entry alone.
#[must_use]
pub fn leaf(posting: &Posting, at_ms: u64) -> Digest {
    let mut hash = Sha256::new_with_prefix([LEAF_VERSION]);
    for field in [
        posting.debit.as_bytes(),
        posting.credit.as_bytes(),
        &posting.amount.to_be_bytes(),
        posting.reference.as_bytes(),
        &at_ms.to_be_bytes(),
    ] {
        hash.update((field.len() as u64).to_be_bytes());
        hash.update(field);
    }
    <[u8; 32]>::from(hash.finalize()).into()
}

/// The hash of an entry in its place.
#[must_use]
pub fn link(before: &Digest, leaf: &Digest) -> Digest {
    let hash = Sha256::new_with_prefix(before.bytes()).chain_update(leaf.bytes());
    <[u8; 32]>::from(hash.finalize()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn posting(debit: &str, credit: &str, amount: u64, reference: &str) -> Posting {
        Posting {
            debit: debit.to_owned(),
            credit: credit.to_owned(),
            amount,
            reference: reference.to_owned(),
        }
    }

    /// Computed with Python's hashlib from the definition above.
    #[test]
    fn the_chain_is_what_its_definition_says() {
        let mut head = Head::default();
        let entries = [
            (
                posting("issuer", "partner/acme", 1_000, "INV-17"),
                1_783_944_000_000,
                "608fa1c47d09e88de74aaf417f769d97728cce6cb05db7c71c4a12908d1158cb",
            ),
            (
                posting("partner/acme", "hold/7f", 200, "run 7f"),
                1_783_944_000_001,
                "a7dd69701521105b934ac5a70fc858e6527f5ac8bfa0980ab7a894f376057848",
            ),
            (
                posting("hold/7f", "revenue", 150, "run 7f production é"),
                (1 << 53) - 1,
                "37c7162f1721395e88f212c2a54374b3d471a0b51baef75a92bfda4b513736bc",
            ),
        ];
        for (posting, at_ms, expected) in entries {
            assert_eq!(head.append(&posting, at_ms).to_string(), expected);
        }
        assert_eq!(head.entries, 3);
    }

    #[test]
    fn every_field_and_every_boundary_between_fields_counts() {
        let one = posting("a", "b", 1, "r");
        let others = [
            (posting("b", "a", 1, "r"), 7),
            (posting("ab", "", 1, "r"), 7),
            (posting("a", "b", 2, "r"), 7),
            (posting("a", "b", 1, "s"), 7),
            (posting("a", "b", 1, ""), 7),
            (one.clone(), 8),
        ];
        for (other, at_ms) in others {
            assert_ne!(leaf(&one, 7), leaf(&other, at_ms), "{other:?}");
        }
    }
}
