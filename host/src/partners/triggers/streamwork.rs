//! Hands batches of streams to the plugins that listen, on every host, each for the partitions that it holds.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;

use super::super::started::{Batch, RunRequest, Started};
use super::super::{account, runs};
use super::Options;
use super::clockwork::note;
use super::record::{self, CHANGES, COUNT, Key, On, State, Trigger, backoff_ms, level_of};
use crate::clock;
use crate::dispatch::work::{self, Work};
use crate::ids::{PartnerId, StreamName};
use crate::store::{self, Acknowledgement, CommitError, Record, Space, Transaction};
use crate::streams::{Handle, Handled, LISTENER_PREFIX, Listener};

/// Between two looks at whether triggers were changed.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Triggers looked at in one scan.
const PAGE_MAX: usize = 500;

/// Wait before a batch is handed over again that was not acknowledged, at least.
const AGAIN: Duration = Duration::from_secs(1);

/// Longest wait of a batch before its trigger is looked at again: credit may have come.
const LOOK_AGAIN_MAX: Duration = Duration::from_secs(30);

/// Hexadecimal digits of a partner's hash in the names of its groups.
const HASH_CHARS: usize = 16;

/// What listens, by group.
type Listening = Arc<Mutex<HashMap<Arc<str>, Key>>>;

/// Keeps listeners in step with triggers.
pub(super) struct Streamwork {
    options: Options,
    listening: Listening,
}

impl Streamwork {
    pub(super) fn new(options: Options) -> Self {
        Self {
            options,
            listening: Arc::default(),
        }
    }

    /// Looks until told to stop.
    pub(super) async fn run(self, stop: CancellationToken) {
        let mut known = None;
        while !stop.is_cancelled() {
            match self.look(known).await {
                Ok(count) => known = Some(count),
                Err(error) => tracing::warn!(%error, "triggers on streams could not be looked at"),
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = clock::sleep(LOOK_EVERY) => {}
            }
        }
    }

    /// Listens anew if triggers were changed; how often they were by now.
    async fn look(&self, known: Option<u64>) -> Result<u64, crate::streams::Error> {
        let mut snapshot = self.options.store.snapshot().await?;
        let count = snapshot.read(&Space::from(CHANGES), COUNT).await?;
        drop(snapshot);
        let count = count.and_then(|bytes| bytes.try_into().ok());
        let count = count.map_or(0, u64::from_be_bytes);
        if known.unwrap_or(0) != count {
            let listeners = self.listeners().await.map_err(of_store)?;
            self.options.streams.listen(listeners).await?;
        }
        Ok(count)
    }

    async fn listeners(&self) -> Result<Vec<Listener>, work::Error> {
        let (mut listeners, mut listening) = (Vec::new(), HashMap::new());
        let mut after = None;
        loop {
            let mut work =
                super::super::operation::blank(&self.options.store, self.options.clock.now());
            let page = record::page(&mut work, after.as_ref(), PAGE_MAX).await?;
            for (key, trigger) in &page {
                let Some(listener) = self.listener(key, trigger) else {
                    continue;
                };
                listening.insert(listener.group.clone(), key.clone());
                listeners.push(listener);
            }
            after = page.last().map(|(key, _)| key.clone());
            if page.len() < PAGE_MAX {
                break;
            }
        }
        *lock(&self.listening) = listening;
        Ok(listeners)
    }

    fn listener(&self, key: &Key, trigger: &Trigger) -> Option<Listener> {
        let On::Stream { stream, slot } = &trigger.on else {
            return None;
        };
        let group = group(&key.partner, *slot);
        Some(Listener {
            stream: StreamName::parse(stream).ok()?,
            handler: Arc::new(Handler {
                options: self.options.clone(),
                listening: self.listening.clone(),
                group: group.clone(),
            }),
            group,
        })
    }
}

fn lock(listening: &Listening) -> std::sync::MutexGuard<'_, HashMap<Arc<str>, Key>> {
    listening.lock().unwrap_or_else(PoisonError::into_inner)
}

fn of_store(error: work::Error) -> crate::streams::Error {
    match error {
        work::Error::Store(error) => error.into(),
        _ => store::Error::Unavailable("the host's own reads were refused").into(),
    }
}

/// The group of one of a partner's triggers. There is a bounded number of them, whatever names triggers are
/// given over time: who comes after takes a slot over, with what its group has not seen yet.
fn group(partner: &PartnerId, slot: u8) -> Arc<str> {
    let hash = hex::encode(Sha256::digest(partner.as_str()));
    format!("{LISTENER_PREFIX}{}.{slot}", &hash[..HASH_CHARS]).into()
}

/// Runs the plugin of whatever trigger has the group's slot.
struct Handler {
    options: Options,
    listening: Listening,
    group: Arc<str>,
}

impl Handle for Handler {
    fn handle(
        &self,
        records: Vec<Record>,
        acknowledgement: Acknowledgement,
    ) -> BoxFuture<'_, Handled> {
        async move {
            let handled = self.try_handle(records, acknowledgement).await;
            handled.unwrap_or_else(|error| {
                tracing::debug!(group = %self.group, %error, "a batch for a trigger waits");
                Handled::Later(AGAIN)
            })
        }
        .boxed()
    }
}

impl Handler {
    async fn try_handle(
        &self,
        records: Vec<Record>,
        acknowledgement: Acknowledgement,
    ) -> Result<Handled, runs::Error> {
        let Some(key) = lock(&self.listening).get(&self.group).cloned() else {
            return Ok(Handled::Later(LOOK_AGAIN_MAX));
        };
        let mut work = self.work();
        let Some(trigger) = record::find(&mut work, &key).await? else {
            return Ok(Handled::Later(LOOK_AGAIN_MAX));
        };
        let state = record::state(&mut work, &key).await?;
        match ripe(&records, acknowledgement, &trigger) {
            Ripe::None(acknowledgement) => self.skip(acknowledgement).await,
            Ripe::Batch(batch) => self.run(&key, &trigger, &state, batch).await,
        }
    }

    fn work(&self) -> Box<Work> {
        super::super::operation::blank(&self.options.store, self.options.clock.now())
    }

    async fn skip(&self, acknowledgement: Acknowledgement) -> Result<Handled, runs::Error> {
        let passed = Transaction {
            acknowledgement: Some(acknowledgement),
            at: self.options.clock.now().0,
            ..Transaction::default()
        };
        match self.options.store.commit(passed).await {
            Ok(_) => Ok(Handled::Done),
            Err(CommitError::Store(error)) => Err(error.into()),
            Err(error) => Err(super::super::Error::Commit(error).into()),
        }
    }

    /// Runs the plugin for a batch. Its settlement acknowledges the batch; where there is none it is handed over
    /// again.
    async fn run(
        &self,
        key: &Key,
        trigger: &Trigger,
        state: &State,
        batch: Batch,
    ) -> Result<Handled, runs::Error> {
        if let Some(wait) = self.paused(key, trigger, state).await? {
            return Ok(Handled::Later(wait));
        }
        let request = RunRequest {
            params: trigger.params.clone(),
            max_spend: trigger.max_spend,
            key: None,
            started: Started::ByBatch(key.name.clone(), batch),
        };
        let ran = self.options.runs.run(&key.partner, &key.plugin, request);
        match ran.await {
            Ok(_) => Ok(Handled::Done),
            Err(error) => {
                note(&self.options, key, &error).await;
                let wait = Duration::from_millis(backoff_ms(state.failures));
                Ok(Handled::Later(wait.clamp(AGAIN, LOOK_AGAIN_MAX)))
            }
        }
    }

    /// How long a batch waits for a trigger that cannot run now: after failures, without credit, or since the
    /// partner is trusted less than when it was set.
    async fn paused(
        &self,
        key: &Key,
        trigger: &Trigger,
        state: &State,
    ) -> Result<Option<Duration>, runs::Error> {
        let left_ms = state
            .waits_until_ms
            .saturating_sub(self.options.clock.now().0);
        if left_ms > 0 {
            return Ok(Some(Duration::from_millis(left_ms).min(LOOK_AGAIN_MAX)));
        }
        let mut work = self.work();
        let partner = super::super::record::find(&mut work, &key.partner).await?;
        let level = partner.map_or(0, |partner| partner.trust_level);
        let balance = work.balance(&account(key.partner.as_str())).await?;
        let why = match &trigger.on {
            On::Stream { stream, .. } if level_of(stream).is_none_or(|needed| needed > level) => {
                format!("paused: listening to {stream} needs more trust")
            }
            _ if balance == 0 || trigger.max_spend.is_some_and(|bound| bound > balance) => {
                "paused: out of credit".to_owned()
            }
            _ => return Ok(None),
        };
        if state.last.as_deref() != Some(&why) {
            note(&self.options, key, &runs::Error::Unready(why)).await;
        }
        Ok(Some(LOOK_AGAIN_MAX))
    }
}

/// What of a batch is the trigger's business: what was published since it was set. What was before is passed
/// over, by itself where there is any.
fn ripe(records: &[Record], mut acknowledgement: Acknowledgement, trigger: &Trigger) -> Ripe {
    let is_old = |record: &&Record| record.published_at.0 < trigger.changed_at_ms;
    let old = records.iter().take_while(is_old).count();
    if old > 0 {
        acknowledgement.offsets.truncate(old);
        return Ripe::None(acknowledgement);
    }
    let (Some(first), Some(last)) = (records.first(), records.last()) else {
        return Ripe::None(acknowledgement);
    };
    Ripe::Batch(Batch {
        records: u32::try_from(records.len()).unwrap_or(u32::MAX),
        from: first.published_at,
        to: last.published_at,
        acknowledgement,
    })
}

/// What is to be done with a batch.
enum Ripe {
    /// Nothing: it is passed over.
    None(Acknowledgement),
    /// It is run for.
    Batch(Batch),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_the_partners_own_and_no_components() {
        let partner = |id| PartnerId::parse(id).expect("an id");
        let names = [
            group(&partner("acme"), 0),
            group(&partner("acme"), 1),
            group(&partner("acm"), 0),
        ];
        assert!(names[0] != names[1] && names[0] != names[2]);
        for name in names {
            assert!(name.starts_with(LISTENER_PREFIX) && name.len() < 64);
            assert!(crate::ids::ComponentName::parse(&name).is_err());
        }
    }
}
