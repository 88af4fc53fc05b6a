//! `leyden metrics [NAME]`.

use reqwest::Method;
use serde_json::{Map, Value, json};

use super::{Context, Error};

/// Prints the figures of the host that answers, as Prometheus reads them from /metrics.
///
/// README.md says what they mean. Counters begin anew with the host.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  leyden metrics
  leyden metrics leyden_request          those whose names begin so
  leyden --json metrics leyden_requests_total | jq '.[] | select(.labels.component == \"hello\")'")]
pub(super) struct Metrics {
    /// How the names of those begin that are wanted; all of them where it is not given.
    name: Option<String>,
}

impl Metrics {
    pub(super) async fn run(self, context: &Context) -> Result<(), Error> {
        let client = context.client()?;
        let answer = client
            .send(client.request(Method::GET, "/metrics")?)
            .await?;
        let text = answer.accepted()?.text();
        let name = self.name.as_deref().unwrap_or_default();
        if context.global.json {
            let samples = text.lines().filter(|line| line.starts_with(name));
            return context.show(&samples.filter_map(sample).collect());
        }
        let mut wanted = text.lines().filter(|line| is_about(line, name));
        wanted.try_for_each(|line| Ok(context.screen.line(line)?))
    }
}

/// Whether a line, a comment included, is about what begins with a name.
fn is_about(line: &str, name: &str) -> bool {
    let comment = line.strip_prefix("# HELP ");
    let comment = comment.or_else(|| line.strip_prefix("# TYPE "));
    comment.unwrap_or(line).starts_with(name)
}

/// A line that is no comment, as JSON.
fn sample(line: &str) -> Option<Value> {
    let (series, value) = line.rsplit_once(' ')?;
    if series.starts_with('#') {
        return None;
    }
    let (name, labels) = match series.split_once('{') {
        Some((name, rest)) => (name, labels(rest.strip_suffix('}')?)?),
        None => (series, Map::new()),
    };
    Some(json!({ "name": name, "labels": labels, "value": value.parse::<f64>().ok()? }))
}

/// `name="value"` and so on; in a value `\\`, `\"` and `\n` stand for what they are.
fn labels(mut text: &str) -> Option<Map<String, Value>> {
    let mut labels = Map::new();
    while !text.is_empty() {
        let (name, rest) = text.split_once("=\"")?;
        let mut value = String::new();
        let mut chars = rest.char_indices();
        let end = loop {
            match chars.next()? {
                (end, '"') => break end,
                (_, '\\') => value.push(match chars.next()?.1 {
                    'n' => '\n',
                    escaped => escaped,
                }),
                (_, plain) => value.push(plain),
            }
        };
        labels.insert(name.to_owned(), value.into());
        text = rest[end + 1..].trim_start_matches(',');
    }
    Some(labels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_name_its_labels_and_a_value() {
        assert_eq!(
            sample(r#"a_total{component="x",why="a \"b\", c\\\n",none=""} 1.5"#),
            Some(json!({
                "name": "a_total",
                "labels": { "component": "x", "why": "a \"b\", c\\\n", "none": "" },
                "value": 1.5,
            }))
        );
        assert_eq!(
            sample("up 1"),
            Some(json!({ "name": "up", "labels": {}, "value": 1.0 }))
        );
        for line in [
            "# TYPE a counter",
            "",
            "a",
            "a{b=\"c} 1",
            "a{b=\"c\" 1",
            "a x",
        ] {
            assert_eq!(sample(line), None, "{line}");
        }
    }

    #[test]
    fn comments_go_with_what_they_are_about() {
        for line in [
            "# HELP a_total Words.",
            "# TYPE a_total counter",
            "a_total 1",
        ] {
            assert!(is_about(line, "a_t") && is_about(line, ""), "{line}");
            assert!(!is_about(line, "b"), "{line}");
        }
    }
}
