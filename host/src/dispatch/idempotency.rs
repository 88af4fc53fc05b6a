//! First answers, kept under the client's key in the same commit as the effects they tell of.
//!
//! Two requests under one key that run at once both find nothing; the second to commit conflicts on the
//! key, runs again and finds the first's answer.

use sha2::{Digest as _, Sha256};

use super::Obstacle;
use super::error::Error;
use super::types::{Input, Output, Problem};
use super::work::Work;
use crate::registry::Active;
use crate::store::Space;

/// Space of the answers, by hash of component and key.
const ANSWERS: &str = "leyden.idempotency";

/// Space that orders them by age: time (8 bytes, ms) and hash.
const AGES: &str = "leyden.idempotency-age";

/// The client's name for one writing request: a retry under it gets the first answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey(pub String);

/// What is kept.
#[derive(serde::Serialize, serde::Deserialize)]
struct Kept {
    request: [u8; 32],
    answer: Result<Output, Problem>,
}

impl IdempotencyKey {
    /// The answer that was given under this key, if any.
    pub(super) async fn first_answer(
        &self,
        work: &mut Work,
        active: &Active,
        input: &Input,
    ) -> Result<Option<Result<Output, Problem>>, Obstacle> {
        let stored = work.read(&Space::from(ANSWERS), &self.hash(active)).await?;
        let kept = stored.and_then(|bytes| postcard::from_bytes::<Kept>(&bytes).ok());
        match kept {
            Some(kept) if kept.request != fingerprint(input) => {
                Err(Obstacle::Final(Error::KeyReused))
            }
            Some(kept) => Ok(Some(kept.answer)),
            None => Ok(None),
        }
    }

    /// Keeps the answer with the invocation's effects.
    pub(super) fn remember(
        &self,
        work: &mut Work,
        active: &Active,
        input: &Input,
        answer: &Result<Output, Problem>,
    ) -> Result<(), Obstacle> {
        let kept = Kept {
            request: fingerprint(input),
            answer: answer.clone(),
        };
        let Ok(bytes) = postcard::to_stdvec(&kept) else {
            return Ok(());
        };
        let hash = self.hash(active);
        let mut age = crate::clock::system_now().0.to_be_bytes().to_vec();
        age.extend_from_slice(&hash);
        work.write(&Space::from(ANSWERS), hash, Some(bytes))?;
        work.write(&Space::from(AGES), age, Some(Vec::new()))?;
        Ok(())
    }

    fn hash(&self, active: &Active) -> Vec<u8> {
        let mut hash = Sha256::new();
        hash.update(active.name.as_str());
        hash.update([0]);
        hash.update(&self.0);
        hash.finalize().to_vec()
    }
}

/// What makes two requests the same: method, path, query and body.
fn fingerprint(input: &Input) -> [u8; 32] {
    let mut hash = Sha256::new();
    let mut part = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_be_bytes());
        hash.update(bytes);
    };
    match input {
        Input::Http(request) => {
            part(request.head.method.as_bytes());
            part(request.head.path.as_bytes());
            part(request.head.query.as_deref().unwrap_or_default().as_bytes());
            part(&request.body);
        }
        Input::Rows(head, batch) => {
            part(head.path.as_bytes());
            part(&batch.first_row.to_be_bytes());
            part(batch.header.as_deref().unwrap_or_default());
            batch.rows.iter().for_each(|row| part(row));
        }
        Input::Events(partition, _) => part(partition.stream.as_str().as_bytes()),
    }
    hash.finalize().into()
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
    use crate::store::{Order, Range, Transaction, Write};
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
