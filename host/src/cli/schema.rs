//! `leyden schema`.

use super::{Context, Error};
use crate::registry::manifest::SCHEMA;

/// Prints the JSON Schema of leyden.toml, for editors that complete and check it as it is written.
///
/// Projects of `leyden new` have it inside. It says of each key what it means; what depends on another key, or on the kind
/// of the component, `leyden build` and `leyden deploy` check.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  leyden schema > leyden.schema.json      then `#:schema ./leyden.schema.json` in the first line of leyden.toml")]
pub(super) struct Schema {}

impl Schema {
    #[expect(clippy::unused_self, reason = "as every verb's")]
    pub(super) fn run(self, context: &Context) -> Result<(), Error> {
        Ok(context.screen.line(SCHEMA.trim_end())?)
    }
}
