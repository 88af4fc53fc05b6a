//! `cargo xtask`: the commands of a developer and of continuous integration. It sets up what a
//! fresh machine lacks, builds plugins and host, and runs the demo, the tests, the benchmarks and the
//! proofs.
//!
//! It is not part of Leyden: nothing here is shipped, and it knows the host only as a package to
//! build and a binary to run. Progress goes to standard error; standard output holds results only.
#![allow(
    clippy::disallowed_methods,
    reason = "a build tool reads the environment and the wall clock; the ban guards the host"
)]

mod args;
mod bench;
mod build;
mod component;
mod debian;
mod demo;
mod guests;
mod host;
mod javascript;
mod kept;
mod paths;
mod peers;
mod process;
mod program;
mod prove;
mod python;
mod redis;
mod report;
mod stages;
mod table;
mod templates;
mod test;
mod toolchain;
mod wit;

use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::args::Args;

/// One verb of the command line.
struct Verb {
    name: &'static str,
    summary: &'static str,
    help: &'static str,
    run: fn(Args) -> Result<ExitCode>,
}

const VERBS: [Verb; 8] = [
    Verb {
        name: "build",
        summary: "build all plugins and test components (--host: the release host as well)",
        help: build::HELP,
        run: build::run,
    },
    Verb {
        name: "demo",
        summary: "set up what is missing, build, run scenario 2 (--store redis: on Redis)",
        help: demo::HELP,
        run: demo::run,
    },
    Verb {
        name: "test",
        summary: "everything continuous integration runs",
        help: test::TEST_HELP,
        run: test::run,
    },
    Verb {
        name: "check",
        summary: "the quick part of `test`: format, lints, unit tests",
        help: test::CHECK_HELP,
        run: test::run_check,
    },
    Verb {
        name: "bench",
        summary: "run the benchmarks and write BENCHMARKS.md",
        help: bench::HELP,
        run: bench::run,
    },
    Verb {
        name: "prove",
        summary: "try to break what is promised of many hosts and of plugins, write PROOFS.md",
        help: prove::HELP,
        run: prove::run,
    },
    Verb {
        name: "wit-check",
        summary: "find changes of wit/ that break components built against a release",
        help: wit::CHECK_HELP,
        run: wit::run_check,
    },
    Verb {
        name: "wit-release",
        summary: "keep wit/ as the release that wit-check compares with",
        help: wit::RELEASE_HELP,
        run: wit::run_release,
    },
];

fn main() -> ExitCode {
    run(std::env::args().skip(1).collect()).unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

fn run(mut words: Vec<String>) -> Result<ExitCode> {
    if words.is_empty() || is_help(&words[0]) {
        print!("{}", overview());
        return Ok(ExitCode::SUCCESS);
    }
    let name = words.remove(0);
    let Some(verb) = VERBS.iter().find(|verb| verb.name == name) else {
        bail!("unknown verb `{name}`\n\n{}", overview());
    };
    if words.iter().any(|word| is_help(word)) {
        println!(
            "cargo xtask {}: {}\n\n{}",
            verb.name, verb.summary, verb.help
        );
        return Ok(ExitCode::SUCCESS);
    }
    (verb.run)(Args::new(words))
}

fn is_help(word: &str) -> bool {
    matches!(word, "help" | "-h" | "--help")
}

fn overview() -> String {
    let mut text = String::from("Usage: cargo xtask VERB [OPTIONS]\n\nVerbs:\n");
    for verb in &VERBS {
        text += &format!("  {:<11} {}\n", verb.name, verb.summary);
    }
    text + "\n`cargo xtask VERB --help` says more.\n\
            LEYDEN_GUEST_TOOLCHAIN=rustup|debian forces how WebAssembly is compiled.\n\
            LEYDEN_REDIS_SERVER=PATH names the redis-server to use.\n"
}
