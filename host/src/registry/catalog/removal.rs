//! Removing a component's records.
//!
//! **Invariant.** All of them go in one commit, together with the number of the generation: whoever deploys the same name
//! meanwhile is refused by that number, looks again, and stores what it brings anew. Bytes go only if no other component
//! has a version with them, which the commit checks, too.

use std::collections::BTreeSet;

use super::super::Error;
use super::pages::all;
use super::{
    ACTIVATIONS, ACTIVE, BYTES, Catalog, NUMBER, REGISTRY, VERSIONS, of_name, overtaken, put, text,
    whole,
};
use crate::ids::ComponentName;
use crate::operators::audit::Entry;
use crate::store::{self, Snapshot, Space, Write};

impl Catalog {
    /// That no stream keeps a place for a component. Records are kept for groups, and for one whose component is gone they
    /// would be kept for ever.
    pub(in super::super) async fn check_no_groups(
        &self,
        name: &ComponentName,
    ) -> Result<(), Error> {
        let partitions = self.store.streams().await?;
        let with_place = partitions.into_iter().find(|status| {
            status
                .groups
                .iter()
                .any(|group| *group.group == *name.as_str())
        });
        match with_place {
            None => Ok(()),
            Some(status) => Err(Error::Conflict(format!(
                "{name} has a place in the stream {}, whose records would be kept for it: deploy a version that \
                 handles no stream instead",
                status.partition.stream
            ))),
        }
    }

    /// Removes all records of a component, and its secrets, in the generation after `present`; how many versions there were.
    ///
    /// # Errors
    /// [`Error::Overtaken`] where another generation is the present one, or the store did not answer.
    pub(in super::super) async fn remove(
        &self,
        name: &ComponentName,
        entry: &Entry,
        secrets: Vec<Write>,
        present: u64,
    ) -> Result<usize, Error> {
        let mut snapshot = self.store.snapshot().await?;
        let (own, others) = versions(snapshot.as_mut(), name).await.map_err(overtaken)?;
        let activations = all(snapshot.as_mut(), ACTIVATIONS, of_name(name)).await;
        let mut writes = vec![
            entry.write(),
            gone(ACTIVE, name.as_str().into()),
            put(REGISTRY, NUMBER.into(), (present + 1).to_be_bytes().into()),
        ];
        writes.extend(
            activations
                .map_err(overtaken)?
                .into_iter()
                .map(|entry| gone(ACTIVATIONS, entry.key)),
        );
        writes.extend(secrets);
        for (key, digest) in &own {
            writes.push(gone(VERSIONS, key.clone()));
            if !others.contains(digest) {
                writes.push(gone(BYTES, digest.clone().into_bytes()));
            }
        }
        let versions = vec![(VERSIONS.into(), whole())];
        self.commit_at(snapshot, writes, versions, present).await?;
        Ok(own.len())
    }
}

/// A component's versions (key and digest), and the digests of all others.
async fn versions(
    snapshot: &mut dyn Snapshot,
    name: &ComponentName,
) -> store::Result<(Vec<(Vec<u8>, String)>, BTreeSet<String>)> {
    let (mut own, mut others) = (Vec::new(), BTreeSet::new());
    for store::Entry { key, .. } in all(snapshot, VERSIONS, whole()).await? {
        let Some(at) = key.iter().position(|byte| *byte == 0) else {
            continue;
        };
        let digest = text(&key[at + 1..]);
        if key[..at] == *name.as_str().as_bytes() {
            own.push((key, digest));
        } else {
            others.insert(digest);
        }
    }
    Ok((own, others))
}

fn gone(space: &str, key: Vec<u8>) -> Write {
    Write {
        space: Space::from(space),
        key,
        value: None,
    }
}
