//! What the child does: limits itself, begins anew under the limits, compiles, answers, ends. It begins anew since
//! the allocator has reserved a gigabyte by the time that a limit can be set, which would not count.
//!
//! Its answer begins with one byte: [`COMPILED`], and the artifact follows; or [`REFUSED`], and the reason
//! follows in words.

use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use rlimit::Resource;
use wasmtime::Engine;

use super::super::inspect::UPLOAD_BYTES_MAX;
use super::super::{engine, partner, thread};
use super::CompileLimits;

/// The artifact follows.
pub(super) const COMPILED: u8 = 0;

/// The reason follows.
pub(super) const REFUSED: u8 = 1;

/// Most open files: standard streams, and what the runtime holds.
const FILES_MAX: u64 = 64;

/// Which engine is compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// That of partners' components.
    Partners,
    /// That of the operator's, functions among them.
    Functions,
    /// That of replays of functions, which counts fuel.
    Replays,
}

impl Target {
    /// The argument of the hidden verb that says so, if it needs one.
    #[must_use]
    pub fn argument(self) -> Option<&'static str> {
        match self {
            Self::Partners => None,
            Self::Functions => Some("--functions"),
            Self::Replays => Some("--replays"),
        }
    }
}

/// Limits this process and runs the same program again with these arguments. Returns only where it cannot.
pub fn limit_and_restart(limits: CompileLimits, arguments: &[&str]) -> io::Error {
    match limit(limits) {
        Ok(()) => Command::new(super::own_program()).args(arguments).exec(),
        Err(error) => error,
    }
}

/// Compiles what it reads and writes the answer. Limits have been set.
///
/// # Errors
/// The parent is gone. No limit that is met ends here: the system ends the process then.
pub fn compile(target: Target, mut input: impl Read, mut output: impl Write) -> io::Result<()> {
    let mut component = Vec::new();
    let most = UPLOAD_BYTES_MAX as u64;
    input.by_ref().take(most + 1).read_to_end(&mut component)?;
    let config = match target {
        Target::Partners => partner::compiling(),
        Target::Functions => engine::compiling(false),
        Target::Replays => engine::compiling(true),
    };
    let compiled = Engine::new(&config).and_then(|engine| engine.precompile_component(&component));
    match compiled {
        Ok(artifact) => {
            output.write_all(&[COMPILED])?;
            output.write_all(&artifact)?;
        }
        Err(error) => {
            output.write_all(&[REFUSED])?;
            write!(output, "{error:#}")?;
        }
    }
    output.flush()
}

/// Takes from this process, and what it becomes, what compiling does not need.
fn limit(limits: CompileLimits) -> io::Result<()> {
    rustix::process::nice(thread::UPLOAD)?;
    Resource::CORE.set(0, 0)?;
    Resource::FSIZE.set(0, 0)?;
    Resource::NOFILE.set(FILES_MAX, FILES_MAX)?;
    Resource::CPU.set(limits.cpu_s, limits.cpu_s.saturating_add(1))?;
    let bytes = limits.memory_mib.saturating_mul(1 << 20);
    Resource::AS.set(bytes, bytes)
}
