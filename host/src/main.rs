//! The `leyden` binary: parses the command line and runs the verb. No logic of its own.

use std::process::ExitCode;

use clap::Parser as _;
use leyden::cli::Cli;

#[tokio::main]
async fn main() -> ExitCode {
    leyden::cli::run(Cli::parse()).await
}
