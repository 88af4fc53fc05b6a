//! What the operator's own components share: typed bindings of everything a service may import,
//! parameters and answers, time, state, records, an allocator. It is not needed by components of
//! other languages, which see the same WIT.
//!
//! A component implements the traits of what it answers and exports them with one macro each. It
//! imports exactly what it calls, and exports exactly what it names here:
//!
//! ```
//! use leyden_sdk::http::{self, Params, Request, Response};
//! use leyden_sdk::{Result, state};
//!
//! struct Counter;
//!
//! impl http::Handler for Counter {
//!     fn handle(request: Request) -> Result<Response> {
//!         let step = Params::of(&request)?.bare_as("step").u64("step")?;
//!         let sum = state::get_u64(b"sum")?.unwrap_or(0).saturating_add(step);
//!         state::set_u64(b"sum", sum)?;
//!         Ok(http::json(&sum))
//!     }
//! }
//!
//! leyden_sdk::export_http!(Counter);
//! # fn main() {}
//! ```
//!
//! | to export | implement | and call |
//! |---|---|---|
//! | an HTTP handler | [`http::Handler`] | [`export_http!`] |
//! | a row handler | [`rows::Handler`] | [`export_rows!`] |
//! | a stream handler | [`streams::Handler`] | [`export_streams!`] |
//! | a partner's report | [`analytics::Report`] | [`export_report!`] |
//! | `leyden:grid/devices` (so the others) | [`exports::devices::Guest`] | `export_interface!(devices, Component)` |
//!
//! Records of an exported interface are the types of [`grid`] and [`policy`], where the imports of
//! the same interface live as functions. Errors of all imports turn into [`Error`] with `?`.
//!
//! Invariants: nothing here reads a clock or randomness but the host's; a panic writes its message
//! to the component's log and traps; natively (tests) state, publishing,
//! clock and randomness come from [`testing`], and nothing else of the host may be called.

pub mod alloc;
pub mod analytics;
#[allow(
    missing_docs,
    unsafe_code,
    unreachable_pub,
    unused_qualifications,
    reason = "generated from the WIT, which documents every item"
)]
mod bindings;
pub mod civil;
mod error;
#[allow(
    missing_docs,
    unsafe_code,
    unreachable_pub,
    unused_qualifications,
    reason = "generated from the WIT, which documents every item"
)]
pub mod exports;
pub mod http;
pub mod log;
pub mod number;
pub mod rows;
pub mod series;
pub mod state;
pub mod streams;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
pub mod time;
pub mod uuid;

pub use bindings::leyden::ledger::ledger;
pub use bindings::leyden::partners::accounts;
/// Decisions, of the newest version: policies and callers of older ones are the host's to adapt.
pub use bindings::leyden::policy0_2_0 as policy;
pub use bindings::leyden::{data, grid};
pub use error::{Error, Result};

use std::sync::atomic::{AtomicBool, Ordering};

/// Sends panics to the component's log. The handlers' macros call it; an exported interface calls
/// it first in each of its functions.
pub fn init() {
    static DONE: AtomicBool = AtomicBool::new(false);
    if cfg!(target_arch = "wasm32") && !DONE.swap(true, Ordering::Relaxed) {
        std::panic::set_hook(Box::new(|panic| {
            log::write(log::Level::Error, &panic.to_string());
        }));
    }
}

/// Exports `leyden:http/handler` from a type that implements [`http::Handler`].
#[macro_export]
macro_rules! export_http {
    ($component:ident) => {
        $crate::export_interface!(http_handler, $component);
    };
}

/// Exports `leyden:http/row-handler` from a type that implements [`rows::Handler`].
#[macro_export]
macro_rules! export_rows {
    ($component:ident) => {
        $crate::export_interface!(row_handler, $component);
    };
}

/// Exports `leyden:streams/handler` from a type that implements [`streams::Handler`].
#[macro_export]
macro_rules! export_streams {
    ($component:ident) => {
        $crate::export_interface!(stream_handler, $component);
    };
}

/// Exports `leyden:data/reports` from a type that implements [`analytics::Report`].
#[macro_export]
macro_rules! export_report {
    ($component:ident) => {
        $crate::export_interface!(reports, $component);
    };
}

/// Exports one interface of [`exports`] from a type that implements its `Guest`:
/// `leyden_sdk::export_interface!(devices, House)`. Natively there is nothing to export to (and
/// linkers refuse the names): there it only checks that the type implements the interface.
#[macro_export]
macro_rules! export_interface {
    ($interface:ident, $component:ident) => {
        #[cfg(target_arch = "wasm32")]
        #[allow(
            unsafe_code,
            clippy::all,
            reason = "the component model's entry points"
        )]
        const _: () = {
            $crate::exports::$interface::export_guest!(
                $component with_types_in $crate::exports::$interface
            );
        };
        #[cfg(not(target_arch = "wasm32"))]
        const _: () = {
            const fn implements<T: $crate::exports::$interface::Guest>() {}
            implements::<$component>();
        };
    };
}
