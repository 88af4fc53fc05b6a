//! Partners as clients of a host, spoken to over HTTP: who may do what, with whose key, and what becomes of
//! what they bring.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop"
)]

#[path = "partners_http/mod.rs"]
mod http;
#[allow(
    dead_code,
    unreachable_pub,
    reason = "it is the proofs'; a test uses its part"
)]
#[path = "../benches/partner/plugin.rs"]
mod plugin;
#[path = "support/redis.rs"]
mod redis_servers;
mod support;
#[path = "support/web.rs"]
mod web;
