//! The transaction that an upload ends with: its bytes are kept, its version is recorded, and it is active.

use std::sync::Arc;

use super::{BYTES_MAX, Owner, PLUGINS_MAX, Plugin, VERSIONS_MAX, Version, all, put};
use crate::dispatch::work::Work;
use crate::ids::ComponentName;
use crate::operators::audit::{By, Change};
use crate::partners::accounts::registered;
use crate::partners::{Error, Operation, Partner};

/// Keeps a version and makes it the active one.
pub(in crate::partners) struct Keep<'a> {
    /// Who uploads it.
    pub(in crate::partners) by: &'a By,
    /// Whose it is, as it was when the upload was checked.
    pub(in crate::partners) partner: &'a Partner,
    /// The plugin.
    pub(in crate::partners) name: &'a ComponentName,
    /// The version.
    pub(in crate::partners) version: &'a Version,
    /// Its bytes.
    pub(in crate::partners) bytes: &'a Arc<Vec<u8>>,
}

/// What has become of an upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The version, which is now active.
    pub version: Version,
    /// Whether it was not there before.
    pub new: bool,
    /// The version that was active before, if another was.
    pub previous: Option<Version>,
}

impl Operation for Keep<'_> {
    type Done = Kept;

    async fn apply(&self, work: &mut Work) -> Result<Kept, Error> {
        let id = &self.partner.id;
        // What was checked has to hold still: the key that signed, and the trust that opens datasets.
        if registered(work, id).await? != *self.partner {
            return Err(Error::Contended);
        }
        let plugins = all(work, id).await?;
        let others: Vec<_> = plugins
            .iter()
            .filter(|(name, _)| name != self.name)
            .collect();
        let former = plugins.iter().find(|(name, _)| name == self.name);
        let former = former.map(|(_, plugin)| plugin.clone());
        if former.is_none() && others.len() >= PLUGINS_MAX {
            return Err(Error::Conflict(format!(
                "partner '{id}' has {PLUGINS_MAX} plugins, as many as it may: remove one first"
            )));
        }
        let elsewhere = others.iter().map(|(_, plugin)| plugin.bytes()).sum();
        let taken = take(former.as_ref(), self.version, elsewhere).ok_or_else(|| {
            Error::Conflict(format!(
                "the plugins of partner '{id}' would have more than {} MiB together: remove one first",
                BYTES_MAX >> 20
            ))
        })?;
        let owner = Owner {
            partner: id,
            name: self.name,
        };
        for digest in &taken.dropped {
            owner.release(work, digest).await?;
        }
        owner.claim(work, &self.version.digest, self.bytes).await?;
        put(work, id, self.name, &taken.plugin)?;
        let kept = kept(&taken.plugin, former);
        if kept.new || kept.previous.is_some() {
            let (from, to) = (kept.previous.as_ref(), &kept.version);
            owner
                .activated(self.by, Change::UploadPlugin, from, to)
                .enter(work)?;
        }
        Ok(kept)
    }
}

fn kept(plugin: &Plugin, former: Option<Plugin>) -> Kept {
    let active = plugin.active;
    let new = former
        .as_ref()
        .is_none_or(|former| former.version(&active).is_none());
    let previous = former.and_then(|former| former.active_version().cloned());
    Kept {
        version: plugin
            .active_version()
            .cloned()
            .unwrap_or_else(|| plugin.versions[0].clone()),
        new,
        previous: previous.filter(|previous| previous.digest != active),
    }
}

/// A plugin with one more version, and what had to go for it.
pub(super) struct Taken {
    pub(super) plugin: Plugin,
    pub(super) dropped: Vec<crate::ids::Digest>,
}

/// Takes a version into a plugin and makes it active. Where too much would be kept, inactive versions go, the
/// one that has not been active for longest first; nothing where that does not help.
pub(super) fn take(former: Option<&Plugin>, version: &Version, elsewhere: u64) -> Option<Taken> {
    let first = || Plugin {
        active: version.digest,
        versions: Vec::new(),
        led: Vec::new(),
    };
    let mut plugin = former.cloned().unwrap_or_else(first);
    let known = plugin
        .versions
        .iter_mut()
        .find(|known| known.digest == version.digest);
    match known {
        // The same bytes under another name are the same version.
        Some(known) => {
            known.version = version.version.clone();
            known.signature.clone_from(&version.signature);
            known.signed_by.clone_from(&version.signed_by);
        }
        None => plugin.versions.insert(0, version.clone()),
    }
    plugin.activate(version.digest);
    let mut dropped = Vec::new();
    while plugin.versions.len() > VERSIONS_MAX || elsewhere + plugin.bytes() > BYTES_MAX {
        let oldest = plugin.longest_inactive()?;
        dropped.push(oldest);
        plugin.versions.retain(|version| version.digest != oldest);
    }
    Some(Taken { plugin, dropped })
}
