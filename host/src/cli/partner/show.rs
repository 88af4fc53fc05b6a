//! `leyden partner show [ID]`.

use super::{Context, Error, route};

/// Shows a partner: trust level, balance, what its running plugins hold, prices and limits, and its upload key.
///
/// The operator sees each; a partner sees itself, with its own API key in --token-file.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  leyden partner show acme
  leyden partner show             as a partner, with LEYDEN_PARTNER and LEYDEN_TOKEN_FILE set")]
pub(super) struct Show {
    /// The partner.
    #[arg(env = "LEYDEN_PARTNER")]
    id: String,
}

impl Show {
    pub(super) async fn run(self, context: &Context) -> Result<(), Error> {
        // This path is the partner's as well as the operator's.
        let id = route::partner_id(&self.id)?;
        let path = route::join(&["partners", id.as_str()])?;
        context.show(&context.client()?.get(&path).await?)
    }
}
