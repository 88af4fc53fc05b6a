//! `leyden policy`: how communities behave, and how that is changed while they run. One file per verb.

mod decisions;
mod diff;
mod history;
mod list;
mod log;
mod new;
mod promote;
mod rollback;
mod shadow;
mod template;
mod watch;

use std::path::Path;

use clap::Subcommand;
use reqwest::Method;
use serde_json::{Value, json};

use super::{Client, Context, Error, audit, client, progress, project, route, table};
use crate::policies::Kind;

/// Looks at policies and swaps them: compare, shadow, promote, roll back.
///
/// A policy is a pure component of one kind: access, assignment, peak-limit, schedule or shed. What it decides is logged, so
/// what another version would have decided is known before it decides. To change something takes the role of a deployer.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  leyden policy new my-shed --kind shed --lang rust               a project that builds
  leyden policy list                                              which versions decide, and how they do
  leyden policy diff shed candidate.wasm --against last:10000     what would have been decided otherwise
  leyden policy shadow shed candidate.wasm                        beside the active one, effects dropped
  leyden policy promote shed candidate.wasm --max-diff 2%
  leyden policy promote shed candidate.wasm --canary 5%,50%,100% --step 10m
  leyden policy watch shed                                        how it goes, until it is done
  leyden policy rollback shed                                     take it back
  leyden policy history shed                                      who changed what, when

Exit codes: 0 done; 1 refused, taken back, or more differs than may; 2 the command line or a file is wrong; 3 the host
cannot be reached.")]
pub(super) struct Command {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    New(new::New),
    List(list::List),
    Show(list::Show),
    History(history::History),
    Decisions(decisions::Decisions),
    Diff(diff::Diff),
    Shadow(shadow::Shadow),
    Promote(promote::Promote),
    Watch(watch::Watch),
    Rollback(rollback::Rollback),
    Log(log::Log),
}

impl Command {
    pub(super) async fn run(self, context: &Context) -> Result<(), Error> {
        match self.verb {
            Verb::New(verb) => verb.run(context),
            Verb::List(verb) => verb.run(context).await,
            Verb::Show(verb) => verb.run(context).await,
            Verb::History(verb) => verb.run(context).await,
            Verb::Decisions(verb) => verb.run(context).await,
            Verb::Diff(verb) => verb.run(context).await,
            Verb::Shadow(verb) => verb.run(context).await,
            Verb::Promote(verb) => verb.run(context).await,
            Verb::Watch(verb) => verb.run(context).await,
            Verb::Rollback(verb) => verb.run(context).await,
            Verb::Log(verb) => verb.run(context).await,
        }
    }
}

/// What a policy decides, as an argument.
fn kind(name: &str) -> Result<Kind, String> {
    Kind::of_name(name).ok_or_else(|| {
        let names = Kind::ALL.map(Kind::name).join(", ");
        format!("must be one of {names}")
    })
}

/// The path of what lies below a policy.
fn path(kind: Kind, below: &str) -> String {
    match below {
        "" => format!("/admin/policies/{kind}"),
        below => format!("/admin/policies/{kind}/{below}"),
    }
}

/// Uploads a version of a policy.
async fn upload(
    client: &Client,
    method: Method,
    path: &str,
    file: &Path,
    then: &str,
) -> Result<Value, Error> {
    let bytes = client::read_component(file)?;
    let (body, bar) = progress::upload_body(&file.display().to_string(), then, bytes);
    let request = client.request(method, path)?;
    let request = request
        .header("content-type", "application/wasm")
        .body(body);
    let answer = client.send(request).await;
    bar.finish_and_clear();
    answer?.accepted()?.json()
}

/// A policy for people: what fits on a screen, digests short.
fn summary(policy: &Value) -> Value {
    let short = |role: &str| {
        let digest = policy[role]["digest"].as_str();
        digest.map(|digest| table::short(digest).to_owned())
    };
    let seen = &policy["active"]["onThisHost"];
    json!({
        "kind": policy["kind"],
        "active": short("active"),
        "state": policy["state"],
        "decided": seen["decisions"],
        "failed": seen["failures"],
        "former": short("former"),
        "candidate": short("candidate"),
        "shadow": short("shadow"),
        "logged": logged(policy),
    })
}

/// A policy for people, whole.
fn whole(mut policy: Value) -> Value {
    policy["logged"] = logged(&policy).into();
    let rule = match policy["onFailure"].as_str() {
        Some("closed") => "nobody decides, so nobody reads",
        _ => "the former version decides",
    };
    policy["onFailure"] = rule.into();
    policy
}

/// How much of what a policy decides is logged, in words.
fn logged(policy: &Value) -> String {
    match policy["logged"].as_u64() {
        Some(0) => "nothing".to_owned(),
        Some(1) | None => "all".to_owned(),
        Some(one_in) => format!("1 in {one_in}"),
    }
}

/// Prints what a verb has made of a policy.
fn show(context: &Context, policy: &Value) -> Result<(), Error> {
    match context.global.json {
        true => context.show(policy),
        false => context.show(&summary(policy)),
    }
}
