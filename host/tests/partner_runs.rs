//! What a run of a plugin costs, row by row of the table in `plugins/partners/METERING.md`, on both stores. What
//! plugins do is scripted; receipts, usage and ledger are compared at the end of every test.
#![allow(
    clippy::disallowed_methods,
    reason = "tests wait and read their own settings"
)]

#[path = "support/faulty.rs"]
mod faulty;
#[path = "support/partners.rs"]
mod partners;
#[path = "support/redis.rs"]
mod redis;
#[path = "partner_runs/mod.rs"]
mod rows;
