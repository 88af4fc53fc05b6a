//! `leyden partner keys ID`.

use std::path::PathBuf;

use reqwest::Method;
use serde_json::{Value, json};

use super::{Context, Error, NewFile, path, tell_key};

/// Lists a partner's API keys, makes a new one beside the old, or revokes one.
///
/// Two keys are valid at most: make the new one, bring it to the partner, then revoke the old one. A revoked
/// key ends with the next request.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  leyden partner keys acme
  leyden partner keys acme --rotate                  a second key, told this once
  leyden partner keys acme --rotate --key-file new.key
  leyden partner keys acme --revoke 3f8a01c2d4e5")]
pub(super) struct Keys {
    /// The partner.
    id: String,
    /// Make a new key.
    #[arg(long, conflicts_with = "revoke")]
    rotate: bool,
    /// A new file for the new key, which is not printed then.
    #[arg(long, value_name = "FILE", requires = "rotate")]
    key_file: Option<PathBuf>,
    /// Revoke this key, as the list names it.
    #[arg(long, value_name = "KEYID")]
    revoke: Option<String>,
}

impl Keys {
    pub(super) async fn run(self, context: &Context) -> Result<(), Error> {
        let client = context.client()?;
        if let Some(key) = &self.revoke {
            let path = path(&self.id, &["keys", key])?;
            let answer = client.write(Method::DELETE, &path, &json!({})).await?;
            return context.show(&answer);
        }
        let path = path(&self.id, &["keys"])?;
        if self.rotate {
            return self.rotated(context, &path).await;
        }
        let mut answer = client.get(&path).await?;
        context.show(&answer["keys"].take())
    }

    async fn rotated(&self, context: &Context, path: &str) -> Result<(), Error> {
        let file = self.key_file.as_deref().map(NewFile::create).transpose()?;
        let client = context.client()?;
        let key: Value = client.write(Method::POST, path, &json!({})).await?;
        tell_key(context, json!({ "id": self.id }), &key, file)
    }
}
