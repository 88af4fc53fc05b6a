//! The hosts of an installation and its dead letters, and whether this host is ready. JSON in, JSON out;
//! deciding is left to streams and store.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::Response;
use serde_json::json;

use super::Gateway;
use super::admin::{reply, to_the_end};
use super::control::{Parameter, text};
use super::problem::{Kind, Problem};
use crate::dispatch;
use crate::store::{Offset, offset_of};
use crate::streams::status::HostStatus;

type Answer = Result<Response, Problem>;
type Shared = State<Arc<Gateway>>;

/// Whether requests should be sent here: the store answers, and every unit of work is or will be held. Like
/// `/health` it is open to everybody and tells little.
pub(super) async fn ready(State(gateway): Shared) -> Answer {
    if gateway.stopping.is_cancelled() {
        return Err(dispatch::Error::Stopping.into());
    }
    let health = *gateway.health.borrow();
    health.map_err(Problem::store_down)?;
    let hosts = gateway.host.streams.hosts();
    let units = gateway.host.store.units();
    match unready(&hosts, units) {
        Some(why) => Err(Problem::new(Kind::NotReady, why)),
        None => reply(&json!({ "status": "ready", "units": held(&hosts), "of": units })),
    }
}

/// How many units this host holds.
fn held(hosts: &[HostStatus]) -> usize {
    let this = hosts.iter().find(|host| host.this);
    this.map_or(0, |host| host.units.len())
}

/// Why this host should not get requests yet. One that holds nothing is of use only where living hosts
/// hold everything: otherwise it has just begun, or is about to take over.
fn unready(hosts: &[HostStatus], units: u16) -> Option<String> {
    if !hosts.iter().any(|host| host.this && host.alive) {
        return Some("this host is not a member of the installation yet".to_owned());
    }
    let free = free(hosts, units);
    match held(hosts) == 0 && !free.is_empty() {
        true => Some(format!(
            "this host holds no unit, and {} of {units} have no living host",
            free.len()
        )),
        false => None,
    }
}

/// Units that no living host holds.
fn free(hosts: &[HostStatus], units: u16) -> BTreeSet<u16> {
    let mut free: BTreeSet<u16> = (0..units).collect();
    for host in hosts.iter().filter(|host| host.alive) {
        host.units.iter().for_each(|unit| {
            free.remove(unit);
        });
    }
    free
}

/// Who is alive, and who holds what.
pub(super) async fn hosts(State(gateway): Shared) -> Answer {
    let hosts = gateway.host.streams.hosts();
    let units = gateway.host.store.units();
    reply(&json!({ "units": units, "free": free(&hosts, units), "hosts": hosts }))
}

/// Dead letters, the oldest first, a bounded number; `?after=ID` goes on after one.
pub(super) async fn dead_letters(State(gateway): Shared, RawQuery(query): RawQuery) -> Answer {
    let after = after(query.as_deref())?;
    reply(&gateway.host.streams.dead_letters(after).await?)
}

/// After which dead letter a list begins.
fn after(query: Option<&str>) -> Result<Offset, Problem> {
    let mut after = 0;
    let pairs = query.unwrap_or_default().split('&');
    for pair in pairs.filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if name != "after" {
            let rule = "is not a parameter of this path";
            return Err(Problem::field(Kind::Invalid, name, rule));
        }
        after = offset("after", value)?;
    }
    Ok(after)
}

/// One dead letter.
pub(super) async fn dead_letter(State(gateway): Shared, id: Parameter) -> Answer {
    let id = letter_id(id)?;
    reply(&gateway.host.streams.dead_letter(id).await?)
}

/// Runs the active version of its component on a dead letter. If that succeeds it is gone, and the answer is
/// what it said; otherwise the answer is the failure, and it stays.
pub(super) async fn retry_dead(State(gateway): Shared, id: Parameter) -> Answer {
    let id = letter_id(id)?;
    let streams = gateway.host.streams.clone();
    let retried = to_the_end(&gateway, async move { streams.retry_dead(id).await });
    reply(&retried.await??)
}

/// Removes a dead letter; the answer is what it said.
pub(super) async fn drop_dead(State(gateway): Shared, id: Parameter) -> Answer {
    let id = letter_id(id)?;
    let streams = gateway.host.streams.clone();
    let dropped = to_the_end(&gateway, async move { streams.drop_dead(id).await });
    reply(&dropped.await??)
}

pub(super) fn letter_id(id: Parameter) -> Result<Offset, Problem> {
    offset("id", &text(id)?)
}

fn offset(field: &str, text: &str) -> Result<Offset, Problem> {
    let offset = offset_of(text).filter(|offset| *offset > 0);
    let rule = "must be an id such as 17 or 1700000000000-3";
    offset.ok_or_else(|| Problem::field(Kind::Invalid, field, rule))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(this: bool, alive: bool, units: &[u16]) -> HostStatus {
        HostStatus {
            holder: String::new(),
            url: String::new(),
            version: String::new(),
            started_at: String::new(),
            generation: 1,
            alive,
            lease_ms: 0,
            this,
            units: units.to_vec(),
        }
    }

    #[test]
    fn a_host_is_ready_when_it_has_work_or_others_have_all_of_it() {
        let ready = |hosts: &[HostStatus]| unready(hosts, 2).is_none();
        assert!(ready(&[host(true, true, &[0, 1])]));
        assert!(ready(&[host(true, true, &[0])]), "the other is being taken");
        assert!(ready(&[host(true, true, &[]), host(false, true, &[0, 1])]));
        assert!(!ready(&[host(true, true, &[])]), "nobody holds anything");
        assert!(
            !ready(&[host(true, true, &[]), host(false, false, &[0, 1])]),
            "a dead host"
        );
        assert!(
            !ready(&[host(true, false, &[0, 1])]),
            "it has not told in time"
        );
        assert!(!ready(&[host(false, true, &[0, 1])]), "it is no member");
    }

    #[test]
    fn a_list_of_letters_goes_on_after_one() {
        let status = |query| after(Some(query)).map_err(|problem| problem.status().as_u16());
        assert_eq!(after(None), Ok(0));
        assert_eq!(status("after=7"), Ok(7));
        for wrong in ["after=0", "after=", "after=x", "count=1"] {
            assert_eq!(status(wrong), Err(422), "{wrong}");
        }
    }
}
