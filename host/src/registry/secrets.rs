//! Secrets of components, as far as what is active depends on them: one that is set or removed makes a new generation, in which
//! the component begins anew on every host, so that no instance goes on with the former value.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Active, Error, Registry};
use crate::ids::{ComponentName, VariableName};
use crate::operators::Operator;
use crate::operators::audit::{Change, Entry};
use crate::secrets::{Known, Secret};
use crate::store::Write;

/// Most tries where others change something first: each then stands on what they changed.
const TRIES_MAX: usize = 5;

/// What a component finds in its environment: variables of its manifest, and its secrets.
#[derive(Debug, Default)]
pub struct Variables {
    /// Those of the manifest.
    pub plain: BTreeMap<VariableName, String>,
    /// Its secrets.
    pub secret: Vec<(VariableName, Secret)>,
}

impl Registry {
    /// Sets a secret of a component, which need not be deployed yet; the audit names who did that.
    ///
    /// # Errors
    /// See [`Error`]; nothing changed.
    pub async fn set_secret(
        &self,
        by: &Operator,
        component: &ComponentName,
        name: &VariableName,
        value: &Secret,
    ) -> Result<(), Error> {
        let write = self.shared.vault.set(component, name, value).await?;
        let entry = Entry::of(by, Change::SetSecret, component.as_str());
        let entry = entry.because(Some(name.to_string()));
        self.change_secret(component, write, &entry).await
    }

    /// Removes a secret of a component; the audit names who did that.
    ///
    /// # Errors
    /// It has none of this name, or see [`Error`]; nothing changed.
    pub async fn remove_secret(
        &self,
        by: &Operator,
        component: &ComponentName,
        name: &VariableName,
    ) -> Result<(), Error> {
        let write = self.shared.vault.remove(component, name).await?;
        let entry = Entry::of(by, Change::RemoveSecret, component.as_str());
        let entry = entry.because(Some(name.to_string()));
        self.change_secret(component, write, &entry).await
    }

    /// The names of a component's secrets, and since when they are what they are.
    ///
    /// # Errors
    /// The store did not answer.
    pub async fn secrets(&self, component: &ComponentName) -> Result<Vec<Known>, Error> {
        Ok(self.shared.vault.list(component).await?)
    }

    /// What a component finds in its environment. It is read once for each activation and kept.
    ///
    /// # Errors
    /// A secret that its manifest names is not set or cannot be opened, or the store did not answer.
    pub async fn variables(&self, active: &Active) -> Result<Arc<Variables>, Error> {
        let read = || async {
            let secret = self
                .shared
                .vault
                .open(&active.name, &active.manifest.secrets)
                .await?;
            let plain = active.manifest.env.clone();
            Ok::<_, Error>(Arc::new(Variables { plain, secret }))
        };
        active.variables.get_or_try_init(read).await.cloned()
    }

    async fn change_secret(
        &self,
        component: &ComponentName,
        write: Write,
        entry: &Entry,
    ) -> Result<(), Error> {
        let _alone = self.shared.activating.lock().await;
        for _ in 0..TRIES_MAX {
            self.catch_up().await?;
            match self.change_secret_once(component, &write, entry).await {
                Err(Error::Overtaken) => {}
                outcome => return outcome,
            }
        }
        Err(Error::Overtaken)
    }

    async fn change_secret_once(
        &self,
        component: &ComponentName,
        write: &Write,
        entry: &Entry,
    ) -> Result<(), Error> {
        let catalog = &self.shared.catalog;
        let present = self.generation();
        let (number, mut listed) = catalog.active().await?;
        if number != present.number {
            return Err(Error::Overtaken);
        }
        let mut writes = vec![write.clone(), entry.write()];
        let Some(at) = listed.iter().position(|listed| listed.name == *component) else {
            return catalog.write_at(writes, number).await;
        };
        listed[at].secrets += 1;
        writes.extend(catalog.listing(&listed[at], number + 1));
        let next = self.assemble(&present, number + 1, listed, None).await?;
        catalog.write_at(writes, number).await?;
        self.swap(next);
        Ok(())
    }
}
