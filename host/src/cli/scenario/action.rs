//! The actions of a step: what is done, how often, and what is expected of it.
//!
//! Invariant: an action has exactly one thing to do, and what it expects is something that this
//! thing can give.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::format::{Deploy, Rollback};
use super::pattern::Pattern;
use super::text::Text;

/// Most rounds of one loop, each with at least one request.
const ROUNDS_MAX: usize = 10_000;

/// Most ticks of one action: a simulated week of minutes.
const TICKS_MAX: u64 = 10_080;

/// Longest wait for an event, seconds: a person is watching.
const WAIT_S_MAX: u32 = 600;

/// Wait for an event that should come at once, seconds; generous for slow machines.
const WAIT_S_DEFAULT: u32 = 10;

/// An action.
#[derive(Debug, Deserialize)]
#[serde(try_from = "ActionTable")]
pub(crate) struct Action {
    /// Said before.
    pub(crate) say: Option<Text>,
    /// What it runs over.
    pub(crate) for_each: Option<ForEach>,
    /// What is done.
    pub(crate) deed: Deed,
    /// What is expected of the answer.
    pub(crate) expect: Option<Expect>,
    /// Variables to define: name to JSON pointer into the answer.
    pub(crate) capture: BTreeMap<String, String>,
    /// Said afterwards; it may use what was captured.
    pub(crate) then_say: Option<Text>,
}

/// What an action does.
#[derive(Debug)]
pub(crate) enum Deed {
    /// Nothing but talk.
    Say,
    /// Calls a route.
    Call(Method, Box<Call>),
    /// Moves the clock by so many ticks and waits until every stream is worked off.
    Tick(u64),
    /// Waits until every stream is worked off.
    Settle,
    /// Sends a file of meter readings.
    Ingest(Ingest),
    /// Begins to watch a stream.
    Watch(String),
    /// Waits for the next event of a watched stream.
    ExpectEvent(ExpectEvent),
    /// Nothing more has come on a watched stream.
    NoEvent(NoEvent),
    /// Deploys a component.
    Deploy(Deploy),
    /// Takes a component back to its former version.
    Rollback(Rollback),
    /// Several actions in order.
    Actions(Vec<Action>),
}

/// How a route is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    /// A read.
    Get,
    /// A write, or a read whose parameters are in the body.
    Post,
    /// A removal.
    Delete,
}

impl Method {
    /// Its name in HTTP.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Delete => "DELETE",
        }
    }

    /// The same for the HTTP client.
    pub(crate) fn http(self) -> reqwest::Method {
        match self {
            Self::Get => reqwest::Method::GET,
            Self::Post => reqwest::Method::POST,
            Self::Delete => reqwest::Method::DELETE,
        }
    }
}

/// A call of a route.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Call {
    /// The service, the path's first segment.
    pub(crate) service: String,
    /// The rest of the path.
    pub(crate) route: String,
    /// The parameters: an object, an array, or a single scalar.
    pub(crate) params: Option<Value>,
    /// A body as it is, instead of parameters.
    pub(crate) text: Option<String>,
    /// The body's media type.
    pub(crate) content_type: Option<String>,
    /// How the parameters are sent.
    pub(crate) send: Option<Send>,
    /// The `Idempotency-Key`.
    pub(crate) idempotency_key: Option<String>,
    /// What the report shows of the answer.
    #[serde(default)]
    pub(crate) show: Show,
}

/// How parameters are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Send {
    /// As JSON in the body; what POST does.
    Json,
    /// As a form in the body.
    Form,
    /// As a query, a scalar bare; what GET and DELETE do.
    Query,
    /// A scalar as one more segment of the path.
    Path,
    /// A scalar as plain text in the body.
    Text,
}

/// What the report shows of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Show {
    /// The body as it came.
    #[default]
    Raw,
    /// How many elements it has, marked as a length.
    Length,
    /// How many elements it has, as a bare number.
    Count,
    /// The rows that were obtained: none when the call is refused.
    Rows,
}

/// A file of meter readings.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Ingest {
    /// The file, seen from the scenario file's folder.
    pub(crate) file: String,
}

/// An event that is waited for.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct ExpectEvent {
    /// A stream that is watched.
    pub(crate) stream: String,
    /// What the event looks like.
    pub(crate) event: Pattern,
    /// Longest wait, seconds.
    #[serde(default = "wait_s_default", deserialize_with = "wait_s")]
    pub(crate) within_seconds: u32,
}

/// A stream on which nothing more has come.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct NoEvent {
    /// A stream that is watched.
    pub(crate) stream: String,
}

fn wait_s_default() -> u32 {
    WAIT_S_DEFAULT
}

fn wait_s<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let seconds = u32::deserialize(deserializer)?;
    if (1..=WAIT_S_MAX).contains(&seconds) {
        return Ok(seconds);
    }
    Err(serde::de::Error::custom(format!(
        "within-seconds must be 1 to {WAIT_S_MAX}"
    )))
}

/// What is expected of an answer. Without a status, one from 200 to 299 is expected.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct Expect {
    /// The HTTP status.
    pub(crate) status: Option<u16>,
    /// The body as JSON, exactly.
    pub(crate) body: Option<Pattern>,
    /// The body as JSON; other members are ignored.
    pub(crate) subset: Option<Pattern>,
    /// Parts of the body by JSON pointer, exactly.
    pub(crate) at: BTreeMap<String, Pattern>,
    /// The body's text, exactly.
    pub(crate) raw: Option<String>,
    /// Elements of the body.
    pub(crate) length: Option<usize>,
    /// The body has no bytes.
    pub(crate) empty: Option<bool>,
}

/// What a loop runs over.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "Value")]
pub(crate) enum ForEach {
    /// A list of the file, by name.
    List(String),
    /// These items.
    Items(Vec<Value>),
}

impl TryFrom<Value> for ForEach {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        let count = value.as_u64().and_then(|count| usize::try_from(count).ok());
        match value {
            Value::String(name) => Ok(Self::List(name)),
            Value::Array(items) if items.len() <= ROUNDS_MAX => Ok(Self::Items(items)),
            _ => match count {
                Some(count) if count <= ROUNDS_MAX => {
                    Ok(Self::Items((1..=count).map(Value::from).collect()))
                }
                _ => Err(format!(
                    "for-each takes a list's name, an array or a number up to {ROUNDS_MAX}"
                )),
            },
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct ActionTable {
    say: Option<Text>,
    then_say: Option<Text>,
    for_each: Option<ForEach>,
    get: Option<Call>,
    post: Option<Call>,
    delete: Option<Call>,
    tick: Option<u64>,
    settle: Option<bool>,
    ingest: Option<Ingest>,
    watch: Option<String>,
    expect_event: Option<ExpectEvent>,
    no_event: Option<NoEvent>,
    deploy: Option<Deploy>,
    rollback: Option<Rollback>,
    actions: Option<Vec<Action>>,
    expect: Option<Expect>,
    #[serde(default)]
    capture: BTreeMap<String, String>,
}

impl TryFrom<ActionTable> for Action {
    type Error = String;

    fn try_from(mut table: ActionTable) -> Result<Self, String> {
        let mut deeds = table.deeds();
        let deed = match (deeds.pop(), deeds.pop(), &table.say) {
            (Some(deed), None, _) => deed,
            (None, None, Some(_)) => Deed::Say,
            _ => return Err(format!("an action does exactly one of: {DEEDS}")),
        };
        if matches!(deed, Deed::Tick(ticks) if !(1..=TICKS_MAX).contains(&ticks)) {
            return Err(format!("tick must be 1 to {TICKS_MAX}"));
        }
        let answers = matches!(deed, Deed::Call(..) | Deed::Ingest(_));
        if !answers && (table.expect.is_some() || !table.capture.is_empty()) {
            return Err("expect and capture belong to get, post, delete and ingest".to_owned());
        }
        let ActionTable {
            say,
            then_say,
            for_each,
            expect,
            capture,
            ..
        } = table;
        Ok(Self {
            say,
            for_each,
            deed,
            expect,
            capture,
            then_say,
        })
    }
}

/// What an action can do, for messages.
const DEEDS: &str = "get, post, delete, tick, settle = true, ingest, watch, expect-event, no-event, deploy, \
    rollback, actions, or say alone";

impl ActionTable {
    /// Everything that the table asks for.
    fn deeds(&mut self) -> Vec<Deed> {
        let call = |method: Method| move |call: Call| Deed::Call(method, Box::new(call));
        let settle = self.settle.take();
        let asked = [
            self.get.take().map(call(Method::Get)),
            self.post.take().map(call(Method::Post)),
            self.delete.take().map(call(Method::Delete)),
            self.tick.take().map(Deed::Tick),
            settle.filter(|&asked| asked).map(|_| Deed::Settle),
            self.ingest.take().map(Deed::Ingest),
            self.watch.take().map(Deed::Watch),
            self.expect_event.take().map(Deed::ExpectEvent),
            self.no_event.take().map(Deed::NoEvent),
            self.deploy.take().map(Deed::Deploy),
            self.rollback.take().map(Deed::Rollback),
            self.actions.take().map(Deed::Actions),
        ];
        asked.into_iter().flatten().collect()
    }
}

impl Action {
    /// Checks that every list it loops over exists.
    ///
    /// # Errors
    /// The list that does not.
    pub(crate) fn check_lists(&self, lists: &BTreeMap<String, Vec<Value>>) -> Result<(), String> {
        if let Some(ForEach::List(name)) = &self.for_each {
            match lists.get(name) {
                Some(items) if items.len() <= ROUNDS_MAX => {}
                Some(_) => return Err(format!("the list {name} has more than {ROUNDS_MAX} items")),
                None => return Err(format!("no list is named {name}")),
            }
        }
        match &self.deed {
            Deed::Actions(actions) => actions
                .iter()
                .try_for_each(|action| action.check_lists(lists)),
            _ => Ok(()),
        }
    }
}
