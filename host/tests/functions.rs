//! Functions as their clients see them: `wasi:http` components behind the real gateway.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot go on should stop, and some measure time"
)]

mod function;
#[path = "support/records.rs"]
mod records;
mod support;
#[path = "support/web.rs"]
mod web;
