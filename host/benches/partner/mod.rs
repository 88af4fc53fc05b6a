//! Partners and their operator as proofs and benchmarks play them: plugins in all forms, and everything
//! that is done with them over HTTP.

pub mod ground;
pub mod people;
pub mod plugin;
pub mod shell;
