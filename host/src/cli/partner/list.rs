//! `leyden partner list`.

use super::super::route;
use super::{Context, Error};

/// Lists the partners by id.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  leyden partner list")]
pub(super) struct List {}

impl List {
    pub(super) async fn run(self, context: &Context) -> Result<(), Error> {
        let client = context.client()?;
        let all = route::all_pages(&client, "/admin/partners", &[], "partners", usize::MAX);
        context.show(&all.await?.into())
    }
}
