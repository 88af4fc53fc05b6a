//! A host as its clients see it: real plugins behind the real gateway, spoken to over HTTP. What goes
//! wrong has to be told right: status, field, rule, and who is to blame.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop"
)]

mod http;
#[path = "support/redis.rs"]
mod redis_servers;
mod support;
#[path = "support/web.rs"]
mod web;
