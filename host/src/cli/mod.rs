//! The command line: one file per verb. A verb talks to a running host over its HTTP interface
//! only, so whatever it can do, any other client can do; only `up` is a host (`dev` and `scenario` start it as a
//! child process), and only `store` opens a store by itself.
//!
//! Invariants: results go to standard output, everything else to standard error; every failure
//! ends in one of the exit codes of [`EXIT_CODES`].

mod age;
mod audit;
mod build;
mod child;
mod client;
mod clock;
mod compile;
mod consent;
mod dead;
mod delete;
mod deploy;
mod dev;
mod error;
mod hosts;
mod ingest;
mod inspect;
mod invoke;
mod key_file;
mod ledger;
mod leyden_toml;
mod list;
mod logs;
mod marked;
mod metrics;
mod new;
mod operator;
mod partner;
mod plugin;
mod policy;
mod progress;
mod project;
mod receipt;
mod record;
mod replay;
mod rollback;
mod route;
mod scenario;
mod schema;
mod screen;
mod secret;
mod serving;
mod shell;
mod signals;
mod store;
mod store_options;
mod streams;
mod table;
mod template;
mod tick;
mod tunnel;
mod up;
mod usage;
mod versions;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use client::Client;
pub use error::Error;
use screen::Screen;

/// What the exit codes mean; part of `leyden --help`.
pub const EXIT_CODES: &str = "\
Exit codes:
  0  done; every expectation met
  1  the host refused, or what was to be checked does not hold
  2  the command line, a file or a scenario file is wrong
  3  the host cannot be reached
  4  not let in: no key, a wrong one, or one whose role does not suffice (HTTP 401, 403)
  5  not now: the host is busy or its store is away; the same again may succeed (HTTP 429, 503)

Results go to standard output, everything else to standard error: what is wrong, too, with --json as one JSON document
with `exitCode` and, where it can be told, `next`: what to do.

Examples:
  leyden up                                          serve on 127.0.0.1:3000 from ./leyden-data
  leyden scenario run scenarios/scenario2.toml       play a scenario on a host of its own
  leyden invoke /consumption-api/total-consumption --data '{\"date\":\"2021-11-07T15:59:22.144Z\"}'
  leyden new hello --lang rust                       a function that builds as it is; then `leyden dev` in its folder
  leyden deploy hello hello.wasm --route /hello      a file as it is; `leyden deploy` in a folder with leyden.toml
  leyden logs hello -f                               what it writes
  leyden deploy schedule target/plugins/alternatives/schedule-load-aware.wasm
  leyden ingest scenarios/data/households-2013-07.csv
  leyden up --store redis://127.0.0.1:6379/0         share the work with other hosts
  leyden policy promote shed candidate.wasm --max-diff 2%
                                                     swap how communities behave, compared with what was decided
  leyden operator add marie --role deployer          a key of her own; `leyden audit` tells who changed what
  leyden hosts                                       who is alive, and who owns what
  leyden streams                                     how far behind every group is
  leyden ledger verify                               recompute every entry, sum and balance
  leyden record start -o traffic.lrec                what runs, to be replayed
  leyden replay traffic.lrec --with house=new.wasm   the same with another version; what differs
  leyden store copy --to redis://127.0.0.1:6379/0    move ./leyden-data over

For partners and what the operator does with them:
  leyden partner add acme --trust 2 --credit 1000    an account and its API key
  leyden plugin new my-report --lang rust            a plugin that builds
  leyden plugin run my-report --max-spend 200        its report, and what it cost
  leyden receipt verify r.json --key leyden.pub      offline";

/// A serverless platform for energy communities: WebAssembly components as transactions.
#[derive(Debug, Parser)]
#[command(name = "leyden", version, about, after_help = EXIT_CODES)]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    verb: Verb,
}

/// Where the options that every verb takes stand in its help: behind its own, and before `--help`, which is clap's 999th.
const LAST: usize = 900;

/// Options that every verb takes.
#[derive(Debug, Clone, Args)]
pub struct Global {
    /// Where the host listens.
    #[arg(
        long,
        global = true,
        display_order = LAST,
        env = "LEYDEN_URL",
        default_value = "http://127.0.0.1:3000"
    )]
    pub url: String,
    /// A file with the host's token, which `up` asks every caller for, or with an operator's or a partner's key.
    #[arg(long, global = true, display_order = LAST + 1, env = "LEYDEN_TOKEN_FILE", value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// Certificates in PEM that sign those of hosts reached over https://, beside those that the system trusts.
    #[arg(long, global = true, display_order = LAST + 2, env = "LEYDEN_CA_FILE", value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// Print one JSON document instead of text for people.
    #[arg(long, global = true, display_order = LAST + 3)]
    pub json: bool,
    /// Set to anything: no colours (see no-color.org).
    #[arg(long, global = true, env = "NO_COLOR", hide = true, num_args = 0..=1, default_missing_value = "1")]
    pub no_color: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Up(Box<up::Up>),
    New(new::New),
    Build(build::Build),
    Dev(dev::Dev),
    Deploy(deploy::Deploy),
    #[command(visible_alias = "components")]
    List(list::List),
    Inspect(inspect::Inspect),
    Invoke(invoke::Invoke),
    Logs(logs::Logs),
    Metrics(metrics::Metrics),
    Versions(versions::Versions),
    Rollback(rollback::Rollback),
    Delete(delete::Delete),
    Secret(secret::Command),
    Schema(schema::Schema),
    Policy(policy::Command),
    Operator(operator::Command),
    Audit(audit::Audit),
    Record(record::Command),
    Replay(replay::Replay),
    Streams(streams::Streams),
    Hosts(hosts::Hosts),
    Store(store::Command),
    Ledger(ledger::Command),
    Ingest(ingest::Ingest),
    Scenario(scenario::Command),
    Clock(clock::ShowClock),
    Tick(tick::Tick),
    Partner(partner::Command),
    Usage(usage::Usage),
    Consent(consent::Command),
    Plugin(plugin::Command),
    Receipt(receipt::Command),
    Completions(shell::Completions),
    Man(shell::Man),
    #[command(hide = true)]
    Compile(compile::Compile),
}

/// What a verb works with.
struct Context {
    global: Global,
    screen: Screen,
}

impl Context {
    /// A client of the host at `--url`.
    fn client(&self) -> Result<Client, Error> {
        self.client_of(&self.global.url)
    }

    /// A client of the host at a URL.
    fn client_of(&self, url: &str) -> Result<Client, Error> {
        let (token, ca) = (&self.global.token_file, &self.global.ca_file);
        Client::new(url, token.as_deref(), ca.as_deref())
    }

    /// Prints a result: as JSON, or as text for people.
    fn show(&self, value: &serde_json::Value) -> Result<(), Error> {
        let text = if self.global.json {
            value.to_string()
        } else {
            table::render(value)
        };
        Ok(self.screen.line(&text)?)
    }
}

/// Reads the command line. What is wrong with it is told like any other failure; help and the version are printed.
///
/// # Errors
/// There is no verb to run; the process's exit code.
pub fn parse() -> Result<Cli, ExitCode> {
    Cli::try_parse().map_err(|wrong| {
        let as_json = std::env::args_os().any(|argument| argument == "--json");
        if !as_json || !wrong.use_stderr() {
            wrong.exit();
        }
        let error = Error::parsing(&wrong);
        error.print(&Screen::new(None), true);
        ExitCode::from(error.exit_code())
    })
}

/// Runs the verb and prints its failure, if any.
pub async fn run(cli: Cli) -> ExitCode {
    let screen = Screen::new(cli.global.no_color.as_deref());
    let context = Context {
        global: cli.global,
        screen,
    };
    match dispatch(cli.verb, &context).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is_unread() => ExitCode::SUCCESS,
        Err(error) => {
            error.print(&context.screen, context.global.json);
            ExitCode::from(error.exit_code())
        }
    }
}

#[expect(
    clippy::cognitive_complexity,
    reason = "one arm for each verb, and nothing else"
)]
async fn dispatch(verb: Verb, context: &Context) -> Result<(), Error> {
    match verb {
        Verb::Up(verb) => verb.run(context).await,
        Verb::New(verb) => verb.run(context),
        Verb::Build(verb) => verb.run(context).await,
        Verb::Dev(verb) => verb.run(context).await,
        Verb::Deploy(verb) => verb.run(context).await,
        Verb::List(verb) => verb.run(context).await,
        Verb::Inspect(verb) => verb.run(context).await,
        Verb::Invoke(verb) => verb.run(context).await,
        Verb::Logs(verb) => verb.run(context).await,
        Verb::Metrics(verb) => verb.run(context).await,
        Verb::Versions(verb) => verb.run(context).await,
        Verb::Rollback(verb) => verb.run(context).await,
        Verb::Delete(verb) => verb.run(context).await,
        Verb::Secret(verb) => verb.run(context).await,
        Verb::Schema(verb) => verb.run(context),
        Verb::Policy(verb) => verb.run(context).await,
        Verb::Operator(verb) => verb.run(context).await,
        Verb::Audit(verb) => verb.run(context).await,
        Verb::Record(verb) => verb.run(context).await,
        Verb::Replay(verb) => verb.run(context).await,
        Verb::Streams(verb) => verb.run(context).await,
        Verb::Hosts(verb) => verb.run(context).await,
        Verb::Store(verb) => verb.run(context).await,
        Verb::Ledger(verb) => verb.run(context).await,
        Verb::Ingest(verb) => verb.run(context).await,
        Verb::Scenario(verb) => verb.run(context).await,
        Verb::Clock(verb) => verb.run(context).await,
        Verb::Tick(verb) => verb.run(context).await,
        Verb::Partner(verb) => verb.run(context).await,
        Verb::Usage(verb) => verb.run(context).await,
        Verb::Consent(verb) => verb.run(context).await,
        Verb::Plugin(verb) => verb.run(context).await,
        Verb::Receipt(verb) => verb.run(context).await,
        Verb::Completions(verb) => verb.run(context),
        Verb::Man(verb) => verb.run(context),
        Verb::Compile(verb) => verb.run(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
