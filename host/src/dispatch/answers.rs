//! Where first answers are kept under the keys of those who asked, and how they are forgotten after a while. What
//! an answer says is its owner's business.
//!
//! **Invariant.** What has an age is removed when it is old enough, however often it was written meanwhile.

use super::work::{self, Work};
use crate::store::{Order, Range, Space, Transaction, Write};

/// Space of the answers, by a hash of owner and key.
const ANSWERS: &str = "leyden.idempotency";

/// Space that orders them by age: time (8 bytes, ms) and hash.
const AGES: &str = "leyden.idempotency-age";

/// What is kept under a hash.
///
/// # Errors
/// The budget is used up, or the store did not answer.
pub(crate) async fn read(work: &mut Work, hash: &[u8]) -> Result<Option<Vec<u8>>, work::Error> {
    work.read(&Space::from(ANSWERS), hash).await
}

/// Reads in one go what is kept under some hashes.
///
/// # Errors
/// As [`read`].
pub(crate) async fn prefetch(work: &mut Work, hashes: Vec<Vec<u8>>) -> Result<(), work::Error> {
    work.prefetch(&Space::from(ANSWERS), hashes).await
}

/// Keeps something under a hash, or removes it.
///
/// # Errors
/// The budget is used up.
pub(crate) fn write(
    work: &mut Work,
    hash: Vec<u8>,
    answer: Option<Vec<u8>>,
) -> Result<(), work::Error> {
    work.write(&Space::from(ANSWERS), hash, answer)
}

/// Notes that what is kept under a hash is from now.
///
/// # Errors
/// The budget is used up.
pub(crate) fn age(work: &mut Work, hash: &[u8]) -> Result<(), work::Error> {
    let mut age = crate::clock::system_now().0.to_be_bytes().to_vec();
    age.extend_from_slice(hash);
    work.write(&Space::from(AGES), age, Some(Vec::new()))
}

/// Removes answers that were given before `before_ms`, at most `limit` of them; how many went.
///
/// # Errors
/// The store did not answer, or others removed the same at the same time.
pub(crate) async fn forget(
    store: &dyn crate::store::Store,
    before_ms: u64,
    limit: usize,
) -> Result<usize, crate::store::CommitError> {
    let ages = Space::from(AGES);
    let range = Range {
        start: vec![0],
        end: Some(before_ms.to_be_bytes().to_vec()),
    };
    let old = store
        .snapshot()
        .await?
        .scan(&ages, &range, Order::Ascending, limit)
        .await?;
    let answers = Space::from(ANSWERS);
    let remove = |space: &Space, key: &[u8]| Write {
        space: space.clone(),
        key: key.to_vec(),
        value: None,
    };
    let writes = old
        .iter()
        .flat_map(|e| [remove(&ages, &e.key), remove(&answers, &e.key[8..])])
        .collect();
    store
        .commit(Transaction {
            writes,
            ..Transaction::default()
        })
        .await?;
    Ok(old.len())
}
