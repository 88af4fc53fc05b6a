//! Who is alive and who holds what, by Redis' clock: hosts' own clocks need not agree.
//!
//! A lease that has ended takes nothing away by itself: the unit stays its holder's until another host
//! takes it, and from then on the commits and fetches of the former holder are refused.

use std::collections::HashMap;
use std::sync::LazyLock;

use redis::Script;

use super::Shared;
use crate::store::{Error, Holder, HostInfo, Member, Members, Result};

static BEAT: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/beat.lua")));
static TAKE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/take.lua")));
static RELEASE: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("scripts/release.lua")));

/// What the script answers: now, hosts, ends of leases, owners.
type Told = (
    u64,
    HashMap<String, String>,
    HashMap<String, f64>,
    HashMap<String, String>,
);

impl Shared {
    pub(super) async fn beat(&self, info: &HostInfo, lease_ms: u64) -> Result<Members> {
        let json = serde_json::to_string(info).map_err(|error| Error::Backend(error.into()))?;
        let mut script = BEAT.key(self.keys.hosts());
        script.key(self.keys.leases()).key(self.keys.owners());
        script.arg(info.holder.0.as_ref()).arg(json).arg(lease_ms);
        let told: Told = self.link.script(&script).await?;
        Ok(members(&told, self.units))
    }

    pub(super) async fn take(&self, unit: u16, from: Option<&Holder>, to: &Holder) -> Result<bool> {
        if unit >= self.units {
            return Ok(false);
        }
        let mut script = TAKE.key(self.keys.owners());
        script.key(self.keys.takes());
        script.arg(unit).arg(from.map_or("", |holder| &holder.0));
        script
            .arg(to.0.as_ref())
            .arg(uuid::Uuid::new_v4().to_string());
        self.link.script(&script).await
    }

    pub(super) async fn release(&self, holder: &Holder, unit: Option<u16>) -> Result<()> {
        let mut script = RELEASE.key(self.keys.hosts());
        script.key(self.keys.leases()).key(self.keys.owners());
        script.arg(holder.0.as_ref());
        script.arg(unit.map_or_else(String::new, |unit| unit.to_string()));
        self.link.script(&script).await
    }
}

fn members((now, hosts, leases, owners): &Told, units: u16) -> Members {
    let lease_ms = |holder: &str| {
        let end = leases.get(holder).copied().unwrap_or_default();
        // Milliseconds since 1970 are whole and below 2^53.
        (end as u64).saturating_sub(*now)
    };
    let member = |(holder, told): (&String, &String)| {
        // What another version of Leyden told in another way is not understood, but it lives.
        let info = serde_json::from_str(told).unwrap_or_else(|_| HostInfo {
            holder: Holder(holder.as_str().into()),
            url: String::new(),
            version: String::new(),
            started_at_ms: 0,
            generation: 0,
        });
        Member {
            info,
            lease_ms: lease_ms(holder),
        }
    };
    let mut hosts: Vec<_> = hosts.iter().map(member).collect();
    hosts.sort_by(|a, b| a.info.holder.cmp(&b.info.holder));
    let owner = |unit: u16| owners.get(&unit.to_string());
    Members {
        hosts,
        owners: (0..units)
            .map(|unit| owner(unit).map(|holder| Holder(holder.as_str().into())))
            .collect(),
    }
}
