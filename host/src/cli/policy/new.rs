//! `leyden policy new NAME`.

use clap::ValueEnum;

use super::template::{self, COMPONENT};
use super::{Context, Error, Kind, kind, project};

/// Languages that there is a template for; any other that makes components will do as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Language {
    /// wit-bindgen and the linker that comes with Rust: some 20 KB.
    Rust,
}

/// Writes a new policy that builds as it is, with the interface inside.
///
/// It begins with the rule that Leyden comes with, apart from the glue and with tests that run natively. Its README
/// tells how it is compared with what was decided, promoted and taken back.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  leyden policy new my-shed --kind shed --lang rust
  leyden policy new night-limit --kind peak-limit --lang rust --folder policies/night-limit")]
pub(super) struct New {
    #[command(flatten)]
    place: project::Place,
    /// What it decides: access, assignment, peak-limit, schedule or shed.
    #[arg(long, value_parser = kind)]
    kind: Kind,
    /// The language.
    #[arg(long, value_name = "LANG")]
    lang: Language,
}

impl New {
    pub(super) fn run(self, context: &Context) -> Result<(), Error> {
        let name = self.place.name("policy")?;
        let Language::Rust = self.lang;
        let project = project::Project {
            folder: self.place.folder(),
            files: template::files(self.kind, &name),
            build: [project::RUST_PREPARE, project::RUST_BUILD],
            component: COMPONENT,
        };
        let diff = format!("leyden policy diff {} {COMPONENT}", self.kind);
        let then = [
            diff.as_str(),
            "less README.md     # the contract, and how it is tested, promoted and taken back",
        ];
        project.write(
            context,
            &format!("a new policy of the kind {}", self.kind),
            &then,
        )
    }
}
