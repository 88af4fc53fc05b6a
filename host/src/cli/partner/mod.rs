//! `leyden partner`: the operator's hand on partners. One file per verb.

mod add;
mod credit;
mod key;
mod keys;
mod list;
mod refund;
mod show;
mod trust;

use clap::Subcommand;
use serde_json::{Value, json};

use super::secret::NewFile;
use super::{Context, Error, route};

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

/// Tells a new API key the only time that it can be told: on the screen, or in a file.
fn tell_key(
    context: &Context,
    mut answer: Value,
    key: &Value,
    file: Option<NewFile>,
) -> Result<(), Error> {
    let secret = key["key"].as_str().unwrap_or_default().to_owned();
    let told = match file {
        None => secret,
        Some(file) => {
            file.keep(&format!("{secret}\n"))?;
            "(in the file)".to_owned()
        }
    };
    if context.global.json {
        answer["key"] = json!({ "id": key["id"], "key": told });
        return context.show(&answer);
    }
    answer["keyId"] = key["id"].clone();
    answer["key"] = json!(told);
    context.show(&answer)?;
    let hint = "The API key is told this once; the host keeps only its SHA-256. Hand it over on a safe way.";
    context.screen.error_line(&context.screen.dim(hint));
    Ok(())
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
