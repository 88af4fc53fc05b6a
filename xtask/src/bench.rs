//! `cargo xtask bench`: runs the host's benchmarks and keeps the last table in BENCHMARKS.md.

use std::fs;
use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::args::Args;
use crate::report::{Figure, Machine, Versions, document, table};
use crate::{build, guests, paths, process};

pub(crate) const HELP: &str = "\
Usage: cargo xtask bench [NAME…] [--json] [--quick]

Builds plugins and host in release, runs the benchmarks NAME… (all without a name), prints a table
and writes it to BENCHMARKS.md with the machine and the versions.

Options:
  --json    print a list of {name, figure, unit, target, met} instead, and write no file
  --quick   shorter measurements, less exact figures";

/// Runs the verb.
pub(crate) fn run(mut args: Args) -> Result<ExitCode> {
    let json = args.flag("--json");
    let quick = args.flag("--quick");
    let names = args.names()?;
    guests::build()?;
    build::host()?;

    let printed = measure(&names, quick)?;
    let figures = Figure::parse_list(&printed).context("the benchmarks printed no valid list")?;
    if json {
        println!("{printed}");
        return Ok(ExitCode::SUCCESS);
    }
    print!("{}", table(&figures));
    let path = paths::root().join("BENCHMARKS.md");
    let text = document(
        &figures,
        &command_line(&names, quick),
        &Machine::read(),
        &Versions::read()?,
    );
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    eprintln!("    written to {}", paths::shown(&path));
    Ok(ExitCode::SUCCESS)
}

/// Runs the benchmark program; it measures, shows its progress on standard error, and prints JSON.
fn measure(names: &[String], quick: bool) -> Result<String> {
    let mut bench = process::cargo();
    bench.args(["bench", "--package", "leyden", "--bench", "leyden", "--"]);
    bench.args(names).arg("--json");
    if quick {
        bench.arg("--quick");
    }
    // A backtrace per error costs the runtime a tenth of its rate.
    bench
        .env_remove("RUST_BACKTRACE")
        .env("RUST_LIB_BACKTRACE", "0");
    process::output(&mut bench)
}

fn command_line(names: &[String], quick: bool) -> String {
    let mut words = vec!["cargo xtask bench".to_owned()];
    words.extend_from_slice(names);
    words.extend(quick.then(|| "--quick".to_owned()));
    words.join(" ")
}
