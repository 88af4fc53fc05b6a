//! `leyden build`: runs the build command of a project's leyden.toml, and says what came of it.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use serde_json::{Value, json};
use tokio::process::Command;

use super::leyden_toml::ProjectFile;
use super::{Context, Error, deploy};
use crate::registry::Interfaces;

/// What shells end with where a program is not to be found, as POSIX has it.
const NOT_FOUND: i32 = 127;

/// Builds a project: runs the command of its leyden.toml, checks the component against it, and shows the size and what the
/// component imports.
///
/// What the command prints goes to standard error.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  leyden build
  leyden build --folder functions/hello
  leyden --json build | jq -r '.imports[]'")]
pub(super) struct Build {
    /// The project's folder [default: this one].
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
}

impl Build {
    pub(super) async fn run(self, context: &Context) -> Result<(), Error> {
        let folder = self.folder.unwrap_or_else(|| PathBuf::from("."));
        let project = ProjectFile::of(&folder)?;
        let built = build(&project).await?;
        context.show(&built.document()?)
    }
}

/// A component that was built and goes with its manifest.
pub(super) struct Built {
    /// Its file.
    pub(super) file: PathBuf,
    /// Its bytes, with the manifest inside.
    pub(super) component: Vec<u8>,
}

impl Built {
    fn document(&self) -> Result<Value, Error> {
        let interfaces = Interfaces::read(&self.component);
        let interfaces =
            interfaces.map_err(|rule| Error::Usage(format!("{}: {rule}", self.file.display())))?;
        Ok(json!({
            "component": self.file,
            "sizeBytes": self.component.len(),
            "kind": interfaces.kind(),
            "imports": interfaces.imports,
            "exports": interfaces.exports,
        }))
    }
}

/// Runs a project's build command, and reads what it made.
///
/// # Errors
/// The command fails, or what it made does not go with leyden.toml.
pub(super) async fn build(project: &ProjectFile) -> Result<Built, Error> {
    let command = &project.build()?.command;
    let ended = run(project.folder(), command).await?;
    if !ended.success() {
        let failed = format!("the build failed ({ended}): {command}");
        return Err(Error::Host(match ended.code() {
            Some(NOT_FOUND) => {
                format!("{failed}; a program is missing, which README.md of the project may name")
            }
            _ => failed,
        }));
    }
    let (file, component) = deploy::built(project)?;
    Ok(Built { file, component })
}

/// The command with a shell in the folder; it ends with this process.
async fn run(folder: &Path, command: &str) -> Result<ExitStatus, Error> {
    let mut shell = Command::new("sh");
    shell.args(["-c", command]).current_dir(folder);
    // Standard output is for what the verb itself says.
    shell
        .stdin(Stdio::null())
        .stdout(std::io::stderr())
        .kill_on_drop(true);
    Ok(shell.status().await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FUNCTION: &str = r#"(component
        (import "wasi:cli/stdout@0.2.10" (instance $i)) (export "wasi:http/incoming-handler@0.2.10" (instance $i)))"#;

    fn project(command: &str) -> (tempfile::TempDir, ProjectFile) {
        let folder = tempfile::tempdir().expect("a folder");
        let text =
            format!("name = \"a\"\ncomponent = \"out.wasm\"\n[build]\ncommand = '{command}'\n");
        std::fs::write(folder.path().join("leyden.toml"), text).expect("written");
        let bytes = wat::parse_str(FUNCTION).expect("a component");
        std::fs::write(folder.path().join("made.wasm"), bytes).expect("written");
        let project = ProjectFile::of(folder.path()).expect("sound");
        (folder, project)
    }

    #[tokio::test]
    async fn what_was_built_is_told_with_its_imports() {
        let (_folder, project) = project("echo building; cp made.wasm out.wasm");
        let built = build(&project).await.expect("built");
        let told = built.document().expect("a component");
        assert_eq!(told["kind"], "function");
        assert_eq!(told["imports"][0], "wasi:cli/stdout@0.2.10");
    }

    #[tokio::test]
    async fn a_command_that_fails_or_makes_nothing_is_named() {
        let (_folder, failing) = project("exit 7");
        let error = build(&failing)
            .await
            .map(drop)
            .expect_err("failed")
            .to_string();
        assert_eq!(error, "the build failed (exit status: 7): exit 7");
        let (_folder, wanting) = project("leyden-no-such-program");
        let error = build(&wanting)
            .await
            .map(drop)
            .expect_err("failed")
            .to_string();
        assert!(error.contains("a program is missing"), "{error}");
        let (_folder, idle) = project("true");
        let error = build(&idle)
            .await
            .map(drop)
            .expect_err("nothing made")
            .to_string();
        assert!(error.contains("there is no"), "{error}");
    }
}
