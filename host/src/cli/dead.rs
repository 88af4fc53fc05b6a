//! `leyden streams dead`: records that a component could not handle, with the reason and the version that
//! failed.

use std::path::PathBuf;

use clap::Subcommand;
use reqwest::Method;
use serde_json::{Value, json};

use super::{Context, Error, record, table};
use crate::store::offset_of;

/// Shows and deals with dead letters: records that failed in all their deliveries.
///
/// Without a verb they are listed, the oldest first. A dead letter stays until it is dropped or its retry
/// succeeds.
#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:
  leyden streams dead                          list them, the oldest first
  leyden streams dead --after 17               the list goes on after that one
  leyden streams dead show 17                  the record, the reason and the component's version
  leyden streams dead retry 1700000000000-3    run the component's active version on it; gone if that succeeds
  leyden streams dead export 17 -o 17.lrec     a record of what happens to it, for `leyden replay`
  leyden streams dead drop 17                  remove it without running anything

Exit codes: 0 done; 1 there is no such dead letter, or the retry failed and it stays."
)]
pub(super) struct Dead {
    /// List those after this one; a list has 1000 at most.
    #[arg(long, value_name = "ID")]
    after: Option<String>,
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Prints one dead letter whole.
    #[command(after_help = "Example:\n  leyden streams dead show 17")]
    Show(Letter),
    /// Runs the component's active version on the record; the letter is removed in the same commit.
    #[command(after_help = "Example:\n  leyden streams dead retry 17")]
    Retry(Letter),
    /// Runs the component's active version on the record without keeping what that does, and writes down all it
    /// read and did, to be replayed elsewhere.
    #[command(
        after_help = "Example:\n  leyden streams dead export 17 -o 17.lrec; leyden replay 17.lrec"
    )]
    Export(Export),
    /// Removes a dead letter.
    #[command(after_help = "Example:\n  leyden streams dead drop 17")]
    Drop(Letter),
}

#[derive(Debug, clap::Args)]
struct Letter {
    /// The dead letter, as the list names it.
    id: String,
}

#[derive(Debug, clap::Args)]
struct Export {
    #[command(flatten)]
    letter: Letter,
    /// Write the record to this file; standard output where it is not given.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Letter {
    /// Its path on the admin interface.
    fn path(&self) -> Result<String, Error> {
        Ok(format!("/admin/dead-letters/{}", checked(&self.id)?))
    }
}

/// An id, if it is one.
fn checked(id: &str) -> Result<&str, Error> {
    let rule = || Error::Usage(format!("{id}: is no id such as 17 or 1700000000000-3"));
    let named = offset_of(id).filter(|offset| *offset > 0);
    named.map(|_| id).ok_or_else(rule)
}

impl Dead {
    pub(super) async fn run(self, context: &Context) -> Result<(), Error> {
        let client = context.client()?;
        let none = json!({});
        if let Some(Verb::Export(Export { letter, output })) = self.verb {
            let path = format!("{}/export", letter.path()?);
            return record::save(context, &path, &none, output.as_deref()).await;
        }
        let answer = match self.verb {
            None => {
                let letters = client.get(&list_path(self.after.as_deref())?).await?;
                match context.global.json {
                    true => letters,
                    false => summary(&letters),
                }
            }
            Some(Verb::Show(letter)) => client.get(&letter.path()?).await?,
            Some(Verb::Retry(letter)) => {
                let path = format!("{}/retry", letter.path()?);
                client.write(Method::POST, &path, &none).await?
            }
            Some(Verb::Export(_)) => return Ok(()),
            Some(Verb::Drop(letter)) => {
                client.write(Method::DELETE, &letter.path()?, &none).await?
            }
        };
        context.show(&answer)
    }
}

fn list_path(after: Option<&str>) -> Result<String, Error> {
    match after {
        Some(id) => Ok(format!("/admin/dead-letters?after={}", checked(id)?)),
        None => Ok("/admin/dead-letters".to_owned()),
    }
}

/// What fits on a screen.
fn summary(letters: &Value) -> Value {
    let row = |letter: &Value| {
        let version = letter["component"].as_str().unwrap_or_default();
        json!({
            "id": letter["id"],
            "group": letter["group"],
            "version": table::short(version),
            "stream": letter["stream"],
            "key": letter["key"],
            "deliveries": letter["deliveries"],
            "reason": letter["reason"],
        })
    };
    letters.as_array().into_iter().flatten().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_cannot_leave_its_place_in_the_path() {
        let path = |id: &str| Letter { id: id.to_owned() }.path().ok();
        assert_eq!(path("17").as_deref(), Some("/admin/dead-letters/17"));
        assert_eq!(
            path("1700-3").as_deref(),
            Some("/admin/dead-letters/1700-3")
        );
        for wrong in ["", "0", "x", "../clock", "1/retry", "1-2-3"] {
            assert_eq!(path(wrong), None, "{wrong}");
        }
    }
}
