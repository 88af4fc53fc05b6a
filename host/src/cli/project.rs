//! New projects that build as they are: what `new`, `plugin new` and `policy new` have in common. What is in a project is
//! theirs; the interfaces are the repository's own, so a project never has others than its host.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::{Context, Error};
use crate::ids::ComponentName;

/// The version of wit-bindgen that Rust projects begin with.
pub(super) const WIT_BINDGEN: &str = "0.61";

/// The version of componentize-py that Python projects begin with, and that the repository's example is built with.
pub(super) const COMPONENTIZE_PY: &str = "0.25.1";

/// The version of componentize-js that JavaScript projects begin with.
pub(super) const COMPONENTIZE_JS: &str = "0.23.0";

/// What comes before a component of a Rust project can be built: its standard library.
pub(super) const RUST_PREPARE: &str = "rustup target add wasm32-unknown-unknown";

/// What comes before a component of a Python project can be built: its tools, in an environment of their own.
pub(super) const PYTHON_PREPARE: &str =
    "python3 -m venv .venv && .venv/bin/pip install -r requirements.txt";

/// What comes before a component of a project in C can be built: compiler and libc, as Debian has them.
pub(super) const C_PREPARE: &str =
    "sudo apt-get install make clang wasi-libc libclang-rt-dev-wasm32";

/// What comes before a component of a JavaScript project can be built: its tools.
pub(super) const JS_PREPARE: &str = "npm install";

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

/// The files of a project, with what is between double braces filled in: `values`, and what every project has, its name and
/// the versions of its tools.
pub(super) fn fill(
    files: impl IntoIterator<Item = File>,
    name: &ComponentName,
    values: &[(&str, &str)],
) -> Vec<(&'static str, String)> {
    let own = [
        ("name", name.as_str()),
        ("wit-bindgen", WIT_BINDGEN),
        ("componentize-py", COMPONENTIZE_PY),
        ("componentize-js", COMPONENTIZE_JS),
    ];
    let values = [values, &own].concat();
    let file = |(path, text)| (path, filled(text, &values));
    files.into_iter().map(file).collect()
}

/// A text with what is between double braces filled in.
fn filled(text: &str, values: &[(&str, &str)]) -> String {
    let fill = |text: String, (name, value): &(&str, &str)| {
        text.replace(&format!("{{{{{name}}}}}"), value)
    };
    values.iter().fold(text.to_owned(), fill)
}

/// What a new project is called and where it goes.
#[derive(Debug, clap::Args)]
pub(super) struct Place {
    /// Its name: 1 to 64 of a-z, 0-9 and '-', beginning with a letter.
    name: String,
    /// Where it goes; a new folder of its name where it is not given.
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
}

impl Place {
    /// The name of what it is: a function, a plugin, a policy.
    ///
    /// # Errors
    /// The name breaks the rule for names.
    pub(super) fn name(&self, is: &str) -> Result<ComponentName, Error> {
        let name = ComponentName::parse(&self.name);
        name.map_err(|rule| Error::Usage(format!("a {is}'s name {rule}")))
    }

    /// Where it goes.
    pub(super) fn folder(self) -> PathBuf {
        self.folder.unwrap_or_else(|| self.name.into())
    }
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
        Err(source) => Err(Error::unwritable(folder, source)),
    }
}

fn write(path: &Path, text: &str) -> Result<(), Error> {
    let folder = path.parent().unwrap_or(path);
    let written = fs::create_dir_all(folder).and_then(|()| fs::write(path, text));
    written.map_err(|source| Error::unwritable(path, source))
}

/// That nothing is left to fill in, and nothing escapes the folder; and of its README that it names the project and tells
/// what these say.
#[cfg(test)]
pub(super) fn check_files(files: &[(&str, String)], name: &str, told: &[&str]) {
    for (path, text) in files {
        assert!(!text.contains("{{"), "{path}: {text}");
        assert!(!text.is_empty() && !path.starts_with('/') && !path.contains(".."));
    }
    let readme = files.iter().find(|(path, _)| *path == "README.md");
    let readme = &readme.expect("a README").1;
    assert!(readme.starts_with(&format!("# {name}\n")), "{readme}");
    for told in told {
        assert!(readme.contains(told), "{told}: {readme}");
    }
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
