//! Going back to an earlier version, and removing a plugin with its triggers. Receipts of what it did stay.

use super::{Owner, PLUGINS, Plugin, Version, found, plugin_key, put};
use crate::dispatch::work::Work;
use crate::ids::{ComponentName, PartnerId};
use crate::operators::audit::{self, By, Change, Entry};
use crate::partners::accounts::registered;
use crate::partners::{Error, Operation, triggers};

/// Makes an earlier version of a plugin the active one.
pub(in crate::partners) struct RollBack<'a> {
    pub(in crate::partners) by: &'a By,
    pub(in crate::partners) partner: &'a PartnerId,
    pub(in crate::partners) name: &'a ComponentName,
    /// Its digest or name; none: the version that was active before.
    pub(in crate::partners) to: Option<&'a str>,
}

/// A plugin that went back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RolledBack {
    /// The version that is active now.
    pub version: Version,
    /// The version that was active before; the same where nothing changed.
    pub previous: Version,
}

impl Operation for RollBack<'_> {
    type Done = RolledBack;

    async fn apply(&self, work: &mut Work) -> Result<RolledBack, Error> {
        registered(work, self.partner).await?;
        let mut plugin = found(work, self.partner, self.name).await?;
        let previous = plugin.active_version().cloned().ok_or_else(Error::broken)?;
        let digest = wanted(&plugin, self.to)?.digest;
        plugin.roll_back(digest);
        let version = plugin.active_version().cloned().ok_or_else(Error::broken)?;
        put(work, self.partner, self.name, &plugin)?;
        if version.digest != previous.digest {
            let owner = Owner {
                partner: self.partner,
                name: self.name,
            };
            owner
                .activated(self.by, Change::RollBackPlugin, Some(&previous), &version)
                .enter(work)?;
        }
        Ok(RolledBack { version, previous })
    }
}

fn wanted<'p>(plugin: &'p Plugin, to: Option<&str>) -> Result<&'p Version, Error> {
    let version = match to {
        Some(to) => plugin.named(to),
        None => plugin.before(),
    };
    version.ok_or_else(|| {
        let rule = match to {
            Some(_) => "no version that is kept has this digest or name".to_owned(),
            None => nothing_before(plugin),
        };
        Error::Unknown { field: "to", rule }
    })
}

/// Why a plugin cannot go back, and to which versions it can be brought.
fn nothing_before(plugin: &Plugin) -> String {
    let others = plugin.inactive().map(|version| {
        let (name, digest) = (version.version.as_str(), version.digest);
        format!("{digest} ({name})")
    });
    let others: Vec<String> = others.collect();
    match others.as_slice() {
        [] => "no other version is kept".to_owned(),
        others => format!(
            "no version that is kept was active before; name another one: {}",
            others.join(", ")
        ),
    }
}

/// Removes a plugin with all its versions; tells how many there were.
pub(in crate::partners) struct Remove<'a> {
    pub(in crate::partners) by: &'a By,
    pub(in crate::partners) partner: &'a PartnerId,
    pub(in crate::partners) name: &'a ComponentName,
}

impl Operation for Remove<'_> {
    type Done = usize;

    async fn apply(&self, work: &mut Work) -> Result<usize, Error> {
        let Self { by, partner, name } = *self;
        registered(work, partner).await?;
        let plugin = found(work, partner, name).await?;
        for version in &plugin.versions {
            Owner { partner, name }
                .release(work, &version.digest)
                .await?;
        }
        work.write(&PLUGINS.into(), plugin_key(partner, name), None)?;
        triggers::forget(work, partner, name).await?;
        Entry::of(by, Change::RemovePlugin, &audit::plugin(partner, name))
            .with(Some(plugin.active.to_string()), None)
            .enter(work)?;
        Ok(plugin.versions.len())
    }
}
