//! Partners: who they are, what they bring, what they ran and what they owe. Everything is kept in the
//! store's spaces below; running a component is left to `runtime/`, what a read needs and costs to
//! `metering/`.
//!
//! **Invariant.** Every key begins with the partner's id, which comes from the authenticated identity
//! or an operator, never from a guest.

pub mod accounts;
mod answers;
pub mod archive;
mod bill;
mod credits;
mod error;
pub mod failpoints;
mod holds;
pub mod keys;
pub mod limits;
pub mod logs;
mod notary;
mod operation;
pub mod plugins;
mod queue;
pub mod quote;
pub mod receipts;
mod record;
pub mod refunds;
pub mod reports;
pub mod runs;
mod settle;
pub mod signature;
mod started;
mod terms;
pub mod triggers;
pub mod upload_key;
pub mod uploads;
pub mod usage;

pub use accounts::Accounts;
pub use bill::OutOfCredit;
pub use error::Error;
pub use notary::Notary;
pub(crate) use operation::{Operation, perform};
pub use queue::Full;
pub use record::{Partner, find, key, put};
pub use runs::Runs;
pub use started::{Batch, RunRequest, Started};
pub use terms::Policy;
pub use triggers::Triggers;
pub use uploads::Uploads;

/// Partners: id → [`Partner`].
pub(crate) const PARTNERS: &str = "leyden.partners";

/// Holds of runs that are under way: run → what is held.
pub(crate) const HOLDS: &str = "leyden.holds";

/// Receipts: partner, 0, place (8 bytes) → the exact bytes of a [`receipts::Receipt`].
pub(crate) const RECEIPTS: &str = "leyden.receipts";

/// Months of receipts: partner, 0, month → the place of the first (8 bytes).
pub(crate) const RECEIPT_MONTHS: &str = "leyden.receipt-months";

/// Ends of the chains of receipts: partner → [`receipts::Head`].
pub(crate) const RECEIPT_HEADS: &str = "leyden.receipt-heads";

/// The installation's own keys: what for → the seed of an Ed25519 key.
pub(crate) const HOST_KEY: &str = "leyden.host-key";

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
