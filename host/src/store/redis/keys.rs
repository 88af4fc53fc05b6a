//! Names of everything that an installation keeps in Redis. Nothing else makes a key.
//!
//! All keys of an installation begin with its name in braces, `{leyden}:` unless told otherwise. Redis
//! Cluster hashes what is in the braces, so they all lie on one node, and one script can change any of
//! them. Whoever may use an installation needs the key pattern `~{leyden}:*` and nothing more.
//!
//! # What an operator or a producer may want to know
//!
//! | key | type | what |
//! |---|---|---|
//! | `{leyden}:stream:NAME:N` | stream | partition `N` of stream `NAME`, see below |
//! | `{leyden}:streams` | hash | name of a stream → how many partitions it has, for ever |
//! | `{leyden}:owners` | hash | unit → the host that holds it; unit `n` is partition `n` of every stream |
//! | `{leyden}:hosts` | hash | host → what it tells of itself, JSON |
//! | `{leyden}:leases` | sorted set | host → when its lease ends, ms since 1970 by Redis' clock |
//! | `{leyden}:accounts` | hash | account → `DEBITS CREDITS`, datapoints |
//! | `{leyden}:entries` | stream | the ledger's entries, id `VERSION-POSITION`, fields `debit credit amount reference at chain`; `chain` in hex, see [`crate::store::chain`] |
//! | `{leyden}:ledger` | hash | `entries`: how many were committed, `head`: the last one's `chain`, `unchained`: how many of the first have none, since an earlier version of Leyden wrote them |
//! | `{leyden}:lost` | hash | `NAME:N:GROUP` → records that were gone before the group had handled them; delete a field to clear its alert |
//! | `{leyden}:version` | string | number of commits |
//! | `{leyden}:meta` | hash | `format`, `units` |
//! | `{leyden}:spaces` | set | names of the spaces of state: components, and `leyden.…` for the host's own |
//! | `{leyden}:state:SPACE` | hash | key → 7 bytes version (big-endian), 1 byte (1: a value follows, 0: removed), value; under the empty key 7 bytes: version up to which removed keys are forgotten, 7 bytes: version of the last write |
//! | `{leyden}:index:SPACE` | sorted set | the same keys at score 0, in the order of their bytes |
//! | `{leyden}:removed:SPACE` | sorted set | removed key → when, ms since 1970; it is forgotten 60 s later |
//! | `{leyden}:takes` | hash | unit → a name for the last time it was taken |
//! | `{leyden}:probe`, `{leyden}:barrier` | string | written by hosts to see whether writes are taken and durable |
//! | `{leyden}:sent:SENDER` | hash | outcomes of a process' commits by number, so that one that is sent again is not done again; goes away a day after its last commit |
//!
//! A producer appends a record with
//!
//! ```text
//! XADD {leyden}:stream:NAME:N * key KEY payload PAYLOAD [at MS]
//! ```
//!
//! where `N` is the CRC-32 of `KEY` (as in zlib) modulo the number in `{leyden}:streams` (write there with `HSETNX` if
//! the stream is new; `leyden.…` and `clock.…` have 1 partition, all others as many as `units` in `{leyden}:meta`),
//! and `at` is when it happened, ms since 1970; without it the entry's own time counts. Entry ids must be Redis'
//! own (`*`): an id whose sequence is 2^20 or more, or whose time is 2^44 ms or more, has no offset, and such a
//! record goes to the dead letters. `XADD` does not ask whether the log has room, and `XTRIM` and `XDEL` do not ask
//! whether every group has handled a record; hosts do both by themselves.
//!
//! A group is a consumer group under the component's name; its consumers are hosts. `XINFO GROUPS`, `XINFO
//! CONSUMERS` and `XPENDING` show them. Do not acknowledge, claim or delete there while hosts run.

use crate::store::{Partition, Space};

/// The names of one installation.
#[derive(Debug, Clone)]
pub(super) struct Keys {
    /// The hash tag and the colon after it.
    prefix: String,
}

impl Keys {
    pub(super) fn new(namespace: &str) -> Self {
        Self {
            prefix: format!("{{{namespace}}}:"),
        }
    }

    fn name(&self, what: &str) -> String {
        format!("{}{what}", self.prefix)
    }

    pub(super) fn meta(&self) -> String {
        self.name("meta")
    }

    pub(super) fn version(&self) -> String {
        self.name("version")
    }

    pub(super) fn spaces(&self) -> String {
        self.name("spaces")
    }

    pub(super) fn state(&self, space: &Space) -> String {
        format!("{}state:{}", self.prefix, space.0)
    }

    pub(super) fn index(&self, space: &Space) -> String {
        format!("{}index:{}", self.prefix, space.0)
    }

    pub(super) fn removed(&self, space: &Space) -> String {
        format!("{}removed:{}", self.prefix, space.0)
    }

    pub(super) fn streams(&self) -> String {
        self.name("streams")
    }

    pub(super) fn stream(&self, partition: &Partition) -> String {
        format!(
            "{}stream:{}:{}",
            self.prefix, partition.stream, partition.number
        )
    }

    pub(super) fn lost(&self) -> String {
        self.name("lost")
    }

    pub(super) fn accounts(&self) -> String {
        self.name("accounts")
    }

    pub(super) fn entries(&self) -> String {
        self.name("entries")
    }

    pub(super) fn ledger(&self) -> String {
        self.name("ledger")
    }

    pub(super) fn hosts(&self) -> String {
        self.name("hosts")
    }

    pub(super) fn leases(&self) -> String {
        self.name("leases")
    }

    pub(super) fn owners(&self) -> String {
        self.name("owners")
    }

    /// The names of the last takes of units, so that one that is sent again is not refused.
    pub(super) fn takes(&self) -> String {
        self.name("takes")
    }

    /// Written to see whether the server takes writes; goes away by itself.
    pub(super) fn probe(&self) -> String {
        self.name("probe")
    }

    /// Written to wait until what came before it is durable.
    pub(super) fn barrier(&self) -> String {
        self.name("barrier")
    }

    pub(super) fn sent(&self, sender: &str) -> String {
        format!("{}sent:{sender}", self.prefix)
    }
}
