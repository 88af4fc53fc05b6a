//! `leyden usage [ID]`: what partners read and paid in a month.

use reqwest::Method;

use super::{Context, Error, route};

/// Reports what partners read and paid in a month, per plugin and dataset.
///
/// Of one partner, which that partner may ask for itself, or of all, for the operator.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  leyden usage acme --month 2026-11
  leyden usage --month 2026-11 --csv > usage.csv     all partners, for an invoice")]
pub(super) struct Usage {
    /// The partner; all of them where it is not given.
    #[arg(env = "LEYDEN_PARTNER")]
    id: Option<String>,
    /// The month, UTC.
    #[arg(long, value_name = "YYYY-MM")]
    month: String,
    /// Print CSV.
    #[arg(long, conflicts_with = "json")]
    csv: bool,
}

impl Usage {
    pub(super) async fn run(self, context: &Context) -> Result<(), Error> {
        let client = context.client()?;
        let answer = client
            .send(client.request(Method::GET, &self.path()?)?)
            .await?;
        let answer = answer.accepted()?;
        if self.csv {
            return Ok(context.screen.line(answer.text().trim_end())?);
        }
        context.show(&answer.json()?)
    }

    fn path(&self) -> Result<String, Error> {
        let path = match &self.id {
            Some(id) => route::join(&["partners", route::partner_id(id)?.as_str(), "usage"])?,
            None => "/admin/usage".to_owned(),
        };
        let mut parameters = vec![("month", self.month.as_str())];
        if self.csv {
            parameters.push(("format", "csv"));
        }
        Ok(route::with_query(&path, &parameters))
    }
}
