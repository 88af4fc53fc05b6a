//! New projects that build as they are: what `plugin new` and `policy new` have in common. What is in a project is theirs; the
//! interfaces are the repository's own, so a project never has others than its host.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::secret::unwritable;
use super::{Context, Error};

/// The version of wit-bindgen that Rust projects begin with.
pub(super) const WIT_BINDGEN: &str = "0.61";

/// The version of componentize-py that Python projects begin with, and that the repository's example is built with.
pub(super) const COMPONENTIZE_PY: &str = "0.25.1";

/// The version of componentize-js that JavaScript projects begin with.
pub(super) const COMPONENTIZE_JS: &str = "0.23.0";

/// What comes before a component of a Rust project can be built: its standard library.
pub(super) const RUST_PREPARE: &str = "rustup target add wasm32-unknown-unknown";

/// What builds it: an alias in [`CARGO_CONFIG`].
pub(super) const RUST_BUILD: &str = "cargo wasm";

/// Target and linker of Rust projects.
pub(super) const CARGO_CONFIG: File = (
    ".cargo/config.toml",
    include_str!("../../../plugins/templates/cargo-config.toml"),
);

/// The manifest of a Rust project.
pub(super) const CARGO_TOML: File = (
    "Cargo.toml",
    include_str!("../../../plugins/templates/Cargo.toml.in"),
);

/// A file of a template: its path in the project and its text.
pub(super) type File = (&'static str, &'static str);

/// A file of an interface, for `wit/deps/` of a project.
macro_rules! wit {
    ($path:literal) => {
        (
            concat!("wit/deps/", $path),
            include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../wit/deps/", $path)),
        )
    };
}
pub(super) use wit;

/// A text with what is between double braces filled in.
pub(super) fn filled(text: &str, values: &[(&str, &str)]) -> String {
    let fill = |text: String, (name, value): &(&str, &str)| {
        text.replace(&format!("{{{{{name}}}}}"), value)
    };
    values.iter().fold(text.to_owned(), fill)
}

/// A project that is about to be written.
pub(super) struct Project {
    /// Where it goes.
    pub(super) folder: PathBuf,
    /// Its files: path and text.
    pub(super) files: Vec<(&'static str, String)>,
    /// The commands that make a component of it, in order.
    pub(super) build: [&'static str; 2],
    /// Where the component lies then.
    pub(super) component: &'static str,
}

impl Project {
    /// Writes it, and tells what it is and what is done with it next: `is` and `then`.
    ///
    /// # Errors
    /// There is something in the folder, or it cannot be written.
    pub(super) fn write(&self, context: &Context, is: &str, then: &[&str]) -> Result<(), Error> {
        need_empty(&self.folder)?;
        for (path, text) in &self.files {
            write(&self.folder.join(path), text)?;
        }
        match context.global.json {
            true => self.document(context),
            false => self.tell(context, is, then),
        }
    }

    fn document(&self, context: &Context) -> Result<(), Error> {
        let paths: Vec<_> = self.files.iter().map(|(path, _)| *path).collect();
        context.show(&json!({
            "folder": self.folder,
            "files": paths,
            "build": self.build,
            "component": self.component,
        }))
    }

    /// What was written, and what comes next.
    fn tell(&self, context: &Context, is: &str, then: &[&str]) -> Result<(), Error> {
        let screen = &context.screen;
        let folder = self.folder.display().to_string();
        screen.line(&format!("{} is {is}. Next:", screen.bold(&folder)))?;
        screen.line(&format!("  cd {folder}"))?;
        for line in self.build.iter().chain(then) {
            screen.line(&format!("  {line}"))?;
        }
        Ok(())
    }
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

    #[test]
    fn what_is_between_braces_is_filled_in() {
        let values = [("name", "x"), ("folder", "{{name}}")];
        assert_eq!(
            filled("{{name}} in {{folder}}, {name}", &values),
            "x in {{name}}, {name}"
        );
    }

    #[test]
    fn the_bindings_generator_is_the_repositorys_own() {
        let workspace: toml::Table = include_str!("../../../Cargo.toml").parse().expect("TOML");
        let version = &workspace["workspace"]["dependencies"]["wit-bindgen"]["version"];
        assert_eq!(version.as_str(), Some(WIT_BINDGEN));
    }
}
