//! Runs components: the engine, compiled components, pooled instances, calls between components.
//! With `capabilities/` the only user of wasmtime.
//!
//! **Invariants.** An instance serves one invocation at a time and is discarded after a trap, a
//! deadline or a cancellation. What a component is not granted is not linked. A call between
//! components is resolved when it happens, in the generation that the invocation holds.

mod bindings;
mod bridge;
mod engine;
mod failure;
mod guest;
pub mod inspect;
mod instance;
mod invoke;
mod loaded;
pub mod run;

pub use engine::{Options, Runtime};
pub use guest::Guest;
pub use inspect::{Inspection, Refused, inspect};
pub use loaded::{LoadError, Loaded};
pub use run::{Datasets, Limit, Ran, Report, RunError, RunInput, RunParams, Trigger};
