//! The gateway against what HTTP asks of a server (RFC 9110, 9112, 9113), byte by byte over sockets of its own; and what it tells
//! of requests while it answers them.
#![allow(
    clippy::disallowed_methods,
    reason = "tests measure how long something takes by themselves"
)]
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop"
)]

#[path = "support/process.rs"]
mod process;
mod support;
#[path = "support/web.rs"]
mod web;

#[path = "http_conformance/framing.rs"]
mod framing;
#[path = "http_conformance/heads.rs"]
mod heads;
#[path = "http_conformance/http2.rs"]
mod http2;
#[path = "http_conformance/methods.rs"]
mod methods;
#[path = "http_conformance/telling.rs"]
mod telling;
#[path = "http_conformance/tls.rs"]
mod tls;
#[path = "http_conformance/tracing.rs"]
mod tracing;
#[path = "http_conformance/wire.rs"]
mod wire;

use leyden::gateway::Options;
use support::built;
use web::Web;

/// A host with the test components.
async fn host(change: impl FnOnce(&mut Options)) -> Web {
    Web::start(&built("guests"), change).await
}

/// The host of all tests that leave it as it is.
async fn common() -> &'static Web {
    static COMMON: tokio::sync::OnceCell<Web> = tokio::sync::OnceCell::const_new();
    COMMON.get_or_init(|| host(|_| {})).await
}
