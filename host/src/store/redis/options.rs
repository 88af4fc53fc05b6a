//! How to reach Redis, and what an installation in it looks like.

/// How to open a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// `redis://`, `rediss://`, `redis+sentinel://HOST:PORT[,HOST:PORT…]/SERVICE[/DB]`, or the nodes of a
    /// cluster, `redis+cluster://HOST:PORT[,HOST:PORT…]`; each with `user:password@` where needed.
    pub url: String,
    /// Name of the installation, the hash tag of all its keys: several can share one Redis.
    pub namespace: String,
    /// Partitions of a new stream, and units that hosts share. Fixed by the first host of an installation.
    pub partitions: u16,
    /// Most records of a partition; commits that would append more are refused.
    pub log_records_max: u64,
    /// Whether a commit waits until it is on a replica's or, from Redis 7.2, on a disk as well.
    pub durable: bool,
    /// Longest wait for an answer to a command, ms.
    pub reply_ms_max: u64,
}

impl Options {
    /// The defaults, at a URL.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            namespace: "leyden".to_owned(),
            partitions: 16,
            log_records_max: 1_000_000,
            durable: false,
            reply_ms_max: 5_000,
        }
    }
}

/// Why a store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The server is too old.
    #[error("Redis {0} is too old: 7.0 or newer is needed")]
    Old(String),
}
