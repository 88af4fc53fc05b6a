//! `cargo xtask bench`: runs the host's benchmarks and keeps the last table in BENCHMARKS.md.

use std::process::ExitCode;

use anyhow::{Context, Result, bail};

use crate::args::Args;
use crate::program::Program;
use crate::report::{self, Document, Figure};
use crate::{build, guests, peers};

pub(crate) const HELP: &str = "\
Usage: cargo xtask bench [NAME…] [--json] [--quick]

Builds plugins and host in release, runs the benchmarks NAME… (all without a name), prints a table
and puts its rows into BENCHMARKS.md, with the machine and the versions. Those named redis and takeover
start redis-servers of their own; Debian's is installed where there is none. The one named functions compares
with other servers: what is missing of them is installed into target/peers, wasmtime from source, which takes
20 minutes once. What cannot be had is said and left out.

Options:
  --json    print a list of {name, figure, unit, target, met} instead, and write no file
  --quick   shorter measurements, less exact figures

Environment:
  LEYDEN_REDIS_SERVER=PATH   the redis-server to use
  LEYDEN_WASMTIME=PATH       the wasmtime to compare with; nothing: none
  LEYDEN_NODE=PATH           the node to compare with; nothing: none
  LEYDEN_WORKERD=PATH        the workerd to compare with; nothing: none";

/// Runs the verb.
pub(crate) fn run(args: Args) -> Result<ExitCode> {
    let mut program = Program::parse("leyden", args)?;
    guests::build()?;
    build::host()?;
    if program.names.is_empty() || program.names.iter().any(|name| name == "functions") {
        program.variables = peers::found();
        program.variables.extend(peers::interpreted()?);
    }

    let (printed, content) = program.print(&program.names)?;
    if !content {
        bail!("the benchmarks failed");
    }
    let figures = report::parse_list(&printed, Figure::parse)
        .context("the benchmarks printed no valid list")?;
    if program.json {
        println!("{printed}");
        return Ok(ExitCode::SUCCESS);
    }
    let table = Figure::table(&figures, &report::date(program.quick)?);
    print!("{}", table.text());
    let document = Document {
        title: "Benchmarks",
        intro: "What `cargo xtask bench` measured last, which writes this file; run by name, it renews that part.\n\
            Rates are compared within one run, because machines differ; `target` is what the project asks of the\n\
            figure.",
        table,
    };
    document.write("BENCHMARKS.md")?;
    Ok(ExitCode::SUCCESS)
}
