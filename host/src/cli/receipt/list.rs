//! `leyden receipt list`.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::route::{Identity, all_pages};
use super::{Context, Error};

/// Lists your receipts in the order of their places, or saves each in a file of its own.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  leyden receipt list --month 2026-11
  leyden receipt list --save receipts/      as 00000001.json and so on, for `leyden receipt verify`")]
pub(super) struct List {
    /// Those of this month (UTC) only.
    #[arg(long, value_name = "YYYY-MM")]
    month: Option<String>,
    /// Stop after so many; all of them without it.
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Save each in a file of this folder instead of listing them.
    #[arg(long, value_name = "FOLDER")]
    save: Option<PathBuf>,
    #[command(flatten)]
    identity: Identity,
}

impl List {
    pub(super) async fn run(self, context: &Context) -> Result<(), Error> {
        let receipts = self.receipts(context).await?;
        if let Some(folder) = &self.save {
            fs::create_dir_all(folder).map_err(|source| Error::unwritable(folder, source))?;
            for receipt in &receipts {
                save(folder, receipt)?;
            }
            let told = json!({ "saved": receipts.len(), "folder": folder });
            return context.show(&told);
        }
        match context.global.json {
            true => context.show(&json!(receipts)),
            false => context.show(&receipts.iter().map(row).collect()),
        }
    }

    async fn receipts(&self, context: &Context) -> Result<Vec<Value>, Error> {
        let path = self.identity.path(&["receipts"])?;
        let month = self.month.as_deref().map(|month| ("month", month));
        let most = self.limit.unwrap_or(usize::MAX);
        all_pages(
            &context.client()?,
            &path,
            month.as_slice(),
            "receipts",
            most,
        )
        .await
    }
}

/// Writes a receipt's exact bytes: a receipt is compact JSON, and its members keep their order.
fn save(folder: &Path, receipt: &Value) -> Result<(), Error> {
    let sequence = receipt["sequence"].as_u64().unwrap_or(0);
    let file = folder.join(format!("{sequence:08}.json"));
    fs::write(&file, receipt.to_string()).map_err(|source| Error::unwritable(&file, source))
}

/// What fits on a screen.
fn row(receipt: &Value) -> Value {
    let subject = if receipt["plugin"].is_object() {
        "plugin"
    } else {
        "component"
    };
    json!({
        "sequence": receipt["sequence"],
        "at": receipt["at"],
        "plugin": receipt[subject]["name"],
        "trigger": receipt["trigger"],
        "outcome": receipt["outcome"],
        "reads": receipt["reads"].as_array().map_or(0, Vec::len),
        "datapoints": receipt["total"],
        "id": receipt["id"],
    })
}
