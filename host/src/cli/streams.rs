//! `leyden streams`: how far the groups are, and below it the dead letters.

use std::collections::BTreeSet;

use clap::Subcommand;
use serde_json::{Value, json};

use super::dead::Dead;
use super::{Context, Error, age, table};

/// Lists the streams and how far each group has handled them.
///
/// One line per stream and group, with the sums over all partitions: records kept, records not handled
/// yet (lag), those of them that a host has in hand (pending), the hosts that handle them and the age of
/// the oldest. A group that lost records before it saw them is marked.
#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:
  leyden streams
  leyden streams --partitions
  leyden --json streams
  leyden streams dead"
)]
pub(super) struct Streams {
    /// One line for each partition, empty ones as well.
    #[arg(long)]
    partitions: bool,
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Dead(Dead),
}

impl Streams {
    pub(super) async fn run(self, context: &Context) -> Result<(), Error> {
        if let Some(Verb::Dead(dead)) = self.verb {
            return dead.run(context).await;
        }
        let answer = context.client()?.get("/admin/streams").await?;
        let shown = match (context.global.json, self.partitions) {
            (true, _) => answer,
            (false, true) => each(&answer),
            (false, false) => folded(&answer),
        };
        context.show(&shown)
    }
}

/// One line per stream and group, each over all partitions. A stream without groups has one line.
fn folded(streams: &Value) -> Value {
    let rows = list(streams).flat_map(|stream| {
        let owners = owners(stream);
        groups(stream).map(move |group| {
            let partitions = json!(list(&stream["partitions"]).count());
            row(stream, ("partitions", &partitions), &owners, group)
        })
    });
    rows.collect()
}

/// One line per stream, partition and group.
fn each(streams: &Value) -> Value {
    let rows = list(streams).flat_map(|stream| {
        list(&stream["partitions"]).flat_map(move |partition| {
            let mut place = partition.clone();
            place["stream"] = stream["stream"].clone();
            let owner = json!(partition["owner"].as_str().map(table::short));
            let rows = groups(partition).map(|group| {
                let number = ("partition", &partition["partition"]);
                row(&place, number, &owner, group)
            });
            rows.collect::<Vec<_>>()
        })
    });
    rows.collect()
}

/// A stream or partition, and what one group has still to do there.
fn row(place: &Value, partition: (&str, &Value), owner: &Value, group: &Value) -> Value {
    let oldest = group["oldestAgeMs"].as_u64().map(age::words);
    let lost = (group["lost"] == true).then_some("records lost");
    json!({
        "stream": place["stream"],
        partition.0: partition.1,
        "newest": place["newest"],
        "length": place["length"],
        "group": group["group"],
        "lag": group["lag"],
        "pending": group["pending"],
        "owner": owner,
        "oldest": oldest,
        "lost": lost,
    })
}

/// Who handles a stream's partitions: one host by its name, several by their number.
fn owners(stream: &Value) -> Value {
    let owners = list(&stream["partitions"]).filter_map(|partition| partition["owner"].as_str());
    let owners: BTreeSet<&str> = owners.map(table::short).collect();
    match owners.len() {
        0 | 1 => json!(owners.first()),
        many => json!(format!("{many} hosts")),
    }
}

/// The groups of a stream or partition; one nobody where there are none.
fn groups(place: &Value) -> impl Iterator<Item = &Value> {
    const NOBODY: &Value = &Value::Null;
    let groups = &place["groups"];
    let alone = list(groups).next().is_none().then_some(NOBODY);
    list(groups).chain(alone)
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer() -> Value {
        let group = |lag: u64, age: u64, lost: bool| json!({"group": "consumption", "lag": lag, "pending": 1, "oldestAgeMs": age, "lost": lost});
        let partition = |number: u64, owner: &str, groups: Value| json!({"partition": number, "newest": 9, "length": 5, "owner": owner, "groups": groups});
        json!([
            {"stream": "a", "newest": 3, "length": 3, "groups": [], "partitions": [
                {"partition": 0, "newest": 3, "length": 3, "groups": []}]},
            {"stream": "house.readings", "newest": 9, "length": 10, "groups": [group(5, 3_250, true)],
             "partitions": [
                partition(0, "h1", json!([group(2, 3_250, false)])),
                partition(1, "h2", json!([group(3, 0, true)])),
                partition(2, "h2", json!([]))]},
        ])
    }

    #[test]
    fn partitions_are_folded_into_a_line_for_each_group() {
        let rows = folded(&answer());
        assert_eq!(rows.as_array().map(Vec::len), Some(2));
        let expected = json!({
            "stream": "house.readings", "partitions": 3, "newest": 9, "length": 10, "group": "consumption",
            "lag": 5, "pending": 1, "owner": "2 hosts", "oldest": "3.2 s", "lost": "records lost",
        });
        assert_eq!(rows[1], expected);
        let alone = (&rows[0]["group"], &rows[0]["lag"], &rows[0]["length"]);
        assert_eq!(alone, (&Value::Null, &Value::Null, &json!(3)));
    }

    #[test]
    fn every_partition_has_a_line_where_that_is_asked_for() {
        let rows = each(&answer());
        assert_eq!(rows.as_array().map(Vec::len), Some(4));
        let second = (&rows[2]["partition"], &rows[2]["owner"], &rows[2]["lag"]);
        assert_eq!(second, (&json!(1), &json!("h2"), &json!(3)));
        assert_eq!(rows[3]["lag"], Value::Null);
    }
}
