//! `leyden compile`, which a host starts to compile a partner's upload apart from itself. Not for people: it reads
//! a component from standard input and writes what it makes of it to standard output.

use std::io;

use super::Error;
use crate::runtime::{CompileLimits, compile};

/// Compiles a component within limits, for a host that started it.
#[derive(Debug, clap::Args)]
pub(super) struct Compile {
    /// Address space that it may take, MiB.
    #[arg(long, default_value_t = CompileLimits::default().memory_mib)]
    memory_mib: u64,
    /// Processor time that it may take, s.
    #[arg(long, default_value_t = CompileLimits::default().cpu_s)]
    cpu_s: u64,
    /// For the engine of functions instead of that of partners' components.
    #[arg(long)]
    functions: bool,
    /// For the engine that replays functions.
    #[arg(long, conflicts_with = "functions")]
    replays: bool,
    /// The limits are set already.
    #[arg(long)]
    limited: bool,
}

impl Compile {
    /// Blocks the thread: there is nothing else for this process to do.
    pub(super) fn run(&self) -> Result<(), Error> {
        if self.limited {
            let (input, output) = (io::stdin().lock(), io::stdout().lock());
            return Ok(compile::in_child(self.target(), input, output)?);
        }
        let limits = CompileLimits {
            memory_mib: self.memory_mib,
            cpu_s: self.cpu_s,
            ..CompileLimits::default()
        };
        let mut anew = vec!["compile", "--limited"];
        anew.extend(self.target().argument());
        Err(compile::limit_and_restart(limits, &anew).into())
    }

    fn target(&self) -> compile::Target {
        match (self.functions, self.replays) {
            (true, _) => compile::Target::Functions,
            (_, true) => compile::Target::Replays,
            (false, false) => compile::Target::Partners,
        }
    }
}
