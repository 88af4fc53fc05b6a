//! The plugins that partners have uploaded: which versions of each are kept, and which one runs.
//!
//! **Invariants.** A plugin belongs to the partner in its key. A version is the SHA-256 of its bytes; the bytes are
//! kept once, for as long as any plugin of anybody has them as a version, and what an answer says does not
//! depend on whether somebody else has the same. The active version is always kept.

mod keep;
mod remove;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub(super) use keep::Keep;
pub use keep::Kept;
pub use remove::RolledBack;
pub(super) use remove::{Remove, RollBack};

use super::accounts::registered;
use super::signature::PluginVersion;
use super::{Error, Operation};
use crate::dispatch::work::Work;
use crate::ids::{ComponentName, Digest, PartnerId};
use crate::metering::Dataset;
use crate::operators::audit::{self, By, Change, Entry};
use crate::store::{self, Order, Range, Space, Store};

/// Plugins: partner, 0, name → [`Plugin`].
pub(crate) const PLUGINS: &str = "leyden.plugins";
/// Bytes of versions: digest (32 bytes) → the component.
const BYTES: &str = "leyden.plugin-bytes";
/// Who has a version: digest (32 bytes), 0, partner, 0, name → nothing.
const OWNERS: &str = "leyden.plugin-owners";

/// Most plugins of a partner: each may run by itself, and a list of them is one answer.
pub const PLUGINS_MAX: usize = 32;
/// Most versions of a plugin that are kept: enough to go back over a bad week.
pub const VERSIONS_MAX: usize = 10;
/// Most activations that a rollback goes back along: each version twice.
const LED_MAX: usize = 2 * VERSIONS_MAX;
/// Most bytes of all versions of a partner: ten of the longest components.
pub const BYTES_MAX: u64 = 256 << 20;

/// A version that is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Version {
    /// What identifies it.
    pub digest: Digest,
    /// What its partner calls it.
    pub version: PluginVersion,
    /// Its size, bytes.
    pub size_bytes: u64,
    /// The datasets that it imports.
    pub datasets: Vec<Dataset>,
    /// When it was first uploaded, ms since 1970 by the host's clock.
    pub uploaded_at_ms: u64,
    /// The signature that it came with, base64.
    pub signature: String,
    /// The key that the signature was made with, base64.
    pub signed_by: String,
    /// Which activation of the plugin was its last; greater is later.
    pub activation: u64,
}

/// A plugin as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Plugin {
    /// The version that runs.
    pub active: Digest,
    /// The versions that are kept, the newest first.
    pub versions: Vec<Version>,
    /// The versions that led to the one that runs, that one last: what a rollback goes back along. What was rolled back
    /// from is not among them. Nothing in a record of a former version of Leyden.
    #[serde(default)]
    pub led: Vec<Digest>,
}

impl Plugin {
    /// The version that runs.
    #[must_use]
    pub fn active_version(&self) -> Option<&Version> {
        self.version(&self.active)
    }

    fn version(&self, digest: &Digest) -> Option<&Version> {
        self.versions
            .iter()
            .find(|version| version.digest == *digest)
    }

    fn inactive(&self) -> impl Iterator<Item = &Version> {
        let active = self.active;
        self.versions
            .iter()
            .filter(move |version| version.digest != active)
    }

    /// The version that was active before the present one, of those that are kept.
    fn before(&self) -> Option<&Version> {
        let mut earlier = self.led().into_iter().rev();
        earlier.find_map(|digest| self.version(&digest).filter(|v| v.digest != self.active))
    }

    fn led(&self) -> Vec<Digest> {
        if !self.led.is_empty() {
            return self.led.clone();
        }
        // One that has just been taken in has not been active.
        let versions = self.versions.iter().filter(|v| v.activation > 0);
        let mut versions: Vec<&Version> = versions.collect();
        versions.sort_by_key(|version| version.activation);
        versions.iter().map(|version| version.digest).collect()
    }

    /// The version that is the last one would go back to.
    fn longest_inactive(&self) -> Option<Digest> {
        let longest = self.inactive().min_by_key(|version| version.activation);
        longest.map(|version| version.digest)
    }

    /// The newest version with this digest or, if none has, of this name.
    fn named(&self, wanted: &str) -> Option<&Version> {
        let by_digest = Digest::parse(wanted)
            .ok()
            .and_then(|digest| self.version(&digest));
        by_digest.or_else(|| {
            self.versions
                .iter()
                .find(|version| version.version.as_str() == wanted)
        })
    }

    /// Makes a version that is kept the active one, after the present one.
    fn activate(&mut self, digest: Digest) {
        let last = self.versions.iter().map(|version| version.activation).max();
        if self.active == digest && last.is_some_and(|last| last > 0) {
            return;
        }
        let mut led = self.led();
        led.push(digest);
        led.drain(..led.len().saturating_sub(LED_MAX));
        self.led = led;
        self.run(digest);
    }

    /// Goes back to a version that is kept: to where it led to the present one, or else as [`Self::activate`].
    fn roll_back(&mut self, digest: Digest) {
        let mut led = self.led();
        match led.iter().rposition(|led| *led == digest) {
            Some(place) => {
                led.truncate(place + 1);
                self.led = led;
                self.run(digest);
            }
            None => self.activate(digest),
        }
    }

    fn run(&mut self, digest: Digest) {
        let last = self.versions.iter().map(|version| version.activation).max();
        self.active = digest;
        let version = self
            .versions
            .iter_mut()
            .find(|version| version.digest == digest);
        if let Some(version) = version {
            version.activation = last.unwrap_or(0) + 1;
        }
    }

    fn bytes(&self) -> u64 {
        self.versions.iter().map(|version| version.size_bytes).sum()
    }
}

/// The version of a plugin that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActivePlugin {
    /// What identifies it.
    pub digest: Digest,
    /// What its partner calls it.
    pub version: PluginVersion,
    /// The plugin's name.
    pub name: ComponentName,
}

/// The version of a partner's plugin that runs; none where there is no such plugin.
///
/// # Errors
/// The store did not answer.
pub async fn active(
    store: &dyn Store,
    partner: &PartnerId,
    name: &ComponentName,
) -> store::Result<Option<ActivePlugin>> {
    let Some(plugin) = stored(store, partner, name).await? else {
        return Ok(None);
    };
    let version = plugin.active_version().ok_or_else(broken)?;
    Ok(Some(ActivePlugin {
        digest: version.digest,
        version: version.version.clone(),
        name: name.clone(),
    }))
}

/// What a partner calls a version of its plugin; none where it is kept no longer.
///
/// # Errors
/// The store did not answer.
pub async fn version(
    store: &dyn Store,
    partner: &PartnerId,
    name: &ComponentName,
    digest: &Digest,
) -> store::Result<Option<PluginVersion>> {
    let plugin = stored(store, partner, name).await?;
    let version = plugin.as_ref().and_then(|plugin| plugin.version(digest));
    Ok(version.map(|version| version.version.clone()))
}

async fn stored(
    store: &dyn Store,
    partner: &PartnerId,
    name: &ComponentName,
) -> store::Result<Option<Plugin>> {
    let mut snapshot = store.snapshot().await?;
    let key = plugin_key(partner, name);
    let stored = snapshot.read(&PLUGINS.into(), &key).await?;
    let plugin = stored.map(|stored| serde_json::from_slice(&stored));
    plugin.transpose().map_err(|_| broken())
}

/// A version's bytes; none where no plugin has it any more.
///
/// # Errors
/// The store did not answer.
pub async fn bytes(store: &dyn Store, digest: &Digest) -> store::Result<Option<Arc<Vec<u8>>>> {
    let mut snapshot = store.snapshot().await?;
    let stored = snapshot.read(&BYTES.into(), digest.bytes()).await?;
    Ok(stored.map(Arc::new))
}

fn broken() -> store::Error {
    store::Error::Unavailable("it holds a broken record of a plugin")
}

/// A plugin's key.
pub(crate) fn plugin_key(partner: &PartnerId, name: &ComponentName) -> Vec<u8> {
    format!("{partner}\0{name}").into_bytes()
}

/// A partner's plugin, as a transaction sees it.
pub(super) async fn find(
    work: &mut Work,
    partner: &PartnerId,
    name: &ComponentName,
) -> Result<Option<Plugin>, Error> {
    let stored = work
        .read(&PLUGINS.into(), &plugin_key(partner, name))
        .await?;
    let plugin = stored.map(|bytes| serde_json::from_slice(&bytes));
    plugin.transpose().map_err(|_| Error::broken())
}

fn put(
    work: &mut Work,
    partner: &PartnerId,
    name: &ComponentName,
    plugin: &Plugin,
) -> Result<(), Error> {
    let bytes = serde_json::to_vec(plugin).unwrap_or_default();
    Ok(work.write(&PLUGINS.into(), plugin_key(partner, name), Some(bytes))?)
}

/// All plugins of a partner, by name.
async fn all(work: &mut Work, partner: &PartnerId) -> Result<Vec<(ComponentName, Plugin)>, Error> {
    let range = Range {
        start: format!("{partner}\0").into_bytes(),
        end: Some(format!("{partner}\x01").into_bytes()),
    };
    let entries = work
        .scan(&PLUGINS.into(), range, Order::Ascending, PLUGINS_MAX)
        .await?;
    let plugin = |entry: &store::Entry| {
        let name = std::str::from_utf8(&entry.key[partner.as_str().len() + 1..]).ok()?;
        let name = ComponentName::parse(name).ok()?;
        Some((name, serde_json::from_slice(&entry.value).ok()?))
    };
    let plugins: Option<Vec<_>> = entries.iter().map(plugin).collect();
    plugins.ok_or_else(Error::broken)
}

/// All plugins of a partner.
pub(super) struct List<'a>(pub(super) &'a PartnerId);

impl Operation for List<'_> {
    type Done = Vec<(ComponentName, Plugin)>;

    async fn apply(&self, work: &mut Work) -> Result<Self::Done, Error> {
        registered(work, self.0).await?;
        all(work, self.0).await
    }
}

/// One plugin of a partner.
pub(super) struct Look<'a> {
    pub(super) partner: &'a PartnerId,
    pub(super) name: &'a ComponentName,
}

impl Operation for Look<'_> {
    type Done = Plugin;

    async fn apply(&self, work: &mut Work) -> Result<Plugin, Error> {
        registered(work, self.partner).await?;
        found(work, self.partner, self.name).await
    }
}

/// A plugin that has to be there.
async fn found(
    work: &mut Work,
    partner: &PartnerId,
    name: &ComponentName,
) -> Result<Plugin, Error> {
    let plugin = find(work, partner, name).await?;
    plugin.ok_or_else(|| Error::UnknownPlugin(partner.clone(), name.clone()))
}

/// Whose a version is: part of the key that says so.
struct Owner<'a> {
    partner: &'a PartnerId,
    name: &'a ComponentName,
}

impl Owner<'_> {
    /// What the audit says where a version is active now.
    fn activated(&self, by: &By, change: Change, from: Option<&Version>, to: &Version) -> Entry {
        let digest = |version: &Version| version.digest.to_string();
        Entry::of(by, change, &audit::plugin(self.partner, self.name))
            .with(from.map(digest), Some(digest(to)))
            .because(Some(format!("version {}", to.version.as_str())))
    }

    fn key(&self, digest: &Digest) -> Vec<u8> {
        let mut key = digest.bytes().to_vec();
        key.push(0);
        key.extend(plugin_key(self.partner, self.name));
        key
    }

    /// Keeps a version's bytes for this plugin.
    async fn claim(&self, work: &mut Work, digest: &Digest, bytes: &[u8]) -> Result<(), Error> {
        if !has_owner(work, digest).await? {
            let key = digest.bytes().to_vec();
            work.write(&BYTES.into(), key, Some(bytes.to_vec()))?;
        }
        Ok(work.write(&OWNERS.into(), self.key(digest), Some(Vec::new()))?)
    }

    /// Keeps them for this plugin no longer.
    async fn release(&self, work: &mut Work, digest: &Digest) -> Result<(), Error> {
        work.write(&OWNERS.into(), self.key(digest), None)?;
        if !has_owner(work, digest).await? {
            work.write(&Space::from(BYTES), digest.bytes().to_vec(), None)?;
        }
        Ok(())
    }
}

/// Whether any plugin has this version. Reading the range makes the transaction conflict with one that
/// takes the last owner away, or brings the first.
async fn has_owner(work: &mut Work, digest: &Digest) -> Result<bool, Error> {
    let range = Range {
        start: [digest.bytes().as_slice(), &[0]].concat(),
        end: Some([digest.bytes().as_slice(), &[1]].concat()),
    };
    let first = work
        .scan(&OWNERS.into(), range, Order::Ascending, 1)
        .await?;
    Ok(!first.is_empty())
}

#[cfg(test)]
mod tests;
