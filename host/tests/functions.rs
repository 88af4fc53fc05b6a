//! Functions as their clients see them: `wasi:http` components behind the real gateway.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop"
)]

mod function;
mod support;
#[path = "support/web.rs"]
mod web;
