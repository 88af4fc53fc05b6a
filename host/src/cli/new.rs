//! `leyden new NAME`.

use super::project::{Place, Project};
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
  leyden new hello --lang python
  leyden new hello --lang c")]
pub(super) struct New {
    #[command(flatten)]
    place: Place,
    /// The language.
    #[arg(long, value_name = "LANG")]
    lang: Language,
}

impl New {
    pub(super) fn run(self, context: &Context) -> Result<(), Error> {
        let name = self.place.name("function")?;
        check_route(&name)?;
        let project = Project {
            folder: self.place.folder(),
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

/// Its first route is its name, which must not be the host's own.
fn check_route(name: &ComponentName) -> Result<(), Error> {
    match RESERVED.contains(&name.as_str()) {
        true => Err(Error::Usage(format!(
            "/{name} is the host's own: choose another name"
        ))),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_also_a_route() {
        let name = |text| ComponentName::parse(text).expect("a name");
        assert!(check_route(&name("hello")).is_ok());
        assert!(check_route(&name("admin")).is_err());
    }
}
