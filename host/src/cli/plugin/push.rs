//! `leyden plugin push FILE`.

use std::path::PathBuf;

use reqwest::Method;

use super::route::Identity;
use super::sign::{Label, Upload, read_key};
use super::{Context, Error, progress};
use crate::partners::signature;

/// Uploads a component and makes it the active version of your plugin.
///
/// The host looks through it, compiles it and then swaps; runs that have begun finish on the former version. What
/// it would refuse, `leyden plugin check` tells before.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  leyden plugin push plugin.wasm --name my-report --version 1 --key signing.pem
  leyden plugin push plugin.wasm --name my-report --version 1 --signature \"$(cat plugin.sig)\"")]
pub(super) struct Push {
    /// The component.
    file: PathBuf,
    #[command(flatten)]
    identity: Identity,
    #[command(flatten)]
    label: Label,
    /// The signature, as `leyden plugin sign` printed it for the same name and version.
    #[arg(
        long,
        value_name = "BASE64",
        required_unless_present = "key",
        conflicts_with = "key"
    )]
    signature: Option<String>,
    /// Your private key, to sign it here.
    #[arg(long, value_name = "PEM")]
    key: Option<PathBuf>,
}

impl Push {
    pub(super) async fn run(self, context: &Context) -> Result<(), Error> {
        let upload = Upload::read(&self.file, &self.identity, &self.label)?;
        let signature = self.signed(&upload)?;
        let client = context.client()?;
        let path = self.identity.plugin(upload.name.as_str(), &[])?;
        let request = client.request(Method::PUT, &path)?;
        let request = request
            .header("content-type", "application/wasm")
            .header("leyden-signature", signature)
            .header("leyden-version", upload.version.as_str());
        let what = self.file.display().to_string();
        let (body, bar) =
            progress::upload_body(&what, "checked and compiled by the host", upload.bytes);
        let answer = client.send(request.body(body)).await;
        bar.finish_and_clear();
        context.show(&answer?.accepted()?.json()?)
    }

    fn signed(&self, upload: &Upload) -> Result<String, Error> {
        match (&self.signature, &self.key) {
            (Some(given), _) => {
                let given = given.trim();
                let form = signature::parse(given);
                form.map_err(|rule| Error::Usage(format!("--signature: {rule}")))?;
                Ok(given.to_owned())
            }
            (None, Some(key)) => Ok(upload.signature(&read_key(key)?)),
            (None, None) => Err(Error::Usage("--key or --signature is needed".to_owned())),
        }
    }
}
