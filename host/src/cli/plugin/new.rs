//! `leyden plugin new NAME`.

use super::project::{Place, Project};
use super::template::Language;
use super::{Context, Error};

/// Writes a new plugin that builds as it is, with the interfaces inside.
///
/// It reads what the community drew and reports energy, mean and peak. What it computes is apart from the
/// glue and has tests that run natively.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  leyden plugin new my-report --lang rust
  leyden plugin new my-report --lang python --folder plugins/my-report
  leyden plugin new my-report --lang js")]
pub(super) struct New {
    #[command(flatten)]
    place: Place,
    /// The language.
    #[arg(long, value_name = "LANG")]
    lang: Language,
}

impl New {
    pub(super) fn run(self, context: &Context) -> Result<(), Error> {
        let name = self.place.name("plugin")?;
        let project = Project {
            folder: self.place.folder(),
            files: self.lang.files(&name),
            build: self.lang.build(),
            component: self.lang.component(),
        };
        let check = format!("leyden plugin check {}", project.component);
        let then = [
            check.as_str(),
            "less README.md     # how it is tested, uploaded and run",
        ];
        project.write(context, "a new plugin", &then)
    }
}
