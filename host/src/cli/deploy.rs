//! `leyden deploy [NAME FILE]`: uploads a component; the host compiles it and then swaps.

use std::path::{Path, PathBuf};

use reqwest::Method;
use serde_json::Value;

use super::leyden_toml::{self, ProjectFile};
use super::{Client, Context, Error, client, progress, route};
use crate::registry::Interfaces;
use crate::registry::manifest;

/// Uploads a component and makes it the active version of NAME.
///
/// Without NAME and FILE it is what `leyden build` made in a project's folder, with the leyden.toml in it. What the former
/// version began, it finishes; nothing is interrupted. A function is then reached below /fn/NAME and on its routes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  leyden deploy                                    in a folder with leyden.toml, after `leyden build`
  leyden deploy --folder functions/hello
  leyden deploy hello hello.wasm --route /hello
  leyden deploy hello hello.wasm --route /hello --route '/hello/{*rest}'
  leyden deploy schedule target/plugins/alternatives/schedule-load-aware.wasm
  leyden deploy hello hello.wasm --manifest plugin.toml")]
pub(super) struct Deploy {
    /// The name it gets.
    #[arg(requires = "file")]
    name: Option<String>,
    /// A WebAssembly component.
    file: Option<PathBuf>,
    /// The manifest (routes, limits and so on; a leyden.toml is one), in place of what the file carries.
    #[arg(long, value_name = "FILE", requires = "file")]
    manifest: Option<PathBuf>,
    /// A path that it answers, with every method: `{x}` stands for one segment, `{*x}` at the end for the rest. Given again
    /// for each; in place of the routes of the manifest.
    #[arg(long, value_name = "PATH")]
    route: Vec<String>,
    /// The project's folder, where NAME and FILE are not given [default: this one].
    #[arg(long, value_name = "FOLDER", conflicts_with = "file")]
    folder: Option<PathBuf>,
}

impl Deploy {
    pub(super) async fn run(self, context: &Context) -> Result<(), Error> {
        let (name, file, component) = self.component()?;
        let answer = upload(&context.client()?, &name, &file, component).await?;
        context.show(&answer)
    }

    /// What is uploaded: its name, the file that it comes from, and its bytes.
    fn component(&self) -> Result<(String, PathBuf, Vec<u8>), Error> {
        let (Some(name), Some(file)) = (&self.name, &self.file) else {
            let folder = self.folder.as_deref().unwrap_or(Path::new("."));
            let project = ProjectFile::of(folder)?;
            let (file, component) = built(&project)?;
            let component = self.routed(component)?;
            return Ok((project.name()?.to_string(), file, component));
        };
        let component = with_manifest(file, self.manifest.as_deref())?;
        Ok((name.clone(), file.clone(), self.routed(component)?))
    }

    /// The component with the routes of the command line, where there are any.
    fn routed(&self, component: Vec<u8>) -> Result<Vec<u8>, Error> {
        if self.route.is_empty() {
            return Ok(component);
        }
        let carried = manifest::from_component(&component);
        let carried = carried.map_err(|error| Error::Usage(error.to_string()))?;
        let text = leyden_toml::with_routes(carried.unwrap_or_default(), &self.route)?;
        leyden_toml::attach(&component, &text)
    }
}

/// The component that a project's folder has, with its manifest inside; and the file that it is.
///
/// # Errors
/// It was not built, it is no component, or the manifest does not go with it.
pub(super) fn built(project: &ProjectFile) -> Result<(PathBuf, Vec<u8>), Error> {
    let file = project.component()?;
    if !file.exists() {
        let file = file.display();
        return Err(Error::Usage(format!(
            "there is no {file}: `leyden build` makes it"
        )));
    }
    let component = client::read_component(&file)?;
    let component = with_project(&file, &component, project)?;
    Ok((file, component))
}

/// A component's file with a manifest in place of any that it carries, where one is given.
///
/// # Errors
/// A file cannot be read, it is no component, or the manifest does not go with it.
fn with_manifest(file: &Path, manifest: Option<&Path>) -> Result<Vec<u8>, Error> {
    let component = client::read_component(file)?;
    match manifest {
        Some(manifest) => with_project(file, &component, &ProjectFile::read(manifest)?),
        None => Ok(component),
    }
}

fn with_project(file: &Path, component: &[u8], project: &ProjectFile) -> Result<Vec<u8>, Error> {
    let of_file = |rule: String| Error::Usage(format!("{}: {rule}", file.display()));
    let attached = project.attach(component);
    let attached = attached.map_err(|error| of_file(error.to_string()))?;
    let interfaces = Interfaces::read(component).map_err(of_file)?;
    project.check_kind(interfaces.kind())?;
    Ok(attached)
}

/// Uploads a component's file under a name.
///
/// # Errors
/// A file cannot be read, or the host does not answer or refuses.
pub(crate) async fn send(
    client: &Client,
    name: &str,
    file: &Path,
    manifest_file: Option<&Path>,
) -> Result<Value, Error> {
    upload(client, name, file, with_manifest(file, manifest_file)?).await
}

/// Uploads a component, which a file is named for, under a name.
pub(super) async fn upload(
    client: &Client,
    name: &str,
    file: &Path,
    component: Vec<u8>,
) -> Result<Value, Error> {
    let request = client.request(Method::POST, &route::component(name)?)?;
    let then = "compiling and swapping";
    let (body, bar) = progress::upload_body(&file.display().to_string(), then, component);
    let request = request
        .header("content-type", "application/wasm")
        .body(body);
    let answer = client.send(request).await;
    bar.finish_and_clear();
    answer?.accepted()?.json()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FUNCTION: &str = r#"(component
        (import "a:b/c" (instance $i)) (export "wasi:http/incoming-handler@0.2.6" (instance $i)))"#;

    fn project(leyden_toml: &str, component: Option<&str>) -> (tempfile::TempDir, Deploy) {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("leyden.toml"), leyden_toml).expect("written");
        if let Some(wat) = component {
            let bytes = wat::parse_str(wat).expect("a component");
            std::fs::write(folder.path().join("hello.wasm"), bytes).expect("written");
        }
        let deploy = Deploy {
            name: None,
            file: None,
            manifest: None,
            route: Vec::new(),
            folder: Some(folder.path().to_owned()),
        };
        (folder, deploy)
    }

    const HELLO: &str = "name = \"hello\"\ncomponent = \"hello.wasm\"\n[env]\nA = \"1\"\n";

    #[test]
    fn a_folder_gives_name_component_and_manifest() {
        let (_folder, mut deploy) = project(HELLO, Some(FUNCTION));
        let (name, file, component) = deploy.component().expect("a component");
        assert_eq!(name, "hello");
        assert!(file.ends_with("hello.wasm"));
        let carried = manifest::from_component(&component)
            .expect("readable")
            .expect("carried");
        assert_eq!(carried, "name = \"hello\"\n\n[env]\nA = \"1\"\n");
        deploy.route = vec!["/hi".to_owned()];
        let (.., component) = deploy.component().expect("a component");
        let manifest = manifest::Manifest::from_component(&component)
            .expect("sound")
            .expect("carried");
        assert_eq!(manifest.routes[0].path, "/hi");
        assert_eq!(manifest.env.len(), 1, "what is not a route stays");
    }

    #[test]
    fn what_is_not_built_or_does_not_go_with_it_is_told() {
        let (_folder, deploy) = project(HELLO, None);
        let error = deploy.component().expect_err("not built").to_string();
        assert!(error.ends_with("`leyden build` makes it"), "{error}");
        let with_streams = format!("{HELLO}[streams]\nsubscribe = [\"a\"]\n");
        let (_folder, deploy) = project(&with_streams, Some(FUNCTION));
        let error = deploy
            .component()
            .expect_err("a function has no streams")
            .to_string();
        assert!(
            error.contains("leyden.toml:6:14: streams.subscribe: is for services"),
            "{error}"
        );
        let (folder, deploy) = project(HELLO, None);
        std::fs::write(folder.path().join("hello.wasm"), b"\0asm\x01\0\0\0").expect("written");
        let error = deploy.component().expect_err("a core module").to_string();
        assert!(
            error.contains("hello.wasm: not a WebAssembly component: it is a core module"),
            "{error}"
        );
    }
}
