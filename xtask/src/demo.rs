//! `cargo xtask demo`: from a fresh clone to scenario 2, run by the release host.

use std::process::{ExitCode, Stdio};

use anyhow::{Context, Result, bail};

use crate::args::Args;
use crate::{build, guests, paths, process};

pub(crate) const HELP: &str = "\
Usage: cargo xtask demo [--lang fr|en]

Sets up what is missing, builds the plugins and the host, and runs scenarios/scenario2.toml on a
host of its own with a temporary data folder. The exit code is the scenario's: 1 when an
expectation is not met.

Options:
  --lang fr|en   the language of the narration";

/// Runs the verb.
pub(crate) fn run(mut args: Args) -> Result<ExitCode> {
    let language = args.value("--lang")?;
    args.finish()?;
    if let Some(other) = language
        .as_deref()
        .filter(|&given| given != "fr" && given != "en")
    {
        bail!("--lang is `{other}`; it must be `fr` or `en`");
    }
    guests::build()?;
    build::host()?;

    let mut scenario = process::command(paths::leyden());
    scenario.args(["scenario", "run", "scenarios/scenario2.toml"]);
    scenario.env("LEYDEN_COMPILED", paths::compiled());
    if let Some(language) = language {
        scenario.args(["--lang", &language]);
    }
    let status = scenario
        .stdout(Stdio::inherit())
        .status()
        .context("cannot start the host")?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}
