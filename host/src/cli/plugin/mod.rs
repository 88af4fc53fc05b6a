//! `leyden plugin`: what partners do with their plugins. One file per verb.

mod check;
mod delete;
mod keygen;
mod list;
mod logs;
mod new;
mod params;
mod push;
mod quote;
mod reports;
mod rollback;
mod run;
mod schedule;
mod sign;
mod template;
mod versions;

use clap::Subcommand;

use super::{Context, Error, client, key_file, progress, project, route};

/// Makes, checks, uploads and runs a partner's plugins.
///
/// For partners: --partner (or LEYDEN_PARTNER) says who you are, --token-file (or LEYDEN_TOKEN_FILE) names the file
/// with your API key. The operator may do the same for any partner with the host's token.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  leyden plugin new my-report --lang python                 a project that builds
  leyden plugin check plugin.wasm --trust 2                 offline: what it imports, what that needs
  leyden plugin keygen signing.pem                          once; the operator registers signing.pem.pub
  leyden plugin push plugin.wasm --name my-report --version 1 --key signing.pem
  leyden plugin quote my-report --params '{\"fromMs\":0}'     what a run would cost
  leyden plugin run my-report --max-spend 200 --out report.html --receipt receipt.json
  leyden plugin schedule my-report daily --cron '0 6 * * *'
  leyden receipt verify receipt.json --key leyden.pub --report report.html

Exit codes: 0 done; 1 refused, or the run has no report; 2 the command line or a file is wrong; 3 the host cannot be
reached.")]
pub(super) struct Command {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    New(new::New),
    Check(check::Check),
    Keygen(keygen::Keygen),
    Sign(sign::Sign),
    Push(push::Push),
    Run(run::Run),
    Quote(quote::Quote),
    List(list::List),
    Versions(versions::Versions),
    Rollback(rollback::Rollback),
    Logs(logs::Logs),
    Delete(delete::Delete),
    Schedule(schedule::Schedule),
    Reports(reports::Reports),
}

impl Command {
    pub(super) async fn run(self, context: &Context) -> Result<(), Error> {
        match self.verb {
            Verb::New(verb) => verb.run(context),
            Verb::Check(verb) => verb.run(context),
            Verb::Keygen(verb) => verb.run(context),
            Verb::Sign(verb) => verb.run(context),
            Verb::Push(verb) => verb.run(context).await,
            Verb::Run(verb) => verb.run(context).await,
            Verb::Quote(verb) => verb.run(context).await,
            Verb::List(verb) => verb.run(context).await,
            Verb::Versions(verb) => verb.run(context).await,
            Verb::Rollback(verb) => verb.run(context).await,
            Verb::Logs(verb) => verb.run(context).await,
            Verb::Delete(verb) => verb.run(context).await,
            Verb::Schedule(verb) => verb.run(context).await,
            Verb::Reports(verb) => verb.run(context).await,
        }
    }
}
