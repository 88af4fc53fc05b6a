//! Partners: who they are, what they bring, what they ran and what they owe. Everything is kept in the
//! store's spaces below; running a component is left to `runtime/`, what a read needs and costs to
//! `metering/`.
//!
//! **Invariant.** Every key begins with the partner's id, which comes from the authenticated identity
//! or an operator, never from a guest.

pub mod accounts;
mod error;
pub mod keys;
pub mod limits;
mod operation;
pub mod plugins;
mod record;
pub mod signature;
pub mod upload_key;

pub use accounts::Accounts;
pub use error::Error;
pub(crate) use operation::{Operation, perform};
pub use record::{Partner, find, key, put};

/// Partners: id → [`Partner`].
pub(crate) const PARTNERS: &str = "leyden.partners";

/// The account that takes what partners pay.
pub const REVENUE: &str = "revenue";

/// The account that a partner's datapoints lie on.
#[must_use]
pub fn account(partner: &str) -> String {
    format!("partner/{partner}")
}

/// The account that holds what a partner's running plugins may spend.
#[must_use]
pub fn hold_account(partner: &str) -> String {
    format!("hold/{partner}")
}
