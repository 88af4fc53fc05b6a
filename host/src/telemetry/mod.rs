//! What a host tells of its work: ids of requests, counts for monitoring, log lines, and traces.
//!
//! It knows nothing of HTTP, components or the store; whoever works tells it what happened.
//!
//! **Invariants.** Telling never waits and never fails what it tells of: counts are atomics, queues
//! are bounded, and what finds no room is dropped and counted. What is switched off costs a look at one value.

pub mod logs;
pub mod otlp;
pub mod request;
pub mod stats;
pub mod trace;

/// Target of the lines of the access log, apart from all other lines, so that each can be had without the other.
pub const ACCESS: &str = "access";

pub use request::{RequestId, Scope};
pub use stats::Stats;
pub use trace::{Tracer, span};
