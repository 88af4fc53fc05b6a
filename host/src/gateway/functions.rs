//! What operators ask about one component: what it is, what it logs, and that it be gone. Deploying and rolling back are in
//! `admin`.

use std::sync::{Arc, Weak};

use axum::extract::{RawQuery, State};
use axum::response::Response;
use bytes::Bytes;
use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, watch};

use super::Gateway;
use super::admin::{component_name, component_value, reply, to_the_end};
use super::control::{Parameter, text};
use super::principal::Acting;
use super::problem::{Kind, Problem};
use super::query::Query;
use super::sse::{self, KEEP_ALIVE};
use crate::ids::ComponentName;
use crate::logs::{LINES_MAX, Line, Log};
use crate::registry::{self, Active, Interfaces};

/// Lines of one answer, unless told otherwise: what fits on a screen or two.
const LINES: u64 = 50;

type Answer = Result<Response, Problem>;
type Shared = State<Arc<Gateway>>;

/// A component that is active.
fn active(gateway: &Gateway, name: &ComponentName) -> Result<Arc<Active>, Problem> {
    let generation = gateway.host.registry.generation();
    let unknown = || registry::Error::UnknownComponent(name.to_string());
    Ok(generation.components.get(name).ok_or_else(unknown)?.clone())
}

/// A component: its manifest, what it imports, and its versions.
pub(super) async fn inspect(State(gateway): Shared, name: Parameter) -> Answer {
    let name = component_name(&text(name)?)?;
    let active = active(&gateway, &name)?;
    let registry = &gateway.host.registry;
    let bytes = registry.bytes(&active).await?;
    // What is active was read before; should it not be readable any more, it has no names to tell.
    let interfaces = Interfaces::read(&bytes).unwrap_or_default();
    let mut value = component_value(&active);
    value["source"] = json!(active.source);
    value["imports"] = json!(interfaces.imports);
    value["sizeBytes"] = json!(bytes.len());
    value["versions"] = json!(registry.versions(&name).await?);
    reply(&value)
}

/// Takes a component away.
pub(super) async fn delete(Acting(by): Acting, State(gateway): Shared, name: Parameter) -> Answer {
    let name = component_name(&text(name)?)?;
    let registry = gateway.host.registry.clone();
    let removed = to_the_end(&gateway, async move { registry.delete(&by, &name).await });
    reply(&removed.await??)
}

/// The latest lines of a component on this host: `?after=NUMBER&limit=N`; with `follow=true` as server-sent events, for
/// as long as the client stays.
pub(super) async fn logs(
    State(gateway): Shared,
    name: Parameter,
    RawQuery(query): RawQuery,
) -> Answer {
    let name = component_name(&text(name)?)?;
    active(&gateway, &name)?;
    let query = Query::parse(query.as_deref(), &["after", "limit", "follow"])?;
    let limit = query
        .number("limit", 0..=LINES_MAX as u64)?
        .unwrap_or(LINES);
    let limit = usize::try_from(limit).unwrap_or(LINES_MAX);
    let after = query.number("after", 0..=u64::MAX)?.unwrap_or(0);
    let log = gateway.host.logs.of(&name);
    let changed = log.watch();
    let lines = log.latest(after, limit);
    match query.text("follow") {
        None | Some("false") => reply(&json!({ "lines": lines })),
        Some("true") => follow(&gateway, &log, changed, lines),
        Some(_) => Err(Problem::field(
            Kind::Invalid,
            "follow",
            "must be true or false",
        )),
    }
}

/// One client that follows one component's lines.
struct Follower {
    gateway: Arc<Gateway>,
    /// Not held: the log ends with its component.
    log: Weak<Log>,
    changed: watch::Receiver<u64>,
    /// What is to be sent first.
    lines: Vec<Line>,
    after: u64,
    greeted: bool,
    _place: OwnedSemaphorePermit,
}

fn follow(
    gateway: &Arc<Gateway>,
    log: &Arc<Log>,
    changed: watch::Receiver<u64>,
    lines: Vec<Line>,
) -> Answer {
    let place = sse::place(gateway)?;
    let last = *changed.borrow();
    let follower = Follower {
        gateway: gateway.clone(),
        log: Arc::downgrade(log),
        after: lines.last().map_or(last, |line| line.number),
        changed,
        lines,
        greeted: false,
        _place: place,
    };
    Ok(sse::events(follower, Follower::next))
}

impl Follower {
    /// The next bytes for the client, once there are any; `None` when the component is gone or the host stops.
    async fn next(mut self) -> Option<(Bytes, Self)> {
        if !self.greeted {
            self.greeted = true;
            let first = events(&std::mem::take(&mut self.lines));
            return Some((format!("retry: 1000\n\n{first}").into(), self));
        }
        let stopping = self.gateway.stopping.clone();
        loop {
            let lines = self.log.upgrade()?.latest(self.after, LINES_MAX);
            if let Some(last) = lines.last() {
                self.after = last.number;
                return Some((events(&lines).into(), self));
            }
            tokio::select! {
                changed = self.changed.changed() => changed.ok()?,
                () = tokio::time::sleep(KEEP_ALIVE) => return Some((":\n\n".into(), self)),
                () = stopping.cancelled() => return None,
            }
        }
    }
}

/// Lines as events, each with its number as id.
fn events(lines: &[Line]) -> String {
    let event = |line: &Line| {
        let data: Value = json!(line);
        format!("id: {}\ndata: {data}\n\n", line.number)
    };
    lines.iter().map(event).collect()
}
