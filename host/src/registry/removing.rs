//! Taking a component away: it answers no more and its versions are gone. What it kept in its space of the store stays, and
//! is there again for whatever is deployed under the name: data are not lost by the way.
//!
//! **Invariant.** Whatever another component calls is not taken away, and neither is what the host would bring back or asks
//! itself.

use std::sync::Arc;

use super::catalog::{Listed, Source};
use super::changing::TRIES_MAX;
use super::{Active, Error, Generation, Kind, Registry};
use crate::ids::ComponentName;
use crate::operators::Operator;
use crate::operators::audit::{Change, Entry};

/// What is gone.
#[derive(Debug, Clone, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Removed {
    /// The component.
    pub name: String,
    /// The version that was active.
    pub digest: String,
    /// How many versions were kept of it.
    pub versions: usize,
    /// The generation without it.
    pub generation: u64,
}

impl Registry {
    /// Takes a component away; the audit names who did that. Invocations under way finish with the version that they
    /// began with.
    ///
    /// # Errors
    /// See [`Error`]; nothing changed.
    pub async fn delete(&self, by: &Operator, name: &ComponentName) -> Result<Removed, Error> {
        let _alone = self.shared.activating.lock().await;
        for _ in 0..TRIES_MAX {
            let (present, listed) = self.present().await?;
            match self.delete_from(by, name, &present, listed).await {
                Err(Error::Overtaken) => {}
                outcome => return outcome,
            }
        }
        Err(Error::Overtaken)
    }

    async fn delete_from(
        &self,
        by: &Operator,
        name: &ComponentName,
        present: &Generation,
        mut listed: Vec<Listed>,
    ) -> Result<Removed, Error> {
        let number = present.number;
        let unknown = || Error::UnknownComponent(name.to_string());
        let active = present.components.get(name).ok_or_else(unknown)?;
        removable(present, active).map_err(Error::Conflict)?;
        self.shared.catalog.check_no_groups(name).await?;
        listed.retain(|listed| listed.name != *name);
        let next = self.assemble(present, number + 1, listed, None).await?;
        let entry = Entry::of(by, Change::Delete, name.as_str());
        let entry = entry.with(Some(active.digest.to_string()), None);
        let secrets = self.shared.vault.remove_all(name).await?;
        let removal = self.shared.catalog.remove(name, &entry, secrets, number);
        let versions = removal.await?;
        self.swap(next);
        tracing::info!(component = %name, generation = number + 1, by = &*by.name, "took a component away");
        Ok(Removed {
            name: name.to_string(),
            digest: active.digest.to_string(),
            versions,
            generation: number + 1,
        })
    }
}

/// Whether it may go; if not, why.
fn removable(generation: &Generation, active: &Active) -> Result<(), String> {
    let name = &active.name;
    if active.kind == Kind::Policy {
        return Err(format!(
            "{name} is a policy, and something has to decide: deploy another version of it, or roll back"
        ));
    }
    if active.source == Source::Bundled {
        return Err(format!(
            "{name} comes with the host, which would bring it back when it starts next"
        ));
    }
    let needs = |other: &&Arc<Active>| {
        let mut calls = other.loaded.calls().iter();
        other.name != *name
            && calls.any(|call| generation.interface(call).is_some_and(|a| a.name == *name))
    };
    let others: Vec<&str> = generation
        .components
        .values()
        .filter(needs)
        .map(|other| other.name.as_str())
        .collect();
    match others.is_empty() {
        true => Ok(()),
        false => Err(format!("{name} is called by {}", others.join(", "))),
    }
}
