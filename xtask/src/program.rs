//! The host's programs that measure and prove: started by cargo, they show their progress on standard
//! error and print a list in JSON.

use std::path::PathBuf;

use anyhow::Result;

use crate::args::Args;
use crate::{paths, process, redis};

/// What to run, and how.
pub(crate) struct Program {
    /// The verb of xtask.
    pub(crate) verb: &'static str,
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
    pub(crate) fn parse(verb: &'static str, bench: &'static str, mut args: Args) -> Result<Self> {
        let (json, quick) = (args.flag("--json"), args.flag("--quick"));
        Ok(Self {
            verb,
            bench,
            names: args.names()?,
            json,
            quick,
            variables: Vec::new(),
        })
    }

    /// What it prints for these names, and whether it is content with that. `features` are those of the
    /// host.
    pub(crate) fn print(&self, names: &[String], features: &[&str]) -> Result<(String, bool)> {
        let mut bench = process::cargo();
        bench.args(["bench", "--package", "leyden", "--bench", self.bench]);
        if !features.is_empty() {
            bench.args(["--features", &features.join(",")]);
        }
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

    /// The command line that runs the same again.
    pub(crate) fn command_line(&self) -> String {
        let mut words = vec![format!("cargo xtask {}", self.verb)];
        words.extend_from_slice(&self.names);
        words.extend(self.quick.then(|| "--quick".to_owned()));
        words.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_can_be_typed_again() {
        let words = ["echo", "--json", "redis", "--quick"].map(str::to_owned);
        let program = Program::parse("bench", "leyden", Args::new(words.into())).unwrap();
        assert!(program.json);
        assert_eq!(program.names, ["echo", "redis"]);
        assert_eq!(
            program.command_line(),
            "cargo xtask bench echo redis --quick"
        );
    }
}
