//! `leyden secret …`: secrets of functions. A value is read from standard input or asked for, never from the command line,
//! which others on the machine can see and shells remember.

use std::io::{self, IsTerminal as _, Read as _};

use clap::Subcommand;
use reqwest::Method;
use serde_json::json;

use super::{Context, Error, route};
use crate::ids::VariableName;
use crate::secrets::{Secret, VALUE_BYTES_MAX};

/// Sets, lists and removes secrets of functions.
///
/// A function finds those that its manifest names (`secrets = ["API_KEY"]`) among the variables of its environment. Nobody is
/// shown a value again; in the store it lies sealed.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  leyden secret set hello API_KEY              asks for the value
  leyden secret set hello API_KEY < key.txt
  leyden secret list hello
  leyden secret remove hello API_KEY")]
pub(super) struct Command {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Sets a secret to what comes on standard input (one newline at its end is left out), or to what is asked for; the
    /// function begins anew with it.
    #[command(after_help = "Examples:
  leyden secret set hello API_KEY              asks for the value
  leyden secret set hello API_KEY < key.txt")]
    Set(Names),
    /// Lists the names of a function's secrets, and when they were set. `needed`: its manifest names it.
    #[command(after_help = "Example:
  leyden secret list hello")]
    List {
        /// The function.
        function: String,
    },
    /// Removes a secret.
    #[command(after_help = "Example:
  leyden secret remove hello API_KEY")]
    Remove(Names),
}

/// Which secret.
#[derive(Debug, clap::Args)]
struct Names {
    /// The function, deployed or not.
    function: String,
    /// The secret's name, such as API_KEY.
    name: String,
}

impl Command {
    pub(super) async fn run(self, context: &Context) -> Result<(), Error> {
        let client = context.client()?;
        match self.verb {
            Verb::Set(names) => {
                let request = client.request(Method::PUT, &names.path()?)?;
                let value = value(&names.name)?.reveal().to_owned();
                let request = request.header("content-type", "text/plain").body(value);
                context.show(&client.send(request).await?.accepted()?.json()?)
            }
            Verb::List { function } => {
                let path = format!("{}/secrets", route::component(&function)?);
                let answer = client.get(&path).await?;
                context.show(&answer["secrets"])
            }
            Verb::Remove(names) => {
                let (path, nothing) = (names.path()?, json!({}));
                context.show(&client.write(Method::DELETE, &path, &nothing).await?)
            }
        }
    }
}

impl Names {
    fn path(&self) -> Result<String, Error> {
        let name = VariableName::parse(&self.name);
        let name = name.map_err(|rule| Error::Usage(format!("{}: {rule}", self.name)))?;
        Ok(format!(
            "{}/secrets/{name}",
            route::component(&self.function)?
        ))
    }
}

/// The value: what comes on standard input, or what is typed and not shown.
fn value(name: &str) -> Result<Secret, Error> {
    let bytes = match io::stdin().is_terminal() {
        true => asked(name)?.into_bytes(),
        false => piped(io::stdin().lock())?,
    };
    Secret::parse(bytes).map_err(|rule| Error::Usage(format!("the value {rule}")))
}

fn asked(name: &str) -> io::Result<String> {
    let terminal = console::Term::stderr();
    terminal.write_str(&format!("Value of {name} (it is not shown): "))?;
    terminal.read_secure_line()
}

/// All that comes, without the newline that ends a text file.
fn piped(input: impl io::Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // One more than may be, and a newline: what is longer is refused and not cut.
    input
        .take(VALUE_BYTES_MAX as u64 + 2)
        .read_to_end(&mut bytes)?;
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
        bytes.pop_if(|last| *last == b'\r');
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_newline_at_the_end_is_not_of_the_value() {
        for (input, value) in [
            ("a b\n", "a b"),
            ("a\r\n", "a"),
            ("a\n\n", "a\n"),
            ("a", "a"),
            ("", ""),
        ] {
            assert_eq!(
                piped(input.as_bytes()).expect("read"),
                value.as_bytes(),
                "{input:?}"
            );
        }
        let long = vec![b'x'; VALUE_BYTES_MAX * 2];
        assert!(Secret::parse(piped(&long[..]).expect("read")).is_err());
    }

    #[test]
    fn names_stay_in_their_place_of_the_path() {
        let path = |function: &str, name: &str| {
            let (function, name) = (function.to_owned(), name.to_owned());
            Names { function, name }.path()
        };
        assert_eq!(
            path("a", "B").ok().as_deref(),
            Some("/admin/components/a/secrets/B")
        );
        assert!(path("a", "../x").is_err() && path("../a", "B").is_err());
    }
}
