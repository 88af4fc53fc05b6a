//! Why something asked about a partner was not done.

use crate::dispatch;
use crate::dispatch::types::FieldError;
use crate::dispatch::work;
use crate::ids::{ComponentName, PartnerId};
use crate::store::{self, CommitError};

/// Why it was not done. Nothing changed then, except where [`store::Error::Unresolved`] says that the
/// store has not told.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody is registered under the id.
    #[error("no partner has the id '{0}'")]
    UnknownPartner(PartnerId),
    /// The partner has no such plugin.
    #[error("partner '{0}' has no plugin '{1}'")]
    UnknownPlugin(PartnerId, ComponentName),
    /// Something else that the request names is not there.
    #[error("{field}: {rule}")]
    Unknown {
        /// Which member or parameter names it.
        field: &'static str,
        /// What is not there, in words.
        rule: String,
    },
    /// A value breaks a rule.
    #[error("{field}: {rule}")]
    Invalid {
        /// Member, parameter or header.
        field: &'static str,
        /// The rule.
        rule: String,
    },
    /// It contradicts what is there; how to go on, in words.
    #[error("{0}")]
    Conflict(String),
    /// The caller may not do this.
    #[error("{detail}")]
    Forbidden {
        /// What may not be done, in words.
        detail: String,
        /// What is at fault, and the rule for each.
        errors: Vec<FieldError>,
    },
    /// What was uploaded is not a component that may run here.
    #[error("{detail}")]
    Refused {
        /// Why, in words.
        detail: String,
        /// What is at fault in it, and the rule for each.
        errors: Vec<FieldError>,
    },
    /// More of it is under way than is taken at a time.
    #[error("{0}")]
    Busy(&'static str),
    /// Others changed the same over and over.
    #[error("others keep changing the same; try again")]
    Contended,
    /// The host could not look through or compile a component; why, for the log.
    #[error("the component could not be compiled: {0}")]
    Compiler(String),
    /// The access policy failed.
    #[error(transparent)]
    Policy(dispatch::Error),
    /// It is more than one transaction may do.
    #[error(transparent)]
    Budget(#[from] work::Budget),
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The store refused what should have been in order.
    #[error(transparent)]
    Commit(CommitError),
}

impl Error {
    /// A value that breaks a rule.
    pub(crate) fn invalid(field: &'static str, rule: impl Into<String>) -> Self {
        let rule = rule.into();
        Self::Invalid { field, rule }
    }

    /// A record that cannot be read.
    pub(crate) fn broken() -> Self {
        Self::Store(store::Error::Unavailable("it holds a broken record"))
    }
}

impl From<work::Error> for Error {
    fn from(error: work::Error) -> Self {
        match error {
            work::Error::Budget(budget) => Self::Budget(budget),
            work::Error::Store(error) => Self::Store(error),
            work::Error::Insufficient(left) => {
                Self::Conflict(format!("the account holds only {left} datapoints"))
            }
        }
    }
}
