//! `leyden partner credit ID AMOUNT`.

use reqwest::Method;
use serde_json::json;

use super::{Context, Error, path};

/// Gives a partner datapoints, once for each reference.
///
/// Sent again with the same reference and amount it changes nothing, so it may be repeated after a failure.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  leyden partner credit acme 500 --reference INV-17")]
pub(super) struct Credit {
    /// The partner.
    id: String,
    /// How many datapoints.
    amount: u64,
    /// What for, such as an invoice; a reference counts once.
    #[arg(long, value_name = "TEXT")]
    reference: String,
}

impl Credit {
    pub(super) async fn run(self, context: &Context) -> Result<(), Error> {
        let body = json!({ "amount": self.amount, "reference": self.reference });
        let (client, path) = (context.client()?, path(&self.id, &["credit"])?);
        let answer = client.write(Method::POST, &path, &body).await?;
        if answer["repeated"] == true {
            let hint = "This reference was credited before; nothing has changed.";
            context.screen.error_line(&context.screen.dim(hint));
        }
        context.show(&answer)
    }
}
