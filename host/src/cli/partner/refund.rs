//! `leyden partner refund ID --receipt N | --credit REFERENCE`.

use reqwest::Method;
use serde_json::json;

use super::{Context, Error, path};

/// Gives back what a receipt charged, or takes back a credit that was wrong, once for each.
///
/// The ledger keeps the first entry and gets a second one that names it; the receipt stays as it was signed. Sent again it
/// changes nothing, so it may be repeated after a failure.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  leyden partner refund acme --receipt 17                    what this receipt charged goes back to acme
  leyden partner refund acme --credit INV-17 --amount 450    of a credit that was too large 450 are taken back")]
pub(super) struct Refund {
    /// The partner.
    id: String,
    #[command(flatten)]
    of: Of,
    /// How many datapoints; all that the receipt or credit moved where it is not given.
    #[arg(long, value_name = "N")]
    amount: Option<u64>,
}

/// What is refunded.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Of {
    /// The receipt's number among the partner's, as `leyden receipt list` shows it.
    #[arg(long, value_name = "N")]
    receipt: Option<u64>,
    /// The credit's reference.
    #[arg(long, value_name = "REFERENCE")]
    credit: Option<String>,
}

impl Refund {
    pub(super) async fn run(self, context: &Context) -> Result<(), Error> {
        let mut body = match (self.of.receipt, self.of.credit) {
            (Some(receipt), _) => json!({ "receipt": receipt }),
            (None, reference) => json!({ "credit": reference }),
        };
        if let Some(amount) = self.amount {
            body["amount"] = json!(amount);
        }
        let (client, path) = (context.client()?, path(&self.id, &["refund"])?);
        let answer = client.write(Method::POST, &path, &body).await?;
        if answer["repeated"] == true {
            let hint = "This was refunded before; nothing has changed.";
            context.screen.error_line(&context.screen.dim(hint));
        }
        context.show(&answer)
    }
}
