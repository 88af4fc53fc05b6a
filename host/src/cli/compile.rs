//! `leyden compile`, which a host starts to compile a partner's upload apart from itself. Not for people: it reads
//! a component from standard input and writes what it makes of it to standard output.

use std::io;

use super::Error;
use crate::runtime::compile;

/// Compiles a component within limits, for a host that started it.
#[derive(Debug, clap::Args)]
pub(super) struct Compile {}

impl Compile {
    /// Blocks the thread: there is nothing else for this process to do.
    #[expect(clippy::unused_self, reason = "as every verb is run")]
    pub(super) fn run(self) -> Result<(), Error> {
        Ok(compile::in_child(io::stdin().lock(), io::stdout().lock())?)
    }
}
