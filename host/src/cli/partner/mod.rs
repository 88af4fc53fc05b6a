//! `leyden partner`: the operator's hand on partners. One file per verb.

mod add;
mod credit;
mod key;
mod keys;
mod list;
mod refund;
mod show;
mod trust;

use super::key_file::{NewFile, tell_key};
use super::{Context, Error, route};
use clap::Subcommand;

/// Registers partners, gives them credit and trust, and deals with their keys.
///
/// For the operator: where the host has a token, --token-file names a file with it. A partner may `show` itself.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  leyden partner add acme --trust 2 --credit 1000 --key-file acme.key
  leyden partner key acme signing.pem.pub        the key that signs acme's uploads
  leyden partner credit acme 500 --reference INV-17
  leyden partner refund acme --receipt 17        what a receipt charged goes back
  leyden partner trust acme 3
  leyden partner list
  leyden usage acme --month 2026-11              what it read and paid

Exit codes: 0 done; 1 the host refused; 2 the command line or a file is wrong; 3 the host cannot be reached.")]
pub(super) struct Command {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Add(add::Add),
    Key(key::Key),
    Credit(credit::Credit),
    Refund(refund::Refund),
    Trust(trust::Trust),
    List(list::List),
    Show(show::Show),
    Keys(keys::Keys),
}

impl Command {
    pub(super) async fn run(self, context: &Context) -> Result<(), Error> {
        match self.verb {
            Verb::Add(verb) => verb.run(context).await,
            Verb::Key(verb) => verb.run(context).await,
            Verb::Credit(verb) => verb.run(context).await,
            Verb::Refund(verb) => verb.run(context).await,
            Verb::Trust(verb) => verb.run(context).await,
            Verb::List(verb) => verb.run(context).await,
            Verb::Show(verb) => verb.run(context).await,
            Verb::Keys(verb) => verb.run(context).await,
        }
    }
}

/// The path of what lies below a partner on the admin interface.
fn path(id: &str, below: &[&str]) -> Result<String, Error> {
    let id = route::partner_id(id)?;
    route::join(&[&["admin", "partners", id.as_str()], below].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_cannot_leave_its_place_in_the_path() {
        let path = path("a b", &["keys"]);
        assert_eq!(path.ok().as_deref(), Some("/admin/partners/a%20b/keys"));
        assert!(super::path("../clock", &[]).is_err());
        assert!(super::path("..", &[]).is_err());
    }
}
