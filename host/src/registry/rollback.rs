//! Going back to earlier versions, along what led to the present one: A, then B, then back is A, and back once more is what
//! was before A, not B again. What was rolled back from is reached by its digest only.

use std::sync::Arc;

use super::catalog::{Activated, Stored};
use super::changing::{TRIES_MAX, activating};
use super::{Activation, Error, Generation, Registry};
use crate::ids::{ComponentName, Digest};
use crate::operators::Operator;
use crate::operators::audit::{Change, Entry};

/// Most versions that are named where there is none to go back to.
const OTHERS_TOLD_MAX: usize = 5;

/// Where a rollback goes.
struct Back {
    /// The version.
    digest: Digest,
    /// Its activation, where that is among what led to the present one.
    returns_to: Option<Activated>,
    /// The version that was active before that one.
    former: Option<Digest>,
}

impl Back {
    /// What was active before the present version.
    fn before(past: &[Activated]) -> Option<Self> {
        let present = past.first()?.digest;
        let place = past.iter().position(|one| one.digest != present)?;
        Some(Self::at(place, past))
    }

    /// A version that is named: one that led to the present one, or else any other that is stored.
    fn to(digest: Digest, past: &[Activated]) -> Option<Self> {
        let place = past.iter().position(|one| one.digest == digest);
        let elsewhere = Self {
            digest,
            returns_to: None,
            former: None,
        };
        Some(place.map_or(elsewhere, |place| Self::at(place, past)))
    }

    fn at(place: usize, past: &[Activated]) -> Self {
        let digest = past[place].digest;
        let earlier = past[place..].iter().map(|one| one.digest);
        Self {
            digest,
            returns_to: Some(past[place]),
            former: earlier.into_iter().find(|other| *other != digest),
        }
    }
}

impl Registry {
    /// Makes an earlier version active again: `to`, or the one that was active before the present one. Once more goes
    /// further back, never forward again to what was rolled back from. A version that is being promoted is taken back.
    ///
    /// # Errors
    /// See [`Error`]; nothing changed.
    pub async fn rollback(
        &self,
        by: &Operator,
        name: &ComponentName,
        to: Option<Digest>,
    ) -> Result<Activation, Error> {
        for _ in 0..TRIES_MAX {
            let past = self.shared.catalog.history(name).await?;
            let Some(present) = past.first().copied() else {
                return Err(Error::UnknownComponent(name.to_string()));
            };
            let back = match to {
                Some(digest) => Back::to(digest, &past),
                None => Back::before(&past),
            };
            let Some(back) = back else {
                return Err(self.nothing_before(name, present.digest).await);
            };
            match self.go_back(by, name, present.digest, back).await {
                Err(Error::Overtaken) => self.refresh().await?,
                Err(error) => return Err(error),
                Ok(generation) => return self.activation(name, &generation),
            }
        }
        Err(Error::Overtaken)
    }

    /// Activates an earlier version, if `present` is the active one.
    async fn go_back(
        &self,
        by: &Operator,
        name: &ComponentName,
        present: Digest,
        back: Back,
    ) -> Result<Arc<Generation>, Error> {
        let bytes = self.shared.catalog.version(name, back.digest).await?;
        let changed = self.change(|generation, listed| {
            let former = listed.iter().find(|listed| listed.name == *name);
            if former.is_none_or(|former| former.digest != present) {
                return Err(Error::Overtaken);
            }
            let stored = Stored::brought(name, bytes.clone())?;
            let entry = Entry::of(by, Change::Rollback, name.as_str());
            let mut amendment = activating(generation, stored, former, entry)?;
            // What was rolled back from is not what decides where this one fails.
            amendment.listed.beside.former = back.former.map(|digest| digest.to_string());
            amendment.returns_to = back.returns_to;
            Ok(amendment)
        });
        changed.await
    }

    /// Why a component cannot go back, and to which versions it can be brought.
    async fn nothing_before(&self, name: &ComponentName, present: Digest) -> Error {
        let versions = self.shared.catalog.versions(name, Some(present)).await;
        let others: Vec<String> = versions
            .unwrap_or_default()
            .into_iter()
            .filter(|version| !version.active)
            .map(|version| version.digest)
            .take(OTHERS_TOLD_MAX)
            .collect();
        let why = match others.as_slice() {
            [] => "there is no other version".to_owned(),
            others => format!("name another one by --to: {}", others.join(", ")),
        };
        let present = present.short();
        let why = format!("none was active before {present}; {why}");
        Error::UnknownVersion(name.to_string(), why)
    }
}
