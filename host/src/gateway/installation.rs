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
use crate::streams::status::{HostStatus, OffsetValue};

/// Dead letters in an answer where the request names no number.
const LETTERS_DEFAULT: usize = 100;
/// Most dead letters in an answer: with their payloads some ten MiB at worst.
const LETTERS_MAX: usize = 1_000;

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

/// The newest dead letters, the newest first.
pub(super) async fn dead_letters(State(gateway): Shared, RawQuery(query): RawQuery) -> Answer {
    let limit = limit(query.as_deref())?;
    reply(&gateway.host.streams.dead_letters(limit).await?)
}

/// How many dead letters a request wants.
fn limit(query: Option<&str>) -> Result<usize, Problem> {
    let mut limit = LETTERS_DEFAULT;
    let pairs = query.unwrap_or_default().split('&');
    for pair in pairs.filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if name != "limit" {
            let rule = "is not a parameter of this path";
            return Err(Problem::field(Kind::Invalid, name, rule));
        }
        let number = value.parse().ok();
        let number = number.filter(|number| (1..=LETTERS_MAX).contains(number));
        let rule = || format!("must be a whole number from 1 to {LETTERS_MAX}");
        limit = number.ok_or_else(|| Problem::field(Kind::Invalid, "limit", rule()))?;
    }
    Ok(limit)
}

/// One dead letter.
pub(super) async fn dead_letter(State(gateway): Shared, id: Parameter) -> Answer {
    let id = letter_id(id)?;
    reply(&gateway.host.streams.dead_letter(id).await?)
}

/// Runs the active version of its component on a dead letter. It is gone if that succeeds; otherwise the
/// answer is the failure, and the letter stays.
pub(super) async fn retry_dead(State(gateway): Shared, id: Parameter) -> Answer {
    let id = letter_id(id)?;
    let streams = gateway.host.streams.clone();
    to_the_end(&gateway, async move { streams.retry_dead(id).await }).await??;
    reply(&json!({ "id": OffsetValue(id), "retried": true }))
}

/// Removes a dead letter.
pub(super) async fn drop_dead(State(gateway): Shared, id: Parameter) -> Answer {
    let id = letter_id(id)?;
    let streams = gateway.host.streams.clone();
    to_the_end(&gateway, async move { streams.drop_dead(id).await }).await??;
    reply(&json!({ "id": OffsetValue(id), "dropped": true }))
}

fn letter_id(id: Parameter) -> Result<Offset, Problem> {
    let text = text(id)?;
    let offset = offset_of(&text).filter(|offset| *offset > 0);
    offset.ok_or_else(|| {
        let rule = "must be an id such as 17 or 1700000000000-3";
        Problem::field(Kind::Invalid, "id", rule)
    })
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
    fn the_number_of_letters_has_bounds() {
        let status = |query| limit(Some(query)).map_err(|problem| problem.status().as_u16());
        assert_eq!(limit(None), Ok(LETTERS_DEFAULT));
        assert_eq!(status("limit=7"), Ok(7));
        for wrong in ["limit=0", "limit=1001", "limit=x", "count=1"] {
            assert_eq!(status(wrong), Err(422), "{wrong}");
        }
    }
}
