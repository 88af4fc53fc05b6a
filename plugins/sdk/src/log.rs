//! Lines in the component's log; they stay even when the invocation fails.

pub use crate::bindings::leyden::log::log::{Level, write};

/// For whoever debugs the component.
#[macro_export]
macro_rules! debug { ($($arg:tt)*) => { $crate::log::write($crate::log::Level::Debug, &format!($($arg)*)) }; }

/// Worth knowing.
#[macro_export]
macro_rules! info { ($($arg:tt)*) => { $crate::log::write($crate::log::Level::Info, &format!($($arg)*)) }; }

/// Something is off.
#[macro_export]
macro_rules! warn { ($($arg:tt)*) => { $crate::log::write($crate::log::Level::Warn, &format!($($arg)*)) }; }

/// Something failed.
#[macro_export]
macro_rules! error { ($($arg:tt)*) => { $crate::log::write($crate::log::Level::Error, &format!($($arg)*)) }; }
