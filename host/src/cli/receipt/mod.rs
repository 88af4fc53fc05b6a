//! `leyden receipt`: what runs left in writing. One file per verb.

mod key;
mod list;
mod verify;

use clap::Subcommand;

use super::{Context, Error, client, error, route};

/// Lists receipts and verifies them, far from any host.
///
/// A receipt says what a run read and paid, signed by the host and chained to the one before.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  leyden receipt key --out leyden.pub                                   once, from the host
  leyden receipt list --save receipts/
  leyden receipt verify receipts/*.json --key leyden.pub                offline
  leyden receipt verify receipt.json --key leyden.pub --report report.html")]
pub(super) struct Command {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Verify(verify::Verify),
    List(list::List),
    Key(key::Key),
}

impl Command {
    pub(super) async fn run(self, context: &Context) -> Result<(), Error> {
        match self.verb {
            Verb::Verify(verb) => verb.run(context),
            Verb::List(verb) => verb.run(context).await,
            Verb::Key(verb) => verb.run(context).await,
        }
    }
}
