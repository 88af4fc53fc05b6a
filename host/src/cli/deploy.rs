//! `leyden deploy NAME FILE`: uploads a component; the host compiles it and then swaps.

use std::path::{Path, PathBuf};

use reqwest::Method;
use serde_json::Value;

use super::{Client, Context, Error, client, components, progress};
use crate::registry::manifest;

/// Largest component file, bytes; the host's own limit is lower and its word counts.
const FILE_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Largest manifest, bytes: a manifest is a page of text.
const MANIFEST_BYTES_MAX: u64 = 1024 * 1024;

/// Uploads a component and makes it the active version of NAME.
///
/// What the former version began, it finishes; nothing is interrupted.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  leyden deploy schedule target/plugins/alternatives/schedule-load-aware.wasm
  leyden deploy hello hello.wasm --manifest plugin.toml")]
pub(super) struct Deploy {
    /// The name it gets.
    name: String,
    /// A WebAssembly component.
    file: PathBuf,
    /// The manifest (routes, streams, limits), where the file does not carry it.
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
}

impl Deploy {
    pub(super) async fn run(self, context: &Context) -> Result<(), Error> {
        let client = context.client()?;
        let answer = send(&client, &self.name, &self.file, self.manifest.as_deref()).await?;
        context.show(&answer)
    }
}

/// Uploads a component under a name.
///
/// # Errors
/// A file cannot be read, or the host does not answer or refuses.
pub(crate) async fn send(
    client: &Client,
    name: &str,
    file: &Path,
    manifest_file: Option<&Path>,
) -> Result<Value, Error> {
    let mut component = client::read_file(file, FILE_BYTES_MAX)?;
    if let Some(manifest_file) = manifest_file {
        component = with_manifest(&component, manifest_file)?;
    }
    let request = client.request(Method::POST, &components::path(name)?)?;
    let then = "compiling and swapping";
    let (body, bar) = progress::upload_body(&file.display().to_string(), then, component);
    let request = request
        .header("content-type", "application/wasm")
        .body(body);
    let answer = client.send(request).await;
    bar.finish_and_clear();
    answer?.accepted()?.json()
}

/// The component with the manifest inside, in place of any that it carries.
fn with_manifest(component: &[u8], file: &Path) -> Result<Vec<u8>, Error> {
    let wrong = |rule: String| Error::Usage(format!("{}: {rule}", file.display()));
    let text = String::from_utf8(client::read_file(file, MANIFEST_BYTES_MAX)?)
        .map_err(|_| wrong("a manifest must be UTF-8 text".to_owned()))?;
    manifest::attach(component, &text).map_err(|error| wrong(error.to_string()))
}
