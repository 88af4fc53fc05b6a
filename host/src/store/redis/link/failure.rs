//! What an error of Redis or of the way to it means for the command that met it. Pure.

use redis::{ErrorKind, RedisError};

/// What to make of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    /// No answer came: the command may have run. The connection is of no use any more.
    Lost(&'static str),
    /// The server refused: the command did not run, but may do later.
    Refused(&'static str),
    /// This server is not, or not yet, the one to ask: the command did not run. Look for another.
    Misplaced(&'static str),
    /// The command itself is at fault.
    Fault,
}

/// An answer that takes longer than it may.
pub(super) const SILENT: Failure = Failure::Lost("Redis does not answer");

/// Codes that servers refuse with, and what they mean.
const CODES: [(&str, Failure); 14] = [
    ("OOM", Failure::Refused("Redis is out of memory")),
    (
        "MISCONF",
        Failure::Refused("Redis cannot write to its disk"),
    ),
    ("NOREPLICAS", Failure::Refused("Redis has too few replicas")),
    ("BUSY", Failure::Refused("a script keeps Redis busy")),
    (
        "NOPERM",
        Failure::Refused("Redis does not permit this user what Leyden needs"),
    ),
    (
        "TRYAGAIN",
        Failure::Refused("the cluster is moving the keys"),
    ),
    ("ASK", Failure::Refused("the cluster is moving the keys")),
    ("NOAUTH", Failure::Misplaced("Redis asks for a password")),
    (
        "WRONGPASS",
        Failure::Misplaced("Redis refuses the password"),
    ),
    ("LOADING", Failure::Misplaced("Redis is loading its data")),
    (
        "READONLY",
        Failure::Misplaced("Redis is a read-only replica"),
    ),
    (
        "MASTERDOWN",
        Failure::Misplaced("Redis is a replica without its primary"),
    ),
    (
        "MOVED",
        Failure::Misplaced("another node of the cluster has the keys"),
    ),
    ("CLUSTERDOWN", Failure::Misplaced("the cluster is down")),
];

/// What an error means.
pub(super) fn judge(error: &RedisError) -> Failure {
    if let Some(errors) = error.clone().into_server_errors() {
        return errors.first().map_or(Failure::Fault, |(_, refusal)| {
            answered(refusal.code(), refusal.details().unwrap_or_default())
        });
    }
    match error.kind() {
        ErrorKind::AuthenticationFailed => Failure::Misplaced("Redis refuses the password"),
        ErrorKind::Io if error.is_timeout() => SILENT,
        ErrorKind::Io if error.is_connection_refusal() => {
            Failure::Lost("Redis refuses connections")
        }
        ErrorKind::Io | ErrorKind::Parse => Failure::Lost("the connection to Redis broke"),
        _ => Failure::Fault,
    }
}

fn answered(code: &str, details: &str) -> Failure {
    let known = CODES.iter().find(|(known, _)| *known == code);
    match known {
        Some((_, failure)) => *failure,
        // A command that waited was sent away because the server's role changed.
        None if code == "UNBLOCKED" => Failure::Misplaced("Redis is a read-only replica"),
        None if details.starts_with("max number of clients") => {
            Failure::Misplaced("Redis has too many connections")
        }
        None => Failure::Fault,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(code: &str, details: &str) -> RedisError {
        redis::make_extension_error(code.to_owned(), Some(details.to_owned()))
    }

    #[test]
    fn a_refusal_says_whether_to_look_for_another_server() {
        let oom = judge(&refusal("OOM", "command not allowed"));
        assert_eq!(oom, Failure::Refused("Redis is out of memory"));
        let replica = judge(&refusal("READONLY", "You can't write"));
        assert_eq!(replica, Failure::Misplaced("Redis is a read-only replica"));
        let full = judge(&refusal("ERR", "max number of clients reached"));
        assert_eq!(full, Failure::Misplaced("Redis has too many connections"));
    }

    #[test]
    fn an_error_of_the_command_is_nothing_to_repeat() {
        assert_eq!(judge(&refusal("WRONGTYPE", "Operation")), Failure::Fault);
        assert_eq!(judge(&refusal("BUSYGROUP", "exists")), Failure::Fault);
    }

    #[test]
    fn a_broken_connection_leaves_open_what_happened() {
        let broken = RedisError::from(std::io::Error::from(std::io::ErrorKind::BrokenPipe));
        assert!(matches!(judge(&broken), Failure::Lost(_)));
        let silent = RedisError::from(std::io::Error::from(std::io::ErrorKind::TimedOut));
        assert_eq!(judge(&silent), SILENT);
    }
}
