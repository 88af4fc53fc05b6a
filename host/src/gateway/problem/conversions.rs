//! Which kind of problem each error of the host is, and what of it callers are told.

use std::error::Error as StdError;

use super::super::{body, rows};
use super::{Kind, Problem};
use crate::dispatch::types::{FieldError, Problem as Refusal, ProblemKind};
use crate::partners::receipts::Outcome;
use crate::partners::{Full, runs};
use crate::policies::promotion;
use crate::registry::router::RouteError;
use crate::replay::RecordError;
use crate::{dispatch, partners, registry, store, streams};

impl From<ProblemKind> for Kind {
    fn from(kind: ProblemKind) -> Self {
        match kind {
            ProblemKind::Malformed => Self::Malformed,
            ProblemKind::PaymentRequired => Self::PaymentRequired,
            ProblemKind::Forbidden => Self::Forbidden,
            ProblemKind::NotFound => Self::NotFound,
            ProblemKind::Conflict => Self::Conflict,
            ProblemKind::UnsupportedMediaType => Self::UnsupportedMediaType,
            ProblemKind::Invalid => Self::Invalid,
        }
    }
}

/// Writes an error and what caused it to the log.
fn log(what: &str, error: &dyn StdError) {
    let mut chain = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        chain = format!("{chain}: {cause}");
        source = cause.source();
    }
    tracing::error!(error = chain, "{what}");
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        Self::new(refusal.kind.into(), refusal.detail).with(refusal.errors)
    }
}

impl From<dispatch::Error> for Problem {
    fn from(error: dispatch::Error) -> Self {
        use dispatch::Error as E;
        let detail = error.to_string();
        match error {
            E::Rejected(refusal) => refusal.into(),
            E::Retry(culprit, _) => Self::new(Kind::Unavailable, detail).by(culprit),
            E::NotServed(_) => Self::new(Kind::Unavailable, detail),
            E::Trapped(culprit, _) => {
                tracing::warn!(detail, "a component trapped");
                Self::new(Kind::Trapped, detail).by(culprit)
            }
            E::Deadline(culprit, _) => {
                tracing::warn!(detail, "a component took too long");
                Self::new(Kind::Deadline, detail).by(culprit)
            }
            E::Misbehaved(culprit, rule) => Self::misbehaved(culprit, &rule),
            E::Contended(_) | E::Fenced | E::Busy => Self::new(Kind::Busy, detail),
            E::LogFull(_) => Self::new(Kind::Full, detail),
            E::Stopping => Self::new(Kind::Stopping, detail),
            E::KeyReused => Self::field(Kind::KeyReused, "Idempotency-Key", detail),
            E::Store(error) => error.into(),
        }
    }
}

/// What a caller can do who was not told what became of the request.
const UNRESOLVED: &str = "the store did not say whether the request took effect; with an \
    Idempotency-Key it can be sent again and takes effect once, without one look first";

impl From<store::Error> for Problem {
    fn from(error: store::Error) -> Self {
        use store::Error as E;
        match error {
            // The store's health is logged where it changes, and not by each of its callers.
            E::Unavailable(why) => Self::store_down(why),
            E::Unresolved => {
                log("a commit has no answer", &error);
                Self::new(Kind::Unresolved, UNRESOLVED)
            }
            E::Overtaken | E::Fenced => Self::new(Kind::Busy, error.to_string()),
            E::Backend(_) => {
                log("the store failed", &error);
                Self::new(Kind::Internal, "the store failed; the host's log says more")
            }
        }
    }
}

impl From<store::CommitError> for Problem {
    fn from(error: store::CommitError) -> Self {
        use store::CommitError as E;
        match error {
            E::Store(error) => error.into(),
            E::Conflict => Self::new(Kind::Busy, error.to_string()),
            E::LogFull(_) => Self::new(Kind::Full, error.to_string()),
            E::Overdrawn { .. } | E::InvalidPosting(_) => {
                log("the host made a movement that the ledger refuses", &error);
                Self::new(Kind::Internal, "the host failed; its log says more")
            }
        }
    }
}

impl From<promotion::Error> for Problem {
    fn from(error: promotion::Error) -> Self {
        use promotion::Error as E;
        match error {
            E::Plan(member, rule) => Self::field(Kind::Invalid, member, rule),
            E::Unfit { why, report } => {
                let report = serde_json::to_value(report).unwrap_or_default();
                Self::new(Kind::Conflict, why).telling_tried(report)
            }
            E::Registry(error) => error.into(),
            E::Store(error) => error.into(),
        }
    }
}

impl From<registry::Error> for Problem {
    fn from(error: registry::Error) -> Self {
        use registry::Error as E;
        let detail = error.to_string();
        match error {
            E::UnknownComponent(_) | E::UnknownSecret(..) => Self::new(Kind::NotFound, detail),
            E::UnknownVersion(..) => {
                Self::field(Kind::NotFound, "to", "no such version").saying(detail)
            }
            E::Invalid(_) => Self::new(Kind::Invalid, detail),
            E::Busy => Self::new(Kind::Busy, detail),
            E::Compiler(..) => {
                log("a component cannot be compiled", &error);
                Self::new(Kind::Internal, "the host failed; its log says more")
            }
            E::Conflict(_) | E::Overtaken => Self::new(Kind::Conflict, detail),
            E::Store(error) => error.into(),
        }
    }
}

impl From<streams::Error> for Problem {
    fn from(error: streams::Error) -> Self {
        use streams::Error as E;
        let detail = error.to_string();
        match error {
            E::SystemClock => Self::new(Kind::Conflict, detail),
            E::Backwards(_) => Self::field(Kind::Conflict, "now", detail),
            E::Overlapping(_) => Self::field(Kind::Conflict, "tickMs", detail),
            E::TickLength(_) => Self::field(Kind::Invalid, "tickMs", detail),
            E::Busy(_) => Self::new(Kind::Busy, detail),
            E::NoLetter(_) => Self::field(Kind::NotFound, "id", detail),
            E::NoGroup(_) => Self::new(Kind::Conflict, detail),
            E::FailedAgain(error) => {
                let why = format!("{detail}, and stays: {error}");
                Self::from(error).saying(why)
            }
            E::Commit(error) => error.into(),
            E::Store(error) => error.into(),
        }
    }
}

impl From<RecordError> for Problem {
    fn from(error: RecordError) -> Self {
        let detail = error.to_string();
        match error {
            RecordError::Running => Self::new(Kind::Conflict, detail),
            RecordError::UnknownComponent(_) => Self::field(Kind::NotFound, "component", detail),
            RecordError::Store(error) => error.into(),
            RecordError::Scribe(_) | RecordError::Failed => {
                log("what runs here cannot be recorded", &error);
                Self::new(
                    Kind::Internal,
                    "the recorder failed; the host's log says more",
                )
            }
        }
    }
}

impl From<partners::Error> for Problem {
    fn from(error: partners::Error) -> Self {
        use partners::Error as E;
        let detail = error.to_string();
        match error {
            E::UnknownPartner(_) => {
                Self::field(Kind::NotFound, "id", "no such partner").saying(detail)
            }
            E::UnknownPlugin(..) => {
                Self::field(Kind::NotFound, "name", "no such plugin").saying(detail)
            }
            E::Unknown { field, rule } => Self::field(Kind::NotFound, field, rule),
            E::Invalid { field, rule } => Self::field(Kind::Invalid, field, rule),
            E::Conflict(_) => Self::new(Kind::Conflict, detail),
            E::Forbidden { errors, .. } => Self::new(Kind::Forbidden, detail).with(errors),
            E::Refused { errors, .. } => Self::new(Kind::Invalid, detail).with(errors),
            E::Busy(_) | E::Contended => Self::new(Kind::Busy, detail),
            E::Budget(_) | E::Compiler(_) => {
                log("an operation of the host's own failed", &error);
                Self::new(Kind::Internal, "the host failed; its log says more")
            }
            E::Policy(error) => error.into(),
            E::Store(error) => error.into(),
            E::Commit(error) => error.into(),
        }
    }
}

impl From<runs::Error> for Problem {
    fn from(error: runs::Error) -> Self {
        use runs::Error as E;
        let detail = error.to_string();
        match error {
            E::Partner(error) => error.into(),
            E::OutOfCredit(_) => Self::field(Kind::PaymentRequired, "maxSpend", detail),
            E::KeyReused => Self::field(Kind::KeyReused, "Idempotency-Key", detail),
            E::Running(run) => Self::new(Kind::Running, detail).of_run(&run, None, None),
            E::Full(Full::Own) => Self::new(Kind::TooMany, detail),
            E::Full(Full::All | Full::Late) => Self::new(Kind::Busy, detail),
            E::NotGranted(missing) => Self::new(Kind::Forbidden, detail)
                .with(missing.into_iter().map(not_granted).collect()),
            E::Unloadable(_) => Self::new(Kind::Conflict, detail),
            E::Unready(_) => Self::new(Kind::Unavailable, detail),
            E::Lost { run, receipt, .. } => {
                let outcome = receipt.as_ref().map(|_| Outcome::HostFault);
                Self::new(Kind::Lost, detail).of_run(&run, outcome, receipt.as_deref())
            }
        }
    }
}

/// An interface that a plugin imports, of a dataset that its partner may not read.
fn not_granted((import, level): (String, u32)) -> FieldError {
    FieldError {
        row: None,
        field: import,
        rule: format!("needs trust level {level}"),
    }
}

impl From<RouteError> for Problem {
    fn from(error: RouteError) -> Self {
        let detail = error.to_string();
        match error {
            RouteError::NotFound => Self::new(Kind::NoRoute, detail),
            RouteError::MethodNotAllowed { allow } => {
                Self::new(Kind::MethodNotAllowed, detail).allowing(allow)
            }
            RouteError::Encoding(name) => {
                Self::field(Kind::Malformed, &name, "must be percent-encoded UTF-8").saying(detail)
            }
        }
    }
}

impl From<body::Error> for Problem {
    fn from(error: body::Error) -> Self {
        let kind = match error {
            body::Error::TooLarge { .. } => Kind::TooLarge,
            body::Error::Slow { .. } => Kind::Timeout,
            body::Error::Cut => Kind::Malformed,
            body::Error::NoRoom => Kind::Busy,
        };
        Self::new(kind, error.to_string())
    }
}

impl From<rows::Error> for Problem {
    fn from(error: rows::Error) -> Self {
        let (kind, row) = match error {
            rows::Error::Malformed { row, .. } => (Kind::Malformed, row),
            rows::Error::RowTooLong { row } => (Kind::TooLarge, row),
        };
        let rule = error.to_string();
        let detail = match row {
            Some(row) => format!("row {row}: {rule}"),
            None => format!("header: {rule}"),
        };
        let field = if row.is_some() { "row" } else { "header" };
        Self::new(kind, detail).with(vec![FieldError {
            row,
            field: field.to_owned(),
            rule,
        }])
    }
}
