//! `leyden ledger`: whether the ledger is what was committed, and what its accounts have.

use clap::{Args, Subcommand};
use reqwest::Url;
use serde_json::Value;

use super::{Context, Error, route};
use crate::store::chain::Head;

/// Looks into the ledger of datapoints.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  leyden ledger verify\n  leyden ledger accounts --limit 1000")]
pub(super) struct Command {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Verify(Verify),
    Accounts(Accounts),
}

impl Command {
    pub(super) async fn run(self, context: &Context) -> Result<(), Error> {
        match self.verb {
            Verb::Verify(verb) => verb.run(context).await,
            Verb::Accounts(verb) => verb.run(context).await,
        }
    }
}

/// Recomputes the ledger: every account's sums, no balance below zero, and the hash of every entry.
///
/// Each entry's hash follows from what it says and from the hash before it. Who can write to the store can make up a whole
/// ledger anew in which all hashes fit, but not one that passes through a head that you have noted: keep what
/// stands under "note" where the host cannot reach it, and give it with --noted. The host goes on working meanwhile.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  leyden ledger verify
  leyden --json ledger verify | jq -r .note >> heads.txt
  leyden ledger verify --noted \"$(tail -n 1 heads.txt)\"

Exit codes: 0 everything is as it was committed; 1 it is not: the first broken entry and wrong accounts are named.")]
struct Verify {
    /// A head noted earlier: the chain must pass through it.
    #[arg(long, value_name = "ENTRIES:HEAD")]
    noted: Option<Head>,
}

impl Verify {
    async fn run(self, context: &Context) -> Result<(), Error> {
        let noted = self.noted.map(|noted| noted.to_string());
        let noted = noted.as_deref().map(|noted| ("noted", noted));
        let path = route::with_query("/admin/ledger", noted.as_slice());
        let answer = context.client()?.get(&path).await?;
        let shown = match context.global.json {
            true => answer.clone(),
            false => summary(&answer),
        };
        context.show(&shown)?;
        match answer["sound"] == true {
            true => Ok(()),
            false => Err(Error::Unsound(findings(&answer))),
        }
    }
}

/// What fits on a screen; what is wrong follows as an error.
fn summary(answer: &Value) -> Value {
    let names = [
        "entries", "accounts", "debits", "credits", "sum", "head", "note",
    ];
    let members = names.map(|name| (name.to_owned(), answer[name].clone()));
    Value::Object(members.into_iter().collect())
}

/// What is wrong, in words.
fn findings(answer: &Value) -> Vec<String> {
    let mut findings = Vec::new();
    if answer["broken"].is_object() {
        findings.push(broken(&answer["broken"]));
    }
    let wrong = answer["wrongAccounts"].as_array().into_iter().flatten();
    let wrong: Vec<_> = wrong.filter_map(Value::as_str).collect();
    if !wrong.is_empty() {
        let wrong = wrong.join(", ");
        findings.push(format!("accounts that differ from their entries: {wrong}"));
    }
    if answer["debits"] != answer["credits"] {
        findings.push("debits and credits differ".to_owned());
    }
    findings
}

fn broken(broken: &Value) -> String {
    let (entry, what) = (&broken["entry"], broken["what"].as_str());
    let place = match (broken["commit"].as_u64(), broken["position"].as_u64()) {
        (Some(commit), Some(position)) => format!(" (commit {commit}, position {position})"),
        _ => String::new(),
    };
    format!("entry {entry}{place}: {}", what.unwrap_or("it is broken"))
}

/// Lists accounts by name, with what left, what came and what is there.
///
/// Only the issuer may be below zero: it creates the datapoints that all others hold, so the balances' sum is 0.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  leyden ledger accounts
  leyden ledger accounts --after partner/ --limit 1000
  leyden --json ledger accounts")]
struct Accounts {
    /// List those after this name.
    #[arg(long, value_name = "NAME")]
    after: Option<String>,
    /// At most so many, 1 to 1000.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
}

impl Accounts {
    async fn run(self, context: &Context) -> Result<(), Error> {
        let client = context.client()?;
        let path = self.path(client.base())?;
        let answer = client.get(&path).await?;
        if context.global.json {
            return context.show(&answer);
        }
        context.show(&answer["accounts"])?;
        if let Some(next) = answer["next"].as_str() {
            let more = format!("there are more: leyden ledger accounts --after '{next}'");
            context.screen.error_line(&more);
        }
        Ok(())
    }

    /// The path with its query, whatever the name is made of.
    fn path(&self, base: &Url) -> Result<String, Error> {
        let url = base.join("/admin/ledger/accounts");
        let mut url = url.map_err(|error| Error::Usage(error.to_string()))?;
        let mut query = url.query_pairs_mut();
        query.append_pair("limit", &self.limit.to_string());
        if let Some(after) = &self.after {
            query.append_pair("after", after);
        }
        drop(query);
        Ok(format!(
            "{}?{}",
            url.path(),
            url.query().unwrap_or_default()
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_wrong_is_named() {
        let answer = json!({
            "debits": "5", "credits": "6",
            "wrongAccounts": ["fees", "partner/acme"],
            "broken": {"entry": 17, "commit": 12, "position": 0, "what": "it is odd"},
        });
        let expected = [
            "entry 17 (commit 12, position 0): it is odd",
            "accounts that differ from their entries: fees, partner/acme",
            "debits and credits differ",
        ];
        assert_eq!(findings(&answer), expected);
        let gone = json!({"entry": 3, "commit": null, "position": null, "what": "it is missing"});
        assert_eq!(broken(&gone), "entry 3: it is missing");
    }

    #[test]
    fn a_name_is_encoded() {
        let base = Url::parse("http://host:1").expect("a URL");
        let accounts = Accounts {
            after: Some("partner/a&b é".to_owned()),
            limit: 5,
        };
        let path = accounts.path(&base).expect("a path");
        let expected = "/admin/ledger/accounts?limit=5&after=partner%2Fa%26b+%C3%A9";
        assert_eq!(path, expected);
    }
}
