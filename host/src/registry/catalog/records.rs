//! How the registry's records are written, and which of two bundled versions is the later. Pure.

use super::super::Error;
use super::Source;
use crate::ids::{ComponentName, Digest, Instant};
use crate::policies::log::Sampling;
use crate::registry::rollout::Rollout;
use crate::store::{Entry, Space, Write};

/// When a bundled component was built: Leyden's version, and when its file was written, ms since 1970.
/// Later builds compare greater.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Default,
    serde::Serialize,
    serde::Deserialize,
)]
pub struct Built {
    version: [u64; 3],
    modified_ms: u64,
}

impl Built {
    /// A component that comes with this version of Leyden, in a file that was written then.
    #[must_use]
    pub fn of_this_version(modified_ms: u64) -> Self {
        let numbers = [
            env!("CARGO_PKG_VERSION_MAJOR"),
            env!("CARGO_PKG_VERSION_MINOR"),
            env!("CARGO_PKG_VERSION_PATCH"),
        ];
        Self {
            version: numbers.map(|number| number.parse().unwrap_or(0)),
            modified_ms,
        }
    }
}

#[derive(serde::Serialize, serde::Deserialize)]
pub(super) struct VersionRecord {
    pub(super) deployed_at_ms: u64,
    pub(super) size_bytes: u64,
}

#[derive(serde::Serialize, serde::Deserialize)]
pub(super) struct ActiveRecord {
    digest: String,
    source: Source,
    activated_at_ms: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    manifest_of: Option<String>,
    #[serde(default)]
    built: Built,
    /// How often its secrets have changed while this version was active.
    #[serde(default, skip_serializing_if = "is_zero")]
    secrets: u64,
    #[serde(flatten)]
    beside: Beside,
}

/// One activation of a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Activated {
    /// Which one it is of the component's, from 0.
    pub(super) number: u64,
    /// The version that became active.
    pub(in super::super) digest: Digest,
    /// The activation that a rollback from this one goes back to: the one before it, or, where this one was a rollback
    /// itself, what came before the one that it went back to.
    pub(super) before: Option<u64>,
}

impl Activated {
    /// Reads one: the digest, and, unless it is the activation just before, the number of the one to go back to (`-`: none).
    pub(super) fn from_entry(entry: &Entry) -> Result<Self, Error> {
        let (number, value) = (activation_number(&entry.key), text(&entry.value));
        let (digest, before) = match value.split_once(' ') {
            Some((digest, before)) => (digest, before.parse().ok()),
            None => (value.as_str(), number.checked_sub(1)),
        };
        Ok(Self {
            number,
            digest: Digest::parse(digest).map_err(|_| corrupt("an activation"))?,
            before,
        })
    }

    /// Its record.
    pub(super) fn record(&self) -> Vec<u8> {
        let digest = self.digest;
        let text = match self.before {
            before if before == self.number.checked_sub(1) => digest.to_string(),
            Some(before) => format!("{digest} {before}"),
            None => format!("{digest} -"),
        };
        text.into_bytes()
    }
}

/// The activations that lead to the present one, backwards: each with the one that a rollback from it goes back to. All
/// are given, the latest first.
pub(in super::super) fn along(all: Vec<Activated>) -> Vec<Activated> {
    let mut wanted = all.first().map(|present| present.number);
    let mut is_next = |activated: &Activated| {
        let is_wanted = wanted == Some(activated.number);
        if is_wanted {
            wanted = activated.before;
        }
        is_wanted
    };
    all.into_iter().filter(|one| is_next(one)).collect()
}

/// The number at the end of an activation's key.
pub(super) fn activation_number(key: &[u8]) -> u64 {
    key.last_chunk::<8>()
        .map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde asks for it")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// What a policy has beside the active version, by digest.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub(in super::super) struct Beside {
    /// The version that served well before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in super::super) former: Option<String>,
    /// The version that is being promoted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in super::super) rollout: Option<Rollout>,
    /// The version that runs in the shadow of the active one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in super::super) shadow: Option<String>,
    /// How much of what it decides is logged.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(in super::super) log: Sampling,
}

fn is_default(sampling: &Sampling) -> bool {
    *sampling == Sampling::default()
}

/// A version that is active, as its record says.
#[derive(Debug, Clone)]
pub(in super::super) struct Listed {
    pub(in super::super) name: ComponentName,
    pub(in super::super) digest: Digest,
    pub(in super::super) source: Source,
    pub(in super::super) activated_at: Instant,
    /// The version whose manifest it has, where it carries none itself.
    pub(in super::super) manifest_of: Option<Digest>,
    /// Of a bundled one, when it was built.
    pub(in super::super) built: Built,
    /// How often its secrets have changed while this version was active.
    pub(in super::super) secrets: u64,
    /// Of a policy, what it has beside the active version.
    pub(in super::super) beside: Beside,
}

impl Listed {
    /// Reads a component's record.
    pub(super) fn from_entry(entry: &Entry) -> Result<Self, Error> {
        let name = text(&entry.key);
        let record: ActiveRecord = parse(&entry.value)?;
        let name = ComponentName::parse(&name).map_err(|_| corrupt(&name))?;
        let digest = |text: &str| Digest::parse(text).map_err(|_| corrupt(name.as_str()));
        Ok(Self {
            digest: digest(&record.digest)?,
            source: record.source,
            activated_at: Instant(record.activated_at_ms),
            manifest_of: record.manifest_of.as_deref().map(digest).transpose()?,
            built: record.built,
            secrets: record.secrets,
            beside: record.beside,
            name,
        })
    }

    /// Its record.
    pub(super) fn record(&self) -> Vec<u8> {
        json(&ActiveRecord {
            digest: self.digest.to_string(),
            source: self.source,
            activated_at_ms: self.activated_at.0,
            manifest_of: self.manifest_of.map(|digest| digest.to_string()),
            built: self.built,
            secrets: self.secrets,
            beside: self.beside.clone(),
        })
    }

    /// Whether this bundled version takes the place of what is active.
    pub(super) fn replaces(&self, present: &Self, shared: bool) -> bool {
        let may = present.source == Source::Bundled && present.digest != self.digest;
        may && (!shared || present.built < self.built)
    }
}

pub(super) fn put(space: &str, key: Vec<u8>, value: Vec<u8>) -> Write {
    Write {
        space: Space::from(space),
        key,
        value: Some(value),
    }
}

pub(super) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub(super) fn json<T: serde::Serialize>(record: &T) -> Vec<u8> {
    serde_json::to_vec(record).unwrap_or_default()
}

pub(super) fn parse<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(bytes).map_err(|_| corrupt("a record"))
}

fn corrupt(what: &str) -> Error {
    Error::Invalid(format!("the registry's record of {what} cannot be read"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(bytes: &[u8], modified_ms: u64, source: Source) -> Listed {
        Listed {
            name: ComponentName::parse("a").expect("a name"),
            digest: Digest::of(bytes),
            source,
            activated_at: Instant(3),
            manifest_of: Some(Digest::of(b"m")),
            built: Built {
                version: [0, 1, 2],
                modified_ms,
            },
            secrets: 0,
            beside: Beside::default(),
        }
    }

    #[test]
    fn hosts_of_different_builds_do_not_undo_each_other() {
        let old = listed(b"old", 1, Source::Bundled);
        let new = listed(b"new", 2, Source::Bundled);
        assert!(new.replaces(&old, true) && !old.replaces(&new, true));
        assert!(old.replaces(&new, false), "a host alone brings its own");
        assert!(!new.replaces(&new, false));
        let next_version = Built {
            version: [0, 2, 0],
            modified_ms: 0,
        };
        assert!(next_version > new.built);
    }

    #[test]
    fn a_rollback_goes_back_along_what_led_here() {
        let digest = |name: &str| Digest::of(name.as_bytes());
        let activated = |number, name, before| Activated {
            number,
            digest: digest(name),
            before,
        };
        // a, b, c, back to b, back to a, then d.
        let all = [
            activated(0, "a", None),
            activated(1, "b", Some(0)),
            activated(2, "c", Some(1)),
            activated(3, "b", Some(0)),
            activated(4, "a", None),
            activated(5, "d", Some(4)),
        ];
        for one in &all {
            let key = [b"x\0".as_slice(), &one.number.to_be_bytes()].concat();
            let value = one.record();
            let read = Activated::from_entry(&Entry { key, value });
            assert_eq!(read.expect("an activation"), *one);
        }
        for (present, led) in [(2, "cba"), (3, "ba"), (4, "a"), (5, "da")] {
            let until = all[..=present].iter().rev().copied().collect();
            let led: Vec<_> = led.chars().map(|c| digest(&c.to_string())).collect();
            let along: Vec<_> = along(until).iter().map(|one| one.digest).collect();
            assert_eq!(along, led, "{present}");
        }
    }

    #[test]
    fn the_operators_version_stays() {
        let own = listed(b"own", 0, Source::Operator);
        let new = listed(b"new", 2, Source::Bundled);
        assert!(!new.replaces(&own, true) && !new.replaces(&own, false));
    }

    #[test]
    fn records_are_read_back_and_older_ones_too() {
        let one = listed(b"x", 9, Source::Bundled);
        let entry = |value| Entry {
            key: b"a".to_vec(),
            value,
        };
        let read = Listed::from_entry(&entry(one.record())).expect("a record");
        assert_eq!(
            (read.digest, read.manifest_of, read.built),
            (one.digest, one.manifest_of, one.built)
        );
        let old = format!(
            r#"{{"digest":"{}","source":"bundled","activated_at_ms":1}}"#,
            one.digest
        );
        let read = Listed::from_entry(&entry(old.into_bytes())).expect("an old record");
        assert_eq!((read.manifest_of, read.built), (None, Built::default()));
    }
}
