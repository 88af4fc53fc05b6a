//! `leyden hosts`: who shares the work.

use serde_json::{Value, json};

use super::{Context, Error, table};

/// Lists the hosts of the installation: who is alive, and which partitions each one owns.
///
/// Unit n is partition n of every stream. A host that stops telling that it is alive loses its units to
/// the others when its lease is over.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  leyden hosts\n  leyden --json hosts")]
pub(super) struct Hosts {}

impl Hosts {
    pub(super) async fn run(self, context: &Context) -> Result<(), Error> {
        let answer = context.client()?.get("/admin/hosts").await?;
        let shown = match context.global.json {
            true => answer,
            false => summary(&answer),
        };
        context.show(&shown)
    }
}

/// One line per host; units that nobody holds have a line of their own.
fn summary(answer: &Value) -> Value {
    let row = |host: &Value| {
        let units = units(&host["units"]);
        json!({
            "host": host["holder"].as_str().map(table::short),
            "url": host["url"],
            "alive": if host["alive"] == true { "yes" } else { "no" },
            "since": host["startedAt"],
            "generation": host["generation"],
            "version": host["version"],
            "count": units.len(),
            "units": spans(&units),
        })
    };
    let free = units(&answer["free"]);
    let nobody = json!({ "host": "(nobody)", "count": free.len(), "units": spans(&free) });
    let hosts = answer["hosts"].as_array().into_iter().flatten().map(row);
    hosts.chain((!free.is_empty()).then_some(nobody)).collect()
}

fn units(value: &Value) -> Vec<u64> {
    let mut units: Vec<u64> = value
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_u64)
        .collect();
    units.sort_unstable();
    units
}

/// Ascending numbers as people write them: `0-3 7 9-11`.
fn spans(numbers: &[u64]) -> String {
    let runs = numbers.chunk_by(|a, b| a + 1 == *b);
    let text = |run: &[u64]| match run {
        [first, .., last] => format!("{first}-{last}"),
        one => one.iter().map(u64::to_string).collect(),
    };
    runs.map(text).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_written_short() {
        assert_eq!(spans(&[]), "");
        assert_eq!(spans(&[0, 1, 2, 3, 7, 9, 10]), "0-3 7 9-10");
    }

    #[test]
    fn units_of_nobody_are_shown() {
        let answer = json!({
            "hosts": [{"holder": "h1", "alive": true, "units": [1, 0]}],
            "free": [2],
        });
        let rows = summary(&answer);
        assert_eq!(
            (&rows[0]["units"], &rows[0]["count"]),
            (&json!("0-1"), &json!(2))
        );
        assert_eq!(
            (&rows[1]["host"], &rows[1]["units"]),
            (&json!("(nobody)"), &json!("2"))
        );
    }
}
