//! Signs receipts with the installation's key and keeps them with what they tell of, in one commit.
//!
//! **Invariants.** There is one key, made once and shared by all hosts; it never leaves the store and the
//! hosts. A receipt and the movements that it tells of commit together or not at all: two invocations that
//! would write the same place of a partner's chain conflict, and one of them is run again.

use std::sync::Arc;

use tokio::sync::OnceCell;

use super::archive::{self, Month};
use super::receipts::{Facts, Head, Issued, Outcome, PublicKey, Reader, Signer, Subject};
use super::{HOST_KEY, RECEIPT_HEADS, RECEIPTS, usage};
use crate::dispatch::Culprit;
use crate::dispatch::work::{self, Work};
use crate::ids::{Instant, PartnerId};
use crate::keys::random;
use crate::metering::{Meter, Purse};
use crate::store::{self, CommitError, ReadSet, Space, Store, Transaction, Write};

/// The key that receipts are signed with, in its space.
const RECEIPT_KEY: &[u8] = b"receipts";

/// Most tries to make the key while other hosts do the same: the second finds it made.
const TRIES_MAX: usize = 5;

/// Signs receipts. Cheap to clone.
#[derive(Clone)]
pub struct Notary {
    shared: Arc<Shared>,
}

struct Shared {
    store: Arc<dyn Store>,
    signer: OnceCell<Signer>,
}

impl Notary {
    /// A notary with the key that this store keeps; it is read, or made, when it is needed first.
    #[must_use]
    pub fn new(store: Arc<dyn Store>) -> Self {
        let signer = OnceCell::new();
        Self {
            shared: Arc::new(Shared { store, signer }),
        }
    }

    /// The key that verifies receipts.
    ///
    /// # Errors
    /// The store did not answer.
    pub async fn public_key(&self) -> store::Result<PublicKey> {
        Ok(self.signer().await?.public_key())
    }

    /// Writes the next receipt of a partner's chain into a transaction.
    ///
    /// # Errors
    /// The store did not answer, or the transaction's budget is used up.
    pub(crate) async fn attest(
        &self,
        work: &mut Work,
        facts: Facts,
    ) -> Result<Issued, work::Error> {
        let partner = facts.partner.clone();
        let head = head(work, &partner).await?;
        let issued = self.signer().await?.issue(&head, &facts);
        let (month, sequence) = (Month::of(issued.at), issued.head.sequence);
        if head.sequence == 0 || Month::of(Instant(head.at_ms)) != month {
            archive::begin_month(work, &partner, &month, sequence)?;
        }
        usage::count(work, &month, &facts).await?;
        let key = receipt_key(&partner, sequence);
        let head = serde_json::to_vec(&issued.head).unwrap_or_default();
        work.write(&RECEIPTS.into(), key, Some(issued.bytes.clone()))?;
        work.write(&RECEIPT_HEADS.into(), super::key(&partner), Some(head))?;
        Ok(issued)
    }

    /// Writes the receipt of an invocation that has read for a partner, who pays from the account. Where it
    /// has read nothing there is nothing to tell.
    ///
    /// # Errors
    /// As [`Notary::attest`].
    pub(crate) async fn attest_invocation(
        &self,
        work: &mut Work,
        reader: &Culprit,
        generation: u64,
        trigger: &str,
    ) -> Result<(), work::Error> {
        let Some(meter) = work.meter.take() else {
            return Ok(());
        };
        if meter.purse == Purse::Account && !meter.tab.reads().0.is_empty() {
            let facts = Facts {
                generation: Some(work.used.of_receipt(generation)),
                ..told(&meter, work, reader, trigger)
            };
            self.attest(work, facts).await?;
        }
        work.meter = Some(meter);
        Ok(())
    }

    async fn signer(&self) -> store::Result<&Signer> {
        let make = || async { Ok(Signer::new(&seed(self.shared.store.as_ref()).await?)) };
        self.shared.signer.get_or_try_init(make).await
    }
}

/// What an invocation's receipt says.
fn told(meter: &Meter, work: &Work, reader: &Culprit, trigger: &str) -> Facts {
    let (reads, policy) = meter.tab.reads();
    Facts {
        id: work.id(),
        partner: meter.partner.id.clone(),
        reader: Reader::Component(Subject {
            name: reader.component.to_string(),
            digest: reader.version.to_string(),
        }),
        policy,
        generation: None,
        trust_level: meter.partner.trust_level,
        at: work.now(),
        trigger: trigger.to_owned(),
        reads,
        fuel: 0,
        compute: 0,
        outcome: Outcome::Answer,
        report: None,
    }
}

/// The end of a partner's chain, as a transaction sees it.
///
/// # Errors
/// The store did not answer, or the transaction's budget is used up.
pub(crate) async fn head(work: &mut Work, partner: &PartnerId) -> Result<Head, work::Error> {
    let stored = work
        .read(&Space::from(RECEIPT_HEADS), &super::key(partner))
        .await?;
    let Some(bytes) = stored else {
        return Ok(Head::default());
    };
    serde_json::from_slice(&bytes).map_err(|_| {
        let broken = store::Error::Unavailable("it holds a broken end of a chain of receipts");
        work::Error::Store(broken)
    })
}

/// Where a receipt lies: the partner and its place.
#[must_use]
pub(crate) fn receipt_key(partner: &PartnerId, sequence: u64) -> Vec<u8> {
    let mut key = format!("{partner}\0").into_bytes();
    key.extend_from_slice(&sequence.to_be_bytes());
    key
}

/// The seed of the installation's key, made where there is none. Several hosts may try at once: one makes it.
async fn seed(store: &dyn Store) -> store::Result<[u8; 32]> {
    for _ in 0..TRIES_MAX {
        let mut snapshot = store.snapshot().await?;
        let stored = snapshot.read(&Space::from(HOST_KEY), RECEIPT_KEY).await?;
        if let Some(bytes) = stored {
            let broken = store::Error::Unavailable("it holds a broken key of receipts");
            return bytes.try_into().map_err(|_| broken);
        }
        let first = made(snapshot.version());
        drop(snapshot);
        match store.commit(first).await {
            // Read back in any case: what is kept is what counts.
            Ok(_) | Err(CommitError::Conflict) => {}
            Err(CommitError::Store(error)) => return Err(error),
            Err(_) => return Err(store::Error::Unavailable("it does not take a key")),
        }
    }
    Err(store::Error::Unavailable("it does not keep a key"))
}

/// A transaction that keeps a new seed, if there is none.
fn made(version: store::Version) -> Transaction {
    let (space, key) = (Space::from(HOST_KEY), RECEIPT_KEY.to_vec());
    Transaction {
        reads: ReadSet {
            version,
            keys: vec![(space.clone(), key.clone())],
            ranges: Vec::new(),
        },
        writes: vec![Write {
            space,
            key,
            value: Some(random().to_vec()),
        }],
        ..Transaction::default()
    }
}
