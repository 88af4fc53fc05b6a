//! `leyden usage [ID]`: what partners read and paid in a month.

use serde_json::Value;

use super::{Client, Context, Error, route};
use crate::partners::usage::{self, Row};

/// Reports what partners read and paid in a month, per plugin and dataset.
///
/// Of one partner, which that partner may ask for itself, or of all, for the operator. Computing stands where datasets do.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  leyden usage acme --month 2026-11
  leyden usage --month 2026-11 --csv > usage.csv     all partners, for invoices")]
pub(super) struct Usage {
    /// The partner; all of them where it is not given.
    #[arg(env = "LEYDEN_PARTNER")]
    id: Option<String>,
    /// The month (UTC); the one that the host's clock is in where it is not given.
    #[arg(long, value_name = "YYYY-MM")]
    month: Option<String>,
    /// Print CSV (RFC 4180).
    #[arg(long, conflicts_with = "json")]
    csv: bool,
}

impl Usage {
    pub(super) async fn run(self, context: &Context) -> Result<(), Error> {
        let rows = self.rows(&context.client()?).await?;
        if !self.csv {
            return context.show(&rows.into());
        }
        let rows: Result<Vec<Row>, _> = serde_json::from_value(rows.into());
        let rows = rows.map_err(|error| Error::Answer(error.to_string()))?;
        Ok(context.screen.line(usage::csv(&rows).trim_end())?)
    }

    /// Asks for page after page, so that a report of any length is whole.
    async fn rows(&self, client: &Client) -> Result<Vec<Value>, Error> {
        let path = match &self.id {
            Some(id) => route::join(&["partners", route::partner_id(id)?.as_str(), "usage"])?,
            None => "/admin/usage".to_owned(),
        };
        let month = self.month.as_deref().map(|month| ("month", month));
        route::all_pages(client, &path, month.as_slice(), "usage", usize::MAX).await
    }
}
