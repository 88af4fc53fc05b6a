//! `leyden audit [SUBJECT]`: what was changed, by whom, when, from what to what.

use serde_json::{Value, json};

use super::{Context, Error, route, table};
use crate::ids::Digest;

/// Tells who changed what, the latest first: what is deployed, promoted and rolled back, operators, partners and what they
/// deploy, recordings, consents.
///
/// Entries are written by the commit that makes the change, and are never changed or removed.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  leyden audit
  leyden audit schedule                  what happened to one component
  leyden audit partner/acme              what was done with a partner, and what it deployed
  leyden audit partner/acme/load-curve   one of its plugins
  leyden audit --limit 1000 --json")]
pub(super) struct Audit {
    /// What was changed: a component, an operator, partner/ID or partner/ID/PLUGIN; everything where it is not given.
    subject: Option<String>,
    /// How many changes, at most.
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: usize,
}

impl Audit {
    pub(super) async fn run(self, context: &Context) -> Result<(), Error> {
        show(context, self.subject.as_deref(), self.limit).await
    }
}

/// Shows what was changed, of one subject or of all.
///
/// # Errors
/// The host does not answer or refuses.
pub(super) async fn show(
    context: &Context,
    subject: Option<&str>,
    limit: usize,
) -> Result<(), Error> {
    let subject = subject.map(|subject| ("subject", subject));
    let client = context.client()?;
    let all = route::all_pages(
        &client,
        "/admin/audit",
        subject.as_slice(),
        "entries",
        limit,
    );
    let mut entries = all.await?;
    if !context.global.json {
        entries.iter_mut().for_each(shorten);
    }
    context.show(&entries.into())
}

/// Digests as short as lists tell them.
fn shorten(entry: &mut Value) {
    for member in ["from", "to"] {
        let digest = entry[member]
            .as_str()
            .filter(|text| Digest::parse(text).is_ok());
        if let Some(short) = digest.map(|digest| json!(table::short(digest))) {
            entry[member] = short;
        }
    }
}
