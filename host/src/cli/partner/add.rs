//! `leyden partner add ID`.

use std::path::PathBuf;

use reqwest::Method;
use serde_json::{Value, json};

use super::super::route;
use super::{Context, Error, NewFile, tell_key};

/// Registers a partner and prints its first API key, which is told this once.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  leyden partner add acme --trust 2 --credit 1000
  leyden partner add acme --trust 2 --key-file acme.key     the key goes into a new file, readable for you only

Trust levels (the active access policy decides; these are the default): 0 nothing, 1 what communities draw in all,
2 what each producer feeds in, 3 what each household draws.")]
pub(super) struct Add {
    /// The id it gets.
    id: String,
    /// How far it is trusted, 0 to 10.
    #[arg(long, value_name = "N", default_value_t = 0)]
    trust: u32,
    /// Datapoints it begins with.
    #[arg(long, value_name = "N", default_value_t = 0)]
    credit: u64,
    /// A new file for the API key, which is not printed then.
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
}

impl Add {
    pub(super) async fn run(self, context: &Context) -> Result<(), Error> {
        let id = route::partner_id(&self.id)?;
        let file = self.key_file.as_deref().map(NewFile::create).transpose()?;
        let body = json!({ "id": id, "trustLevel": self.trust, "credit": self.credit });
        let client = context.client()?;
        let mut answer = client.write(Method::POST, "/admin/partners", &body).await?;
        let key = answer
            .as_object_mut()
            .and_then(|answer| answer.remove("key"));
        tell_key(context, answer, &key.unwrap_or(Value::Null), file)
    }
}
