//! What the end of the compiling process means. Pure.

use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;

use super::child::{COMPILED, REFUSED};
use super::{ARTIFACT_BYTES_MAX, Artifact, CompileLimits};
use crate::runtime::inspect::{Reason, Refused, printable};
use crate::runtime::partner::PartnerLoadError;

/// Signals by which the system ends a process (POSIX names; the numbers are those of every Unix that
/// has them).
const SIGABRT: i32 = 6;
const SIGKILL: i32 = 9;
const SIGSEGV: i32 = 11;
const SIGXCPU: i32 = 24;

/// How the child ended.
pub(super) enum Ended {
    /// By itself, or by a signal.
    Exited {
        status: ExitStatus,
        output: Vec<u8>,
        complaint: String,
    },
    /// It did not within the time it is given.
    TooLate,
    /// It cannot be told.
    Lost(String),
}

/// Whether there is an artifact, or whose fault it is that there is none. A compiler that fails once it
/// has got its input fails because of its input.
pub(super) fn judge(ended: Ended, limits: CompileLimits) -> Result<Artifact, PartnerLoadError> {
    let (status, output, complaint) = match ended {
        Ended::Exited {
            status,
            output,
            complaint,
        } => (status, output, complaint),
        Ended::TooLate => return Err(refused(&too_long(limits))),
        Ended::Lost(why) => return Err(PartnerLoadError::Host(why)),
    };
    if let Some(signal) = status.signal() {
        return Err(refused(&by_signal(signal, &complaint, limits)));
    }
    if !status.success() {
        return Err(refused(&format!(
            "makes the compiler fail: {}",
            last_line(&complaint)
        )));
    }
    match output.first() {
        Some(&COMPILED) if output.len() as u64 > 1 + ARTIFACT_BYTES_MAX => Err(refused(&format!(
            "is more than {ARTIFACT_BYTES_MAX} bytes when compiled"
        ))),
        Some(&COMPILED) => Ok(Artifact(output)),
        Some(&REFUSED) => {
            let why = String::from_utf8_lossy(&output[1..]);
            Err(refused(&format!("cannot be compiled: {}", printable(&why))))
        }
        _ => Err(PartnerLoadError::Host(format!(
            "the compiling process gave no answer: {}",
            last_line(&complaint)
        ))),
    }
}

fn by_signal(signal: i32, complaint: &str, limits: CompileLimits) -> String {
    let out_of_memory = complaint.contains("memory allocation of")
        || complaint.contains("out of memory")
        || complaint.contains("Cannot allocate memory");
    match signal {
        SIGXCPU | SIGKILL => format!(
            "takes more than {} s of processor time to compile",
            limits.cpu_s
        ),
        SIGABRT | SIGSEGV if out_of_memory => format!(
            "takes more than {} MiB of memory to compile",
            limits.memory_mib
        ),
        _ => format!(
            "makes the compiler fail (signal {signal}): {}",
            last_line(complaint)
        ),
    }
}

fn too_long(limits: CompileLimits) -> String {
    format!("takes more than {} s to compile", limits.wall_s)
}

fn last_line(complaint: &str) -> String {
    let line = complaint.lines().rfind(|line| !line.trim().is_empty());
    printable(line.unwrap_or("it did not say why"))
}

fn refused(problem: &str) -> PartnerLoadError {
    let remedy = "split its largest functions, build them with optimisation, or leave out what it \
                  does not need";
    Refused::from(Reason::new(problem, remedy)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exited(raw: i32, output: &[u8], complaint: &str) -> Result<Artifact, PartnerLoadError> {
        let ended = Ended::Exited {
            status: ExitStatus::from_raw(raw),
            output: output.into(),
            complaint: complaint.into(),
        };
        judge(ended, CompileLimits::default())
    }

    fn refusal(result: Result<Artifact, PartnerLoadError>) -> String {
        match result {
            Err(PartnerLoadError::Refused(refused)) => refused.to_string(),
            Err(other) => panic!("{other}"),
            Ok(_) => panic!("compiled"),
        }
    }

    #[test]
    fn an_artifact_is_what_follows_the_first_byte() {
        let artifact = exited(0, &[COMPILED, 1, 2], "").expect("an artifact");
        assert_eq!(artifact.bytes(), [1, 2]);
    }

    #[test]
    fn every_limit_is_named() {
        let cases = [
            (exited(SIGXCPU, b"", ""), "60 s of processor time"),
            (exited(SIGKILL, b"", ""), "60 s of processor time"),
            (
                exited(SIGABRT, b"", "memory allocation of 4096 bytes failed\n"),
                "2048 MiB of memory",
            ),
            (
                judge(Ended::TooLate, CompileLimits::default()),
                "300 s to compile",
            ),
            (
                exited(SIGABRT, b"", "thread 'main' has overflowed its stack"),
                "signal 6",
            ),
            (exited(101 << 8, b"", "it broke\n\n"), "it broke"),
            (exited(0, &[REFUSED, b'n', b'o'], ""), "no"),
        ];
        for (result, words) in cases {
            let text = refusal(result);
            assert!(text.contains(words), "{text}");
        }
    }

    #[test]
    fn no_answer_is_the_hosts_fault() {
        let silent = exited(0, b"", "");
        assert!(matches!(silent, Err(PartnerLoadError::Host(_))));
    }
}
