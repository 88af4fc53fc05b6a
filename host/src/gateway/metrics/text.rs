//! Prometheus' text format, written line by line. Pure.

use std::fmt::{Display, Write as _};

/// What a number does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// It only grows, or begins anew with the host.
    Counter,
    /// It goes up and down.
    Gauge,
    /// How many of what was observed were below each of some bounds.
    Histogram,
}

/// A page of metrics.
#[derive(Debug, Default)]
pub(super) struct Text {
    page: String,
    /// Name of the family that samples belong to.
    family: String,
}

impl Text {
    /// Begins a family; its samples follow.
    pub(super) fn family(&mut self, name: &str, kind: Kind, help: &str) {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        name.clone_into(&mut self.family);
        self.line(format_args!("# HELP {name} {help}"));
        self.line(format_args!("# TYPE {name} {kind}"));
    }

    /// A sample of the family that was begun last.
    pub(super) fn sample(&mut self, labels: &[(&str, &str)], value: impl Display) {
        self.named_sample("", labels, value);
    }

    /// A sample of a histogram: `part` is `_bucket`, `_sum` or `_count`.
    pub(super) fn named_sample(
        &mut self,
        part: &str,
        labels: &[(&str, &str)],
        value: impl Display,
    ) {
        let label = |(name, value): &(&str, &str)| format!("{name}=\"{}\"", escaped(value));
        let labels: Vec<String> = labels.iter().map(label).collect();
        let labels = match labels.is_empty() {
            true => String::new(),
            false => format!("{{{}}}", labels.join(",")),
        };
        let family = std::mem::take(&mut self.family);
        self.line(format_args!("{family}{part}{labels} {value}"));
        self.family = family;
    }

    /// A family of one sample.
    pub(super) fn one(&mut self, name: &str, kind: Kind, help: &str, value: impl Display) {
        self.family(name, kind, help);
        self.sample(&[], value);
    }

    /// The page.
    pub(super) fn finish(self) -> String {
        self.page
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.page, "{line}");
    }
}

/// A label's value: the three signs that would end it are escaped.
fn escaped(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_follow_their_family() {
        let mut text = Text::default();
        text.one("up", Kind::Gauge, "Whether.", 1);
        text.family("n_total", Kind::Counter, "How many.");
        text.sample(&[("a", "x\"\\\n"), ("b", "y")], 7);
        text.sample(&[], 0);
        let expected = "# HELP up Whether.\n# TYPE up gauge\nup 1\n\
            # HELP n_total How many.\n# TYPE n_total counter\n\
            n_total{a=\"x\\\"\\\\\\n\",b=\"y\"} 7\nn_total 0\n";
        assert_eq!(text.finish(), expected);
    }
}
