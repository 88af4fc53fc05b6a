//! What a component says of itself: `plugin.toml` or the project's `leyden.toml`, carried inside the component as a
//! custom section. One type for all kinds of components. Parsing and rules only; whether two components get along is
//! the registry's business.
//!
//! **Invariants.** A [`Manifest`] keeps every rule below; nothing after this file checks them again.
//! No bytes from outside make this file panic or allocate more than they hold.

mod kinds;
mod outbound;
mod rules;
mod schema;
mod section;

use std::collections::BTreeMap;
use std::fmt;

use crate::ids::{ComponentName, StreamName, VariableName};

use kinds::Mention;
pub use outbound::OutboundHost;
pub use rules::{Build, Project};
pub use schema::SCHEMA;
pub use section::{SECTION_NAME, attach, from_component};

/// Longest manifest: a page of text holds dozens of routes.
pub const MANIFEST_BYTES_MAX: usize = 64 * 1024;

/// Memory of an instance where the manifest names none: what ordinary services need, many times over.
pub const MEMORY_MIB_DEFAULT: u64 = 64;
/// Most memory of an instance: more is the sign of a leak, and instances share one machine.
pub const MEMORY_MIB_MAX: u64 = 1024;
/// Longest run where the manifest names none: what a person waits without asking whether it works.
pub const DEADLINE_MS_DEFAULT: u64 = 2_000;
/// Longest run: most HTTP clients give up after a minute.
pub const DEADLINE_MS_MAX: u64 = 60_000;
/// Invocations of one component at a time where the manifest names no number.
pub const CONCURRENCY_DEFAULT: u64 = 64;
/// Most invocations of one component at a time: each holds an instance and a snapshot.
pub const CONCURRENCY_MAX: u64 = 1_024;
/// Most records of a stream batch where the manifest names no number.
pub const BATCH_DEFAULT: u64 = 500;
/// Most records of any stream batch: a batch is one transaction and is held in memory whole.
pub const BATCH_MAX: u64 = 10_000;
/// Longest body where the route names none, as in most web servers.
pub const BODY_BYTES_DEFAULT: u64 = 1024 * 1024;
/// Longest body of any route: bodies are held in memory whole. Longer uploads take `rows = true`.
pub const BODY_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Longest request body of a function where the manifest names none: bodies of functions are streamed and not held, so this
/// bounds what a caller can have a function take in, as gateways of other platforms do.
pub const REQUEST_BODY_BYTES_DEFAULT: u64 = 128 * 1024 * 1024;
/// Longest response body of a function where the manifest names none.
pub const RESPONSE_BODY_BYTES_DEFAULT: u64 = 128 * 1024 * 1024;
/// Longest body of a function in either direction: what a minute (the longest deadline) carries over a fast line.
pub const STREAMED_BODY_BYTES_MAX: u64 = 4 * 1024 * 1024 * 1024;
/// Requests that wait for a place of a function where the manifest names no number.
pub const QUEUE_DEFAULT: u64 = 256;
/// Most requests that wait for a place of any function: each holds its connection and its head.
pub const QUEUE_MAX: u64 = 4_096;
/// Requests that one instance serves where `[reuse]` names no number.
pub const REUSE_COUNT_DEFAULT: u64 = 1_000;
/// Most requests that one instance serves: bounds what a leak in a guest can add up to, as for services.
pub const REUSE_COUNT_MAX: u64 = 100_000;
/// Age up to which an instance is reused where `[reuse]` names none (s).
pub const REUSE_AGE_S_DEFAULT: u64 = 60;
/// Longest age up to which an instance is reused (s): secrets and settings that were changed are everywhere after it.
pub const REUSE_AGE_S_MAX: u64 = 3_600;
/// Longest value of `[env]` (bytes): a setting, not a file.
pub const ENV_VALUE_BYTES_MAX: usize = 4 * 1024;
/// Most variables of `[env]`, and most secrets of one component.
pub const VARIABLES_MAX: usize = 64;
/// Most entries of `outbound.hosts`: each is compared with each outgoing request.
pub const OUTBOUND_HOSTS_MAX: usize = 32;

/// First segments that the host serves itself.
pub const RESERVED: [&str; 8] = [
    "admin",
    "health",
    "metrics",
    "streams",
    "fn",
    "partners",
    "ready",
    "openapi.json",
];

/// A method that a route can answer. `HEAD` comes with `GET`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// Reads.
    Get,
    /// Writes, or reads with parameters in the body.
    Post,
    /// Replaces.
    Put,
    /// Changes in part.
    Patch,
    /// Removes.
    Delete,
    /// Asks what is possible.
    Options,
}

impl Method {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Get,
        Self::Post,
        Self::Put,
        Self::Patch,
        Self::Delete,
        Self::Options,
    ];

    /// Reads a method as HTTP writes it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.as_str() == text)
    }

    /// As HTTP writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Options => "OPTIONS",
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A route that a component answers.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RouteSpec {
    /// Its template: `{x}` is one segment, `{*x}` at the end is the rest.
    pub path: String,
    /// The methods it answers, each once.
    pub methods: Vec<Method>,
    /// Whether it answers every other method, too: the manifest names none.
    pub any_method: bool,
    /// Whether the body is taken in row by row.
    pub rows: bool,
    /// Longest body (bytes); a route with `rows` is not bound by it.
    pub body_limit_bytes: usize,
    /// Whether the audit tells of each call that may change something (any method but GET and OPTIONS): by whom, and what
    /// was sent. So bodies hold no secrets.
    pub audited: bool,
}

/// What the operator lets a component do beyond its own state and streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Grants {
    /// Move datapoints.
    pub ledger: bool,
    /// Deal with partners: their accounts, and reading metered data for them.
    pub partners: bool,
    /// Of a function: keep values in a bucket of its own (`wasi:keyvalue`).
    pub keyvalue: bool,
}

/// How long one instance of a function or a service serves, one request at a time, before another takes its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Reuse {
    /// Most requests.
    pub count: u32,
    /// Age (s) from which it gets no further request.
    pub age_s: u64,
}

/// Bounds on what a component uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// Memory of one instance (bytes).
    pub memory_bytes: usize,
    /// Longest run of one invocation (ms).
    pub deadline_ms: u64,
    /// Most invocations at a time.
    pub concurrency: usize,
    /// Most records of a stream batch.
    pub batch: usize,
    /// Of a function: most requests that wait for a place.
    pub queue: usize,
    /// Of a function: longest body of a request (bytes). Routes of services have their own.
    pub request_body_bytes: u64,
    /// Of a function: longest body of a response (bytes).
    pub response_body_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes: (MEMORY_MIB_DEFAULT * 1024 * 1024) as usize,
            deadline_ms: DEADLINE_MS_DEFAULT,
            concurrency: CONCURRENCY_DEFAULT as usize,
            batch: BATCH_DEFAULT as usize,
            queue: QUEUE_DEFAULT as usize,
            request_body_bytes: REQUEST_BODY_BYTES_DEFAULT,
            response_body_bytes: RESPONSE_BODY_BYTES_DEFAULT,
        }
    }
}

/// A manifest that keeps all rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// The name it is meant to be deployed under.
    pub name: Option<ComponentName>,
    /// One line for people.
    pub description: String,
    /// Whether a host deploys it when it starts for the first time.
    pub bundled: bool,
    /// What it answers.
    pub routes: Vec<RouteSpec>,
    /// Streams whose records it handles.
    pub subscribe: Vec<StreamName>,
    /// Streams it may publish to.
    pub publish: Vec<StreamName>,
    /// What else it may do.
    pub grants: Grants,
    /// What it may use.
    pub limits: Limits,
    /// How long an instance is reused; `None`: each request of a function gets a fresh one, and services and policies have
    /// a rule of the host's.
    pub reuse: Option<Reuse>,
    /// Variables of a function's environment.
    pub env: BTreeMap<VariableName, String>,
    /// Secrets that a function gets, by name, each once and none that is in `env`; their values are the operator's to
    /// set and are no part of a manifest.
    pub secrets: Vec<VariableName>,
    /// Where a function may send requests to, as far as the operator allows it.
    pub outbound: Vec<OutboundHost>,
    /// What it names that not every kind of component has.
    mentions: Vec<Mention>,
}

impl Manifest {
    /// Reads and checks a manifest.
    ///
    /// # Errors
    /// The first key that breaks a rule, with its line.
    pub fn parse(text: &str) -> Result<Self, Error> {
        rules::parse(text).map(|project| project.manifest)
    }

    /// The manifest inside a component, if it has one.
    ///
    /// # Errors
    /// The bytes are not a component, or the manifest breaks a rule.
    pub fn from_component(bytes: &[u8]) -> Result<Option<Self>, Error> {
        from_component(bytes)?.map(Self::parse).transpose()
    }

    /// The manifest of a component that carries none: every method on `/<name>` and everything
    /// below it, no streams, nothing granted.
    #[must_use]
    pub fn default_for(name: &ComponentName) -> Self {
        let route = |path: String| RouteSpec {
            path,
            methods: Method::ALL.to_vec(),
            any_method: false,
            rows: false,
            body_limit_bytes: BODY_BYTES_DEFAULT as usize,
            audited: false,
        };
        let routes = match RESERVED.contains(&name.as_str()) {
            true => Vec::new(),
            false => vec![
                route(format!("/{name}")),
                route(format!("/{name}/{{*rest}}")),
            ],
        };
        Self {
            name: Some(name.clone()),
            description: String::new(),
            bundled: true,
            routes,
            subscribe: Vec::new(),
            publish: Vec::new(),
            grants: Grants::default(),
            limits: Limits::default(),
            reuse: None,
            env: BTreeMap::new(),
            secrets: Vec::new(),
            outbound: Vec::new(),
            mentions: Vec::new(),
        }
    }
}

/// Where something stands in a manifest's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The line, from 1.
    pub line: usize,
    /// The character in that line, from 1.
    pub column: usize,
    /// How many characters of that line it is, at least 1.
    pub width: usize,
}

/// Why a manifest is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A key breaks a rule.
    #[error("manifest line {}: {key}: {rule}", place.line)]
    Rule {
        /// Where it stands.
        place: Place,
        /// The key, such as `routes[1].path`.
        key: String,
        /// The rule, in words.
        rule: String,
    },
    /// It is longer than [`MANIFEST_BYTES_MAX`].
    #[error("the manifest has {0} bytes; at most {MANIFEST_BYTES_MAX} are read")]
    TooLong(usize),
    /// It is not UTF-8.
    #[error("the manifest is not UTF-8 text")]
    NotText,
    /// The component carries more than one.
    #[error("the component carries more than one section named {SECTION_NAME}")]
    Repeated,
    /// The bytes are not a component.
    #[error("not a WebAssembly component: {0}")]
    NotAComponent(String),
}

#[cfg(test)]
mod tests;
