//! What `cargo xtask bench` and `cargo xtask prove` write: figures and proofs as a table, and the machine
//! and versions behind them. It measures nothing.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::kept;
use crate::table::{self, Align};
use crate::{paths, process, redis};

/// Reads the list that a program prints; an error names the member that is wrong.
pub(crate) fn parse_list<T>(json: &str, parse: fn(&Value) -> Result<T>) -> Result<Vec<T>> {
    match serde_json::from_str(json)? {
        Value::Array(items) => items.iter().map(parse).collect(),
        other => bail!("expected a list, found {other}"),
    }
}

fn text(item: &Value, member: &str) -> Result<String> {
    let value = item[member].as_str().map(str::to_owned);
    value.with_context(|| format!("{member} must be a text in {item}"))
}

fn number(item: &Value, member: &str) -> Result<f64> {
    let value = item[member].as_f64();
    value.with_context(|| format!("{member} must be a number in {item}"))
}

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
    /// Reads one.
    pub(crate) fn parse(item: &Value) -> Result<Self> {
        Ok(Self {
            name: text(item, "name")?,
            figure: number(item, "figure")?,
            unit: text(item, "unit")?,
            target: plain(&item["target"]),
            met: item["met"].as_bool(),
        })
    }

    /// All of them as rows of a [`Table`]; `date` says when they were measured, and how.
    pub(crate) fn table(figures: &[Self], date: &str) -> Table<6> {
        let columns = [
            ("name", Align::Left),
            ("figure", Align::Right),
            ("unit", Align::Left),
            ("target", Align::Left),
            ("met", Align::Left),
            ("measured", Align::Left),
        ];
        let rows = figures.iter().map(|figure| figure.row(date)).collect();
        Table { columns, rows }
    }

    fn row(&self, date: &str) -> [String; 6] {
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
            date.to_owned(),
        ]
    }
}

/// One promise and what came of trying to break it, as the proofs' program prints it.
#[derive(Debug, PartialEq)]
pub(crate) struct Proof {
    name: String,
    promise: String,
    tried: String,
    found: String,
    held: bool,
    seconds: f64,
}

impl Proof {
    /// Reads one.
    pub(crate) fn parse(item: &Value) -> Result<Self> {
        let held = item["held"].as_bool();
        Ok(Self {
            name: text(item, "name")?,
            promise: text(item, "promise")?,
            tried: text(item, "tried")?,
            found: text(item, "found")?,
            held: held.with_context(|| format!("held must be true or false in {item}"))?,
            seconds: number(item, "seconds")?,
        })
    }

    /// Whether the promise held.
    pub(crate) fn held(&self) -> bool {
        self.held
    }

    /// All of them as rows of a [`Table`]; `date` says when they were tried, and how.
    pub(crate) fn table(proofs: &[Self], date: &str) -> Table<7> {
        let columns = [
            ("name", Align::Left),
            ("promise", Align::Left),
            ("tried", Align::Left),
            ("found", Align::Left),
            ("held", Align::Left),
            ("time", Align::Right),
            ("tried on", Align::Left),
        ];
        let rows = proofs.iter().map(|proof| proof.row(date)).collect();
        Table { columns, rows }
    }

    fn row(&self, date: &str) -> [String; 7] {
        // A bar would end the cell.
        let cell = |text: &String| text.replace('|', "\\|");
        [
            cell(&self.name),
            cell(&self.promise),
            cell(&self.tried),
            cell(&self.found),
            if self.held { "yes" } else { "NO" }.to_owned(),
            format!("{} s", whole(self.seconds)),
            date.to_owned(),
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
    whole(figure)
}

/// A whole number with thousands apart.
fn whole(figure: f64) -> String {
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

/// What was run now.
pub(crate) struct Table<const N: usize> {
    columns: [(&'static str, Align); N],
    rows: Vec<[String; N]>,
}

impl<const N: usize> Table<N> {
    /// As text.
    pub(crate) fn text(&self) -> String {
        table::render(&self.columns, &self.rows)
    }

    /// With the rows of an earlier table that were not run now.
    fn over(self, earlier: &str) -> Self {
        Self {
            rows: kept::merged(kept::rows(earlier), self.rows),
            ..self
        }
    }
}

/// Today, and whether less than everything was done.
pub(crate) fn date(quick: bool) -> Result<String> {
    let today = process::output(process::command("date").args(["-u", "+%Y-%m-%d"]))?;
    Ok(if quick {
        format!("{today}, quick")
    } else {
        today
    })
}

/// A file that keeps the last outcomes of a verb.
pub(crate) struct Document<'a, const N: usize> {
    /// Its title.
    pub(crate) title: &'a str,
    /// What it is, a paragraph or two.
    pub(crate) intro: &'a str,
    /// What was run now; what was not keeps its rows.
    pub(crate) table: Table<N>,
}

impl<const N: usize> Document<'_, N> {
    /// Writes it into the workspace's root, with the machine and the versions.
    pub(crate) fn write(self, file: &str) -> Result<()> {
        let path = paths::root().join(file);
        let earlier = fs::read_to_string(&path).unwrap_or_default();
        let text = self.text(&earlier, &Machine::read(), &Versions::read()?);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        eprintln!("    written to {}", paths::shown(&path));
        Ok(())
    }

    fn text(self, earlier: &str, machine: &Machine, versions: &Versions) -> String {
        let Self {
            title,
            intro,
            table,
        } = self;
        let table = table.over(earlier).text();
        let Machine { cpu, cores, kernel } = machine;
        let Versions {
            rustc,
            wasmtime,
            sqlite,
            redis,
        } = versions;
        format!(
            "# {title}\n\n{intro}\n\n{table}\n\
             Machine of the last run: {cpu}, {cores} cores, Linux {kernel}.\n\
             Versions: rustc {rustc}, wasmtime {wasmtime}, SQLite {sqlite}, Redis {redis}.\n"
        )
    }
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
    redis: String,
}

impl Versions {
    /// Reads them from the compiler, the lock file, the build of the bundled SQLite and the server.
    pub(crate) fn read() -> Result<Self> {
        let rustc = process::output(process::command("rustc").arg("--version"))?;
        let lock = fs::read_to_string(paths::root().join("Cargo.lock"))?;
        Ok(Self {
            rustc: rustc.split_whitespace().nth(1).unwrap_or(&rustc).to_owned(),
            wasmtime: locked_version(&lock.parse()?, "wasmtime").unwrap_or_else(unknown),
            sqlite: built_sqlite_version().unwrap_or_else(unknown),
            redis: redis::version(&redis::program()?)?,
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
        let figures = parse_list(PRINTED, Figure::parse).unwrap();
        let expected = "\
| name     | figure | unit       | target | met | measured   |
|----------|-------:|------------|--------|-----|------------|
| echo     |  0.831 | of axum    | >= 0.7 | yes | 2026-01-02 |
| readings | 20,123 | readings/s | 20000  | NO  | 2026-01-02 |
| memory   |  96.50 | MiB        |        |     | 2026-01-02 |
";
        assert_eq!(Figure::table(&figures, "2026-01-02").text(), expected);
    }

    #[test]
    fn a_list_without_figures_is_refused() {
        let parse = |json| parse_list(json, Figure::parse);
        assert!(parse("{}").is_err());
        assert!(parse(r#"[{"name":"echo","unit":"x"}]"#).is_err());
        assert!(parse(r#"[{"figure":1,"unit":"x"}]"#).is_err());
        assert!(parse("Finished in 3 s").is_err());
    }

    #[test]
    fn a_proof_is_a_row_and_says_whether_it_held() {
        let printed = r#"[{"name":"kills","promise":"nothing is lost","tried":"20 kills",
            "found":"lost 0 | doubled 0","held":true,"seconds":61.4}]"#;
        let proofs = parse_list(printed, Proof::parse).unwrap();
        let expected = "\
| name  | promise         | tried    | found               | held | time | tried on   |
|-------|-----------------|----------|---------------------|------|-----:|------------|
| kills | nothing is lost | 20 kills | lost 0 \\| doubled 0 | yes  | 61 s | 2026-01-02 |
";
        assert_eq!(Proof::table(&proofs, "2026-01-02").text(), expected);
        assert!(proofs[0].held());
        let unsure = printed.replace("true", "null");
        assert!(parse_list(&unsure, Proof::parse).is_err());
    }

    #[test]
    fn a_document_keeps_what_was_not_run_and_says_what_it_was_made_with() {
        let row = |name: &str, date: &str| [name.to_owned(), date.to_owned()];
        let document = Document {
            title: "Proofs",
            intro: "Tried.",
            table: Table {
                columns: [("name", Align::Left), ("on", Align::Left)],
                rows: vec![row("b", "today")],
            },
        };
        let machine = Machine {
            cpu: "a CPU".to_owned(),
            cores: 2,
            kernel: "6.1".to_owned(),
        };
        let versions = Versions {
            rustc: "1".to_owned(),
            wasmtime: "2".to_owned(),
            sqlite: "3".to_owned(),
            redis: "7".to_owned(),
        };
        let earlier = "| name | on |\n|---|---|\n| a | before |\n| b | before |\n";
        let expected = "\
# Proofs

Tried.

| name | on     |
|------|--------|
| a    | before |
| b    | today  |

Machine of the last run: a CPU, 2 cores, Linux 6.1.
Versions: rustc 1, wasmtime 2, SQLite 3, Redis 7.
";
        assert_eq!(document.text(earlier, &machine, &versions), expected);
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
