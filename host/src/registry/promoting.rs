//! Versions of policies beside the active one: promoted step by step, run in the shadow, taken back.

use std::sync::Arc;

use super::catalog::{Listed, Stored};
use super::changing::{Amendment, activating};
use super::policy::Policy;
use super::rollout::{Plan, Rollout};
use super::{Active, Error, Generation, Registry, load};
use crate::clock;
use crate::ids::{ComponentName, Digest};
use crate::operators::Operator;
use crate::operators::audit::{Change, Entry};
use crate::policies::Kind;
use crate::policies::log::Sampling;
use crate::runtime::Runtime;

impl Registry {
    /// Compiles a version of a policy without storing it, to see what it would decide.
    ///
    /// # Errors
    /// No policy of the kind is active, or the bytes are no policy of that kind.
    pub async fn candidate(&self, kind: Kind, bytes: Vec<u8>) -> Result<Arc<Active>, Error> {
        let generation = self.generation();
        let policy = active_policy(&generation, kind)?;
        let stored = Stored::brought(&policy.active.name, Arc::new(bytes))?;
        let candidate = load(&self.shared.runtime, stored, Runtime::admit).await?;
        check_kind(kind, &candidate)?;
        Ok(Arc::new(candidate))
    }

    /// Begins to promote a version of a policy.
    ///
    /// # Errors
    /// Another promotion is under way, or see [`Error`]; nothing changed.
    pub async fn promote(
        &self,
        by: &Operator,
        kind: Kind,
        bytes: Vec<u8>,
        plan: Plan,
        tried: &str,
    ) -> Result<(), Error> {
        let bytes = Arc::new(bytes);
        self.set_beside(kind, |policy, listed| {
            let stored = Stored::brought(&policy.active.name, bytes.clone())?;
            let digest = stored.listed.digest;
            if let Some((candidate, _)) = &policy.rollout {
                return Err(Error::Conflict(format!(
                    "{} of {kind} is being promoted; wait for it, or take it back with a rollback",
                    candidate.digest.short()
                )));
            }
            if digest == policy.active.digest {
                return Err(Error::Conflict(format!(
                    "{} is active already",
                    digest.short()
                )));
            }
            let reason = format!("{plan}; {tried}");
            let entry = Entry::of(by, Change::Promote, listed.name.as_str());
            let entry = entry.because(Some(reason));
            let entry = entry.with(Some(listed.digest.to_string()), Some(digest.to_string()));
            let now_ms = clock::system_now().0;
            listed.beside.rollout = Some(Rollout::begin(digest, plan.clone(), by.clone(), now_ms));
            Ok((Some(stored), entry))
        })
        .await
    }

    /// The next stage of a candidate's promotion, if it is in the stage that the caller has judged.
    ///
    /// # Errors
    /// It is not, or see [`Error`]; nothing changed.
    pub(crate) async fn advance(&self, kind: Kind, judged: &Rollout) -> Result<(), Error> {
        self.set_beside(kind, |policy, listed| {
            check_judged(policy, kind, judged)?;
            let mut next = judged.clone();
            next.stage += 1;
            next.stage_since_ms = clock::system_now().0;
            let entry = Entry::of(&Operator::host(), Change::Advance, listed.name.as_str());
            let entry = entry.because(Some(format!("{} of the subjects", next.share())));
            let entry = entry.with(
                Some(listed.digest.to_string()),
                Some(next.candidate.clone()),
            );
            listed.beside.rollout = Some(next);
            Ok((None, entry))
        })
        .await
    }

    /// The candidate becomes the active version, if its promotion is as the caller has judged.
    ///
    /// # Errors
    /// It is not, or see [`Error`]; nothing changed.
    pub(crate) async fn complete(&self, kind: Kind, judged: &Rollout) -> Result<(), Error> {
        let generation = self.generation();
        let name = judged_name(&generation, kind, judged)?;
        let unknown = |_| Error::UnknownVersion(name.to_string(), judged.candidate.clone());
        let digest = Digest::parse(&judged.candidate).map_err(unknown)?;
        let bytes = self.shared.catalog.version(name, digest).await?;
        self.change(|present, listed| {
            let name = judged_name(present, kind, judged)?;
            let stored = Stored::brought(name, bytes.clone())?;
            let entry = Entry::of(&judged.by, Change::Complete, name.as_str());
            activating(present, stored, Some(of(listed, name)?), entry)
        })
        .await
        .map(|_| ())
    }

    /// Takes a candidate back: `candidate`, or whichever is being promoted. What it decided stays, it decides no more.
    ///
    /// # Errors
    /// None is being promoted, or see [`Error`]; nothing changed.
    pub async fn take_back(
        &self,
        by: &Operator,
        kind: Kind,
        candidate: Option<&str>,
        reason: &str,
    ) -> Result<(), Error> {
        self.set_beside(kind, |_, listed| {
            let rollout = listed.beside.rollout.take();
            let same = |rollout: &Rollout| candidate.is_none_or(|c| c == rollout.candidate);
            let Some(rollout) = rollout.filter(same) else {
                return Err(Error::Conflict(format!(
                    "no version of {kind} is being promoted"
                )));
            };
            let entry = Entry::of(by, Change::TakeBack, listed.name.as_str());
            let entry = entry.because(Some(reason.to_owned()));
            let entry = entry.with(Some(rollout.candidate), Some(listed.digest.to_string()));
            Ok((None, entry))
        })
        .await
    }

    /// Runs a version of a policy in the shadow of the active one; none: not any more.
    ///
    /// # Errors
    /// See [`Error`]; nothing changed.
    pub async fn shadow(
        &self,
        by: &Operator,
        kind: Kind,
        bytes: Option<Vec<u8>>,
    ) -> Result<(), Error> {
        let bytes = bytes.map(Arc::new);
        self.set_beside(kind, |_, listed| {
            let stored = bytes.clone();
            let stored = stored
                .map(|bytes| Stored::brought(&listed.name, bytes))
                .transpose()?;
            let digest = stored
                .as_ref()
                .map(|stored| stored.listed.digest.to_string());
            let change = match digest {
                Some(_) => Change::Shadow,
                None => Change::EndShadow,
            };
            let former = std::mem::replace(&mut listed.beside.shadow, digest.clone());
            let entry = Entry::of(by, change, listed.name.as_str()).with(former, digest);
            Ok((stored, entry))
        })
        .await
    }

    /// Says how much of what a policy decides is logged.
    ///
    /// # Errors
    /// See [`Error`]; nothing changed.
    pub async fn log_decisions(
        &self,
        by: &Operator,
        kind: Kind,
        sampling: Sampling,
    ) -> Result<(), Error> {
        self.set_beside(kind, |_, listed| {
            listed.beside.log = sampling;
            let entry = Entry::of(by, Change::LogDecisions, listed.name.as_str());
            let entry = entry.because(Some(match sampling.0 {
                0 => "none".to_owned(),
                one_in => format!("one invocation in {one_in}"),
            }));
            Ok((None, entry))
        })
        .await
    }

    /// Changes what a policy has beside its active version: `decide` does so in the component's record, and says which
    /// version is to be stored with it and what the audit tells.
    async fn set_beside(
        &self,
        kind: Kind,
        decide: impl Fn(&Policy, &mut Listed) -> Result<(Option<Stored>, Entry), Error> + Sync,
    ) -> Result<(), Error> {
        let changed = self.change(|present, listed| {
            let policy = active_policy(present, kind)?;
            let mut listed = of(listed, &policy.active.name)?.clone();
            let (stored, entry) = decide(policy, &mut listed)?;
            Ok(Amendment {
                stored,
                listed,
                entry,
                returns_to: None,
            })
        });
        changed.await.map(|_| ())
    }
}

fn active_policy(generation: &Generation, kind: Kind) -> Result<&Policy, Error> {
    let none = || Error::UnknownComponent(format!("{kind} (no policy of this kind is active)"));
    generation.policy(kind).ok_or_else(none)
}

fn of<'a>(listed: &'a [Listed], name: &ComponentName) -> Result<&'a Listed, Error> {
    let found = listed.iter().find(|listed| listed.name == *name);
    found.ok_or_else(|| Error::UnknownComponent(name.to_string()))
}

/// The component whose promotion is still what was judged.
fn judged_name<'g>(
    present: &'g Generation,
    kind: Kind,
    judged: &Rollout,
) -> Result<&'g ComponentName, Error> {
    let policy = active_policy(present, kind)?;
    check_judged(policy, kind, judged).map(|()| &policy.active.name)
}

fn check_judged(policy: &Policy, kind: Kind, judged: &Rollout) -> Result<(), Error> {
    match &policy.rollout {
        Some((_, rollout)) if rollout == judged => Ok(()),
        _ => Err(Error::Conflict(format!(
            "the promotion of {kind} has gone on already"
        ))),
    }
}

fn check_kind(kind: Kind, candidate: &Active) -> Result<(), Error> {
    match super::changing::kind_of(candidate) {
        Ok(other) if other == kind => Ok(()),
        Ok(other) => Err(Error::Invalid(format!("it decides {other}, not {kind}"))),
        Err(_) => Err(Error::Invalid(format!(
            "it is no policy: a policy exports one leyden:policy interface, here {kind}, and imports nothing"
        ))),
    }
}
