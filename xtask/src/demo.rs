//! `cargo xtask demo`: from a fresh clone to scenario 2, run by the release host.

use std::process::{ExitCode, Stdio};

use anyhow::{Context, Result, bail};

use crate::args::Args;
use crate::{build, guests, paths, process, redis};

pub(crate) const HELP: &str = "\
Usage: cargo xtask demo [--lang fr|en] [--store embedded|redis]

Sets up what is missing, builds the plugins and the host, and runs scenarios/scenario2.toml on a
host of its own with a temporary data folder. The exit code is the scenario's: 1 when an
expectation is not met.

Options:
  --lang fr|en             the language of the narration
  --store embedded|redis   where the host keeps everything: in its folder (the default), or in a
                           redis-server that is started for it on a free port and ended afterwards;
                           Debian's is installed where there is none

Environment:
  LEYDEN_REDIS_SERVER=PATH   the redis-server to use";

/// Runs the verb.
pub(crate) fn run(mut args: Args) -> Result<ExitCode> {
    let language = one_of(&mut args, "--lang", ["fr", "en"])?;
    let on_redis = one_of(&mut args, "--store", ["embedded", "redis"])?.as_deref() == Some("redis");
    args.finish()?;
    // Before minutes of compiling: this may be what cannot be had.
    let server = on_redis.then(redis::program).transpose()?;
    guests::build()?;
    build::host()?;

    let server = server.as_deref().map(redis::Server::start).transpose()?;
    let mut scenario = process::command(paths::leyden());
    scenario.args(["scenario", "run", "scenarios/scenario2.toml"]);
    scenario.env("LEYDEN_COMPILED", paths::compiled());
    if let Some(language) = language {
        scenario.args(["--lang", &language]);
    }
    if let Some(server) = &server {
        scenario.args(["--store", &server.url()]);
    }
    let status = scenario
        .stdout(Stdio::inherit())
        .status()
        .context("cannot start the host")?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

/// Takes `option VALUE`, where the value is one of two words.
fn one_of(args: &mut Args, option: &str, words: [&str; 2]) -> Result<Option<String>> {
    let given = args.value(option)?;
    match given.as_deref().filter(|given| !words.contains(given)) {
        Some(other) => bail!(
            "{option} is `{other}`; it must be `{}` or `{}`",
            words[0],
            words[1]
        ),
        None => Ok(given),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_words_are_refused_by_name() {
        let args = |word: &str| Args::new(vec!["--store".to_owned(), word.to_owned()]);
        let taken = one_of(&mut args("redis"), "--store", ["embedded", "redis"]);
        assert_eq!(taken.unwrap().as_deref(), Some("redis"));
        let refused = one_of(&mut args("mongo"), "--store", ["embedded", "redis"]);
        assert_eq!(
            refused.unwrap_err().to_string(),
            "--store is `mongo`; it must be `embedded` or `redis`"
        );
    }
}
