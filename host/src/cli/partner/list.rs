//! `leyden partner list`.

use serde_json::{Value, json};

use super::super::route;
use super::{Context, Error};

/// Lists the partners by id.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  leyden partner list\n  leyden partner list --after acme     those after that one"
)]
pub(super) struct List {
    /// List those after this one.
    #[arg(long, value_name = "ID")]
    after: Option<String>,
}

impl List {
    /// Asks for page after page, so that a list of any length is whole.
    pub(super) async fn run(self, context: &Context) -> Result<(), Error> {
        let client = context.client()?;
        let mut partners: Vec<Value> = Vec::new();
        let mut after = self.after;
        loop {
            let from = after.as_deref().map(|after| ("after", after));
            let path = route::with_query("/admin/partners", from.as_slice());
            let mut page = client.get(&path).await?;
            partners.extend(
                page["partners"]
                    .as_array_mut()
                    .map(std::mem::take)
                    .unwrap_or_default(),
            );
            after = match page["next"].as_str() {
                Some(next) if after.as_deref() != Some(next) => Some(next.to_owned()),
                _ => return context.show(&json!(partners)),
            };
        }
    }
}
