//! What goes into an invocation and what comes out, free of HTTP and wasmtime.

use crate::store::{Partition, Record};

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
    /// Status, 200 to 599.
    pub status: u16,
    /// Header fields.
    pub headers: Vec<Field>,
    /// The body.
    pub body: Vec<u8>,
}

/// Headers that belong to the connection, which is the host's.
const CONNECTION_HEADERS: [&str; 7] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Most header fields of an answer.
const HEADERS_MAX: usize = 256;

impl Response {
    /// Checks that HTTP can carry the answer (RFC 9110, 5.1 and 5.5, for header fields).
    ///
    /// # Errors
    /// The rule that it breaks, to follow the component's name.
    pub fn check(&self) -> Result<(), String> {
        if !(200..=599).contains(&self.status) {
            return Err(format!(
                "answered with status {}, not 200 to 599",
                self.status
            ));
        }
        if self.headers.len() > HEADERS_MAX {
            return Err(format!("answered with more than {HEADERS_MAX} headers"));
        }
        self.headers
            .iter()
            .try_for_each(|(name, value)| check_header(name, value))
    }
}

fn check_header(name: &str, value: &str) -> Result<(), String> {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    let text = |byte: u8| byte == b'\t' || byte >= b' ' && byte != 0x7f;
    if name.is_empty() || !name.bytes().all(token) || !value.bytes().all(text) {
        return Err(format!(
            "answered with a header '{}' that HTTP does not allow",
            name.escape_debug()
        ));
    }
    match CONNECTION_HEADERS
        .iter()
        .any(|own| name.eq_ignore_ascii_case(own))
    {
        true => Err(format!(
            "answered with the header '{name}', which is the host's own"
        )),
        false => Ok(()),
    }
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
    /// A batch of one partition of a stream, in order.
    Events(Partition, Vec<Record>),
}

impl Input {
    /// Whether only the head of the answer is asked for.
    #[must_use]
    pub fn is_head(&self) -> bool {
        matches!(self, Self::Http(request) if request.head.method == "HEAD")
    }

    /// What kind of input it is, as receipts have it.
    pub(super) fn trigger(&self) -> &'static str {
        match self {
            Self::Http(_) => "request",
            Self::Rows(..) => "upload",
            Self::Events(..) => "batch",
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn check(status: u16, name: &str, value: &str) -> Result<(), String> {
        let headers = vec![(name.to_owned(), value.to_owned())];
        Response {
            status,
            headers,
            body: Vec::new(),
        }
        .check()
    }

    #[test]
    fn answers_that_http_does_not_allow_are_refused() {
        check(200, "x-a", "é\tb").expect("sound");
        for status in [0, 99, 100, 101, 199, 600, 999, 65_535] {
            assert!(
                check(status, "x-a", "b").is_err_and(|rule| rule.contains(&status.to_string()))
            );
        }
        for (name, value) in [
            ("", "x"),
            ("a b", "x"),
            ("é", "x"),
            ("a", "x\r\ny: z"),
            ("a\n", "x"),
            ("a", "\0"),
        ] {
            assert!(check(200, name, value).is_err(), "{name:?}: {value:?}");
        }
        for name in CONNECTION_HEADERS {
            let upper = name.to_ascii_uppercase();
            assert!(check(200, &upper, "close").is_err_and(|rule| rule.contains(&upper)));
        }
    }
}
