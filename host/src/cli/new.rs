//! `leyden new NAME`.

use std::path::PathBuf;

use super::project::Project;
use super::template::Language;
use super::{Context, Error};
use crate::ids::ComponentName;
use crate::registry::manifest::RESERVED;

/// Writes a new function that builds as it is, with leyden.toml and the interfaces inside.
///
/// It greets whoever the request names. What it answers is apart from the glue and has tests that run natively.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  leyden new hello --lang rust
  leyden new hello --lang js --folder functions/hello
  leyden new hello --lang python")]
pub(super) struct New {
    /// The function's name: 1 to 64 of a-z, 0-9 and '-', beginning with a letter.
    name: String,
    /// The language.
    #[arg(long, value_name = "LANG")]
    lang: Language,
    /// Where it goes; a new folder of its name where it is not given.
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
}

impl New {
    pub(super) fn run(self, context: &Context) -> Result<(), Error> {
        let name = name(&self.name)?;
        let project = Project {
            folder: self.folder.unwrap_or_else(|| PathBuf::from(name.as_str())),
            files: self.lang.files(&name),
            build: [self.lang.prepare(), "leyden build"],
            component: self.lang.component(),
        };
        let then = [
            "leyden dev         # a host of its own, which follows your changes",
            "less README.md     # how it is tested and deployed",
        ];
        project.write(context, "a new function", &then)
    }
}

/// A name that a function can have, and a route, too.
fn name(text: &str) -> Result<ComponentName, Error> {
    let name = ComponentName::parse(text);
    let name = name.map_err(|rule| Error::Usage(format!("a function's name {}", rule.0)))?;
    match RESERVED.contains(&text) {
        true => Err(Error::Usage(format!(
            "/{text} is the host's own: choose another name"
        ))),
        false => Ok(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_also_a_route() {
        assert!(name("hello").is_ok());
        assert!(name("Hello").is_err() && name("admin").is_err());
    }
}
