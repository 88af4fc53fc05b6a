//! The host's programs that measure and prove: started by cargo, they show their progress on standard
//! error and print a list in JSON.

use std::path::PathBuf;

use anyhow::Result;

use crate::args::Args;
use crate::{paths, process, redis};

/// What to run, and how.
pub(crate) struct Program {
    /// Cargo's name of the program.
    pub(crate) bench: &'static str,
    /// What to run of it; nothing is its default.
    pub(crate) names: Vec<String>,
    /// Whether to print JSON instead of a table and to write no file.
    pub(crate) json: bool,
    /// Whether to do less of everything.
    pub(crate) quick: bool,
    /// What it is told by environment variables.
    pub(crate) variables: Vec<(&'static str, PathBuf)>,
}

impl Program {
    /// Takes the words after the verb.
    pub(crate) fn parse(bench: &'static str, mut args: Args) -> Result<Self> {
        let (json, quick) = (args.flag("--json"), args.flag("--quick"));
        Ok(Self {
            bench,
            names: args.names()?,
            json,
            quick,
            variables: Vec::new(),
        })
    }

    /// What it prints for these names, and whether it is content with that.
    pub(crate) fn print(&self, names: &[String]) -> Result<(String, bool)> {
        let mut bench = process::cargo();
        bench.args(["bench", "--package", "leyden", "--bench", self.bench]);
        bench.arg("--").args(names).arg("--json");
        if self.quick {
            bench.arg("--quick");
        }
        bench.env(redis::VARIABLE, redis::program()?);
        bench.env("LEYDEN_COMPILED", paths::compiled());
        bench.envs(self.variables.iter().map(|(name, path)| (name, path)));
        // A backtrace per error costs the runtime a tenth of its rate.
        bench
            .env_remove("RUST_BACKTRACE")
            .env("RUST_LIB_BACKTRACE", "0");
        process::output_and_success(&mut bench)
    }
}
