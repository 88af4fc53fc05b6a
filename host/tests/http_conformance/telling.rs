//! What a host tells of requests: metrics, read as Prometheus reads them, and lines of its log.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use super::host;
use crate::process::Process;
use crate::web::{Web, run};

/// A page of metrics, taken apart by the rules of the text format (version 0.0.4).
#[derive(Default)]
struct Page {
    kinds: BTreeMap<String, String>,
    samples: BTreeMap<(String, Vec<(String, String)>), f64>,
}

impl Page {
    fn read(text: &str) -> Self {
        let mut page = Self::default();
        let mut family = String::new();
        let mut helped = BTreeSet::new();
        assert!(text.ends_with('\n'));
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').expect("a help");
                assert!(!help.is_empty() && helped.insert(name.to_owned()), "{line}");
                name.clone_into(&mut family);
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').expect("a type");
                assert_eq!(name, family, "HELP and TYPE stand together: {line}");
                assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
                assert!(
                    page.kinds
                        .insert(name.to_owned(), kind.to_owned())
                        .is_none(),
                    "{line}"
                );
            } else {
                page.sample(line, &family);
            }
        }
        page.check();
        page
    }

    fn sample(&mut self, line: &str, family: &str) {
        let (series, value) = line.rsplit_once(' ').expect("a value");
        let value: f64 = value.parse().unwrap_or_else(|_| panic!("a number: {line}"));
        let (name, labels) = match series.split_once('{') {
            Some((name, labels)) => (name, labels.strip_suffix('}').expect("a brace")),
            None => (series, ""),
        };
        let sound = |name: &str| {
            name.bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
        };
        assert!(
            sound(name) && name.starts_with(family),
            "{line} is not of {family}"
        );
        let rest = &name[family.len()..];
        let allowed: &[&str] = match self.kinds[family].as_str() {
            "histogram" => &["_bucket", "_sum", "_count"],
            _ => &[""],
        };
        assert!(allowed.contains(&rest), "{line}");
        let labels = parsed(labels);
        assert!(labels.iter().all(|(name, _)| sound(name)), "{line}");
        let before = self.samples.insert((name.to_owned(), labels), value);
        assert!(before.is_none(), "twice: {line}");
    }

    /// What names and histograms promise.
    fn check(&self) {
        for (name, kind) in &self.kinds {
            assert_eq!(
                kind == "counter",
                name.ends_with("_total"),
                "{name}: {kind}"
            );
        }
        let histograms = self.kinds.iter().filter(|(_, kind)| *kind == "histogram");
        for (name, _) in histograms {
            let counts = self.of(&format!("{name}_count"));
            assert!(!counts.is_empty(), "{name}");
            for (labels, count) in counts {
                let mut bounds: Vec<(f64, f64)> = self
                    .of(&format!("{name}_bucket"))
                    .into_iter()
                    .filter(|(of, _)| labels.iter().all(|label| of.contains(label)))
                    .map(|(of, count)| {
                        let bound = of.iter().find(|(name, _)| name == "le").expect("a bound");
                        let bound = if bound.1 == "+Inf" {
                            f64::INFINITY
                        } else {
                            bound.1.parse().unwrap()
                        };
                        (bound, count)
                    })
                    .collect();
                bounds.sort_by(|one, other| one.0.total_cmp(&other.0));
                assert!(
                    bounds.is_sorted_by(|one, other| one.1 <= other.1),
                    "{name} {labels:?}"
                );
                assert_eq!(
                    bounds.last(),
                    Some(&(f64::INFINITY, count)),
                    "{name} {labels:?}"
                );
                assert!(
                    self.value(
                        &format!("{name}_sum"),
                        &labels
                            .iter()
                            .map(|(n, v)| (n.as_str(), v.as_str()))
                            .collect::<Vec<_>>()
                    ) >= 0.0
                );
            }
        }
    }

    fn of(&self, name: &str) -> Vec<(Vec<(String, String)>, f64)> {
        let of_name = self.samples.iter().filter(|((of, _), _)| of == name);
        of_name
            .map(|((_, labels), value)| (labels.clone(), *value))
            .collect()
    }

    /// The value of a series, 0 where there is none.
    fn value(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let labels = labels
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let key = (name.to_owned(), labels.collect());
        self.samples.get(&key).copied().unwrap_or(0.0)
    }

    fn component(&self, name: &str, component: &str) -> f64 {
        self.value(name, &[("component", component)])
    }

    fn requests(&self, component: &str, status: &str) -> f64 {
        self.value(
            "leyden_requests_total",
            &[("component", component), ("status", status)],
        )
    }
}

/// `a="b",c="d"`, with what is escaped.
fn parsed(text: &str) -> Vec<(String, String)> {
    let mut labels = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (name, after) = rest.split_once("=\"").expect("a label");
        let mut value = String::new();
        let mut signs = after.char_indices();
        let end = loop {
            match signs.next().expect("a quote") {
                (at, '"') => break at,
                (_, '\\') => match signs.next().expect("an escaped sign").1 {
                    'n' => value.push('\n'),
                    sign => value.push(sign),
                },
                (_, sign) => value.push(sign),
            }
        };
        labels.push((name.to_owned(), value));
        rest = after[end + 1..]
            .strip_prefix(',')
            .unwrap_or(&after[end + 1..]);
    }
    labels
}

async fn page(web: &Web) -> Page {
    // An answer serves for a second.
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    Page::read(&web.get("/metrics").await.body)
}

#[test]
fn metrics_are_what_prometheus_reads_and_what_happened() {
    run(async {
        let web = host(|_| {}).await;
        let before = page(&web).await;
        assert_eq!(before.requests("echo", "2xx"), 0.0);
        for _ in 0..7 {
            web.get("/echo").await;
        }
        for action in [
            "reject?kind=invalid",
            "trap",
            "loop",
            "status?status=99",
            "set",
        ] {
            web.post(&format!("/probe/{action}"), r#"{"key":"k","value":"v"}"#)
                .await;
        }
        web.get("/nothing").await;
        let after = page(&web).await;
        assert_eq!(after.requests("echo", "2xx"), 7.0);
        assert_eq!(
            after.component("leyden_request_duration_seconds_count", "echo"),
            7.0
        );
        let sum = after.component("leyden_request_duration_seconds_sum", "echo");
        assert!(sum > 0.0 && sum < 60.0, "{sum}");
        assert_eq!(
            (
                after.requests("probe", "4xx"),
                after.requests("probe", "5xx")
            ),
            (1.0, 3.0)
        );
        // The page of before, and what nobody answers.
        assert_eq!(after.requests("(host)", "4xx"), 1.0);
        assert_eq!(
            after.requests("(host)", "2xx"),
            before.requests("(host)", "2xx") + 1.0
        );
        for reason in ["trap", "deadline", "rule"] {
            let labels = [("component", "probe"), ("reason", reason)];
            assert_eq!(
                after.value("leyden_component_failures_total", &labels),
                1.0,
                "{reason}"
            );
        }
        let instances =
            |name: &str| after.component(&format!("leyden_instances_{name}_total"), "echo");
        assert!(instances("created") >= 1.0, "{}", instances("created"));
        assert_eq!(instances("created") + instances("reused"), 7.0);
        let memory = after.component("leyden_component_memory_high_bytes", "echo");
        assert!(memory >= 65_536.0 && memory % 65_536.0 == 0.0, "{memory}");
        assert!(
            after.component("leyden_component_busy_seconds_total", "probe") > 0.5,
            "it looped for a second"
        );
        assert_eq!(after.component("leyden_queue_length", "probe"), 0.0);
        assert_eq!(after.component("leyden_queue_refused_total", "probe"), 0.0);
        assert!(after.value("leyden_connections", &[]) >= 1.0);
    });
}

#[test]
fn counters_go_on_over_versions() {
    run(async {
        let web = host(|_| {}).await;
        web.get("/echo").await;
        web.deploy(
            "echo",
            "[[routes]]\npath = \"/echo\"\nmethods = [\"GET\"]\n",
        )
        .await;
        web.get("/echo").await;
        assert_eq!(page(&web).await.requests("echo", "2xx"), 2.0);
    });
}

/// A host in a process of its own, whose log goes to a file.
async fn logged(more: &[&str], folder: &Path, ask: impl AsyncFnOnce(&Process)) -> Vec<String> {
    let log = folder.join("log");
    let process = Process::start_logged(&folder.join("data"), more, &[], &log).await;
    process.deploy("echo").await;
    process.deploy("probe").await;
    ask(&process).await;
    drop(process);
    let text = std::fs::read_to_string(&log).unwrap();
    text.lines().map(str::to_owned).collect()
}

async fn get(process: &Process, path: &str, id: &str) {
    let request = reqwest::Client::new().get(format!("{}{path}", process.url));
    let answer = request.header("x-request-id", id).send().await.unwrap();
    assert_eq!(answer.headers()["x-request-id"], id);
    answer.bytes().await.unwrap();
}

#[test]
fn each_request_has_a_line_where_it_is_wanted() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let lines = logged(
            &["--access-log", "--log", "warn"],
            folder.path(),
            async |process| {
                get(process, "/echo/some/where?secret=1", "one").await;
                get(process, "/nothing", "two").await;
                get(process, "/admin/components", "three").await;
                get(process, "/probe/header?name=a%20b&value=x", "four").await;
            },
        )
        .await;
        let lines: Vec<Value> = lines
            .iter()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect();
        let of = |id: &str| {
            let found = lines
                .iter()
                .filter(|line| line["request"] == id && line["target"] == "access");
            let found: Vec<&Value> = found.collect();
            assert_eq!(found.len(), 1, "{id}: {lines:?}");
            found[0].clone()
        };
        let one = of("one");
        assert_eq!(
            (&one["method"], &one["path"], &one["status"]),
            (&"GET".into(), &"/echo/{*rest}".into(), &200.into())
        );
        assert_eq!(
            (&one["bytes"], &one["component"]),
            (&13.into(), &"echo".into())
        );
        assert!(
            one["generation"].as_u64().unwrap() > 0 && one["duration_us"].as_u64().unwrap() > 0,
            "{one}"
        );
        assert!(
            !lines.iter().any(|line| line.to_string().contains("secret")),
            "queries are nobody's business"
        );
        let two = of("two");
        assert_eq!(
            (&two["path"], &two["status"]),
            (&"/nothing".into(), &404.into())
        );
        assert!(
            two.get("component").is_none() && two.get("generation").is_none(),
            "{two}"
        );
        assert!(of("three")["bytes"].as_u64().unwrap() > 100);
        // Other lines of a request name it as well.
        let misbehaved = lines
            .iter()
            .find(|line| line["level"] == "warn" && line["request"] == "four");
        assert!(
            misbehaved.is_some_and(|line| line["component"].as_str().unwrap().starts_with("probe")),
            "{lines:?}"
        );
    });
}

#[test]
fn lines_of_components_name_their_request_and_nothing_is_logged_unasked() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let ask = async |process: &Process| get(process, "/probe/logs?n=2", "of-the-probe").await;
        let lines = logged(
            &["--log", "leyden=debug", "--log-format", "pretty"],
            folder.path(),
            ask,
        )
        .await;
        let of_request: Vec<&String> = lines
            .iter()
            .filter(|line| line.contains("request=of-the-probe"))
            .collect();
        assert!(
            of_request
                .iter()
                .any(|line| line.contains("component=probe")),
            "{lines:?}"
        );
        assert!(
            !lines
                .iter()
                .any(|line| line.contains("answered") || line.contains('\u{1b}')),
            "{lines:?}"
        );
    });
}
