//! The shape of a manifest's text: what serde reads, before any rule is applied. Unknown keys are refused here, each with
//! its place.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

/// The file.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct File {
    pub(super) name: Option<Spanned<String>>,
    pub(super) description: Option<Spanned<String>>,
    pub(super) bundled: Option<bool>,
    #[serde(default)]
    pub(super) routes: Vec<Spanned<Route>>,
    #[serde(default)]
    pub(super) streams: Streams,
    #[serde(default)]
    pub(super) grants: GrantsTable,
    #[serde(default)]
    pub(super) limits: LimitsTable,
    pub(super) reuse: Option<Spanned<ReuseTable>>,
    #[serde(default)]
    pub(super) env: BTreeMap<Spanned<String>, Spanned<String>>,
    #[serde(default)]
    pub(super) secrets: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) outbound: Outbound,
    pub(super) component: Option<Spanned<String>>,
    pub(super) build: Option<Spanned<BuildTable>>,
}

/// One of `[[routes]]`.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Route {
    pub(super) path: Spanned<String>,
    /// None: every method.
    pub(super) methods: Option<Spanned<Vec<Spanned<String>>>>,
    pub(super) rows: Option<Spanned<bool>>,
    pub(super) body_limit_bytes: Option<Spanned<i64>>,
    pub(super) audited: Option<Spanned<bool>>,
}

/// `[streams]`.
#[derive(Deserialize, Default)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Streams {
    #[serde(default)]
    pub(super) subscribe: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) publish: Vec<Spanned<String>>,
}

/// `[grants]`.
#[derive(Deserialize, Default)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct GrantsTable {
    pub(super) ledger: Option<Spanned<bool>>,
    pub(super) partners: Option<Spanned<bool>>,
    pub(super) keyvalue: Option<Spanned<bool>>,
}

/// `[limits]`.
#[derive(Deserialize, Default)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct LimitsTable {
    pub(super) memory_mib: Option<Spanned<i64>>,
    pub(super) deadline_ms: Option<Spanned<i64>>,
    pub(super) concurrency: Option<Spanned<i64>>,
    pub(super) batch: Option<Spanned<i64>>,
    pub(super) queue: Option<Spanned<i64>>,
    pub(super) request_body_bytes: Option<Spanned<i64>>,
    pub(super) response_body_bytes: Option<Spanned<i64>>,
}

/// `[reuse]`.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct ReuseTable {
    pub(super) count: Option<Spanned<i64>>,
    pub(super) age_s: Option<Spanned<i64>>,
}

/// `[outbound]`.
#[derive(Deserialize, Default)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Outbound {
    #[serde(default)]
    pub(super) hosts: Vec<Spanned<String>>,
}

/// `[build]`, which only the project's folder knows what to do with.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct BuildTable {
    pub(super) command: Spanned<String>,
    #[serde(default)]
    pub(super) watch: Vec<Spanned<String>>,
}
