//! `leyden receipt key`.

use std::path::PathBuf;

use reqwest::Method;

use super::{Context, Error};

/// Prints the public key that receipts of this host are verified with.
///
/// Fetch it once, compare it with what the operator tells you otherwise, and keep it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  leyden receipt key --out leyden.pub")]
pub(super) struct Key {
    /// Write it to this file.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Key {
    pub(super) async fn run(self, context: &Context) -> Result<(), Error> {
        let client = context.client()?;
        let answer = client
            .send(client.request(Method::GET, "/partners/receipt-key")?)
            .await?;
        let pem = answer.accepted()?.text();
        if context.global.json {
            return context.show(&serde_json::json!({ "pem": pem }));
        }
        match &self.out {
            None => Ok(context.screen.line(pem.trim_end())?),
            Some(file) => {
                std::fs::write(file, pem).map_err(|source| Error::unwritable(file, source))
            }
        }
    }
}
