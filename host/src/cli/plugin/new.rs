//! `leyden plugin new NAME`.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::secret::unwritable;
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
        let folder = self.folder.unwrap_or_else(|| PathBuf::from(name.as_str()));
        need_empty(&folder)?;
        let files = self.lang.files(&name);
        for (path, text) in &files {
            write(&folder.join(path), text)?;
        }
        if context.global.json {
            let paths: Vec<_> = files.iter().map(|(path, _)| *path).collect();
            return context.show(&json!({
                "folder": folder,
                "files": paths,
                "build": self.lang.build(),
                "component": self.lang.component(),
            }));
        }
        tell(context, &folder, self.lang)
    }
}

/// What was written, and what comes next.
fn tell(context: &Context, folder: &Path, language: Language) -> Result<(), Error> {
    let screen = &context.screen;
    screen.line(&format!(
        "{} is a new plugin. Next:",
        screen.bold(&folder.display().to_string())
    ))?;
    let component = language.component();
    let [prepare, build] = language.build();
    for line in [
        format!("cd {}", folder.display()),
        prepare.to_owned(),
        build.to_owned(),
        format!("leyden plugin check {component}"),
    ] {
        screen.line(&format!("  {line}"))?;
    }
    Ok(screen.line("README.md says how it is tested, uploaded and run.")?)
}

/// A project must not be mixed with what somebody else wrote.
fn need_empty(folder: &Path) -> Result<(), Error> {
    match fs::read_dir(folder) {
        Ok(mut entries) => match entries.next() {
            None => Ok(()),
            Some(_) => Err(Error::Usage(format!(
                "{}: there is something in this folder; name a new one with --folder",
                folder.display()
            ))),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(unwritable(folder, source)),
    }
}

fn write(path: &Path, text: &str) -> Result<(), Error> {
    let folder = path.parent().unwrap_or(path);
    let written = fs::create_dir_all(folder).and_then(|()| fs::write(path, text));
    written.map_err(|source| unwritable(path, source))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_with_something_in_it_is_left_alone() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("new");
        assert!(need_empty(&folder).is_ok(), "not there");
        fs::create_dir(&folder).unwrap();
        assert!(need_empty(&folder).is_ok(), "empty");
        write(&folder.join("a/b"), "x").unwrap();
        assert!(need_empty(&folder).is_err(), "in use");
        assert!(need_empty(&folder.join("a/b")).is_err(), "a file");
    }
}
