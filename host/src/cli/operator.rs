//! `leyden operator`: who operates the installation.

use std::path::PathBuf;

use clap::Subcommand;
use reqwest::Method;
use serde_json::{Value, json};

use super::key_file::{NewFile, tell_key};
use super::{Context, Error, route};

/// Registers operators and revokes their keys.
///
/// An operator shows its key where the host's token would be shown (--token-file), and acts under its own name: `leyden
/// audit` tells who changed what.
#[derive(Debug, clap::Args)]
#[command(after_help = "Roles, each with what stands before it:
  viewer    looks at everything, changes nothing
  deployer  deploys and rolls back components, calls them, deals with dead letters
  admin     partners and their accounts, the clock, other operators

Examples:
  leyden operator add marie --role deployer --key-file marie.key
  leyden --token-file marie.key deploy schedule target/plugins/alternatives/schedule-load-aware.wasm
  leyden operator list
  leyden operator revoke marie

Exit codes: 0 done; 1 the host refused; 2 the command line or a file is wrong; 3 the host cannot be reached.")]
pub(super) struct Command {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Add(Add),
    List(List),
    Revoke(Revoke),
}

impl Command {
    pub(super) async fn run(self, context: &Context) -> Result<(), Error> {
        match self.verb {
            Verb::Add(verb) => verb.run(context).await,
            Verb::List(verb) => verb.run(context).await,
            Verb::Revoke(verb) => verb.run(context).await,
        }
    }
}

/// Registers an operator and prints its key, which is told this once; again with the same role for a second key.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  leyden operator add marie --role admin
  leyden operator add ci --role deployer --key-file ci.key     the key goes into a new file, readable for you only")]
struct Add {
    /// The name, which the audit tells.
    name: String,
    /// What it may do: viewer, deployer or admin.
    #[arg(long)]
    role: String,
    /// A new file for the key, which is not printed then.
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
}

impl Add {
    async fn run(self, context: &Context) -> Result<(), Error> {
        let file = self.key_file.as_deref().map(NewFile::create).transpose()?;
        let body = json!({ "name": self.name, "role": self.role });
        let client = context.client()?;
        let mut answer = client
            .write(Method::POST, "/admin/operators", &body)
            .await?;
        let key = answer["key"].take();
        if let Some(answer) = answer.as_object_mut() {
            answer.retain(|member, _| matches!(member.as_str(), "name" | "role" | "createdAt"));
        }
        tell_key(context, answer, &key, file)
    }
}

/// Lists the operators' keys by name, those revoked lately included.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  leyden operator list")]
struct List {}

impl List {
    async fn run(self, context: &Context) -> Result<(), Error> {
        let mut answer: Value = context.client()?.get("/admin/operators").await?;
        context.show(&answer["operators"].take())
    }
}

/// Revokes all keys of an operator, or one; the next request with it is refused, on every host.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  leyden operator revoke marie
  leyden operator revoke marie --key 3f8a01c2d4e5     this one only, as the list names it")]
struct Revoke {
    /// Whose.
    name: String,
    /// One of its keys.
    #[arg(long, value_name = "KEYID")]
    key: Option<String>,
}

impl Revoke {
    async fn run(self, context: &Context) -> Result<(), Error> {
        let path = route::join(&["admin", "operators", &self.name])?;
        let key = self.key.as_deref().map(|key| ("key", key));
        let path = route::with_query(&path, key.as_slice());
        let client = context.client()?;
        let mut answer = client.write(Method::DELETE, &path, &json!({})).await?;
        context.show(&answer["operators"].take())
    }
}
