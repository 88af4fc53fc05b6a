//! The engine for partners' code: what it refuses and in which words, and that a run that misbehaves is stopped
//! in time, for the right reason, with no harm to the next.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot go on should stop, and tests measure time"
)]

#[path = "partner_engine/bench.rs"]
mod bench;
#[path = "partner_engine/components.rs"]
mod components;
#[path = "partner_engine/odd.rs"]
mod odd;
#[path = "partner_engine/refusals.rs"]
mod refusals;
#[path = "partner_engine/runs.rs"]
mod runs;
#[path = "partner_engine/storage.rs"]
mod storage;
mod support;
#[path = "partner_engine/wasi.rs"]
mod wasi;
