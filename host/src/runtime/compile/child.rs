//! What the child does: limits itself, compiles, answers, ends.
//!
//! Its answer begins with one byte: [`COMPILED`], and the artifact follows; or [`REFUSED`], and the reason
//! follows in words.

use std::io::{self, Read, Write};

use rlimit::Resource;
use wasmtime::Engine;

use super::super::inspect::UPLOAD_BYTES_MAX;
use super::super::partner;
use super::CompileLimits;

/// The artifact follows.
pub(super) const COMPILED: u8 = 0;

/// The reason follows.
pub(super) const REFUSED: u8 = 1;

/// How far it steps back behind the host for processor time.
const NICE: i32 = 10;

/// Most open files: standard streams, and what the runtime holds.
const FILES_MAX: u64 = 64;

/// Compiles what it reads and writes the answer.
///
/// # Errors
/// The limits cannot be set, or the parent is gone. No limit that is met ends here: the system ends the
/// process then.
pub fn compile(
    limits: CompileLimits,
    mut input: impl Read,
    mut output: impl Write,
) -> io::Result<()> {
    limit(limits)?;
    let mut component = Vec::new();
    let most = UPLOAD_BYTES_MAX as u64;
    input.by_ref().take(most + 1).read_to_end(&mut component)?;
    let compiled = Engine::new(&partner::compiling())
        .and_then(|engine| engine.precompile_component(&component));
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

/// Takes from this process what compiling does not need. What is running already keeps what it has.
fn limit(limits: CompileLimits) -> io::Result<()> {
    rustix::process::nice(NICE)?;
    Resource::CORE.set(0, 0)?;
    Resource::FSIZE.set(0, 0)?;
    Resource::NOFILE.set(FILES_MAX, FILES_MAX)?;
    Resource::CPU.set(limits.cpu_s, limits.cpu_s.saturating_add(1))?;
    let bytes = limits.memory_mib.saturating_mul(1 << 20);
    Resource::AS.set(bytes, bytes)
}
