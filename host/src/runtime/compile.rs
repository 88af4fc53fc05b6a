//! Compiles partners' components and functions in a child process: one at a time, within limits on memory, processor
//! time and wall clock. The child is this program with the hidden verb `compile`; it gets the bytes on
//! standard input, has an empty environment, opens nothing, and writes the artifact to standard output.
//!
//! **Invariant.** Whatever the child does (loops, eats memory, crashes), the parent goes on, and whoever
//! uploaded is told which limit it met.

mod child;
mod verdict;

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

pub use child::{Target, compile as in_child, limit_and_restart};

use super::partner::PartnerLoadError;
use verdict::Ended;

/// What the child may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompileLimits {
    /// Address space, MiB.
    pub memory_mib: u64,
    /// Processor time, s.
    pub cpu_s: u64,
    /// Time on the clock, s, however little it computes.
    pub wall_s: u64,
}

/// CPython takes some 20 s and up to a GiB of address space; a compile bomb takes minutes and gigabytes.
impl Default for CompileLimits {
    fn default() -> Self {
        Self {
            memory_mib: 2_048,
            cpu_s: 60,
            wall_s: 300,
        }
    }
}

/// Largest artifact, bytes: some four times the largest upload.
const ARTIFACT_BYTES_MAX: u64 = 192 << 20;

/// Uploads that may wait for their turn; the next is told to come back.
const WAITING_MAX: usize = 16;

/// Longest that an upload waits for its turn.
const WAIT_MAX: Duration = Duration::from_secs(120);

/// Bytes of the child's complaints that are kept.
const COMPLAINT_BYTES_MAX: u64 = 4 << 10;

/// A compiled component, as the child wrote it.
pub(super) struct Artifact(Vec<u8>);

impl Artifact {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0[1..]
    }
}

/// Compiles one after the other.
pub(super) struct Compiler {
    program: PathBuf,
    limits: CompileLimits,
    target: Target,
    turns: Arc<Semaphore>,
    places: Arc<Semaphore>,
}

/// The right to compile now.
pub(super) struct Turn {
    program: PathBuf,
    limits: CompileLimits,
    target: Target,
    _turn: OwnedSemaphorePermit,
    _place: OwnedSemaphorePermit,
}

impl Compiler {
    pub(super) fn new(program: Option<PathBuf>, limits: CompileLimits, target: Target) -> Self {
        Self {
            program: program.unwrap_or_else(own_program),
            limits,
            target,
            turns: Arc::new(Semaphore::new(1)),
            places: Arc::new(Semaphore::new(1 + WAITING_MAX)),
        }
    }

    /// Waits for the right to compile.
    ///
    /// # Errors
    /// Too many wait already, or the wait took too long.
    pub(super) async fn turn(&self) -> Result<Turn, PartnerLoadError> {
        let busy = PartnerLoadError::Busy;
        let Ok(place) = self.places.clone().try_acquire_owned() else {
            return Err(busy);
        };
        let turn = tokio::time::timeout(WAIT_MAX, self.turns.clone().acquire_owned()).await;
        let Ok(Ok(turn)) = turn else {
            return Err(busy);
        };
        Ok(Turn {
            program: self.program.clone(),
            limits: self.limits,
            target: self.target,
            _turn: turn,
            _place: place,
        })
    }
}

/// The running program: by what the system knows it as, so that it is the same version even where its
/// file has been replaced since.
fn own_program() -> PathBuf {
    let running = Path::new("/proc/self/exe");
    if running.exists() {
        return running.to_owned();
    }
    std::env::current_exe().unwrap_or_else(|_| PathBuf::from("leyden"))
}

impl Turn {
    /// Compiles. The child dies with the future.
    ///
    /// # Errors
    /// The component cannot be compiled within the limits, or the child cannot be started.
    pub(super) async fn compile(self, bytes: Arc<Vec<u8>>) -> Result<Artifact, PartnerLoadError> {
        let mut child = self.spawn().map_err(|error| {
            PartnerLoadError::Host(format!("{}: {error}", self.program.display()))
        })?;
        let wall = Duration::from_secs(self.limits.wall_s);
        let ended = tokio::time::timeout(wall, converse(&mut child, &bytes)).await;
        // What it has not ended by itself ends here: a child that hangs, or has said too much.
        let _ = child.kill().await;
        verdict::judge(ended.unwrap_or(Ended::TooLate), self.limits)
    }

    fn spawn(&self) -> std::io::Result<Child> {
        Command::new(&self.program)
            .arg("compile")
            .arg(format!("--memory-mib={}", self.limits.memory_mib))
            .arg(format!("--cpu-s={}", self.limits.cpu_s))
            .args(self.target.argument())
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
    }
}

/// Hands the component over and takes in what comes back.
async fn converse(child: &mut Child, bytes: &[u8]) -> Ended {
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (Some(mut stdin), Some(stdout), Some(stderr)) = (stdin, stdout, stderr) else {
        return Ended::Lost("it has no standard streams".into());
    };
    let hand_over = async move {
        // A child that ends early does not read to the end; how it ended says why.
        let _ = stdin.write_all(bytes).await;
    };
    let (output, complaint, ()) = tokio::join!(
        bounded(stdout, 1 + ARTIFACT_BYTES_MAX),
        bounded(stderr, COMPLAINT_BYTES_MAX),
        hand_over
    );
    match child.wait().await {
        Ok(status) => Ended::Exited {
            status,
            output,
            complaint: String::from_utf8_lossy(&complaint).into_owned(),
        },
        Err(error) => Ended::Lost(error.to_string()),
    }
}

/// Reads to the end, keeping no more than so many bytes and one, by which is seen that there were more.
async fn bounded(mut from: impl AsyncRead + Unpin, most: u64) -> Vec<u8> {
    let mut kept = Vec::new();
    // What cannot be read is missing, which is seen by the reader of the whole.
    let _ = (&mut from).take(most + 1).read_to_end(&mut kept).await;
    let _ = tokio::io::copy(&mut from, &mut tokio::io::sink()).await;
    kept
}
