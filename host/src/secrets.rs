//! Secrets of functions: values that an operator sets and only the function gets. In the store they are sealed under a key
//! that lies beside the host and not in the store, so that whoever can read the store, or a copy of it, reads none.
//!
//! A record is `set at (ms, 8 bytes) ‖ nonce (12 bytes) ‖ ChaCha20-Poly1305 of the value`, under `component ‖ 0 ‖ name`. Key
//! and time are authenticated with the value: one that is put in another's place is refused.
//!
//! **Invariants.** A value leaves this module towards the function that it is for, and nowhere else: it is in no answer, no
//! log and no audit, and what holds one has no text of it.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use crate::clock;
use crate::ids::{ComponentName, VariableName};
use crate::keys::random;
use crate::registry::manifest::VARIABLES_MAX;
use crate::store::{self, Entry, Order, Range, Space, Store, Write};

/// Sealed values: component, 0, name → record.
const SECRETS: &str = "leyden.secrets";

/// Longest value (bytes): keys and certificates fit; it is held in memory for as long as its function is deployed.
pub const VALUE_BYTES_MAX: usize = 16 * 1024;

/// Bytes of the time in a record.
const TIME_BYTES: usize = 8;

/// A value that has no text.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<str>);

impl Secret {
    /// Checks and takes a value.
    ///
    /// # Errors
    /// The rule that it breaks; never the value.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, &'static str> {
        let rule = "must be 1 to 16384 bytes of UTF-8 without the character 0";
        let text = String::from_utf8(bytes).map_err(|_| rule)?;
        let fits = (1..=VALUE_BYTES_MAX).contains(&text.len()) && !text.contains('\0');
        fits.then(|| Self(text.into())).ok_or(rule)
    }

    /// The value, for the function that it is for.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// That a secret is set, and since when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Its name.
    pub name: VariableName,
    /// When it was set last, ms since 1970 by the system's clock.
    pub set_at_ms: u64,
}

/// Why a secret is not set or not had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The host was started without a key.
    #[error(
        "this host has no key for secrets: start every host of the installation with the same --secrets-key FILE"
    )]
    NoKey,
    /// It is sealed under another key, or was tampered with.
    #[error(
        "the secret {1} of {0} cannot be opened: the host's key is not the one that it was sealed under; set it anew"
    )]
    Sealed(ComponentName, VariableName),
    /// The manifest names it and nobody has set it.
    #[error("{0} needs the secret {1}, which is not set: `leyden secret set {0} {1}`")]
    Unset(ComponentName, VariableName),
    /// There is none of this name.
    #[error("{0} has no secret {1}")]
    Unknown(ComponentName, VariableName),
    /// The component has as many as it may.
    #[error("{0} has {VARIABLES_MAX} secrets, and may have no more")]
    Full(ComponentName),
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// The installation's secrets. Cheap to clone.
#[derive(Clone)]
pub struct Vault {
    store: Arc<dyn Store>,
    key: Option<Arc<LessSafeKey>>,
}

impl Vault {
    /// The secrets in a store, sealed under a key; without one none can be set or had.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, key: Option<[u8; 32]>) -> Self {
        let unbound = key.and_then(|key| UnboundKey::new(&CHACHA20_POLY1305, &key).ok());
        Self {
            store,
            key: unbound.map(|key| Arc::new(LessSafeKey::new(key))),
        }
    }

    /// What sets a secret, for the transaction that does; the bound on their number is checked here.
    pub(crate) async fn set(
        &self,
        component: &ComponentName,
        name: &VariableName,
        value: &Secret,
    ) -> Result<Write, Error> {
        let known = self.list(component).await?;
        if known.len() >= VARIABLES_MAX && known.iter().all(|known| known.name != *name) {
            return Err(Error::Full(component.clone()));
        }
        let key = place(component, name);
        let record = self.seal(&key, value)?;
        Ok(write(key, Some(record)))
    }

    /// What removes a secret, for the transaction that does.
    pub(crate) async fn remove(
        &self,
        component: &ComponentName,
        name: &VariableName,
    ) -> Result<Write, Error> {
        let known = self.list(component).await?;
        match known.iter().any(|known| known.name == *name) {
            true => Ok(write(place(component, name), None)),
            false => Err(Error::Unknown(component.clone(), name.clone())),
        }
    }

    /// What removes all secrets of a component, for the transaction that takes it away.
    pub(crate) async fn remove_all(&self, component: &ComponentName) -> Result<Vec<Write>, Error> {
        let known = self.list(component).await?.into_iter();
        Ok(known
            .map(|known| write(place(component, &known.name), None))
            .collect())
    }

    /// The names of a component's secrets.
    ///
    /// # Errors
    /// The store did not answer.
    pub async fn list(&self, component: &ComponentName) -> Result<Vec<Known>, Error> {
        let range = Range {
            start: format!("{component}\0").into_bytes(),
            end: Some(format!("{component}\x01").into_bytes()),
        };
        let mut snapshot = self.store.snapshot().await?;
        let space = Space::from(SECRETS);
        let found = snapshot
            .scan(&space, &range, Order::Ascending, VARIABLES_MAX)
            .await?;
        Ok(found
            .iter()
            .filter_map(|entry| known(component, entry))
            .collect())
    }

    /// The values of these secrets of a component, in their order.
    ///
    /// # Errors
    /// One is not set or cannot be opened, or the store did not answer.
    pub async fn open(
        &self,
        component: &ComponentName,
        names: &[VariableName],
    ) -> Result<Vec<(VariableName, Secret)>, Error> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let mut snapshot = self.store.snapshot().await?;
        let mut values = Vec::with_capacity(names.len());
        for name in names {
            let key = place(component, name);
            let record = snapshot.read(&Space::from(SECRETS), &key).await?;
            let record = record.ok_or_else(|| Error::Unset(component.clone(), name.clone()))?;
            let value = self.unseal(&key, &record)?;
            let sealed = || Error::Sealed(component.clone(), name.clone());
            values.push((name.clone(), value.ok_or_else(sealed)?));
        }
        Ok(values)
    }

    fn seal(&self, key: &[u8], value: &Secret) -> Result<Vec<u8>, Error> {
        let sealing = self.key.as_ref().ok_or(Error::NoKey)?;
        let at = clock::system_now().0.to_be_bytes();
        // Random, and 96 bits: two secrets of an installation meet about never.
        let mut nonce = [0; NONCE_LEN];
        nonce.copy_from_slice(&random()[..NONCE_LEN]);
        let mut sealed = value.reveal().as_bytes().to_vec();
        let about = Aad::from([key, &at].concat());
        let nonce_used = Nonce::assume_unique_for_key(nonce);
        let done = sealing.seal_in_place_append_tag(nonce_used, about, &mut sealed);
        // It fails beyond 256 GiB only.
        done.map_err(|_| Error::NoKey)?;
        Ok([&at[..], &nonce, &sealed].concat())
    }

    /// The value of a record; none where the key is another one or the record was changed.
    fn unseal(&self, key: &[u8], record: &[u8]) -> Result<Option<Secret>, Error> {
        let opening = self.key.as_ref().ok_or(Error::NoKey)?;
        let Some((at, rest)) = record.split_first_chunk::<TIME_BYTES>() else {
            return Ok(None);
        };
        let Some((nonce, sealed)) = rest.split_first_chunk::<NONCE_LEN>() else {
            return Ok(None);
        };
        let about = Aad::from([key, at].concat());
        let mut sealed = sealed.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let opened = opening.open_in_place(nonce, about, &mut sealed);
        let opened = opened.ok().map(|value| value.to_vec());
        Ok(opened.and_then(|value| Secret::parse(value).ok()))
    }
}

fn place(component: &ComponentName, name: &VariableName) -> Vec<u8> {
    format!("{component}\0{name}").into_bytes()
}

fn write(key: Vec<u8>, value: Option<Vec<u8>>) -> Write {
    Write {
        space: Space::from(SECRETS),
        key,
        value,
    }
}

fn known(component: &ComponentName, entry: &Entry) -> Option<Known> {
    let name = entry.key.get(component.as_str().len() + 1..)?;
    let name = VariableName::parse(std::str::from_utf8(name).ok()?).ok()?;
    let at = entry.value.first_chunk::<TIME_BYTES>()?;
    let set_at_ms = u64::from_be_bytes(*at);
    Some(Known { name, set_at_ms })
}

/// The key in a file that is the host's user's alone: 32 bytes, made where the file is missing.
///
/// # Errors
/// It cannot be read or made, others can read it, or it is too short.
pub fn key_in(file: &Path) -> std::io::Result<[u8; 32]> {
    crate::runtime::private_key(file)
}

#[cfg(test)]
mod tests;
