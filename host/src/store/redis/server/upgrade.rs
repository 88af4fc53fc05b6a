//! Takes over an installation that an earlier version of Leyden made. Format 1 had a ledger without a chain: its
//! entries stay as they are, since Redis changes no entry of a stream; the head is computed over them, and the first commit
//! after them holds them all.
//!
//! **Invariant.** Nobody of the earlier version commits meanwhile or afterwards: no host is alive then, and what has
//! the new format is refused by one that starts.

use std::sync::LazyLock;

use redis::Script;

use super::{FORMAT, OpenError};
use crate::ids::Digest;
use crate::store::Version;
use crate::store::audit::Entry;
use crate::store::chain::{self, Head};
use crate::store::redis::keys::Keys;
use crate::store::redis::ledger::rows;
use crate::store::redis::link::Link;
use crate::store::redis::reply::strange;

/// The format that is taken over.
pub(super) const FROM: &str = "1";

/// Entries of one page: a millisecond of the server.
const PAGE: usize = 1_000;

/// How often the head is computed: entries that came meanwhile were the last commits of hosts that have ended.
const TRIES_MAX: u32 = 3;

static UPGRADE: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("../scripts/upgrade.lua")));

pub(super) async fn upgrade(link: &Link, keys: &Keys) -> Result<(), OpenError> {
    for _ in 0..TRIES_MAX {
        let head = head(link, keys).await?;
        let mut script = UPGRADE.key(keys.meta());
        script.key(keys.leases()).key(keys.entries());
        script.key(keys.ledger());
        script.arg(FROM).arg(FORMAT);
        script.arg(head.entries).arg(head.hash.to_string());
        match link.script::<String>(&script).await?.as_str() {
            "OK" => {
                tracing::info!(
                    entries = head.entries,
                    "the installation is of format {FORMAT} now"
                );
                return Ok(());
            }
            "MOVED" => {}
            _ => break,
        }
    }
    Err(OpenError::EarlierHosts)
}

/// Where the chain over all entries ends.
async fn head(link: &Link, keys: &Keys) -> Result<Head, OpenError> {
    let mut chain = Growing::default();
    let mut from = "-".to_owned();
    loop {
        let mut range = redis::cmd("XRANGE");
        range.arg(keys.entries()).arg(&from).arg("+");
        range.arg("COUNT").arg(PAGE);
        let page = rows(link.run(&range).await?)?;
        let Some(last) = page.last() else {
            return Ok(chain.close());
        };
        from = format!("({}-{}", last.version, last.position);
        for row in page {
            let entry = row.entry.ok_or_else(|| strange("an entry of the ledger"))?;
            chain.entry(row.version, &entry);
        }
    }
}

/// A chain to which entries come one by one.
#[derive(Default)]
struct Growing {
    /// After the last commit that is whole.
    head: Head,
    /// The commit that may go on, and what its entries make so far.
    open: Option<(Version, Digest)>,
}

impl Growing {
    fn entry(&mut self, version: Version, entry: &Entry) {
        let same = self.open.filter(|(open, _)| *open == version);
        if same.is_none() {
            self.end_commit();
        }
        self.head.entries += 1;
        let before = same.map(|(_, part)| part);
        let part = chain::part(before.as_ref(), &entry.posting, entry.at);
        self.open = Some((version, part));
    }

    fn end_commit(&mut self) {
        if let Some((_, part)) = self.open.take() {
            self.head.hash = chain::link(&self.head.hash, &part);
        }
    }

    fn close(mut self) -> Head {
        self.end_commit();
        self.head
    }
}
