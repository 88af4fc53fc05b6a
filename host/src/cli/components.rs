//! `leyden components`.

use crate::ids::ComponentName;

use super::{Context, Error};

/// Lists the active components, with version and routes.
#[derive(Debug, clap::Args)]
pub(super) struct Components {}

impl Components {
    pub(super) async fn run(self, context: &Context) -> Result<(), Error> {
        let answer = context.client()?.get("/admin/components").await?;
        context.show(&answer)
    }
}

/// The path of one component on the admin interface.
///
/// # Errors
/// The name breaks the rule for names.
pub(super) fn path(name: &str) -> Result<String, Error> {
    let name =
        ComponentName::parse(name).map_err(|rule| Error::Usage(format!("{name}: {rule}")))?;
    Ok(format!("/admin/components/{name}"))
}
