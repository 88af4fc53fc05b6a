//! The one error of guest code. It says what to do, like the handlers' own errors: refuse the input
//! or try again. What another interface reports becomes one of the two here and nowhere else.
//! Neither keeps any effect of the invocation.

use crate::bindings::leyden;
use crate::http::{FieldError, Problem, ProblemKind};

/// How guest code ends without a result.
#[derive(Clone, Debug, PartialEq)]
pub enum Error {
    /// The input is at fault; the caller gets the problem.
    Reject(Problem),
    /// The moment is at fault; the host runs the invocation again, a bounded number of times.
    Retry(String),
}

/// What guest code returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// A refusal that names no field.
    pub fn reject(kind: ProblemKind, detail: impl Into<String>) -> Self {
        Self::Reject(Problem {
            kind,
            detail: detail.into(),
            errors: Vec::new(),
        })
    }

    /// 422: `field` breaks `rule`.
    pub fn invalid(field: impl Into<String>, rule: impl Into<String>) -> Self {
        let (field, rule) = (field.into(), rule.into());
        Self::Reject(Problem {
            kind: ProblemKind::Invalid,
            detail: format!("`{field}` {rule}."),
            errors: vec![FieldError {
                row: None,
                field,
                rule,
            }],
        })
    }

    /// 400: the syntax of the request is broken.
    pub fn malformed(detail: impl Into<String>) -> Self {
        Self::reject(ProblemKind::Malformed, detail)
    }

    /// 404: what `field` names does not exist.
    pub fn not_found(field: impl Into<String>, detail: impl Into<String>) -> Self {
        let (field, detail) = (field.into(), detail.into());
        let errors = vec![FieldError {
            row: None,
            field,
            rule: "must name something that exists".into(),
        }];
        Self::Reject(Problem {
            kind: ProblemKind::NotFound,
            detail,
            errors,
        })
    }

    /// 409: what `field` says contradicts what is there.
    pub fn conflict(field: impl Into<String>, rule: impl Into<String>) -> Self {
        let (field, rule) = (field.into(), rule.into());
        Self::Reject(Problem {
            kind: ProblemKind::Conflict,
            detail: format!("`{field}` {rule}."),
            errors: vec![FieldError {
                row: None,
                field,
                rule,
            }],
        })
    }

    /// 403: the caller may not do this.
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::reject(ProblemKind::Forbidden, detail)
    }

    /// 402: datapoints do not suffice.
    pub fn payment_required(detail: impl Into<String>) -> Self {
        Self::reject(ProblemKind::PaymentRequired, detail)
    }

    /// The sentence for people, for an interface whose errors carry only words.
    pub fn into_detail(self) -> String {
        match self {
            Self::Reject(problem) => problem.detail,
            Self::Retry(reason) => reason,
        }
    }
}

impl From<Error> for leyden::http::types::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Reject(problem) => Self::Reject(problem),
            Error::Retry(reason) => Self::Retry(reason),
        }
    }
}

impl From<Error> for crate::exports::stream_handler::HandlerError {
    fn from(error: Error) -> Self {
        match error {
            Error::Reject(problem) => Self::Reject(problem.detail),
            Error::Retry(reason) => Self::Retry(reason),
        }
    }
}

/// A budget that is used up is used up again on the next run: it is refused, not retried.
fn over_budget(what: &str) -> Error {
    Error::reject(
        ProblemKind::Invalid,
        format!("The request needs more than one invocation's budget of {what}."),
    )
}

impl From<leyden::state::store::Error> for Error {
    fn from(error: leyden::state::store::Error) -> Self {
        use leyden::state::store::Error as Cause;
        match error {
            Cause::KeySize(limit) => Self::reject(
                ProblemKind::Invalid,
                format!("A name is empty or longer than {limit} bytes."),
            ),
            Cause::ValueSize(limit) => Self::reject(
                ProblemKind::Invalid,
                format!("A value is longer than {limit} bytes."),
            ),
            Cause::Budget(what) => over_budget(&what),
            Cause::Unavailable(reason) => Self::Retry(reason),
        }
    }
}

impl From<leyden::streams::publisher::Error> for Error {
    fn from(error: leyden::streams::publisher::Error) -> Self {
        use leyden::streams::publisher::Error as Cause;
        match error {
            Cause::NotGranted(stream) => Self::forbidden(format!(
                "This component may not publish to the stream `{stream}`."
            )),
            Cause::TooLarge(limit) => Self::reject(
                ProblemKind::Invalid,
                format!("A record is longer than {limit} bytes."),
            ),
            Cause::Budget(what) => over_budget(&what),
        }
    }
}

impl From<leyden::ledger::ledger::Error> for Error {
    fn from(error: leyden::ledger::ledger::Error) -> Self {
        use leyden::ledger::ledger::Error as Cause;
        match error {
            Cause::Insufficient(held) => {
                Self::payment_required(format!("The account holds only {held} datapoints."))
            }
            Cause::Account(name) => Self::reject(
                ProblemKind::Invalid,
                format!("`{name}` is no usable account."),
            ),
            Cause::Amount(amount) => Self::reject(
                ProblemKind::Invalid,
                format!("{amount} is no usable amount of datapoints."),
            ),
            Cause::Budget(what) => over_budget(&what),
            Cause::Unavailable(reason) => Self::Retry(reason),
        }
    }
}

impl From<leyden::grid::client_registry::Error> for Error {
    fn from(error: leyden::grid::client_registry::Error) -> Self {
        use leyden::grid::client_registry::Error as Cause;
        match error {
            Cause::UnknownHouse(id) => {
                Self::not_found("houseID", format!("No house has the id `{id}`."))
            }
            Cause::HouseholdTaken(_) => {
                Self::conflict("household", "already belongs to another house")
            }
            Cause::Invalid(detail) => Self::reject(ProblemKind::Invalid, detail),
            Cause::State(reason) => Self::Retry(reason),
        }
    }
}

impl From<leyden::grid::devices::Error> for Error {
    fn from(error: leyden::grid::devices::Error) -> Self {
        use leyden::grid::devices::Error as Cause;
        match error {
            Cause::UnknownHouse(id) => {
                Self::not_found("houseID", format!("No house has the id `{id}`."))
            }
            Cause::UnknownObject(name) => Self::not_found(
                "objectName",
                format!("The house has no scheduled object `{name}`."),
            ),
            Cause::State(reason) => Self::Retry(reason),
        }
    }
}

/// A policy that breaks its contract can be replaced while the caller waits: it is retried.
impl From<leyden::grid::scheduler::Error> for Error {
    fn from(error: leyden::grid::scheduler::Error) -> Self {
        use leyden::grid::scheduler::Error as Cause;
        match error {
            Cause::BadDecision(reason) | Cause::State(reason) => Self::Retry(reason),
        }
    }
}

/// Errors of interfaces that only report that state could not be reached.
macro_rules! from_state_error {
    ($($module:ident),*) => {$(
        impl From<leyden::grid::$module::Error> for Error {
            fn from(error: leyden::grid::$module::Error) -> Self {
                let leyden::grid::$module::Error::State(reason) = error;
                Self::Retry(reason)
            }
        }
    )*};
}
from_state_error!(
    consumption,
    consumption_rows,
    production,
    production_rows,
    balances
);

/// The other way, inside a component that exports the interface: its own state failed.
macro_rules! into_state_error {
    ($($module:ident),*) => {$(
        impl From<Error> for leyden::grid::$module::Error {
            fn from(error: Error) -> Self {
                Self::State(error.into_detail())
            }
        }
    )*};
}
into_state_error!(
    client_registry,
    devices,
    scheduler,
    consumption,
    consumption_rows,
    production,
    production_rows,
    balances
);
