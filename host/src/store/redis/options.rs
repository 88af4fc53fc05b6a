//! How to reach Redis, what an installation in it looks like, and why it cannot be opened.

use std::fmt;

/// Longest name of an installation, bytes: it is part of every key.
const NAMESPACE_BYTES_MAX: usize = 64;

/// Most partitions of a stream: more than hosts that one Redis can feed, and few enough to look at all.
const PARTITIONS_MAX: u16 = 256;

/// Name of an installation unless told otherwise.
pub const NAMESPACE: &str = "leyden";

/// How to open a store.
#[derive(Clone, PartialEq, Eq)]
pub struct Options {
    /// `redis://`, `rediss://`, `redis+sentinel://HOST:PORT[,HOST:PORT…]/SERVICE[/DB]`, or nodes of a
    /// cluster, `redis+cluster://HOST:PORT[,HOST:PORT…]`; each with `user:password@` where needed, and
    /// with `rediss` instead of `redis` for TLS.
    pub url: String,
    /// Name of the installation, the hash tag of all its keys: several can share one Redis.
    pub namespace: String,
    /// Partitions of a new stream, and units that hosts share. Fixed by the first host of an installation.
    pub partitions: u16,
    /// Most records of a partition; commits that would append more are refused.
    pub log_records_max: u64,
    /// Whether a commit waits until it is on a replica, where there are any, and on a disk, from Redis
    /// 7.2. What was not confirmed in time is asked for again, and unresolved in the end.
    pub durable: bool,
    /// Longest wait for an answer to a command, ms.
    pub reply_ms_max: u64,
    /// What to break.
    #[cfg(feature = "mutations")]
    pub mutation: Option<Mutation>,
}

/// A way to break the store, to see that the proofs notice.
#[cfg(feature = "mutations")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutation {
    /// Acknowledgements are not checked.
    NoFence,
    /// A commit that is sent again is done again.
    NoDedupe,
    /// The input is acknowledged by a command of its own after the commit.
    AckOutside,
    /// Entries of the audit are a commit of their own, after the change.
    AuditApart,
}

#[cfg(feature = "mutations")]
impl Mutation {
    /// Reads `no-fence`, `no-dedupe`, `ack-outside` or `audit-apart`.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "no-fence" => Some(Self::NoFence),
            "no-dedupe" => Some(Self::NoDedupe),
            "ack-outside" => Some(Self::AckOutside),
            "audit-apart" => Some(Self::AuditApart),
            _ => None,
        }
    }
}

impl Options {
    /// The defaults, at a URL.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            namespace: NAMESPACE.to_owned(),
            partitions: 16,
            log_records_max: 1_000_000,
            durable: false,
            reply_ms_max: 5_000,
            #[cfg(feature = "mutations")]
            mutation: None,
        }
    }

    /// The URL without user and password, for people and logs.
    #[must_use]
    pub fn place(&self) -> String {
        let Some((scheme, rest)) = self.url.split_once("://") else {
            return "(not a URL)".to_owned();
        };
        // What comes after a question mark may be a password as well.
        let rest = rest.split('?').next().unwrap_or_default();
        let place = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
        format!("{scheme}://{place}")
    }

    /// Checks everything that can be checked without a server.
    pub(super) fn check(&self) -> Result<(), OpenError> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        let named = (1..=NAMESPACE_BYTES_MAX).contains(&self.namespace.len())
            && self.namespace.bytes().all(plain);
        let rules = [
            (
                named,
                "the namespace",
                "must be 1 to 64 letters, digits, '-', '_' and '.'",
            ),
            (
                (1..=PARTITIONS_MAX).contains(&self.partitions),
                "the number of partitions",
                "must be 1 to 256",
            ),
            (
                self.log_records_max > 0,
                "the bound of the log",
                "must be 1 record or more",
            ),
            (
                (10..=600_000).contains(&self.reply_ms_max),
                "the longest wait for an answer",
                "must be 10 ms to 10 minutes",
            ),
        ];
        let broken = rules.iter().find(|(holds, ..)| !holds);
        broken.map_or(Ok(()), |(_, field, rule)| {
            Err(OpenError::Option { field, rule })
        })
    }
}

/// Without the password.
impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("url", &self.place())
            .field("namespace", &self.namespace)
            .field("partitions", &self.partitions)
            .field("log_records_max", &self.log_records_max)
            .field("durable", &self.durable)
            .field("reply_ms_max", &self.reply_ms_max)
            .finish_non_exhaustive()
    }
}

/// Why a store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// An option breaks a rule.
    #[error("{field} {rule}")]
    Option {
        /// Which.
        field: &'static str,
        /// The rule.
        rule: &'static str,
    },
    /// The server cannot be used, or not now.
    #[error("{reason}")]
    Server {
        /// In plain words.
        reason: &'static str,
        /// What was met.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// The server is too old.
    #[error("Redis {0} is too old: 7.0 or newer is needed")]
    Old(String),
    /// The server removes keys as it likes when its memory is full.
    #[error(
        "Redis removes data when its memory is full (maxmemory-policy {0}): set it to noeviction"
    )]
    Evicts(String),
    /// There is nothing that a durable commit could wait for.
    #[error(
        "commits cannot be made durable: Redis needs a replica, or appendonly yes with \
         appendfsync always (from Redis 7.2 any appendfsync)"
    )]
    NotDurable,
    /// Another version of Leyden made the installation.
    #[error("the installation has format {0}, which this version of Leyden does not know")]
    Format(String),
    /// Hosts of an earlier version, which keep another format, are still at work.
    #[error(
        "hosts of an earlier version of Leyden share this installation: stop them first, \
         then this one takes it over"
    )]
    EarlierHosts,
    /// Somebody copies into it, or stopped before the end.
    #[error("a copy into namespace {0} is not finished: wait for it, or copy again")]
    Copying(String),
    /// The server did not answer.
    #[error(transparent)]
    Store(crate::store::Error),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_is_printed_has_a_password() {
        for url in [
            "redis://user:secret@host:6379/0",
            "redis+sentinel://:secret@a:1,b:2/service",
            "unix:///tmp/redis.sock?pass=secret",
            "redis://user:p@secret@host",
        ] {
            let options = Options::new(url);
            let printed = format!("{options:?} {}", options.place());
            assert!(!printed.contains("secret"), "{printed}");
        }
    }

    #[test]
    fn every_option_has_a_rule() {
        let fine = Options::new("redis://localhost");
        fine.check().expect("the defaults");
        let wrong = [
            Options {
                namespace: "a}b".to_owned(),
                ..fine.clone()
            },
            Options {
                namespace: String::new(),
                ..fine.clone()
            },
            Options {
                partitions: 0,
                ..fine.clone()
            },
            Options {
                partitions: 257,
                ..fine.clone()
            },
            Options {
                log_records_max: 0,
                ..fine.clone()
            },
            Options {
                reply_ms_max: 1,
                ..fine.clone()
            },
        ];
        for options in wrong {
            let refused = options.check();
            assert!(
                matches!(refused, Err(OpenError::Option { .. })),
                "{options:?}"
            );
        }
    }
}
