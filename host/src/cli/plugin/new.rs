//! `leyden plugin new NAME`.

use std::path::PathBuf;

use super::project::Project;
use super::template::Language;
use super::{Context, Error, route};

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
    /// The plugin's name: 1 to 64 of a-z, 0-9 and '-', beginning with a letter.
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
        let name = route::plugin_name(&self.name)?;
        let project = Project {
            folder: self.folder.unwrap_or_else(|| PathBuf::from(name.as_str())),
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
