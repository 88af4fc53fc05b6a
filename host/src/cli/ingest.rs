//! `leyden ingest FILE`: sends meter readings to `POST /meters/readings` while reading them.

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use reqwest::Method;

use super::client::{Answer, Client};
use super::{Context, Error, progress};

/// Where readings go.
pub(crate) const ROUTE: &str = "/meters/readings";

/// Sends a file of meter readings to the host and prints what became of its rows.
///
/// Rows that break a rule are printed one by one; nothing of their batch is kept (exit code 1).
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  leyden ingest scenarios/data/households-2013-07.csv
  leyden ingest readings.txt --format ndjson")]
pub(super) struct Ingest {
    /// The file: columns household, startsAt, endsAt, kind, energyWh.
    file: PathBuf,
    /// The format; taken from the file's extension where it is not given.
    #[arg(long)]
    format: Option<Format>,
}

/// Formats that the host takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// With a header row.
    Csv,
    /// One JSON object per line.
    Ndjson,
    /// An array of objects.
    Json,
}

impl Format {
    fn of(path: &Path) -> Result<Self, Error> {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("csv") => Ok(Self::Csv),
            Some("ndjson" | "jsonl") => Ok(Self::Ndjson),
            Some("json") => Ok(Self::Json),
            _ => Err(Error::Usage(format!(
                "{}: name the format with --format",
                path.display()
            ))),
        }
    }

    fn media_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv",
            Self::Ndjson => "application/x-ndjson",
            Self::Json => "application/json",
        }
    }
}

impl Ingest {
    pub(super) async fn run(self, context: &Context) -> Result<(), Error> {
        let answer = send(&context.client()?, &self.file, self.format).await?;
        context.show(&answer.accepted()?.json()?)
    }
}

/// Sends a file; the answer counts its rows.
///
/// # Errors
/// The file cannot be read, or the host does not answer.
pub(crate) async fn send(
    client: &Client,
    file: &Path,
    format: Option<Format>,
) -> Result<Answer, Error> {
    let format = format.map_or_else(|| Format::of(file), Ok)?;
    let (body, bar) = progress::file_body(file).await?;
    let request = client.request(Method::POST, ROUTE)?;
    let request = request
        .header("content-type", format.media_type())
        .body(body);
    let answer = client.send(request).await;
    bar.finish_and_clear();
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_comes_from_the_extension() {
        let of = |name: &str| Format::of(Path::new(name)).ok();
        assert_eq!(of("a/b.csv"), Some(Format::Csv));
        assert_eq!(of("b.jsonl"), Some(Format::Ndjson));
        assert_eq!(of("b.json"), Some(Format::Json));
        assert_eq!(of("b.txt"), None);
        assert_eq!(of("csv"), None);
    }
}
