//! The chain over the ledger's entries: the hash of each follows from what it says and from the hashes before it, so
//! that who has noted a head can tell whether anything up to there was changed, taken out, put in or moved. Pure.
//! Both stores and the verification compute it alike; Redis makes the last step in `redis/scripts/chain.lua`.
//!
//! ```text
//! leaf(i)  = SHA-256(01 ‖ field(debit) ‖ field(credit) ‖ field(amount) ‖ field(reference) ‖ field(at))
//! part(1)  = leaf(1)
//! part(i)  = SHA-256(02 ‖ part(i - 1) ‖ leaf(i))
//! chain(0) = 32 bytes of zero
//! chain(c) = SHA-256(chain(c - 1) ‖ part(last))
//! ```
//!
//! `i` counts the entries of one commit and `c` the commits that have some. A field is its length in bytes, then
//! itself. Lengths, the amount (datapoints) and the instant (ms) are 8 bytes, big-endian; texts are UTF-8.
//! The hash kept with an entry is `part(i)`, and with the last of a commit `chain(c)`.
//!
//! Two levels, because the script of commits in Redis must compute what depends on other hosts, slowly and
//! while everybody waits: so it has one hash to compute, however many movements a commit has.
//!
//! **Invariants.** No number that a store gives is hashed, so a copy in another store has the same chain. Whoever
//! appends entries keeps the new head in the same commit: otherwise a ledger whose last entries are gone
//! would look like a shorter one.

use sha2::{Digest as _, Sha256};

use std::fmt;
use std::str::FromStr;

use super::Posting;
use crate::ids::{Digest, Invalid};

/// What a leaf begins with; another way of making it gets another number.
const LEAF: u8 = 1;

/// What the hash of several entries of a commit begins with.
const PART: u8 = 2;

/// The hash before the first commit.
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

/// As it is noted: how many entries, a colon, the hash.
impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.entries, self.hash)
    }
}

impl FromStr for Head {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let rule = Invalid(
            "must be a number of entries, ':' and 64 hexadecimal digits, as ledger verify prints it",
        );
        let (entries, hash) = text.split_once(':').ok_or_else(|| rule.clone())?;
        let is_number = entries.bytes().all(|byte| byte.is_ascii_digit());
        let entries = entries.parse().ok().filter(|_| is_number);
        Ok(Self {
            entries: entries.ok_or_else(|| rule.clone())?,
            hash: Digest::parse(hash).map_err(|_| rule)?,
        })
    }
}

impl Head {
    /// Goes on by a commit's entries; the hashes that are kept with them.
    pub fn commit(&mut self, postings: &[Posting], at_ms: u64) -> Vec<Digest> {
        let mut hashes = parts(postings, at_ms);
        self.entries += hashes.len() as u64;
        if let Some(last) = hashes.last_mut() {
            self.hash = link(&self.hash, last);
            *last = self.hash;
        }
        hashes
    }
}

/// `part` of each of a commit's entries.
#[must_use]
pub fn parts(postings: &[Posting], at_ms: u64) -> Vec<Digest> {
    let mut last = None;
    let next = |posting| *last.insert(part(last.as_ref(), posting, at_ms));
    postings.iter().map(next).collect()
}

/// `part` of an entry, given that of the one before it in its commit.
#[must_use]
pub fn part(before: Option<&Digest>, posting: &Posting, at_ms: u64) -> Digest {
    let leaf = leaf(posting, at_ms);
    match before {
        None => leaf,
        Some(before) => digest(&[&[PART], before.bytes(), leaf.bytes()]),
    }
}

/// `chain` of a commit, given that of the one before it and `part` of its last entry.
#[must_use]
pub fn link(before: &Digest, part: &Digest) -> Digest {
    digest(&[before.bytes(), part.bytes()])
}

fn leaf(posting: &Posting, at_ms: u64) -> Digest {
    let mut hash = Sha256::new_with_prefix([LEAF]);
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

fn digest(parts: &[&[u8]]) -> Digest {
    let mut hash = Sha256::new();
    parts.iter().for_each(|part| hash.update(part));
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
        let credit = [posting("issuer", "partner/acme", 1_000, "INV-17")];
        let run = [
            posting("hold/7f", "revenue", 150, "run 7f production é"),
            posting("hold/7f", "revenue", 7, "run 7f compute"),
            posting("hold/7f", "partner/acme", 43, "run 7f"),
        ];
        let mut hashes = head.commit(&credit, 1_783_944_000_000);
        assert_eq!(head.commit(&[], 5), []);
        hashes.extend(head.commit(&run, (1 << 53) - 1));
        let hashes: Vec<_> = hashes.iter().map(ToString::to_string).collect();
        let expected = [
            "608fa1c47d09e88de74aaf417f769d97728cce6cb05db7c71c4a12908d1158cb",
            "1233f3d5a6f48db72ede2764f2bc4dc6ad50f8dafe2c7d1d2d5956f7e815b0f1",
            "bd420563947fc0744c1aa3afb2f825c96dfa3977d4b045640c5bcbda7de6133e",
            "ba8cce500f4ea420cf68f3bcb4064916dd6b8fa6a9fb3d613cd4aa04e5321379",
        ];
        assert_eq!(hashes, expected);
        assert_eq!(
            (head.entries, head.hash.to_string()),
            (4, hashes[3].clone())
        );
    }

    #[test]
    fn a_head_is_read_as_it_is_noted() {
        let mut head = Head::default();
        head.commit(&[posting("a", "b", 1, "r")], 7);
        assert_eq!(head.to_string().parse(), Ok(head));
        let hash = head.hash;
        for wrong in [
            "",
            "1",
            ":",
            &format!(":{hash}"),
            &format!("+1:{hash}"),
            &format!("1:{hash}0"),
            &format!("1: {hash}"),
            "1:x",
        ] {
            assert!(wrong.parse::<Head>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_in_which_commit_counts() {
        let postings = [posting("a", "b", 1, "r"), posting("b", "c", 1, "r")];
        let (mut one, mut two) = (Head::default(), Head::default());
        one.commit(&postings, 7);
        postings
            .chunks(1)
            .for_each(|posting| drop(two.commit(posting, 7)));
        assert_eq!(one.entries, two.entries);
        assert_ne!(one.hash, two.hash);
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
