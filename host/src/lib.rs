//! Leyden: a serverless platform for energy communities. See ARCHITECTURE.md for the map.

pub mod bounded;
pub mod bundle;
pub mod capabilities;
pub mod cli;
pub mod clock;
pub mod config;
pub mod dispatch;
pub mod gateway;
pub mod host;
pub mod ids;
pub mod keys;
pub mod logs;
pub mod metering;
pub mod operators;
pub mod outbound;
pub mod partners;
mod percent;
pub mod policies;
pub mod registry;
pub mod replay;
pub mod runtime;
pub mod secrets;
pub mod store;
pub mod streams;
mod tapped;
pub mod telemetry;
