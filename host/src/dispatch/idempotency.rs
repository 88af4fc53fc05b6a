//! First answers, kept under the client's key in the same commit as the effects they tell of.
//!
//! Two requests under one key that run at once both find nothing; the second to commit conflicts on the
//! key, runs again and finds the first's answer.

use sha2::{Digest as _, Sha256};

use super::Obstacle;
use super::answers;
use super::error::Error;
use super::types::{Input, Output, Problem};
use super::work::Work;
use crate::registry::Active;

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
        let stored = answers::read(work, &self.hash(active)).await?;
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
        answers::age(work, &hash)?;
        answers::write(work, hash, Some(bytes))?;
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
