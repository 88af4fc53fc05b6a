//! Named, timed stages. The first that fails ends the run; the last line counts them.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;

/// The stages of one run so far.
pub(crate) struct Stages {
    passed: Vec<(String, Duration)>,
    failed: usize,
    skipped: Vec<String>,
}

impl Stages {
    /// Runs `stages` one after the other and prints the count; the exit code is 1 when one failed.
    pub(crate) fn run_all(stages: impl FnOnce(&mut Self) -> Result<()>) -> ExitCode {
        let mut run = Self {
            passed: Vec::new(),
            failed: 0,
            skipped: Vec::new(),
        };
        let outcome = stages(&mut run);
        if let Err(error) = &outcome {
            eprintln!("error: {error:#}");
        }
        run.summary();
        if outcome.is_ok() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }

    /// Runs one stage; its error carries the stage's name.
    pub(crate) fn stage<T>(&mut self, name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        eprintln!("==> {name}");
        let started = Instant::now();
        let outcome = work();
        let elapsed = started.elapsed();
        match outcome {
            Ok(value) => {
                eprintln!("==> {name}: passed in {:.1} s", elapsed.as_secs_f64());
                self.passed.push((name.to_owned(), elapsed));
                Ok(value)
            }
            Err(error) => {
                eprintln!("==> {name}: FAILED after {:.1} s", elapsed.as_secs_f64());
                self.failed += 1;
                Err(error.context(format!("stage `{name}`")))
            }
        }
    }

    /// Notes a stage that cannot run here, and why. It counts neither as passed nor as failed.
    pub(crate) fn skip(&mut self, name: &str, reason: &str) {
        eprintln!("==> {name}: skipped, {reason}");
        self.skipped.push(format!("{name} ({reason})"));
    }

    fn summary(&self) {
        for (name, elapsed) in &self.passed {
            eprintln!("    {:>7.1} s  {name}", elapsed.as_secs_f64());
        }
        for skipped in &self.skipped {
            eprintln!("    skipped    {skipped}");
        }
        println!("{} passed, {} failed", self.passed.len(), self.failed);
    }
}
