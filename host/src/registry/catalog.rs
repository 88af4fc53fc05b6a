//! The registry's records in the store: bytes by digest, versions and activations by name.

use std::sync::Arc;

use super::manifest::Manifest;
use super::{Bundled, Error, rfc3339};
use crate::clock;
use crate::ids::{ComponentName, Digest, Instant};
use crate::store::{Entry, Order, Range, Space, Store, Transaction, Write};

/// Bytes of every version, by digest.
const BYTES: &str = "leyden.components";
/// Versions: name, 0, digest → [`VersionRecord`].
const VERSIONS: &str = "leyden.versions";
/// What is active: name → [`ActiveRecord`].
const ACTIVE: &str = "leyden.active";
/// Every activation: name, 0, its number (8 bytes) → digest.
const ACTIVATIONS: &str = "leyden.activations";

/// Most components, versions of one component, and activations that are looked back on.
const LISTED_MAX: usize = 10_000;

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

#[derive(serde::Serialize, serde::Deserialize)]
struct VersionRecord {
    deployed_at_ms: u64,
    size_bytes: u64,
}

#[derive(serde::Serialize, serde::Deserialize)]
struct ActiveRecord {
    digest: String,
    source: Source,
    activated_at_ms: u64,
}

/// A version with all that loading it needs.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    pub(super) name: ComponentName,
    pub(super) digest: Digest,
    pub(super) bytes: Arc<Vec<u8>>,
    pub(super) manifest: Option<Manifest>,
    pub(super) source: Source,
    pub(super) activated_at: Instant,
}

/// The registry's part of the store.
pub(super) struct Catalog {
    store: Arc<dyn Store>,
}

impl Catalog {
    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }

    /// Records bundled components that are new or newer; returns everything that is then active.
    pub(super) async fn admit_bundled(&self, bundled: Vec<Bundled>) -> Result<Vec<Stored>, Error> {
        let mut active = self.active().await?;
        for Bundled { name, bytes } in bundled {
            let digest = Digest::of(&bytes);
            let present = active.iter().position(|stored| stored.name == name);
            if present.is_some_and(|at| {
                active[at].digest == digest || active[at].source == Source::Operator
            }) {
                continue;
            }
            let stored = Stored {
                manifest: manifest_of(&name, &bytes)?,
                name,
                digest,
                bytes: Arc::new(bytes),
                source: Source::Bundled,
                activated_at: clock::system_now(),
            };
            self.record_activation(&stored).await?;
            match present {
                Some(at) => active[at] = stored,
                None => active.push(stored),
            }
        }
        Ok(active)
    }

    /// Everything that is active, with its bytes.
    async fn active(&self) -> Result<Vec<Stored>, Error> {
        let mut all = Vec::new();
        let whole = Range {
            start: vec![0],
            end: None,
        };
        for entry in self.scan(ACTIVE, whole, Order::Ascending).await? {
            let name = text(&entry.key);
            let record: ActiveRecord = parse(&entry.value)?;
            let name = ComponentName::parse(&name).map_err(|_| corrupt(&name))?;
            let digest = Digest::parse(&record.digest).map_err(|_| corrupt(name.as_str()))?;
            let mut stored = self.version(&name, digest).await?;
            stored.manifest = manifest_of(&name, &stored.bytes)?;
            stored.source = record.source;
            stored.activated_at = Instant(record.activated_at_ms);
            all.push(stored);
        }
        Ok(all)
    }

    /// A version of a component.
    pub(super) async fn version(
        &self,
        name: &ComponentName,
        digest: Digest,
    ) -> Result<Stored, Error> {
        let unknown = || Error::UnknownVersion(name.to_string(), digest.to_string());
        let mut snapshot = self.store.snapshot().await?;
        let known = snapshot
            .read(&VERSIONS.into(), &version_key(name, digest))
            .await?;
        known.ok_or_else(unknown)?;
        let bytes = snapshot
            .read(&BYTES.into(), digest.to_string().as_bytes())
            .await?;
        Ok(Stored {
            name: name.clone(),
            digest,
            bytes: Arc::new(bytes.ok_or_else(unknown)?),
            manifest: None,
            source: Source::Operator,
            activated_at: Instant(0),
        })
    }

    /// Versions of a component, the last deployed first.
    pub(super) async fn versions(
        &self,
        name: &ComponentName,
        active: Option<Digest>,
    ) -> Result<Vec<VersionInfo>, Error> {
        let mut versions = Vec::new();
        for entry in self.scan(VERSIONS, of_name(name), Order::Ascending).await? {
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
        Ok(versions)
    }

    /// The version that was active before `present`.
    pub(super) async fn before(
        &self,
        name: &ComponentName,
        present: Digest,
    ) -> Result<Digest, Error> {
        let none = || Error::UnknownVersion(name.to_string(), "none was active before".into());
        let history = self
            .scan(ACTIVATIONS, of_name(name), Order::Descending)
            .await?;
        let earlier = history
            .iter()
            .map(|entry| text(&entry.value))
            .find(|d| *d != present.to_string());
        Digest::parse(&earlier.ok_or_else(none)?).map_err(|_| none())
    }

    /// Stores a version and that it is active now, in one commit.
    pub(super) async fn record_activation(&self, stored: &Stored) -> Result<(), Error> {
        let last = self.scan_last(ACTIVATIONS, of_name(&stored.name)).await?;
        let number = last.map_or(0, |entry| activation_number(&entry.key) + 1);
        let digest = stored.digest.to_string();
        let active = ActiveRecord {
            digest: digest.clone(),
            source: stored.source,
            activated_at_ms: stored.activated_at.0,
        };
        let mut writes = self.new_version(stored).await?;
        writes.push(put(ACTIVE, stored.name.as_str().into(), json(&active)));
        writes.push(put(
            ACTIVATIONS,
            activation_key(&stored.name, number),
            digest.into_bytes(),
        ));
        self.store
            .commit(Transaction {
                writes,
                ..Transaction::default()
            })
            .await?;
        Ok(())
    }

    /// Writes that store a version, if it is not there yet.
    async fn new_version(&self, stored: &Stored) -> Result<Vec<Write>, Error> {
        let key = version_key(&stored.name, stored.digest);
        if self
            .store
            .snapshot()
            .await?
            .read(&VERSIONS.into(), &key)
            .await?
            .is_some()
        {
            return Ok(Vec::new());
        }
        let record = VersionRecord {
            deployed_at_ms: stored.activated_at.0,
            size_bytes: stored.bytes.len() as u64,
        };
        let bytes = put(
            BYTES,
            stored.digest.to_string().into_bytes(),
            stored.bytes.to_vec(),
        );
        Ok(vec![put(VERSIONS, key, json(&record)), bytes])
    }

    async fn scan(&self, space: &str, range: Range, order: Order) -> Result<Vec<Entry>, Error> {
        Ok(self
            .store
            .snapshot()
            .await?
            .scan(&space.into(), &range, order, LISTED_MAX)
            .await?)
    }

    async fn scan_last(&self, space: &str, range: Range) -> Result<Option<Entry>, Error> {
        let last = self
            .store
            .snapshot()
            .await?
            .scan(&space.into(), &range, Order::Descending, 1)
            .await?;
        Ok(last.into_iter().next())
    }
}

/// The manifest inside a component; none where it carries none.
fn manifest_of(name: &ComponentName, bytes: &[u8]) -> Result<Option<Manifest>, Error> {
    Manifest::from_component(bytes).map_err(|e| Error::Invalid(format!("{name}: {e}")))
}

fn put(space: &str, key: Vec<u8>, value: Vec<u8>) -> Write {
    Write {
        space: Space::from(space),
        key,
        value: Some(value),
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

fn activation_number(key: &[u8]) -> u64 {
    key.last_chunk::<8>()
        .map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

/// All keys that begin with a name and 0.
fn of_name(name: &ComponentName) -> Range {
    Range {
        start: format!("{name}\0").into_bytes(),
        end: Some(format!("{name}\x01").into_bytes()),
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn json<T: serde::Serialize>(record: &T) -> Vec<u8> {
    serde_json::to_vec(record).unwrap_or_default()
}

fn parse<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(bytes).map_err(|_| corrupt("a record"))
}

fn corrupt(what: &str) -> Error {
    Error::Invalid(format!("the registry's record of {what} cannot be read"))
}
