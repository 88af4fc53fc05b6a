//! `leyden deploy NAME FILE`: uploads a component; the host compiles it and then swaps.

use std::path::{Path, PathBuf};

use reqwest::Method;
use serde_json::Value;

use super::{Client, Context, Error, client, components, progress};

/// Largest component file, bytes; the host's own limit is lower and its word counts.
const FILE_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Largest manifest, bytes: a manifest is a page of text.
const MANIFEST_BYTES_MAX: u64 = 1024 * 1024;

/// The custom section that carries a component's manifest.
const SECTION: &str = "leyden:manifest";

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
    manifest: Option<&Path>,
) -> Result<Value, Error> {
    let mut component = client::read_file(file, FILE_BYTES_MAX)?;
    if let Some(manifest) = manifest {
        append_section(
            &mut component,
            &client::read_file(manifest, MANIFEST_BYTES_MAX)?,
        );
    }
    let request = client.request(Method::POST, &components::path(name)?)?;
    let (body, bar) = progress::bytes_body(&file.display().to_string(), component);
    let request = request
        .header("content-type", "application/wasm")
        .body(body);
    let answer = client.send(request).await;
    bar.finish_and_clear();
    answer?.accepted()?.json()
}

/// Appends the manifest as a custom section: id 0, size, name, content.
fn append_section(component: &mut Vec<u8>, manifest: &[u8]) {
    let mut content = leb128(SECTION.len());
    content.extend_from_slice(SECTION.as_bytes());
    content.extend_from_slice(manifest);
    component.push(0);
    component.extend_from_slice(&leb128(content.len()));
    component.extend_from_slice(&content);
}

/// A number in the binary format's variable-length form.
fn leb128(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = (number & 0x7f) as u8;
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmparser::{Parser, Payload};

    /// An empty component.
    const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

    #[test]
    fn the_manifest_can_be_read_back() {
        let manifest = vec![b'x'; 300];
        let mut component = COMPONENT.to_vec();
        append_section(&mut component, &manifest);
        let payloads = Parser::new(0)
            .parse_all(&component)
            .collect::<Result<Vec<_>, _>>();
        let section = payloads
            .unwrap()
            .into_iter()
            .find_map(|payload| match payload {
                Payload::CustomSection(section) => {
                    Some((section.name().to_owned(), section.data().to_vec()))
                }
                _ => None,
            });
        assert_eq!(section, Some((SECTION.to_owned(), manifest)));
    }
}
