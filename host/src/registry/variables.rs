//! Secrets of components, as far as what is active depends on them: one that is set or removed makes a new generation, in which
//! the component begins anew on every host, so that no instance goes on with the former value.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::catalog::Listed;
use super::changing::TRIES_MAX;
use super::{Active, Error, Generation, Registry};
use crate::ids::{ComponentName, VariableName};
use crate::operators::Operator;
use crate::operators::audit::{Change, Entry};
use crate::secrets::{Known, Secret};
use crate::store::Write;

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
        let entry = Entry::of(by, Change::SetSecret, component.as_str());
        self.change_secret(component, name, Some(value), entry)
            .await
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
        let entry = Entry::of(by, Change::RemoveSecret, component.as_str());
        self.change_secret(component, name, None, entry).await
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

    /// Sets a secret, or removes it where there is no value. How many there are is looked at by whoever is alone.
    async fn change_secret(
        &self,
        component: &ComponentName,
        name: &VariableName,
        value: Option<&Secret>,
        entry: Entry,
    ) -> Result<(), Error> {
        let entry = entry.because(Some(name.to_string())).write();
        let vault = &self.shared.vault;
        let _alone = self.shared.activating.lock().await;
        for _ in 0..TRIES_MAX {
            let (present, listed) = self.present().await?;
            let write = match value {
                Some(value) => vault.set(component, name, value).await?,
                None => vault.remove(component, name).await?,
            };
            let writes = vec![write, entry.clone()];
            match self.renew(component, &present, listed, writes).await {
                Err(Error::Overtaken) => {}
                outcome => return outcome,
            }
        }
        Err(Error::Overtaken)
    }

    /// Commits writes, and has the component begin anew, if it is deployed.
    async fn renew(
        &self,
        component: &ComponentName,
        present: &Generation,
        mut listed: Vec<Listed>,
        mut writes: Vec<Write>,
    ) -> Result<(), Error> {
        let (catalog, number) = (&self.shared.catalog, present.number);
        let Some(at) = listed.iter().position(|listed| listed.name == *component) else {
            return catalog.write_at(writes, number).await;
        };
        listed[at].secrets += 1;
        writes.extend(catalog.listing(&listed[at], number + 1));
        let next = self.assemble(present, number + 1, listed, None).await?;
        catalog.write_at(writes, number).await?;
        self.swap(next);
        Ok(())
    }
}
