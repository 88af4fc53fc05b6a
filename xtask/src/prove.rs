//! `cargo xtask prove`: tries to break what is promised, and keeps the last outcome in PROOFS.md.

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::args::Args;
use crate::program::Program;
use crate::report::{self, Document, Proof};
use crate::{build, guests};

pub(crate) const HELP: &str = "\
Usage: cargo xtask prove [NAME…] [--json] [--quick]

Builds plugins and host in release and tries to break what Leyden promises of many hosts on Redis,
of partners' plugins, of records and of policies, by the proofs NAME… (all without a name):
  kills         kill -9 of hosts and of Redis under load
  faults        a proxy between hosts and Redis that delays, cuts and drops replies
  pause         a host that is stopped for longer than its lease, and woken
  poison        a record that cannot be handled, beside partitions that go on
  hostile       200 hostile plugins, uploaded and run beside one that behaves
  ledger        partners' datapoints held, posted, given back and refunded by many at once
  uploads       uploads that are broken in every way chance finds
  gates         partners with adversarial names and keys; every import at every trust level
  differencing  cohorts that are chosen to single a household out
  replay        10,000 recorded invocations, replayed by another process; then with one bit of a policy changed
  swaps         policies swapped 1,000 times under requests and a stream
  candidates    versions of a policy that trap, loop or answer garbage on one input in a hundred
  promotion     kill -9 of hosts in the middle of promotions
  failpoints    hosts that die at every point between the steps of a run (another build of the host)
  mutations     hosts broken on purpose: the proofs have to notice each (another build of the host)
Prints a table and puts its rows into PROOFS.md, with the machine, the versions and the date. Each proof starts
redis-servers of its own; Debian's is installed where there is none. A full run takes hours. The exit
code is 1 when a promise is broken.

Options:
  --json    print a list of {name, promise, tried, found, held, seconds} instead, and write no file
  --quick   every proof in ten minutes at most, with the counts scaled down; the table says so

Environment:
  LEYDEN_REDIS_SERVER=PATH   the redis-server to use
  LEYDEN_PROOF_SEED=NUMBER   what random choices start from; each proof tells its seed";

/// Proofs that need a host that breaks on request: another build.
const BREAKING: [&str; 2] = ["failpoints", "mutations"];

/// Where the proofs look for that host.
const HOST: &str = "LEYDEN_HOST";

/// The proof that needs what makes modules by chance.
const UPLOADS: &str = "uploads";

/// Where the proofs look for the program that makes them.
const SMITH: &str = "LEYDEN_SMITH";

/// Runs the verb.
pub(crate) fn run(args: Args) -> Result<ExitCode> {
    let mut program = Program::parse("proofs", args)?;
    guests::build()?;
    build::host()?;
    if program.names.is_empty() || program.names.iter().any(|name| name == UPLOADS) {
        program.variables.push((SMITH, build::smith()?));
    }

    let printed = proofs(&mut program)?;
    let proofs = report::parse_list(&printed.to_string(), Proof::parse)
        .context("the proofs printed no valid list")?;
    if program.json {
        println!("{printed:#}");
    } else {
        tell(&program, &proofs)?;
    }
    Ok(if proofs.iter().all(Proof::held) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Runs those that are named, or all: first on the host as it is, then on the one that breaks.
fn proofs(program: &mut Program) -> Result<Value> {
    let all = program.names.is_empty();
    let is_breaking = |name: &String| BREAKING.contains(&name.as_str());
    let (mut breaking, plain): (Vec<_>, Vec<_>) =
        program.names.iter().cloned().partition(is_breaking);
    if all {
        breaking = BREAKING.map(str::to_owned).to_vec();
    }
    let mut list = Vec::new();
    if all || !plain.is_empty() {
        list.extend(printed(program, &plain)?);
    }
    if !breaking.is_empty() {
        program.variables.push((HOST, build::breakable_host()?));
        list.extend(printed(program, &breaking)?);
    }
    Ok(Value::Array(list))
}

/// A program that finds a promise broken is not content, but prints its list all the same.
fn printed(program: &Program, names: &[String]) -> Result<Vec<Value>> {
    let (printed, content) = program.print(names)?;
    match serde_json::from_str(&printed) {
        Ok(Value::Array(list)) => Ok(list),
        _ if !content => bail!("the proofs could not be run"),
        _ => bail!("the proofs printed no list"),
    }
}

fn tell(program: &Program, proofs: &[Proof]) -> Result<()> {
    let table = Proof::table(proofs, &report::date(program.quick)?);
    print!("{}", table.text());
    let document = Document {
        title: "Proofs",
        intro: "What `cargo xtask prove` found last, which writes this file; run by name, it renews those rows. Each\n\
            promise is tried with faults; what clients were told is compared with what is in the books in the\n\
            end. Rows of a quick run say so: their counts are scaled down.",
        table,
    };
    document.write("PROOFS.md")
}
