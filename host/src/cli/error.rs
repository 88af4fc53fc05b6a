//! How a verb fails, what is printed then, and the exit code. The codes are listed for users in
//! [`super::EXIT_CODES`].

use std::error::Error as _;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Value, json};

use super::marked::Marked;
use super::screen::{Screen, printable};
use crate::store::copy;

/// How a verb fails.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The host, or an expectation, says no.
    #[error("{0}")]
    Refused(Box<Problem>),
    /// The host answered something that this version does not understand.
    #[error("the host's answer is not understood: {0}")]
    Answer(String),
    /// An expectation of a scenario is not met; the report has said which.
    #[error("not every expectation is met")]
    NotMet,
    /// A replay does not do what its record says.
    #[error("what was replayed is not what was recorded")]
    Differs,
    /// The ledger is not what was committed; each finding, in words.
    #[error("the ledger is not sound")]
    Unsound(Vec<String>),
    /// The host could not be started or stopped working.
    #[error("{0}")]
    Host(String),
    /// The host does not start.
    #[error("the host does not start")]
    Start(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A store could not be copied.
    #[error("the store is not copied")]
    Copy(#[source] Box<copy::Error>),
    /// The command line is wrong beyond what its parser sees.
    #[error("{0}")]
    Usage(String),
    /// A line of a file breaks a rule.
    #[error("{0}")]
    Marked(Box<Marked>),
    /// A file cannot be read.
    #[error("cannot read {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write {path}")]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The host cannot be reached.
    #[error("no host answers at {url}")]
    Unreachable {
        /// Where it was looked for.
        url: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Standard output is closed, or a signal cannot be waited for.
    #[error("input or output failed")]
    Output(#[from] io::Error),
}

/// A refusal as the host words it (RFC 9457).
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Problem {
    /// HTTP status; 0 where there was none.
    pub status: u16,
    /// The kind, for people.
    pub title: String,
    /// What happened.
    pub detail: String,
    /// Fields that break a rule.
    pub errors: Vec<FieldError>,
    /// The component that failed, if one did.
    pub component: Option<String>,
    /// Its version.
    pub version: Option<String>,
    /// The document as it came.
    #[serde(skip)]
    pub document: Value,
}

/// A field that breaks a rule.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct FieldError {
    /// Row of an upload, from 1.
    pub row: Option<u64>,
    /// The field's name.
    pub field: String,
    /// The rule.
    pub rule: String,
}

impl Problem {
    /// Reads an error answer, whether or not it is a problem document.
    #[must_use]
    pub fn of(status: u16, body: &[u8]) -> Self {
        let document: Option<Value> = serde_json::from_slice(body).ok();
        let parsed = document
            .as_ref()
            .and_then(|document| Self::deserialize(document).ok());
        let document = document.unwrap_or_else(|| json!(String::from_utf8_lossy(body)));
        let detail = document.as_str().unwrap_or_default().to_owned();
        let problem = parsed.unwrap_or_else(|| Self {
            detail,
            ..Self::default()
        });
        Self {
            status,
            document,
            ..problem
        }
    }

    /// What a script may want to tell apart; part of [`super::EXIT_CODES`].
    const fn exit_code(&self) -> u8 {
        match self.status {
            401 | 403 => 4,
            429 | 503 => 5,
            _ => 1,
        }
    }

    /// What to do next, where the host has not said it.
    fn next(&self) -> Option<&'static str> {
        match self.status {
            401 => Some(
                "give the host's token or your own key: --token-file FILE, or LEYDEN_TOKEN_FILE",
            ),
            // Where it is not the key, the fields at fault say what it is.
            403 if self.errors.is_empty() => Some(
                "another key may: --token-file FILE; an admin makes one by `leyden operator add NAME --role ROLE`",
            ),
            429 => Some("try again in a moment"),
            503 => Some("try again in a moment; /ready on the host tells what is wrong"),
            _ => None,
        }
    }

    /// One line for each field at fault, then the component.
    fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.errors.iter().map(FieldError::line).collect();
        if let Some(component) = &self.component {
            let version = self.version.as_deref().unwrap_or("unknown");
            lines.push(format!("component {component}, version {version}"));
        }
        lines
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let status = match self.status {
            0 => String::new(),
            status => status.to_string(),
        };
        let parts = [status.as_str(), &self.title, &self.detail];
        let said: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        f.write_str(&said.join(": "))
    }
}

impl FieldError {
    fn line(&self) -> String {
        match self.row {
            Some(row) => format!("row {row}: {}: {}", self.field, self.rule),
            None => format!("{}: {}", self.field, self.rule),
        }
    }
}

impl Error {
    /// A failure at the start of a host.
    pub(super) fn start(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Start(Box::new(error))
    }

    /// A copy that was not made.
    pub(super) fn copy(error: copy::Error) -> Self {
        Self::Copy(Box::new(error))
    }

    /// A file that was not written.
    pub(super) fn unwritable(path: &Path, source: io::Error) -> Self {
        Self::Unwritable {
            path: path.to_owned(),
            source,
        }
    }

    /// A command line that its parser does not take.
    pub(super) fn parsing(wrong: &clap::Error) -> Self {
        let text = wrong.render().to_string();
        let says = text.split("\n\n").next().unwrap_or_default();
        let says = says.strip_prefix("error: ").unwrap_or(says);
        Self::Usage(says.split_whitespace().collect::<Vec<_>>().join(" "))
    }

    /// The process's exit code.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Refused(problem) => problem.exit_code(),
            Self::Start(_)
            | Self::Copy(_)
            | Self::Answer(_)
            | Self::NotMet
            | Self::Differs
            | Self::Unsound(_)
            | Self::Host(_)
            | Self::Output(_) => 1,
            Self::Usage(_) | Self::Marked(_) | Self::File { .. } | Self::Unwritable { .. } => 2,
            Self::Unreachable { .. } => 3,
        }
    }

    /// Whether nobody reads the result any more, as behind `| head`: who stopped has what was wanted.
    pub(super) fn is_unread(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }

    /// Prints the failure to standard error.
    pub(super) fn print(&self, screen: &Screen, as_json: bool) {
        if as_json {
            return screen.error_line(&self.document().to_string());
        }
        let says = printable(&self.to_string());
        screen.error_line(&format!("{} {says}", screen.error_red("error:")));
        for line in self.details() {
            screen.error_line(&format!("  {}", printable(&line)));
        }
        if let Some(next) = self.next() {
            screen.error_line(&format!("  next: {next}"));
        }
    }

    /// What to do next, where that can be told.
    fn next(&self) -> Option<&'static str> {
        match self {
            Self::Refused(problem) => problem.next(),
            Self::Start(cause) => is_port_taken(cause.as_ref())
                .then_some("--port takes another one, 0 any that is free; or the host that listens there is the one you want"),
            Self::Unreachable { .. } => {
                Some("start one with `leyden up`, or say where it is: --url URL, or LEYDEN_URL")
            }
            Self::Usage(_) => Some("--help behind the verb shows its options and examples"),
            Self::File { .. } => Some("a path counts from the folder that you are in"),
            Self::Answer(_) => Some(
                "host and command line may be of two versions: `leyden --version` is this one's",
            ),
            Self::Unsound(_) => Some(
                "keep the store as it is, and compare with a copy from before the first finding",
            ),
            _ => None,
        }
    }

    /// Fields at fault, findings, or the chain of causes.
    fn details(&self) -> Vec<String> {
        match self {
            Self::Refused(problem) => problem.lines(),
            Self::Unsound(findings) => findings.clone(),
            Self::Marked(marked) => marked.lines(),
            _ => {
                let causes = std::iter::successors(self.source(), |&error| error.source());
                causes.map(ToString::to_string).collect()
            }
        }
    }

    /// The failure as JSON: the host's problem document, or `error` and `causes`; with `exitCode` and `next`.
    fn document(&self) -> Value {
        let mut document = match self {
            Self::Refused(problem) if problem.document.is_object() => problem.document.clone(),
            Self::Marked(marked) => marked.document(),
            _ => json!({ "error": self.to_string(), "causes": self.details() }),
        };
        document["exitCode"] = self.exit_code().into();
        if let Some(next) = self.next() {
            document["next"] = next.into();
        }
        document
    }
}

/// Whether a host does not start since another program listens where it would.
fn is_port_taken(cause: &(dyn std::error::Error + 'static)) -> bool {
    let mut causes = std::iter::successors(Some(cause), |&error| error.source());
    causes.any(|error| {
        let error = error.downcast_ref::<io::Error>();
        error.is_some_and(|error| error.kind() == io::ErrorKind::AddrInUse)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_whose_port_is_taken_says_what_to_do() {
        let taken = |kind: io::ErrorKind| {
            let address = "127.0.0.1:3000".parse().expect("an address");
            Error::start(crate::gateway::Error::Listen(address, kind.into()))
        };
        let next = taken(io::ErrorKind::AddrInUse).next();
        assert!(next.is_some_and(|next| next.contains("--port")));
        assert_eq!(taken(io::ErrorKind::PermissionDenied).next(), None);
    }

    #[test]
    fn a_problem_names_its_rows_fields_and_component() {
        let body = br#"{"title":"Invalid","status":422,"detail":"2 rows are wrong",
            "errors":[{"row":3,"field":"energyWh","rule":"must not be negative"},{"field":"kind","rule":"is needed"}],
            "component":"meters","version":"ab12"}"#;
        let problem = Problem::of(422, body);
        assert_eq!(problem.to_string(), "422: Invalid: 2 rows are wrong");
        let expected = [
            "row 3: energyWh: must not be negative",
            "kind: is needed",
            "component meters, version ab12",
        ];
        assert_eq!(problem.lines(), expected);
    }

    #[test]
    fn an_error_answer_that_is_no_problem_document_is_quoted() {
        assert_eq!(
            Problem::of(502, b"bad gateway").to_string(),
            "502: bad gateway"
        );
    }

    #[test]
    fn what_no_host_has_said_has_no_status() {
        let problem = Problem {
            title: "Taken back".to_owned(),
            detail: "it trapped".to_owned(),
            ..Problem::default()
        };
        assert_eq!(problem.to_string(), "Taken back: it trapped");
    }

    #[test]
    fn each_failure_has_its_documented_code() {
        assert_eq!(Error::NotMet.exit_code(), 1);
        assert_eq!(Error::Refused(Box::default()).exit_code(), 1);
        for (status, code) in [(401, 4), (403, 4), (404, 1), (422, 1), (429, 5), (503, 5)] {
            let error = Error::Refused(Box::new(Problem::of(status, b"{}")));
            assert_eq!(error.exit_code(), code, "{status}");
            assert_eq!(error.document()["exitCode"], code, "{status}");
            assert_eq!(error.next().is_some(), code > 1, "{status}");
        }
        assert_eq!(Error::Usage(String::new()).exit_code(), 2);
    }
}
