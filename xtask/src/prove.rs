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
by the proofs NAME… (all without a name):
  kills      kill -9 of hosts and of Redis under load
  faults     a proxy between hosts and Redis that delays, cuts and drops replies
  pause      a host that is stopped for longer than its lease, and woken
  poison     a record that cannot be handled, beside partitions that go on
  mutations  hosts broken on purpose: the proofs have to notice each
Prints a table and puts its rows into PROOFS.md, with the machine, the versions and the date. Each proof starts
redis-servers of its own; Debian's is installed where there is none. A full run takes hours. The exit
code is 1 when a promise is broken.

Options:
  --json    print a list of {name, promise, tried, found, held, seconds} instead, and write no file
  --quick   every proof in ten minutes, with the counts scaled down; the table says so

Environment:
  LEYDEN_REDIS_SERVER=PATH   the redis-server to use
  LEYDEN_PROOF_SEED=NUMBER   what random choices start from; each proof tells its seed";

/// The proof that needs another build of the host.
const MUTATIONS: &str = "mutations";

/// The feature of the host that makes this build.
const MUTATIONS_FEATURE: &str = "mutations";

/// Runs the verb.
pub(crate) fn run(args: Args) -> Result<ExitCode> {
    let program = Program::parse("proofs", args)?;
    guests::build()?;
    build::host()?;

    let printed = proofs(&program)?;
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

/// Runs those that are named, first on the host as it is, then on the broken ones.
fn proofs(program: &Program) -> Result<Value> {
    let (broken, sound): (Vec<String>, Vec<String>) = program
        .names
        .iter()
        .cloned()
        .partition(|name| name == MUTATIONS);
    let all = program.names.is_empty();
    let mut list = Vec::new();
    if all || !sound.is_empty() {
        list.extend(printed(program, &sound, &[])?);
    }
    if all || !broken.is_empty() {
        let mutations = printed(program, &[MUTATIONS.to_owned()], &[MUTATIONS_FEATURE]);
        // The broken host lies where the sound one was; what was compiled is still there.
        build::host()?;
        list.extend(mutations?);
    }
    Ok(Value::Array(list))
}

/// A program that finds a promise broken is not content, but prints its list all the same.
fn printed(program: &Program, names: &[String], features: &[&str]) -> Result<Vec<Value>> {
    let (printed, content) = program.print(names, features)?;
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
