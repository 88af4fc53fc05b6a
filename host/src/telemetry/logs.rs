//! Log lines: for people on a terminal, one JSON object per line for programs. Both name the request that a line is about,
//! and its trace where there is one.
//!
//! **Invariant.** A line is a line, whatever a component or a client wrote into it.

use std::fmt;

use serde_json::{Map, Value, json};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::FmtContext;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::registry::LookupSpan;

use super::request;
use crate::clock;

/// How lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people.
    Pretty,
    /// One JSON object per line.
    Json,
}

/// Writes lines.
#[derive(Debug, Clone, Copy)]
pub struct Lines {
    /// How they look.
    pub format: Format,
    /// Whether lines for people are coloured.
    pub colours: bool,
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut told = Told::default();
        event.record(&mut told);
        let of_request = request::current(|scope| {
            let trace = scope.trace.as_ref();
            (scope.id.to_string(), trace.map(|trace| trace.id()))
        });
        if let Some((id, trace)) = of_request {
            told.add("request", id.into());
            if let Some(trace) = trace {
                told.add("trace", format!("{trace:032x}").into());
            }
        }
        let (time, metadata) = (clock::system_now().to_string(), event.metadata());
        let line = match self.format {
            Format::Json => told.json(&time, metadata.level(), metadata.target()),
            Format::Pretty => told.text(&time, metadata.level(), metadata.target(), self.colours),
        };
        writeln!(writer, "{line}")
    }
}

/// What an event tells.
#[derive(Debug, Default)]
struct Told {
    message: String,
    fields: Vec<(&'static str, Value)>,
}

impl Told {
    fn add(&mut self, name: &'static str, value: Value) {
        self.fields.push((name, value));
    }

    fn json(self, time: &str, level: &Level, target: &str) -> String {
        let mut line = Map::new();
        line.insert("time".into(), time.into());
        line.insert("level".into(), level.as_str().to_ascii_lowercase().into());
        line.insert("target".into(), target.into());
        line.insert("message".into(), self.message.into());
        for (name, value) in self.fields {
            line.entry(name).or_insert(value);
        }
        Value::Object(line).to_string()
    }

    fn text(self, time: &str, level: &Level, target: &str, colours: bool) -> String {
        let paint = |code: &str, text: &str| match colours {
            true => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
            false => text.to_owned(),
        };
        let code = match *level {
            Level::ERROR => "31",
            Level::WARN => "33",
            Level::INFO => "32",
            _ => "2",
        };
        let (time, level) = (
            paint("2", time),
            paint(code, &format!("{:>5}", level.as_str())),
        );
        let mut line = format!(
            "{time} {level} {}: {}",
            paint("2", target),
            plain(&self.message)
        );
        for (name, value) in &self.fields {
            let value = match value {
                Value::String(text) => plain(text),
                other => other.to_string(),
            };
            line.push_str(&format!(" {}={value}", paint("2", name)));
        }
        line
    }
}

/// A text without what would end the line or steer a terminal.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for sign in text.chars() {
        match sign.is_control() && sign != '\t' {
            true => plain.extend(sign.escape_default()),
            false => plain.push(sign),
        }
    }
    plain
}

impl Visit for Told {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = format!("{value:?}");
        match field.name() {
            "message" => self.message = text,
            name => self.add(name, text.into()),
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => value.clone_into(&mut self.message),
            name => self.add(name, value.into()),
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field.name(), value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field.name(), value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field.name(), json!(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field.name(), value.into());
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.add(field.name(), with_causes(value).into());
    }
}

/// An error with what caused it.
pub(super) fn with_causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::telemetry::{RequestId, Scope};

    /// Where a test's lines go.
    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn written(format: Format, colours: bool, log: impl FnOnce()) -> String {
        let page = Page::default();
        let to = page.clone();
        let subscriber = tracing_subscriber::fmt()
            .event_format(Lines { format, colours })
            .with_writer(move || to.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, log);
        let bytes = page.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    fn scope() -> Scope {
        Scope {
            id: RequestId::parse(b"r-1").unwrap(),
            trace: None,
        }
    }

    #[test]
    fn programs_get_one_object_per_line() {
        let text = written(Format::Json, true, || {
            tracing::warn!(
                component = "house",
                n = 7,
                on = true,
                level = "x",
                "two\nlines"
            );
            scope().run_now(|| tracing::info!("of a request"));
        });
        let lines: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(lines.len(), 2, "{text}");
        let first = &lines[0];
        assert_eq!(
            (&first["level"], &first["message"]),
            (&json!("warn"), &json!("two\nlines"))
        );
        assert_eq!(
            (&first["component"], &first["n"], &first["on"]),
            (&json!("house"), &json!(7), &json!(true))
        );
        assert!(first["time"].as_str().unwrap().ends_with('Z') && first.get("request").is_none());
        assert_eq!(lines[1]["request"], "r-1");
    }

    #[test]
    fn people_get_lines_that_nobody_breaks() {
        let text = written(Format::Pretty, false, || {
            scope().run_now(|| tracing::info!(component = "a\u{1b}[31m", "one\ntwo\tthree é"));
        });
        assert!(
            text.ends_with(": one\\ntwo\tthree é component=a\\u{1b}[31m request=r-1\n"),
            "{text}"
        );
        assert_eq!(text.lines().count(), 1);
        let text = written(Format::Pretty, true, || tracing::error!("red"));
        assert!(text.contains("\u{1b}[31mERROR\u{1b}[0m"), "{text}");
    }
}
