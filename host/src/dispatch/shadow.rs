//! Invocations run a second time with another version of a policy, on the snapshot they stood on: compared with what was
//! committed, and dropped. Whatever the version leads to in the rest of the invocation is part of the comparison.
//!
//! **Invariants.** A shadow commits nothing, logs nothing and answers nobody. It begins when its invocation is committed,
//! and never makes one wait: where too many are under way, one is left out and counted.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::types::{Input, Output, Problem};
use super::work::{Seed, Work};
use super::{Error, Task};
use crate::ids::Instant;
use crate::policies::{Decision, Kind, Outcome};
use crate::registry::{Active, Generation};
use crate::store::{self, Snapshot, Store, Transaction};

/// Most shadows of a host at once: each holds a snapshot and computes as much as its invocation did, so that what is under
/// way for nobody stays a small part of what is for somebody.
const SHADOWS_MAX: usize = 4;

/// Places for the shadows of a host. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Places(Arc<Semaphore>);

impl Default for Places {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(SHADOWS_MAX)))
    }
}

/// What a shadow is compared with, and all it needs to run.
pub(super) struct Shadow {
    kinds: Vec<Kind>,
    store: Arc<dyn Store>,
    generation: Arc<Generation>,
    active: Arc<Active>,
    input: Input,
    /// Whether the invocation has read anything. One that has not may run without its snapshot: what a version leads to
    /// read then is read as it is by now.
    has_read: bool,
    snapshot: Option<Box<dyn Snapshot>>,
    now: Instant,
    seed: Seed,
    decisions: Vec<Decision>,
    output: Result<Output, Problem>,
    effects: Transaction,
    _place: OwnedSemaphorePermit,
}

/// What is known before the transaction is finished: which shadows there will be, and what was decided.
pub(super) struct Prepared {
    kinds: Vec<Kind>,
    decisions: Vec<Decision>,
    place: OwnedSemaphorePermit,
}

/// Whether an invocation asked a policy that another version shadows; then there is to be a shadow, if there is a place for it.
pub(super) fn prepare(places: &Places, generation: &Generation, work: &Work) -> Option<Prepared> {
    let decisions = work.decisions();
    if decisions.is_empty() {
        return None;
    }
    let shadows = generation.policies().filter_map(|policy| {
        let shadow = policy.shadow.as_ref()?;
        let is_asked = decisions.iter().any(|d| d.kind() == Some(policy.kind));
        is_asked.then_some((policy.kind, shadow))
    });
    let shadows: Vec<(Kind, &Arc<Active>)> = shadows.collect();
    if shadows.is_empty() {
        return None;
    }
    let Ok(place) = places.0.clone().try_acquire_owned() else {
        for (_, shadow) in shadows {
            shadow.health.shadowed(Outcome::LeftOut);
        }
        return None;
    };
    Some(Prepared {
        kinds: shadows.into_iter().map(|(kind, _)| kind).collect(),
        decisions: decisions.to_vec(),
        place,
    })
}

impl Prepared {
    /// The shadow of an invocation that is about to be committed.
    pub(super) fn of(
        self,
        store: &Arc<dyn Store>,
        generation: &Arc<Generation>,
        active: &Arc<Active>,
        task: &Task<'_>,
        ran: Ran<'_>,
    ) -> Shadow {
        Shadow {
            kinds: self.kinds,
            store: store.clone(),
            generation: generation.clone(),
            active: active.clone(),
            input: task.input.clone(),
            has_read: ran.snapshot.is_some(),
            snapshot: ran.snapshot,
            now: ran.now,
            seed: ran.seed,
            decisions: self.decisions,
            output: ran.output.clone(),
            effects: ran.effects.clone(),
            _place: self.place,
        }
    }
}

/// How the invocation ran.
pub(super) struct Ran<'a> {
    pub(super) snapshot: Option<Box<dyn Snapshot>>,
    pub(super) now: Instant,
    pub(super) seed: Seed,
    pub(super) output: &'a Result<Output, Problem>,
    pub(super) effects: &'a Transaction,
}

impl Shadow {
    /// Runs it beside everything else. Of several versions in the shadow each runs alone; the first one gets the snapshot,
    /// which stands still only there.
    pub(super) fn start(self) {
        tokio::spawn(async move {
            let mut shadow = self;
            let kinds = std::mem::take(&mut shadow.kinds);
            for kind in kinds {
                if let Some(other) = shadow.generation.shadowing(kind).cloned() {
                    let outcome = shadow.compare(kind, &other).await;
                    if let Some(version) = other.policy(kind) {
                        version.active.health.shadowed(outcome);
                    }
                }
            }
        });
    }

    async fn compare(&mut self, kind: Kind, other: &Arc<Generation>) -> Outcome {
        let snapshot = self.snapshot.take();
        if self.has_read && snapshot.is_none() {
            return Outcome::LeftOut;
        }
        let work = Work::shadow(self.store.clone(), self.now, self.seed.clone(), snapshot);
        let ran = self.active.loaded.invoke(other, &self.input, work).await;
        let (output, decisions, effects) = match ran {
            Ok((output, mut work)) => {
                let decisions = work.take_decisions();
                let (effects, snapshot) = work.into_parts();
                self.snapshot = snapshot;
                (Ok(output), decisions, effects)
            }
            Err(Error::Rejected(problem)) => (Err(problem), Vec::new(), Transaction::default()),
            Err(Error::Store(store::Error::Overtaken)) => return Outcome::LeftOut,
            Err(error) => return Outcome::Failed(error.to_string()),
        };
        let differs = differing(kind, &self.decisions, &decisions);
        Outcome::Compared {
            decision: differs.own,
            later: differs.later,
            effects: !alike(&self.effects, &effects),
            output: self.output != output,
        }
    }
}

/// Where two runs decided otherwise.
struct Differing {
    /// The first decision of the shadowed kind that differs: what it was asked, and both answers.
    own: Option<(serde_json::Value, serde_json::Value, serde_json::Value)>,
    /// Whether other policies decided otherwise, or were asked otherwise.
    later: bool,
}

fn differing(kind: Kind, was: &[Decision], is: &[Decision]) -> Differing {
    let of = |decisions: &[Decision], own: bool| -> Vec<_> {
        let of_kind = decisions.iter().filter(|d| (d.kind() == Some(kind)) == own);
        of_kind
            .map(|d| (d.input.clone(), d.output.clone()))
            .collect()
    };
    let (was_own, is_own) = (of(was, true), of(is, true));
    let mut pairs = was_own.iter().zip(&is_own);
    let first = pairs.find(|(was, is)| was != is);
    Differing {
        own: first.map(|(was, is)| (is.0.clone(), was.1.clone(), is.1.clone())),
        later: of(was, false) != of(is, false),
    }
}

/// Whether two runs would have had the same effects. Writes have no order.
fn alike(was: &Transaction, is: &Transaction) -> bool {
    let writes = |of: &Transaction| {
        let mut writes: Vec<_> = of
            .writes
            .iter()
            .filter(|write| !write.space.0.starts_with("leyden."))
            .cloned()
            .collect();
        writes.sort_by(|a, b| (&a.space, &a.key).cmp(&(&b.space, &b.key)));
        writes
    };
    was.appends == is.appends && was.postings == is.postings && writes(was) == writes(is)
}
