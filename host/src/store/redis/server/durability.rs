//! What a crash of the server can lose, as far as it tells, and what commits can wait for.

use std::fmt;

use tokio::time::timeout;

use super::{Facts, OpenError, facts};
use crate::store::redis::link::Link;

/// First version that can be waited for until its disk has what was written.
const WAITS_FOR_DISK_MIN: (u32, u32) = (7, 2);

/// When a server's append-only file reaches the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Synced {
    /// There is no such file.
    Never,
    /// Before a command is answered.
    Always,
    /// Every second.
    EverySecond,
    /// When the operating system likes.
    Eventually,
    /// The server does not tell.
    Unknown,
}

/// What a server keeps. It prints as a sentence for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Durability {
    /// Its version.
    pub version: String,
    /// Its append-only file.
    pub synced: Synced,
    /// Whether it saves snapshots of its memory from time to time; none: it does not tell.
    pub saves: Option<bool>,
    /// Replicas that were connected at the start.
    pub replicas: u64,
    /// Whether it starts from a file that ends within a command (`aof-load-truncated`); none: it does not tell. Redis then
    /// cuts off that command and leaves the first part of its transaction, which the start after the next one applies.
    pub loads_truncated: Option<bool>,
}

/// What a server is configured to keep: its `appendfsync`, `save` and `aof-load-truncated`.
struct Told {
    sync: String,
    save: String,
    loads_truncated: bool,
}

/// What commits wait for before they are answered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::store::redis) struct Waits {
    /// One replica has them (`WAIT`).
    pub(in crate::store::redis) replica: bool,
    /// The server's disk has them (`WAITAOF`).
    pub(in crate::store::redis) disk: bool,
}

impl Durability {
    /// Asks the server what it is configured to keep. Managed services refuse to say.
    pub(super) async fn of(link: &Link, facts: &Facts) -> Self {
        Self::from(facts, ask(link).await.as_ref())
    }

    fn from(facts: &Facts, told: Option<&Told>) -> Self {
        let synced = match told.map(|told| told.sync.as_str()) {
            _ if !facts.keeps_log => Synced::Never,
            Some("always") => Synced::Always,
            Some("everysec") => Synced::EverySecond,
            Some("no") => Synced::Eventually,
            _ => Synced::Unknown,
        };
        Self {
            version: facts.version.clone(),
            synced,
            saves: told.map(|told| !told.save.is_empty()),
            replicas: facts.replicas,
            loads_truncated: told.map(|told| told.loads_truncated),
        }
    }

    /// Whether nothing outlives a crash of the server, as far as it tells.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.synced == Synced::Never && self.saves == Some(false) && self.replicas == 0
    }

    /// What a durable commit waits for.
    pub(super) fn waits(&self) -> Result<Waits, OpenError> {
        let is_synced = self.synced == Synced::Always;
        let waits = Waits {
            replica: self.replicas > 0,
            disk: self.synced != Synced::Never
                && !is_synced
                && facts::number(&self.version) >= WAITS_FOR_DISK_MIN,
        };
        if waits == Waits::default() && !is_synced {
            return Err(OpenError::NotDurable);
        }
        Ok(waits)
    }
}

/// Asked on a connection of its own, so that a refusal does not count as one of the store.
async fn ask(link: &Link) -> Option<Told> {
    let mut connection = link.dedicated().await.ok()?;
    let mut pipeline = redis::pipe();
    for name in ["appendfsync", "save", "aof-load-truncated"] {
        pipeline.cmd("CONFIG").arg("GET").arg(name);
    }
    let answer = pipeline.query_async(&mut connection);
    let answered: [(String, String); 3] = timeout(link.reply_max(), answer).await.ok()?.ok()?;
    let [(_, sync), (_, save), (_, truncated)] = answered;
    Some(Told {
        sync,
        save,
        loads_truncated: truncated == "yes",
    })
}

impl fmt::Display for Durability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let log = match self.synced {
            Synced::Always => "a crash of the server loses nothing (appendfsync always)",
            Synced::EverySecond => {
                "a crash of the server's machine can lose the last second (appendfsync everysec)"
            }
            Synced::Eventually => {
                "a crash of the server's machine can lose the last half minute (appendfsync no)"
            }
            Synced::Unknown => {
                "a crash of the server can lose as much as its appendfsync says, which it does not tell"
            }
            Synced::Never if self.saves == Some(true) => {
                "a crash of the server loses what came after its last snapshot (appendonly no)"
            }
            Synced::Never => "a crash of the server loses everything (appendonly no)",
        };
        write!(f, "Redis {}: {log}", self.version)?;
        match self.replicas {
            0 => write!(f, "; no replicas")?,
            1 => write!(f, "; 1 replica")?,
            count => write!(f, "; {count} replicas")?,
        }
        if self.synced != Synced::Never && self.loads_truncated == Some(true) {
            write!(
                f,
                "; a commit that a crash cuts in two may come back in part, unless redis-check-aof is run before each start \
                 (aof-load-truncated yes)"
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn durability(synced: Synced, version: &str, replicas: u64) -> Durability {
        Durability {
            version: version.to_owned(),
            synced,
            saves: Some(false),
            replicas,
            loads_truncated: Some(false),
        }
    }

    #[test]
    fn a_durable_commit_waits_for_all_that_can_be_waited_for() {
        let waits = |synced, version, replicas| durability(synced, version, replicas).waits().ok();
        let both = |replica, disk| Some(Waits { replica, disk });
        assert_eq!(waits(Synced::EverySecond, "7.2.1", 1), both(true, true));
        assert_eq!(waits(Synced::EverySecond, "7.0.15", 1), both(true, false));
        assert_eq!(waits(Synced::Always, "7.0.15", 0), both(false, false));
        assert_eq!(waits(Synced::Always, "8.0.0", 2), both(true, false));
        assert_eq!(waits(Synced::Never, "8.0.0", 0), None);
        assert_eq!(waits(Synced::EverySecond, "7.0.15", 0), None);
    }

    #[test]
    fn what_a_server_does_not_tell_is_unknown() {
        let facts = Facts::read("aof_enabled:1");
        assert_eq!(Durability::from(&facts, None).synced, Synced::Unknown);
        let told = |save: &str| Told {
            sync: "everysec".into(),
            save: save.into(),
            loads_truncated: true,
        };
        let (saving, silent) = (told("3600 1"), told(""));
        let of = Durability::from(&facts, Some(&saving));
        assert_eq!((of.synced, of.saves), (Synced::EverySecond, Some(true)));
        assert!(of.to_string().contains("redis-check-aof"), "{of}");
        let none = Durability::from(&Facts::default(), Some(&silent));
        assert!(!none.to_string().contains("redis-check-aof"), "{none}");
        assert!(none.is_nothing(), "{none}");
    }
}
