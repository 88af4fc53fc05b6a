//! The registry's records in the store: bytes by digest, versions and activations by name, and a number that
//! grows with every activation.
//!
//! **Invariant.** Everything that changes what is active reads that number and writes the next one in the same
//! commit, so that of two hosts that activate at once one is refused and looks again.

mod pages;
mod records;
mod removal;

use std::sync::Arc;

use super::manifest::Manifest;
use super::{Bundled, Error, rfc3339};
use crate::clock;
use crate::ids::{ComponentName, Digest};
use crate::operators::Operator;
use crate::operators::audit::{Change, Entry};
use crate::store::{
    self, CommitError, Order, Range, ReadSet, Snapshot, Space, Store, Transaction, Write,
};
use pages::all;
pub use records::Built;
pub(super) use records::{Activated, Beside, Listed, along};
use records::{VersionRecord, json, parse, put, text};

/// Bytes of every version, by digest.
const BYTES: &str = "leyden.components";
/// Versions: name, 0, digest → [`VersionRecord`].
const VERSIONS: &str = "leyden.versions";
/// What is active: name → `ActiveRecord`.
const ACTIVE: &str = "leyden.active";
/// Every activation: name, 0, its number (8 bytes) → [`Activated`].
const ACTIVATIONS: &str = "leyden.activations";
/// Under [`NUMBER`]: how often what is active has changed (8 bytes).
const REGISTRY: &str = "leyden.registry";
const NUMBER: &[u8] = b"generation";

/// Most versions of one component that are listed, and activations that are looked back on: the latest.
const LISTED_MAX: usize = 10_000;

/// Most tries of what other hosts keep changing.
const TRIES_MAX: usize = 20;

/// Who deployed a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// It came with the host, and a newer host replaces it.
    Bundled,
    /// The operator: only the operator replaces it.
    Operator,
}

/// A stored version, for people.
#[derive(Debug, Clone, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VersionInfo {
    /// SHA-256 in hexadecimal digits.
    pub digest: String,
    /// When it was first deployed, RFC 3339.
    pub deployed_at: String,
    /// Its size, bytes.
    pub size_bytes: u64,
    /// Whether it serves now.
    pub active: bool,
}

/// A version with all that loading it needs.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    pub(super) listed: Listed,
    pub(super) bytes: Arc<Vec<u8>>,
    pub(super) manifest: Option<Manifest>,
}

/// A change of what is active, or of what is beside it, as it is recorded and told in the audit.
pub(super) struct Amended {
    /// The component as it is now.
    pub(super) listed: Listed,
    /// What the audit says.
    pub(super) entry: Entry,
    /// Whether another version is the active one.
    pub(super) activates: bool,
    /// The earlier activation that this one goes back to, if it does.
    pub(super) returns_to: Option<Activated>,
}

/// The registry's part of the store.
pub(super) struct Catalog {
    store: Arc<dyn Store>,
}

impl Catalog {
    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }

    /// Records bundled components that are new or newer, together. An operator's version stays. Where
    /// hosts of different builds may come (`shared`), only a later build replaces an earlier one, so that they
    /// do not undo each other; a host alone brings what it comes with, earlier or later.
    pub(super) async fn admit_bundled(
        &self,
        bundled: Vec<Bundled>,
        shared: bool,
    ) -> Result<(), Error> {
        let bundled: Vec<_> = bundled
            .into_iter()
            .map(Bundled::into_stored)
            .collect::<Result<_, _>>()?;
        for _ in 0..TRIES_MAX {
            let (number, active) = self.active().await?;
            let admitted = |stored: &&Stored| {
                let name = &stored.listed.name;
                let present = active.iter().find(|listed| listed.name == *name);
                present.is_none_or(|present| stored.listed.replaces(present, shared))
            };
            let new: Vec<&Stored> = bundled.iter().filter(admitted).collect();
            if new.is_empty() {
                return Ok(());
            }
            let amended = new.iter().map(|stored| stored.bundled(&active)).collect();
            match self.record(&new, amended, number).await {
                Err(Error::Overtaken) => {}
                outcome => return outcome.map(|_| ()),
            }
        }
        Err(Error::Overtaken)
    }

    /// The number of the present generation.
    pub(super) async fn number(&self) -> Result<u64, Error> {
        let mut snapshot = self.store.snapshot().await?;
        Ok(number_in(snapshot.as_mut()).await?)
    }

    /// Everything that is active, and the number of the generation it makes.
    pub(super) async fn active(&self) -> Result<(u64, Vec<Listed>), Error> {
        for _ in 0..TRIES_MAX {
            match self.active_once().await {
                Err(Error::Store(store::Error::Overtaken)) => {}
                outcome => return outcome,
            }
        }
        Err(Error::Overtaken)
    }

    async fn active_once(&self) -> Result<(u64, Vec<Listed>), Error> {
        let mut snapshot = self.store.snapshot().await?;
        let number = number_in(snapshot.as_mut()).await?;
        let entries = all(snapshot.as_mut(), ACTIVE, whole()).await?;
        let listed = entries.iter().map(Listed::from_entry);
        Ok((number, listed.collect::<Result<_, _>>()?))
    }

    /// What loading a listed version needs.
    pub(super) async fn load(&self, listed: Listed) -> Result<Stored, Error> {
        let bytes = self.version(&listed.name, listed.digest).await?;
        let own = manifest_of(&listed.name, &bytes)?;
        let manifest = match (own, listed.manifest_of) {
            (None, Some(digest)) => {
                let from = self.version(&listed.name, digest).await?;
                manifest_of(&listed.name, &from)?
            }
            (own, _) => own,
        };
        Ok(Stored {
            listed,
            bytes,
            manifest,
        })
    }

    /// The bytes of a component's version.
    pub(super) async fn version(
        &self,
        name: &ComponentName,
        digest: Digest,
    ) -> Result<Arc<Vec<u8>>, Error> {
        let unknown = || Error::UnknownVersion(name.to_string(), digest.to_string());
        if !self.has_version(name, digest).await? {
            return Err(unknown());
        }
        let mut snapshot = self.store.snapshot().await?;
        let bytes = snapshot
            .read(&BYTES.into(), digest.to_string().as_bytes())
            .await?;
        Ok(Arc::new(bytes.ok_or_else(unknown)?))
    }

    async fn has_version(&self, name: &ComponentName, digest: Digest) -> Result<bool, Error> {
        let (space, key) = (Space::from(VERSIONS), version_key(name, digest));
        let mut snapshot = self.store.snapshot().await?;
        Ok(snapshot.read(&space, &key).await?.is_some())
    }

    /// Versions of a component, the last deployed first, at most [`LISTED_MAX`].
    pub(super) async fn versions(
        &self,
        name: &ComponentName,
        active: Option<Digest>,
    ) -> Result<Vec<VersionInfo>, Error> {
        let mut versions = Vec::new();
        let mut snapshot = self.store.snapshot().await?;
        for entry in all(snapshot.as_mut(), VERSIONS, of_name(name)).await? {
            let record: VersionRecord = parse(&entry.value)?;
            let digest = text(&entry.key[name.as_str().len() + 1..]);
            let active = active.is_some_and(|a| a.to_string() == digest);
            let deployed_at = rfc3339(record.deployed_at_ms);
            versions.push(VersionInfo {
                digest,
                deployed_at,
                size_bytes: record.size_bytes,
                active,
            });
        }
        versions.sort_by(|a, b| b.deployed_at.cmp(&a.deployed_at));
        versions.truncate(LISTED_MAX);
        Ok(versions)
    }

    /// How a component came to its active version: the activations that a rollback goes back along, the present one
    /// first. What was rolled back from is not among them.
    pub(super) async fn history(&self, name: &ComponentName) -> Result<Vec<Activated>, Error> {
        let (space, own) = (Space::from(ACTIVATIONS), of_name(name));
        let mut snapshot = self.store.snapshot().await?;
        let found = snapshot
            .scan(&space, &own, Order::Descending, LISTED_MAX)
            .await?;
        let activated = found.iter().map(Activated::from_entry);
        Ok(along(activated.collect::<Result<_, _>>()?))
    }

    /// Stores versions, and then, in one commit, what has changed in the generation after `present` and the audit of
    /// it; the number of that one.
    ///
    /// # Errors
    /// [`Error::Overtaken`] where another generation is the present one, or the store did not answer.
    pub(super) async fn record(
        &self,
        versions: &[&Stored],
        amended: Vec<Amended>,
        present: u64,
    ) -> Result<u64, Error> {
        for stored in versions {
            self.store_version(stored).await?;
        }
        let mut snapshot = self.store.snapshot().await?;
        let mut writes = Vec::new();
        let next = present + 1;
        for Amended {
            listed,
            entry,
            activates,
            returns_to,
        } in amended
        {
            writes.push(entry.write());
            writes.push(put(ACTIVE, listed.name.as_str().into(), listed.record()));
            if activates {
                let last = last_activation(snapshot.as_mut(), &listed.name).await;
                let number = last.map_err(overtaken)?.map_or(0, |n| n + 1);
                let before = returns_to.map_or(number.checked_sub(1), |to| to.before);
                let activated = Activated {
                    number,
                    digest: listed.digest,
                    before,
                };
                let key = activation_key(&listed.name, number);
                writes.push(put(ACTIVATIONS, key, activated.record()));
            }
        }
        writes.push(put(REGISTRY, NUMBER.into(), next.to_be_bytes().into()));
        // Every change writes the number, so reading it stands for all that was read before.
        self.commit_at(snapshot, writes, Vec::new(), present)
            .await?;
        Ok(next)
    }

    /// What records a component as it is in a generation, for [`Catalog::write_at`].
    pub(super) fn listing(&self, listed: &Listed, number: u64) -> [Write; 2] {
        [
            put(ACTIVE, listed.name.as_str().into(), listed.record()),
            put(REGISTRY, NUMBER.into(), number.to_be_bytes().into()),
        ]
    }

    /// Commits writes while this is the present generation.
    ///
    /// # Errors
    /// [`Error::Overtaken`] where another one is, or the store did not answer.
    pub(super) async fn write_at(&self, writes: Vec<Write>, present: u64) -> Result<(), Error> {
        let snapshot = self.store.snapshot().await?;
        self.commit_at(snapshot, writes, Vec::new(), present).await
    }

    /// The same with what was read for them: nothing of these ranges has changed since the snapshot.
    async fn commit_at(
        &self,
        mut snapshot: Box<dyn Snapshot>,
        writes: Vec<Write>,
        ranges: Vec<(Space, Range)>,
        present: u64,
    ) -> Result<(), Error> {
        if number_in(snapshot.as_mut()).await.map_err(overtaken)? != present {
            return Err(Error::Overtaken);
        }
        let reads = ReadSet {
            version: snapshot.version(),
            keys: vec![(REGISTRY.into(), NUMBER.into())],
            ranges,
        };
        drop(snapshot);
        let change = Transaction {
            reads,
            writes,
            ..Transaction::default()
        };
        self.store.commit(change).await?;
        Ok(())
    }

    /// Stores a version, if it is not there yet.
    async fn store_version(&self, stored: &Stored) -> Result<(), Error> {
        let listed = &stored.listed;
        if self.has_version(&listed.name, listed.digest).await? {
            return Ok(());
        }
        let record = VersionRecord {
            deployed_at_ms: listed.activated_at.0,
            size_bytes: stored.bytes.len() as u64,
        };
        let digest = listed.digest.to_string().into_bytes();
        let key = version_key(&listed.name, listed.digest);
        let writes = vec![
            put(VERSIONS, key, json(&record)),
            put(BYTES, digest, stored.bytes.to_vec()),
        ];
        let version = Transaction {
            writes,
            ..Transaction::default()
        };
        self.store.commit(version).await?;
        Ok(())
    }
}

impl Bundled {
    fn into_stored(self) -> Result<Stored, Error> {
        let listed = Listed {
            digest: Digest::of(&self.bytes),
            source: Source::Bundled,
            activated_at: clock::system_now(),
            manifest_of: None,
            built: self.built,
            secrets: 0,
            beside: Beside::default(),
            name: self.name,
        };
        Ok(Stored {
            manifest: manifest_of(&listed.name, &self.bytes)?,
            listed,
            bytes: Arc::new(self.bytes),
        })
    }
}

impl Stored {
    /// A version that an operator brings, active or beside the active one.
    pub(super) fn brought(name: &ComponentName, bytes: Arc<Vec<u8>>) -> Result<Self, Error> {
        let listed = Listed {
            name: name.clone(),
            digest: Digest::of(&bytes),
            source: Source::Operator,
            activated_at: clock::system_now(),
            manifest_of: None,
            built: Built::default(),
            secrets: 0,
            beside: Beside::default(),
        };
        let manifest = manifest_of(name, &bytes)?;
        Ok(Self {
            listed,
            bytes,
            manifest,
        })
    }

    /// What is recorded where this bundled version takes the place of what is active, if anything is. What was beside
    /// that one goes with it.
    fn bundled(&self, active: &[Listed]) -> Amended {
        let former = active.iter().find(|listed| listed.name == self.listed.name);
        let mut listed = self.listed.clone();
        listed.beside.log = former.map(|former| former.beside.log).unwrap_or_default();
        let former = former.map(|listed| listed.digest.to_string());
        let to = Some(self.listed.digest.to_string());
        let entry = Entry::of(&Operator::host(), Change::Bundle, self.listed.name.as_str());
        Amended {
            listed,
            entry: entry.with(former, to),
            activates: true,
            returns_to: None,
        }
    }
}

/// How often what is active has changed. A folder of an older version has components and no number.
async fn number_in(snapshot: &mut dyn Snapshot) -> store::Result<u64> {
    let stored = snapshot.read(&REGISTRY.into(), NUMBER).await?;
    if let Some(number) = stored.and_then(|bytes| bytes.try_into().ok()) {
        return Ok(u64::from_be_bytes(number));
    }
    let (space, whole) = (Space::from(ACTIVE), whole());
    let first = snapshot.scan(&space, &whole, Order::Ascending, 1).await?;
    Ok(u64::from(!first.is_empty()))
}

/// The number of a component's last activation.
async fn last_activation(
    snapshot: &mut dyn Snapshot,
    name: &ComponentName,
) -> store::Result<Option<u64>> {
    let (space, range) = (Space::from(ACTIVATIONS), of_name(name));
    let last = snapshot.scan(&space, &range, Order::Descending, 1).await?;
    Ok(last
        .first()
        .map(|entry| records::activation_number(&entry.key)))
}

/// Somebody else was faster, or the store failed.
fn overtaken(error: store::Error) -> Error {
    CommitError::Store(error).into()
}

/// The manifest inside a component; none where it carries none.
fn manifest_of(name: &ComponentName, bytes: &[u8]) -> Result<Option<Manifest>, Error> {
    Manifest::from_component(bytes).map_err(|e| Error::Invalid(format!("{name}: {e}")))
}

fn whole() -> Range {
    Range {
        start: vec![0],
        end: None,
    }
}

fn version_key(name: &ComponentName, digest: Digest) -> Vec<u8> {
    format!("{name}\0{digest}").into_bytes()
}

fn activation_key(name: &ComponentName, number: u64) -> Vec<u8> {
    let mut key = format!("{name}\0").into_bytes();
    key.extend_from_slice(&number.to_be_bytes());
    key
}

/// All keys that begin with a name and 0.
fn of_name(name: &ComponentName) -> Range {
    Range {
        start: format!("{name}\0").into_bytes(),
        end: Some(format!("{name}\x01").into_bytes()),
    }
}
