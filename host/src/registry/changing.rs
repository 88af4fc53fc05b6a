//! Changes of what is active or beside it: one at a time in a host, and of two hosts that change something at once the second
//! looks again. A change first loads what it needs, is then stored, and last swapped in, so that what fails changes
//! nothing.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::catalog::{Activated, Amended, Beside, Listed, Stored};
use super::manifest::Manifest;
use super::policy::Policy;
use super::{Activation, Active, Error, Generation, Kind, Registry, load, recall};
use crate::clock;
use crate::ids::{ComponentName, Digest};
use crate::operators::Operator;
use crate::operators::audit::{Change, Entry};
use crate::policies;
use crate::runtime::Runtime;

/// Most tries of a change that others come before: each then stands on what they changed.
pub(super) const TRIES_MAX: usize = 5;

/// Components that are loaded at a time: each has its bytes in memory and a thread to itself, and those that have to be compiled
/// wait for one another. A host has thousands when it starts.
const LOADS_MAX: usize = 8;

/// Most components that are active at once: each takes three memory mappings of the 65,530 that Linux gives a process, a function
/// once it is called.
pub const COMPONENTS_MAX: usize = 16_000;

/// Wait before the compiler is asked again for what is active.
const BUSY_PAUSE: Duration = Duration::from_secs(1);

/// What a change makes of a component.
pub(super) struct Amendment {
    /// A version that is to be stored with it: the active one or one beside it.
    pub(super) stored: Option<Stored>,
    /// Its record afterwards.
    pub(super) listed: Listed,
    pub(super) entry: Entry,
    /// The earlier activation that it goes back to, if it does.
    pub(super) returns_to: Option<Activated>,
}

impl Registry {
    /// Compiles a version, stores it, and makes it the active one; the audit names who did that.
    ///
    /// # Errors
    /// See [`Error`]; nothing changed.
    pub async fn deploy(
        &self,
        by: &Operator,
        name: &ComponentName,
        bytes: Vec<u8>,
    ) -> Result<Activation, Error> {
        let bytes = Arc::new(bytes);
        let generation = self
            .change(|present, listed| {
                let stored = Stored::brought(name, bytes.clone())?;
                let former = listed.iter().find(|listed| listed.name == *name);
                activating(
                    present,
                    stored,
                    former,
                    Entry::of(by, Change::Deploy, name.as_str()),
                )
            })
            .await?;
        self.activation(name, &generation)
    }

    /// Carries a change out: decides on it, loads what it needs, records it, swaps. The new generation's predecessor.
    pub(super) async fn change(
        &self,
        decide: impl Fn(&Generation, &[Listed]) -> Result<Amendment, Error> + Sync,
    ) -> Result<Arc<Generation>, Error> {
        let _alone = self.shared.activating.lock().await;
        for _ in 0..TRIES_MAX {
            let (present, listed) = self.present().await?;
            let amendment = decide(&present, &listed)?;
            match self.amend(&present, listed, amendment).await {
                Err(Error::Overtaken) => {}
                outcome => return outcome.map(|()| present),
            }
        }
        Err(Error::Overtaken)
    }

    /// The present generation, which is also the store's, and what is listed in it. Only for whoever is alone on this host.
    pub(super) async fn present(&self) -> Result<(Arc<Generation>, Vec<Listed>), Error> {
        for _ in 0..TRIES_MAX {
            self.catch_up().await?;
            let present = self.generation();
            let (number, listed) = self.shared.catalog.active().await?;
            if number == present.number {
                return Ok((present, listed));
            }
        }
        Err(Error::Overtaken)
    }

    async fn amend(
        &self,
        present: &Generation,
        mut all: Vec<Listed>,
        amendment: Amendment,
    ) -> Result<(), Error> {
        let Amendment {
            stored,
            listed,
            entry,
            returns_to,
        } = amendment;
        let place = all.iter().position(|former| former.name == listed.name);
        let activates = place.is_none_or(|place| all[place].digest != listed.digest);
        match place {
            Some(place) => all[place] = listed.clone(),
            None if all.len() >= COMPONENTS_MAX => {
                let why = format!("there are {COMPONENTS_MAX} components: delete one first");
                return Err(Error::Conflict(why));
            }
            None => all.push(listed.clone()),
        }
        let fresh = match &stored {
            Some(stored) => {
                let loaded = load(&self.shared.runtime, stored.clone(), Runtime::admit);
                Some(Arc::new(loaded.await?))
            }
            None => None,
        };
        let next = self
            .assemble(present, present.number + 1, all, fresh.as_ref())
            .await?;
        let (by, change, reason) = (entry.by.name.clone(), entry.change, entry.reason.clone());
        let amended = Amended {
            listed,
            entry,
            activates,
            returns_to,
        };
        let versions: Vec<&Stored> = stored.iter().collect();
        let catalog = &self.shared.catalog;
        let generation = catalog
            .record(&versions, vec![amended], present.number)
            .await?;
        let component = place
            .map(|_| ())
            .and(fresh.as_ref())
            .map(|f| f.digest.short().to_owned());
        self.swap(next);
        tracing::info!(version = component, generation, %change, by = &*by, reason, "changed what is active");
        Ok(())
    }

    /// The generation that records make, out of what is loaded already and what is not.
    pub(super) async fn assemble(
        &self,
        present: &Generation,
        number: u64,
        listed: Vec<Listed>,
        fresh: Option<&Arc<Active>>,
    ) -> Result<Generation, Error> {
        // Of thousands a change concerns one or two: what is loaded already is taken over without a future for each.
        let (mut components, mut new) = (Vec::with_capacity(listed.len()), Vec::new());
        for listed in listed {
            match same(present, &listed, fresh) {
                Some(same) => components.push((same, listed.beside)),
                None => new.push(listed),
            }
        }
        let loading = new.into_iter().map(|listed| async move {
            let beside = listed.beside.clone();
            Ok::<_, Error>((self.active(present, listed).await?, beside))
        });
        let loading = stream::iter(loading).buffered(LOADS_MAX);
        components.extend(loading.try_collect::<Vec<_>>().await?);
        let mut policies = Vec::new();
        for (active, beside) in &components {
            if active.kind == Kind::Policy {
                let policy = self.policy(present, active, beside.clone(), fresh);
                policies.push(policy.await?);
            }
        }
        let components = components.into_iter().map(|(active, _)| active).collect();
        Generation::new(number, components, policies, present.privacy)
    }

    /// A listed component that is not loaded yet.
    async fn active(&self, present: &Generation, listed: Listed) -> Result<Arc<Active>, Error> {
        let former = present.components.get(&listed.name);
        let stored = self.shared.catalog.load(listed).await?;
        let mut active = match recall(&self.shared.runtime, &stored)? {
            Some(active) => active,
            None => self.loaded(stored).await?,
        };
        if let Some(former) = former {
            active.turns = active.turns.following(&former.turns);
        }
        Ok(Arc::new(active))
    }

    /// What was taken before, and has to be loaded. A generation is whole or none: it is waited for, however long others take.
    async fn loaded(&self, stored: Stored) -> Result<Active, Error> {
        loop {
            match load(&self.shared.runtime, stored.clone(), Runtime::load).await {
                Err(Error::Busy) => clock::sleep(BUSY_PAUSE).await,
                loaded => return loaded,
            }
        }
    }

    /// A policy with what is beside its active version.
    async fn policy(
        &self,
        present: &Generation,
        active: &Arc<Active>,
        beside: Beside,
        fresh: Option<&Arc<Active>>,
    ) -> Result<Policy, Error> {
        let kind = kind_of(active)?;
        let known = Known {
            present: present.policy(kind),
            fresh,
            name: &active.name,
        };
        let former = match &beside.former {
            Some(digest) => self.beside(&known, digest).await.ok(),
            None => None,
        };
        let rollout = match beside.rollout {
            Some(rollout) => {
                let candidate = self.beside(&known, &rollout.candidate).await?;
                Some((candidate, rollout))
            }
            None => None,
        };
        let shadow = match &beside.shadow {
            Some(digest) => Some(self.beside(&known, digest).await?),
            None => None,
        };
        Ok(Policy {
            kind,
            active: active.clone(),
            former,
            rollout,
            shadow,
            log: beside.log,
        })
    }

    /// A version beside the active one: the same as before, where it was there before.
    async fn beside(&self, known: &Known<'_>, digest: &str) -> Result<Arc<Active>, Error> {
        if let Some(same) = known.find(digest) {
            return Ok(same);
        }
        let unknown = |_| Error::UnknownVersion(known.name.to_string(), digest.to_owned());
        let digest = Digest::parse(digest).map_err(unknown)?;
        let bytes = self.shared.catalog.version(known.name, digest).await?;
        let stored = Stored::brought(known.name, bytes)?;
        Ok(Arc::new(
            load(&self.shared.runtime, stored, Runtime::load).await?,
        ))
    }

    pub(super) fn activation(
        &self,
        name: &ComponentName,
        former: &Generation,
    ) -> Result<Activation, Error> {
        let generation = self.generation();
        let active = generation.components.get(name);
        let active = active.ok_or_else(|| Error::UnknownComponent(name.to_string()))?;
        let previous = former.components.get(name).map(|former| former.digest);
        Ok(Activation {
            name: name.to_string(),
            kind: active.kind,
            digest: active.digest.to_string(),
            previous: previous.map(|digest| digest.to_string()),
            generation: generation.number,
        })
    }
}

/// What is loaded already of what a record lists: the present one, or the fresh one.
fn same(present: &Generation, listed: &Listed, fresh: Option<&Arc<Active>>) -> Option<Arc<Active>> {
    let former = present.components.get(&listed.name);
    let mut known = former.into_iter().chain(fresh);
    known.find(|known| known.is(listed)).cloned()
}

/// Versions of a policy that are loaded.
struct Known<'a> {
    present: Option<&'a Policy>,
    fresh: Option<&'a Arc<Active>>,
    name: &'a ComponentName,
}

impl Known<'_> {
    fn find(&self, digest: &str) -> Option<Arc<Active>> {
        let beside = self.present.into_iter().flat_map(Policy::versions);
        let mut known = beside.chain(self.fresh);
        known
            .find(|known| known.name == *self.name && known.digest.to_string() == digest)
            .cloned()
    }
}

/// What a policy decides.
pub(super) fn kind_of(active: &Active) -> Result<policies::Kind, Error> {
    let mut kinds = active.exports.iter();
    let kind = kinds.find_map(|interface| policies::Kind::of_interface(interface));
    kind.ok_or_else(|| {
        let names = policies::Kind::ALL.map(policies::Kind::name).join(", ");
        let (name, exports) = (&active.name, active.exports.join(", "));
        Error::Invalid(format!(
            "{name}: {exports} is no kind of policy; there are {names}"
        ))
    })
}

/// A version becomes the active one. Of a policy, the one before stays beside it, and a rollout or a shadow ends: they were
/// compared with that one.
pub(super) fn activating(
    present: &Generation,
    mut stored: Stored,
    former: Option<&Listed>,
    entry: Entry,
) -> Result<Amendment, Error> {
    let (manifest, manifest_of) = manifest_for(present, &stored.listed.name, &stored.bytes)?;
    (stored.manifest, stored.listed.manifest_of) = (manifest, manifest_of);
    let digest = stored.listed.digest;
    let from = former.map(|former| former.digest);
    if let Some(former) = former {
        let is_same = former.digest == digest;
        stored.listed.beside = Beside {
            former: match is_same {
                true => former.beside.former.clone(),
                false => Some(former.digest.to_string()),
            },
            log: former.beside.log,
            ..Beside::default()
        };
    }
    let entry = entry.with(from.map(|d| d.to_string()), Some(digest.to_string()));
    let mut listed = stored.listed.clone();
    listed.activated_at = clock::system_now();
    stored.listed.activated_at = listed.activated_at;
    Ok(Amendment {
        listed,
        stored: Some(stored),
        entry,
        returns_to: None,
    })
}

/// A component's own manifest; else that of the version it replaces, and which one that is from; else none
/// (the default).
fn manifest_for(
    present: &Generation,
    name: &ComponentName,
    bytes: &[u8],
) -> Result<(Option<Manifest>, Option<Digest>), Error> {
    let own = Manifest::from_component(bytes).map_err(|e| Error::Invalid(e.to_string()))?;
    let former = present.components.get(name);
    Ok(match (own, former) {
        (None, Some(former)) => {
            let from = former.manifest_of.unwrap_or(former.digest);
            (Some(former.manifest.clone()), Some(from))
        }
        (own, _) => (own, None),
    })
}
