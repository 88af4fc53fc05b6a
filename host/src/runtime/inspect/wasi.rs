//! The interfaces of WASI 0.2 that standard libraries pull in, whether a program uses them or not, and the
//! functions that each of them has.

/// All of them, without their versions. Within 0.2 functions are added, but none is changed.
const INTERFACES: [(&str, &[&str]); 20] = [
    (
        "wasi:cli/environment",
        &["get-environment", "get-arguments", "initial-cwd"],
    ),
    ("wasi:cli/exit", &["exit", "exit-with-code"]),
    ("wasi:cli/stdin", &["get-stdin"]),
    ("wasi:cli/stdout", &["get-stdout"]),
    ("wasi:cli/stderr", &["get-stderr"]),
    ("wasi:cli/terminal-input", &[]),
    ("wasi:cli/terminal-output", &[]),
    ("wasi:cli/terminal-stdin", &["get-terminal-stdin"]),
    ("wasi:cli/terminal-stdout", &["get-terminal-stdout"]),
    ("wasi:cli/terminal-stderr", &["get-terminal-stderr"]),
    ("wasi:io/error", &["[method]error.to-debug-string"]),
    (
        "wasi:io/poll",
        &["[method]pollable.ready", "[method]pollable.block", "poll"],
    ),
    ("wasi:io/streams", &STREAMS),
    (
        "wasi:clocks/monotonic-clock",
        &[
            "now",
            "resolution",
            "subscribe-instant",
            "subscribe-duration",
        ],
    ),
    ("wasi:clocks/wall-clock", &["now", "resolution"]),
    (
        "wasi:random/random",
        &["get-random-bytes", "get-random-u64"],
    ),
    (
        "wasi:random/insecure",
        &["get-insecure-random-bytes", "get-insecure-random-u64"],
    ),
    ("wasi:random/insecure-seed", &["insecure-seed"]),
    ("wasi:filesystem/preopens", &["get-directories"]),
    ("wasi:filesystem/types", &FILES),
];

/// Functions of `wasi:io/streams`.
const STREAMS: [&str; 15] = [
    "[method]input-stream.read",
    "[method]input-stream.blocking-read",
    "[method]input-stream.skip",
    "[method]input-stream.blocking-skip",
    "[method]input-stream.subscribe",
    "[method]output-stream.check-write",
    "[method]output-stream.write",
    "[method]output-stream.blocking-write-and-flush",
    "[method]output-stream.flush",
    "[method]output-stream.blocking-flush",
    "[method]output-stream.subscribe",
    "[method]output-stream.write-zeroes",
    "[method]output-stream.blocking-write-zeroes-and-flush",
    "[method]output-stream.splice",
    "[method]output-stream.blocking-splice",
];

/// Functions of `wasi:filesystem/types`.
const FILES: [&str; 29] = [
    "[method]descriptor.read-via-stream",
    "[method]descriptor.write-via-stream",
    "[method]descriptor.append-via-stream",
    "[method]descriptor.advise",
    "[method]descriptor.sync-data",
    "[method]descriptor.get-flags",
    "[method]descriptor.get-type",
    "[method]descriptor.set-size",
    "[method]descriptor.set-times",
    "[method]descriptor.read",
    "[method]descriptor.write",
    "[method]descriptor.read-directory",
    "[method]descriptor.sync",
    "[method]descriptor.create-directory-at",
    "[method]descriptor.stat",
    "[method]descriptor.stat-at",
    "[method]descriptor.set-times-at",
    "[method]descriptor.link-at",
    "[method]descriptor.open-at",
    "[method]descriptor.readlink-at",
    "[method]descriptor.remove-directory-at",
    "[method]descriptor.rename-at",
    "[method]descriptor.symlink-at",
    "[method]descriptor.unlink-file-at",
    "[method]descriptor.is-same-object",
    "[method]descriptor.metadata-hash",
    "[method]descriptor.metadata-hash-at",
    "[method]directory-entry-stream.read-directory-entry",
    "filesystem-error-code",
];

/// The functions of an interface under this name (`package/interface@version`), if an empty one is served.
pub(super) fn functions(name: &str) -> Option<&'static [&'static str]> {
    let (interface, version) = name.split_once('@')?;
    let patch = version.strip_prefix("0.2.")?;
    if patch.is_empty() || !patch.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let served = INTERFACES.iter().find(|(served, _)| *served == interface);
    served.map(|(_, functions)| *functions)
}
