//! What goes into an invocation and what comes out, free of HTTP and wasmtime.

use crate::store::Record;
use crate::ids::StreamName;

/// A header or parameter: name and value.
pub type Field = (String, String);

/// What is known of a request before its body; members as in `leyden:http/types`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequestHead {
    /// Method in upper case.
    pub method: String,
    /// The route's template.
    pub route: String,
    /// The path as it came.
    pub path: String,
    /// Values of the template's parameters, decoded.
    pub params: Vec<Field>,
    /// The query without `?`.
    pub query: Option<String>,
    /// Header fields, names in lower case.
    pub headers: Vec<Field>,
}

/// A whole request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// Everything but the body.
    pub head: RequestHead,
    /// The body.
    pub body: Vec<u8>,
}

/// A whole answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Response {
    /// Status, 200 to 599; the runtime has checked it.
    pub status: u16,
    /// Header fields; the gateway checks them.
    pub headers: Vec<Field>,
    /// The body.
    pub body: Vec<u8>,
}

/// An upload's format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowFormat {
    /// RFC 4180 with a header row.
    Csv,
    /// One JSON document per line.
    Ndjson,
    /// The elements of one JSON array, or one object.
    Json,
}

/// One batch of an upload's rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowBatch {
    /// How to read them.
    pub format: RowFormat,
    /// CSV's header row.
    pub header: Option<Vec<u8>>,
    /// Number of the first row, from 1 over the whole upload.
    pub first_row: u64,
    /// The rows' bytes.
    pub rows: Vec<Vec<u8>>,
}

/// A count that is added up over an upload's batches.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Tally {
    /// Its name in the answer.
    pub name: String,
    /// Rows it counts.
    pub count: u64,
}

/// What an invocation is given.
#[derive(Debug, Clone)]
pub enum Input {
    /// A request.
    Http(Request),
    /// A batch of an upload.
    Rows(RequestHead, RowBatch),
    /// A batch of a stream, in order.
    Events(StreamName, Vec<Record>),
}

/// What an invocation returns.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Output {
    /// An answer.
    Http(Response),
    /// An upload batch's counts.
    Rows(Vec<Tally>),
    /// A stream batch is done.
    Events,
}

/// Why a request is refused; each kind has one HTTP status (`gateway/problem.rs`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProblemKind {
    /// Broken syntax.
    Malformed,
    /// Datapoints do not suffice.
    PaymentRequired,
    /// The caller may not.
    Forbidden,
    /// It does not exist.
    NotFound,
    /// It contradicts what is there.
    Conflict,
    /// The body's media type is not served.
    UnsupportedMediaType,
    /// A value breaks a rule.
    Invalid,
}

/// One field that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct FieldError {
    /// The row of an upload, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub row: Option<u64>,
    /// The field's name.
    pub field: String,
    /// The rule.
    pub rule: String,
}

/// A refusal.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Problem {
    /// Decides the status.
    pub kind: ProblemKind,
    /// What happened.
    pub detail: String,
    /// Fields at fault.
    pub errors: Vec<FieldError>,
}
