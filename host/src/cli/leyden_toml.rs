//! The project's file, `leyden.toml`: a manifest, and how its component is made. What the keys mean is the manifest's
//! business ([`crate::registry::manifest`]); here it is found, read, and made into what is uploaded.

use std::path::{Path, PathBuf};

use super::marked::marked;
use super::{Error, client};
use crate::ids::ComponentName;
use crate::registry::Kind;
use crate::registry::manifest::{self, Build, MANIFEST_BYTES_MAX, Project};

/// Its name.
pub(super) const FILE: &str = "leyden.toml";

/// Keys that only the project's folder knows what to do with: they do not go along with the component.
const OF_THE_FOLDER: [&str; 2] = ["component", "build"];

/// A text that keeps the rules of manifests, and the file that it came from.
pub(super) struct ProjectFile {
    path: PathBuf,
    text: String,
    pub(super) project: Project,
}

impl ProjectFile {
    /// That of a folder.
    ///
    /// # Errors
    /// There is none, or it breaks a rule.
    pub(super) fn of(folder: &Path) -> Result<Self, Error> {
        // As whoever is in the folder would write it.
        let path = match folder == Path::new(".") {
            true => PathBuf::from(FILE),
            false => folder.join(FILE),
        };
        if !path.exists() {
            return Err(Error::Usage(format!(
                "there is no {}: go to a project's folder or name one with --folder; `leyden new` makes one",
                path.display()
            )));
        }
        Self::read(&path)
    }

    /// Reads a project's file or a manifest.
    ///
    /// # Errors
    /// It cannot be read, or breaks a rule.
    pub(super) fn read(path: &Path) -> Result<Self, Error> {
        let bytes = client::read_file(path, MANIFEST_BYTES_MAX as u64)?;
        let not_text = |_| Error::Usage(format!("{}: is not UTF-8 text", path.display()));
        let text = String::from_utf8(bytes).map_err(not_text)?;
        let project = Project::parse(&text).map_err(|error| marked(path, &text, error))?;
        Ok(Self {
            path: path.to_owned(),
            text,
            project,
        })
    }

    /// The folder that it lies in.
    pub(super) fn folder(&self) -> &Path {
        match self.path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        }
    }

    /// The name that its component gets.
    ///
    /// # Errors
    /// It names none.
    pub(super) fn name(&self) -> Result<&ComponentName, Error> {
        let name = self.project.manifest.name.as_ref();
        name.ok_or_else(|| self.lacks("name", "name = \"hello\""))
    }

    /// Where its component lies.
    ///
    /// # Errors
    /// It names no place.
    pub(super) fn component(&self) -> Result<PathBuf, Error> {
        let component = self.project.component.as_ref();
        let component =
            component.ok_or_else(|| self.lacks("component", "component = \"hello.wasm\""))?;
        Ok(match self.path.parent() {
            Some(folder) => folder.join(component),
            None => PathBuf::from(component),
        })
    }

    /// How it is built.
    ///
    /// # Errors
    /// It does not say how.
    pub(super) fn build(&self) -> Result<&Build, Error> {
        let build = self.project.build.as_ref();
        build.ok_or_else(|| self.lacks("build.command", "[build] with command = \"…\""))
    }

    fn lacks(&self, key: &str, example: &str) -> Error {
        let path = self.path.display();
        Error::Usage(format!("{path}: {key} is missing; add {example}"))
    }

    /// Checks that all it names is for components of a kind.
    ///
    /// # Errors
    /// Something is not.
    pub(super) fn check_kind(&self, kind: Kind) -> Result<(), Error> {
        let checked = self.project.manifest.check_kind(kind);
        checked.map_err(|error| marked(&self.path, &self.text, error))
    }

    /// The component with this manifest inside, in place of any that it carries.
    ///
    /// # Errors
    /// It is no component.
    pub(super) fn attach(&self, component: &[u8]) -> Result<Vec<u8>, Error> {
        attach(component, &self.manifest()?)
    }

    /// What goes along with the component: the text as it is, unless it has keys that stay in the folder.
    pub(super) fn manifest(&self) -> Result<String, Error> {
        let Project {
            component, build, ..
        } = &self.project;
        if component.is_none() && build.is_none() {
            return Ok(self.text.clone());
        }
        let mut table = table(&self.text)?;
        for key in OF_THE_FOLDER {
            table.remove(key);
        }
        written(&table)
    }
}

/// A component with a manifest inside.
///
/// # Errors
/// It is no component, or the manifest breaks a rule.
pub(super) fn attach(component: &[u8], manifest: &str) -> Result<Vec<u8>, Error> {
    manifest::attach(component, manifest).map_err(|error| Error::Usage(error.to_string()))
}

/// A manifest with other routes: every method on each of these paths.
///
/// # Errors
/// A path breaks a rule.
pub(super) fn with_routes(manifest: &str, paths: &[String]) -> Result<String, Error> {
    let mut table = table(manifest)?;
    let route = |path: &String| {
        let mut route = toml::Table::new();
        route.insert("path".to_owned(), path.clone().into());
        toml::Value::Table(route)
    };
    table.insert(
        "routes".to_owned(),
        paths.iter().map(route).collect::<Vec<_>>().into(),
    );
    let text = written(&table)?;
    match manifest::Manifest::parse(&text) {
        Err(manifest::Error::Rule { key, rule, .. }) if key.starts_with("routes[") => Err(
            Error::Usage(format!("--route: {rule} ({})", named(&key, paths))),
        ),
        Err(error) => Err(Error::Usage(format!("--route: {error}"))),
        Ok(_) => Ok(text),
    }
}

/// The path that a key such as `routes[1].path` is about.
fn named<'a>(key: &str, paths: &'a [String]) -> &'a str {
    let index = key.trim_start_matches("routes[").split(']').next();
    let index = index.and_then(|index| index.parse::<usize>().ok());
    index
        .and_then(|index| paths.get(index))
        .map_or("", String::as_str)
}

fn table(text: &str) -> Result<toml::Table, Error> {
    text.parse()
        .map_err(|error: toml::de::Error| Error::Usage(error.to_string()))
}

fn written(table: &toml::Table) -> Result<String, Error> {
    toml::to_string(table).map_err(|error| Error::Usage(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
name = \"hello\"
component = \"out/hello.wasm\"
[build]
command = \"make\"
[env]
B = \"1\"
A = \"line\\nline\"
[[routes]]
path = \"/hello\"
";

    fn project(text: &str) -> (tempfile::TempDir, Result<ProjectFile, Error>) {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join(FILE), text).expect("written");
        let file = ProjectFile::of(folder.path());
        (folder, file)
    }

    #[test]
    fn what_only_the_folder_needs_stays_there() {
        let (folder, file) = project(TEXT);
        let file = file.expect("a project");
        assert_eq!(file.name().expect("a name").as_str(), "hello");
        assert_eq!(
            file.component().expect("a path"),
            folder.path().join("out/hello.wasm")
        );
        assert_eq!(file.build().expect("a command").command, "make");
        let text = file.manifest().expect("a manifest");
        let carried = Project::parse(&text).expect("a manifest");
        assert_eq!((carried.component, carried.build), (None, None));
        assert_eq!(carried.manifest.env, file.project.manifest.env);
        assert_eq!(carried.manifest.routes, file.project.manifest.routes);
    }

    #[test]
    fn what_is_missing_is_told_with_an_example() {
        let (_folder, file) = project("");
        let file = file.expect("a project");
        for error in [
            file.name().map(drop).expect_err("no name"),
            file.component().map(drop).expect_err("no component"),
            file.build().map(drop).expect_err("no build"),
        ] {
            assert!(error.to_string().contains("is missing; add"), "{error}");
        }
        assert_eq!(file.manifest().expect("the text"), "");
        let nowhere = tempfile::tempdir().expect("a folder");
        let error = ProjectFile::of(nowhere.path())
            .map(drop)
            .expect_err("no file");
        assert!(error.to_string().contains("`leyden new`"), "{error}");
    }

    #[test]
    fn other_routes_take_the_place_of_those_that_are_there() {
        let text = with_routes(TEXT, &["/a".to_owned(), "/b/{*rest}".to_owned()]).expect("routes");
        let routes = Project::parse(&text).expect("a manifest").manifest.routes;
        let paths: Vec<&str> = routes.iter().map(|route| route.path.as_str()).collect();
        assert_eq!(paths, ["/a", "/b/{*rest}"]);
        assert!(routes.iter().all(|route| route.any_method));
        let paths = ["/a".to_owned(), "/admin/x".to_owned()];
        let error = with_routes(TEXT, &paths).expect_err("the host's own");
        assert_eq!(
            error.to_string(),
            "--route: /admin is the host's own (/admin/x)"
        );
    }
}
