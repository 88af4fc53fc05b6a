//! Who operates an installation: named operators with a role each, their keys, and the record of what was
//! changed by whom.
//!
//! **Invariants.** A key is shown once and only its SHA-256 is kept. A role opens what the roles below it open. An entry
//! of the audit is written by the commit that makes the change, and nothing changes or removes one.

pub mod audit;
mod registered;
mod role;

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::clock::{self, Clock};
use crate::ids::Invalid;
use crate::keys::{ApiKey, Of};
use crate::partners::{Error, perform};
use crate::store::Store;
use audit::{Change, Entry};
use registered::{Add, List, Revoke};

pub use registered::{ACTIVE_MAX, Listed, OPERATORS_MAX, authenticate};
pub use role::Role;

/// Longest name of an operator (bytes): it stands in every entry that tells of it.
const NAME_BYTES_MAX: usize = 64;

/// Names that stand for somebody else in the audit.
const RESERVED: [&str; 3] = [HOST, TOKEN, LOCAL];

/// The host itself, which brings bundled components.
const HOST: &str = "host";
/// Whoever has the host's token.
const TOKEN: &str = "token";
/// Whoever works on the machine of a host that has no token.
const LOCAL: &str = "local";

/// Who acts, and as what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operator {
    /// The name.
    pub name: Cow<'static, str>,
    /// What it may do.
    pub role: Role,
    /// What names the key that it has shown, if it is one of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
}

impl Operator {
    /// The host itself.
    #[must_use]
    pub fn host() -> Self {
        Self::admin(HOST)
    }

    /// Whoever has the host's token.
    #[must_use]
    pub fn with_token() -> Self {
        Self::admin(TOKEN)
    }

    /// Whoever works on the machine of a host that has no token.
    #[must_use]
    pub fn local() -> Self {
        Self::admin(LOCAL)
    }

    /// Costs nothing: it is made for each request.
    const fn admin(name: &'static str) -> Self {
        Self {
            name: Cow::Borrowed(name),
            role: Role::Admin,
            key_id: None,
        }
    }
}

/// Checks an operator's name.
///
/// # Errors
/// The rule that it breaks.
pub fn check_name(name: &str) -> Result<(), Invalid> {
    let plain =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte);
    let first = name
        .bytes()
        .next()
        .is_some_and(|byte| byte.is_ascii_lowercase());
    if !first || name.len() > NAME_BYTES_MAX || !name.bytes().all(plain) {
        return Err(Invalid(
            "must be 1 to 64 of a-z, 0-9, '.' and '-', beginning with a letter",
        ));
    }
    match RESERVED.contains(&name) {
        true => Err(Invalid("must not be host, token or local")),
        false => Ok(()),
    }
}

/// The list of operators. Cheap to clone.
#[derive(Clone)]
pub struct Operators {
    store: Arc<dyn Store>,
    clock: Arc<Clock>,
}

impl Operators {
    /// Those of a store.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, clock: Arc<Clock>) -> Self {
        Self { store, clock }
    }

    /// Registers an operator, or gives one that is registered with this role a second key.
    ///
    /// # Errors
    /// The name breaks a rule, has another role or as many keys as it may, or see [`Error`].
    pub async fn add(
        &self,
        by: &Operator,
        name: &str,
        role: Role,
    ) -> Result<(Listed, ApiKey), Error> {
        check_name(name).map_err(|rule| Error::invalid("name", rule.0))?;
        let key = ApiKey::generate(Of::Operator);
        let entry = Entry::of(by, Change::AddOperator, name).with(None, Some(role.to_string()));
        let operation = Add {
            name,
            role,
            key: &key,
            entry,
            at_ms: clock::system_now().0,
        };
        let listed = perform(&self.store, self.clock.now(), &operation).await?;
        Ok((listed, key))
    }

    /// Revokes one key of an operator, or all of them.
    ///
    /// # Errors
    /// Nobody of this name has such a key in use, or see [`Error`].
    pub async fn revoke(
        &self,
        by: &Operator,
        name: &str,
        key_id: Option<&str>,
    ) -> Result<Vec<Listed>, Error> {
        let operation = Revoke {
            name,
            key_id,
            by,
            at_ms: clock::system_now().0,
        };
        perform(&self.store, self.clock.now(), &operation).await
    }

    /// All keys of operators, by name, those revoked lately included.
    ///
    /// # Errors
    /// The store did not answer.
    pub async fn list(&self) -> Result<Vec<Listed>, Error> {
        perform(&self.store, self.clock.now(), &List).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain_and_nobody_elses() {
        for good in ["a", "marie", "ci-2", "b.c", &"x".repeat(64)] {
            assert_eq!(check_name(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "A",
            "1a",
            "-a",
            "a b",
            "a/b",
            "é",
            "host",
            "token",
            "local",
            &"x".repeat(65),
        ] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }
}
