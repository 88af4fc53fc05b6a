//! What `INFO` says of a server, and whether Leyden can use it.

use std::collections::HashMap;

use redis::aio::MultiplexedConnection;

use super::OpenError;
use crate::store::redis::link::Trouble;

/// Why a server that has just started is not used yet.
pub(super) const LOADING: &str = "Redis is loading its data";

/// Oldest version that has all the commands and script flags that are used.
const VERSION_MIN: (u32, u32) = (7, 0);

/// What is known of a server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::store::redis) struct Facts {
    /// Differs with every start of a server.
    pub(in crate::store::redis) run: String,
    pub(super) version: String,
    mode: String,
    role: String,
    is_loading: bool,
    pub(super) replicas: u64,
    pub(super) keeps_log: bool,
    memory_max: u64,
    memory_policy: String,
}

impl Facts {
    /// Asks a server.
    pub(in crate::store::redis) async fn ask(
        connection: &mut MultiplexedConnection,
    ) -> Result<Self, Trouble> {
        let info: String = redis::cmd("INFO").query_async(connection).await?;
        Ok(Self::read(&info))
    }

    pub(super) fn read(info: &str) -> Self {
        let fields: HashMap<&str, &str> = info
            .lines()
            .filter_map(|line| line.trim_end().split_once(':'))
            .collect();
        let text = |name: &str| fields.get(name).copied().unwrap_or_default().to_owned();
        let number = |name: &str| text(name).parse().unwrap_or(0);
        Self {
            run: text("run_id"),
            version: text("redis_version"),
            mode: text("redis_mode"),
            role: text("role"),
            is_loading: number("loading") != 0,
            replicas: number("connected_slaves"),
            keeps_log: number("aof_enabled") != 0,
            memory_max: number("maxmemory"),
            memory_policy: text("maxmemory_policy"),
        }
    }

    /// Whether it is the one to talk to now.
    pub(in crate::store::redis) fn check(&self, is_cluster: bool) -> Result<(), Trouble> {
        let mode = self.mode.as_str();
        if mode == "sentinel" {
            return Err(Trouble::new(
                "this is a sentinel: use redis+sentinel://HOST:PORT/SERVICE",
            ));
        }
        if mode == "cluster" && !is_cluster {
            return Err(Trouble::new(
                "this is a node of a cluster: use redis+cluster://HOST:PORT",
            ));
        }
        if self.is_loading {
            return Err(Trouble::new(LOADING));
        }
        if self.role == "slave" {
            return Err(Trouble::new("Redis is a read-only replica"));
        }
        Ok(())
    }

    /// Whether an installation can live there.
    pub(super) fn suits(&self) -> Result<(), OpenError> {
        if number(&self.version) < VERSION_MIN {
            return Err(OpenError::Old(self.version.clone()));
        }
        // Evicting keys would take away state, accounts and unhandled records without a word.
        let evicts = !matches!(self.memory_policy.as_str(), "noeviction" | "");
        if self.memory_max > 0 && evicts {
            return Err(OpenError::Evicts(self.memory_policy.clone()));
        }
        Ok(())
    }
}

/// The first two numbers of a version; what is no number is old.
pub(super) fn number(version: &str) -> (u32, u32) {
    let mut parts = version.split('.').map(|part| part.parse().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(more: &str) -> Facts {
        let base = "# Server\r\nredis_version:7.0.15\r\nredis_mode:standalone\r\nrun_id:abc\r\n\
                    role:master\r\nloading:0\r\nmaxmemory:0\r\nmaxmemory_policy:noeviction\r\n";
        Facts::read(&format!("{base}{more}"))
    }

    #[test]
    fn a_plain_server_is_used() {
        let facts = facts("connected_slaves:2\r\naof_enabled:1\r\n");
        facts.check(false).expect("usable");
        facts.suits().expect("suitable");
        assert_eq!((facts.replicas, facts.keeps_log), (2, true));
        assert_eq!(facts.run, "abc");
    }

    #[test]
    fn a_server_that_is_too_old_is_refused() {
        for version in ["6.2.14", "5.0", ""] {
            let old = facts(&format!("redis_version:{version}\r\n")).suits();
            assert!(matches!(old, Err(OpenError::Old(_))), "{version}");
        }
        for version in ["7.2.4", "8.0.0", "10.1"] {
            let new = facts(&format!("redis_version:{version}\r\n")).suits();
            assert!(new.is_ok(), "{version}");
        }
    }

    #[test]
    fn a_server_that_evicts_is_refused_where_it_has_a_limit() {
        let evicts = facts("maxmemory:1000\r\nmaxmemory_policy:allkeys-lru\r\n").suits();
        assert!(matches!(evicts, Err(OpenError::Evicts(policy)) if policy == "allkeys-lru"));
        assert!(facts("maxmemory_policy:allkeys-lru\r\n").suits().is_ok());
        assert!(facts("maxmemory:1000\r\n").suits().is_ok());
    }

    #[test]
    fn only_a_primary_that_has_loaded_is_used() {
        let reason = |more: &str, is_cluster| facts(more).check(is_cluster).map_err(|t| t.reason);
        assert_eq!(reason("loading:1\r\n", false), Err(LOADING));
        assert!(reason("role:slave\r\n", false).is_err());
        assert!(reason("redis_mode:cluster\r\n", false).is_err());
        assert!(reason("redis_mode:cluster\r\n", true).is_ok());
        assert!(reason("redis_mode:sentinel\r\n", false).is_err());
    }
}
