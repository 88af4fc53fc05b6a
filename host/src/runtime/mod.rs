//! Runs components: the engine, compiled components, pooled instances, calls between components.
//! With `capabilities/` the only user of wasmtime.
//!
//! **Invariants.** An instance serves one invocation at a time and is discarded after a trap, a
//! deadline or a cancellation. What a component is not granted is not linked. A call between
//! components is resolved when it happens, in the generation that the invocation holds; where caller and
//! callee were built against different versions of an interface, its values are carried over by name.

mod access;
mod adapt;
pub(crate) mod analyst;
mod analytics;
mod artifacts;
mod bindings;
mod bridge;
pub mod compile;
mod engine;
mod failure;
pub mod function;
mod grid;
mod guest;
pub mod inspect;
mod instance;
mod invoke;
mod loaded;
mod partner;
mod policy;
pub mod run;
mod thread;
mod values;
pub(crate) mod versions;
mod wasi;

pub(crate) use access::decide;
pub use access::terms;
pub use analyst::Analyst;
pub use analytics::Analytics;
pub(crate) use artifacts::private_key;
pub use compile::CompileLimits;
pub use engine::{Options, Runtime};
pub(crate) use failure::is_too_deep;
pub(crate) use grid::{Ask, CALLED, Page, ROWS_MAX, rows, withheld};
pub(crate) use guest::Call;
pub use guest::Guest;
pub use inspect::{Inspection, Refused, inspect};
pub use loaded::{LoadError, Loaded};
pub use partner::{PartnerLoadError, PartnerOptions, PartnerRuntime};
pub use run::{Datasets, Limit, Ran, Report, RunError, RunInput, RunParams, Trigger};
pub(crate) use thread::{UPLOAD as BEHIND_ALL, on_own};
