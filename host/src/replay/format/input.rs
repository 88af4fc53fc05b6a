//! What goes into an invocation: what it is given, and what the store answers.

use serde::{Deserialize, Serialize};

use super::{Blob, Run};
use crate::ids::StreamName;

/// What went in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    deny_unknown_fields
)]
pub enum Input {
    /// A request.
    Http {
        /// Everything but the body.
        head: Head,
        /// The body.
        body: Blob,
    },
    /// A batch of an upload.
    Rows {
        /// Everything but the rows.
        head: Head,
        /// `csv`, `ndjson` or `json`.
        format: Format,
        /// CSV's header row.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        header: Option<Blob>,
        /// Number of the first row.
        first_row: u64,
        /// The rows.
        rows: Vec<Blob>,
    },
    /// A batch of a partition.
    Events {
        /// The stream.
        stream: StreamName,
        /// The partition's number.
        partition: u16,
        /// The records, in order.
        records: Vec<Event>,
    },
    /// A run of a partner's plugin.
    Run(Box<Run>),
}

/// What is known of a request before its body.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Head {
    /// Method in upper case.
    pub method: String,
    /// The route's template.
    pub route: String,
    /// The path as it came.
    pub path: String,
    /// Values of the template's parameters.
    pub params: Vec<(String, String)>,
    /// The query without `?`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// Header fields that the component saw.
    pub headers: Vec<(String, String)>,
}

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// RFC 4180.
    Csv,
    /// A JSON document per line.
    Ndjson,
    /// Elements of a JSON array.
    Json,
}

/// A record of a stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Event {
    /// Its place, as people write it.
    pub offset: String,
    /// What it is about.
    pub key: String,
    /// Its content.
    pub payload: Blob,
    /// When it was published.
    pub published_at_ms: u64,
}

/// An answer of the store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Read {
    /// The value under a key; none where nothing is there.
    Key {
        /// Whose key.
        space: String,
        /// The key.
        key: Blob,
        /// Its value.
        value: Option<Blob>,
    },
    /// Entries of a range.
    Scan {
        /// Whose keys.
        space: String,
        /// The first key.
        start: Blob,
        /// The first key after the range; none: all.
        end: Option<Blob>,
        /// Whether the greatest key comes first.
        descending: bool,
        /// How many were asked for; fewer entries are all there are.
        limit: usize,
        /// Keys and values, in order.
        entries: Vec<(Blob, Blob)>,
    },
    /// What an account has seen.
    Account {
        /// The account.
        name: String,
        /// Datapoints that left.
        debits: u64,
        /// Datapoints that came.
        credits: u64,
    },
}
