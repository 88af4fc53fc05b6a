//! What `cargo xtask bench` writes: figures as a table, and the machine and versions behind them.
//! It measures nothing.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::paths;
use crate::process;

/// One measured figure, as the benchmark program prints it.
#[derive(Debug, PartialEq)]
pub(crate) struct Figure {
    name: String,
    figure: f64,
    unit: String,
    target: String,
    met: Option<bool>,
}

impl Figure {
    /// Reads the list that the benchmark program prints; an error names the member that is wrong.
    pub(crate) fn parse_list(json: &str) -> Result<Vec<Self>> {
        match serde_json::from_str(json)? {
            Value::Array(items) => items.iter().map(Self::parse).collect(),
            other => bail!("expected a list, found {other}"),
        }
    }

    fn parse(item: &Value) -> Result<Self> {
        let text = |member: &str| {
            let value = item[member].as_str().map(str::to_owned);
            value.with_context(|| format!("{member} must be a text in {item}"))
        };
        Ok(Self {
            name: text("name")?,
            figure: item["figure"]
                .as_f64()
                .with_context(|| format!("no figure in {item}"))?,
            unit: text("unit")?,
            target: plain(&item["target"]),
            met: item["met"].as_bool(),
        })
    }

    fn row(&self) -> [String; 5] {
        let met = match self.met {
            Some(true) => "yes",
            Some(false) => "NO",
            None => "",
        };
        [
            self.name.clone(),
            readable(self.figure),
            self.unit.clone(),
            self.target.clone(),
            met.to_owned(),
        ]
    }
}

/// A target is a text or a number, or absent for figures that are only reported.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Large figures as whole numbers with thousands apart, small ones with three significant digits.
fn readable(figure: f64) -> String {
    if figure.abs() < 100.0 {
        return if figure.abs() < 1.0 {
            format!("{figure:.3}")
        } else {
            format!("{figure:.2}")
        };
    }
    let digits = format!("{:.0}", figure.abs());
    let mut text = String::from(if figure < 0.0 { "-" } else { "" });
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The figures as a Markdown table with columns of even width, readable on a terminal too.
pub(crate) fn table(figures: &[Figure]) -> String {
    let head = ["name", "figure", "unit", "target", "met"].map(str::to_owned);
    let rows: Vec<_> = std::iter::once(head)
        .chain(figures.iter().map(Figure::row))
        .collect();
    let widths: [usize; 5] = std::array::from_fn(|column| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or(0)
    });
    let mut text = String::new();
    for (index, row) in rows.iter().enumerate() {
        text += &line(row, &widths);
        if index == 0 {
            text += &rule(&widths);
        }
    }
    text
}

fn line(row: &[String; 5], widths: &[usize; 5]) -> String {
    let cells = row
        .iter()
        .zip(widths)
        .enumerate()
        .map(|(column, (cell, &width))| {
            // Figures are compared down the column, so they end at one place.
            if column == 1 {
                format!(" {cell:>width$} ")
            } else {
                format!(" {cell:<width$} ")
            }
        });
    format!("|{}|\n", cells.collect::<Vec<_>>().join("|"))
}

fn rule(widths: &[usize; 5]) -> String {
    let cells = widths.iter().enumerate().map(|(column, &width)| {
        if column == 1 {
            format!("{}:", "-".repeat(width + 1))
        } else {
            "-".repeat(width + 2)
        }
    });
    format!("|{}|\n", cells.collect::<Vec<_>>().join("|"))
}

/// The text of BENCHMARKS.md.
pub(crate) fn document(
    figures: &[Figure],
    command_line: &str,
    machine: &Machine,
    versions: &Versions,
) -> String {
    format!(
        "# Benchmarks\n\n\
         The last run of `{command_line}`, which writes this file. Rates are compared within one\n\
         run, because machines differ; `target` is what the project asks of the figure.\n\n\
         {table}\n\
         Machine: {cpu}, {cores} cores, Linux {kernel}.\n\
         Versions: rustc {rustc}, wasmtime {wasmtime}, SQLite {sqlite}.\n",
        table = table(figures),
        cpu = machine.cpu,
        cores = machine.cores,
        kernel = machine.kernel,
        rustc = versions.rustc,
        wasmtime = versions.wasmtime,
        sqlite = versions.sqlite,
    )
}

/// What the figures were measured on.
pub(crate) struct Machine {
    cpu: String,
    cores: usize,
    kernel: String,
}

impl Machine {
    /// Reads it from the kernel; what is not told is called unknown.
    pub(crate) fn read() -> Self {
        let cpu_info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = cpu_info
            .lines()
            .find_map(|line| line.strip_prefix("model name"));
        let cpu = model.map(|rest| rest.trim_start_matches([' ', '\t', ':']).to_owned());
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").ok();
        Self {
            cpu: cpu.unwrap_or_else(unknown),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            kernel: kernel.map_or_else(unknown, |text| text.trim().to_owned()),
        }
    }
}

fn unknown() -> String {
    "unknown".to_owned()
}

/// What the figures were measured with.
pub(crate) struct Versions {
    rustc: String,
    wasmtime: String,
    sqlite: String,
}

impl Versions {
    /// Reads them from the compiler, the lock file and the build of the bundled SQLite.
    pub(crate) fn read() -> Result<Self> {
        let rustc = process::output(process::command("rustc").arg("--version"))?;
        let lock = fs::read_to_string(paths::root().join("Cargo.lock"))?;
        Ok(Self {
            rustc: rustc.split_whitespace().nth(1).unwrap_or(&rustc).to_owned(),
            wasmtime: locked_version(&lock.parse()?, "wasmtime").unwrap_or_else(unknown),
            sqlite: built_sqlite_version().unwrap_or_else(unknown),
        })
    }
}

fn locked_version(lock: &toml::Table, package: &str) -> Option<String> {
    let packages = lock.get("package")?.as_array()?;
    let found = packages
        .iter()
        .find(|entry| entry.get("name").and_then(toml::Value::as_str) == Some(package))?;
    found.get("version")?.as_str().map(str::to_owned)
}

/// The version in the bindings that the newest build of the bundled SQLite left behind.
fn built_sqlite_version() -> Option<String> {
    let builds = fs::read_dir(paths::target().join("release/build")).ok()?;
    let bindings = builds
        .flatten()
        .map(|entry| entry.path().join("out/bindgen.rs"));
    let newest = bindings
        .filter(|path| path.to_string_lossy().contains("libsqlite3-sys-"))
        .filter_map(|path| Some((path.metadata().ok()?.modified().ok()?, path)))
        .max()?;
    sqlite_version_in(&newest.1)
}

fn sqlite_version_in(bindings: &PathBuf) -> Option<String> {
    let text = fs::read_to_string(bindings).ok()?;
    let line = text.lines().find(|line| line.contains("SQLITE_VERSION:"))?;
    line.split('"').nth(1).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINTED: &str = r#"[
        {"name":"echo","figure":0.831,"unit":"of axum","target":">= 0.7","met":true},
        {"name":"readings","figure":20123.4,"unit":"readings/s","target":20000,"met":false},
        {"name":"memory","figure":96.5,"unit":"MiB","target":null,"met":null}]"#;

    #[test]
    fn the_table_lines_up() {
        let figures = Figure::parse_list(PRINTED).unwrap();
        let expected = "\
| name     | figure | unit       | target | met |
|----------|-------:|------------|--------|-----|
| echo     |  0.831 | of axum    | >= 0.7 | yes |
| readings | 20,123 | readings/s | 20000  | NO  |
| memory   |  96.50 | MiB        |        |     |
";
        assert_eq!(table(&figures), expected);
    }

    #[test]
    fn a_list_without_figures_is_refused() {
        assert!(Figure::parse_list("{}").is_err());
        assert!(Figure::parse_list(r#"[{"name":"echo","unit":"x"}]"#).is_err());
        assert!(Figure::parse_list(r#"[{"figure":1,"unit":"x"}]"#).is_err());
        assert!(Figure::parse_list("Finished in 3 s").is_err());
    }

    #[test]
    fn thousands_are_set_apart() {
        let shown = [1.5, 99.999, 100.0, 1_000.0, 1_234_567.4, -1_500.0].map(readable);
        assert_eq!(
            shown,
            ["1.50", "100.00", "100", "1,000", "1,234,567", "-1,500"]
        );
    }

    #[test]
    fn versions_come_from_the_lock_file() {
        let lock = "[[package]]\nname = \"wasmtime\"\nversion = \"48.0.8\"\n"
            .parse()
            .unwrap();
        assert_eq!(locked_version(&lock, "wasmtime").as_deref(), Some("48.0.8"));
        assert_eq!(locked_version(&lock, "other"), None);
    }
}
