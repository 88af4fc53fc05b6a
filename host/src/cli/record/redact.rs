//! `leyden record redact FILE`: a record without personal data.

use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::cli::replay::{Cache, player, wrong};
use crate::cli::{Context, Error};
use crate::replay::file::Reader;
use crate::replay::format::{End, Line};
use crate::replay::{Player, Redactor, Replacer};

/// Replaces names and ids of households in a record, and replays it.
///
/// Each UUID, and each text that stands under a name such as client_name or household, becomes another of the same
/// shape, the same one wherever it stands, by a key that is thrown away. What each invocation comes to is made anew by
/// replaying it. Numbers and times stay: whoever knows a household's load curve knows it again.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  leyden record redact traffic.lrec -o to-send.lrec
  leyden record redact traffic.lrec -o to-send.lrec --field iban --text 'Rue des Lilas 3'

Look at what comes of it before you send it to anybody: free texts may say more than this finds.")]
pub(super) struct Redact {
    /// The record.
    file: PathBuf,
    /// Where the new record goes.
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
    #[command(flatten)]
    cache: Cache,
    /// Also texts under this name, in JSON, parameters and CSV.
    #[arg(long, value_name = "NAME")]
    field: Vec<String>,
    /// Also this text, wherever it stands.
    #[arg(long, value_name = "TEXT")]
    text: Vec<String>,
}

impl Redact {
    pub(super) async fn run(self, context: &Context) -> Result<(), Error> {
        let mut redactor = Redactor::new(&self.field, &self.text);
        let mut reader = open(&self.file)?;
        while let Some(line) = reader.next_line().map_err(|e| wrong(&self.file, &e))? {
            if let Line::Invocation(invocation) = line {
                redactor.look(&invocation);
            }
        }
        let missed = self.write(&redactor.replacer()).await?;
        context.show(&json!({
            "invocations": missed.invocations,
            "differing": missed.differing,
        }))
    }

    /// Writes the new record. It is whole under its name or not there.
    async fn write(&self, replacer: &Replacer) -> Result<End, Error> {
        let failed = |source| Error::unwritable(&self.output, source);
        let folder = self
            .output
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        let draft = tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new(".")));
        let mut draft = BufWriter::new(draft.map_err(failed)?);
        let mut reader = open(&self.file)?;
        let mut player = player(reader.header(), &self.cache)?;
        let mut end = End::default();
        let mut header = reader.header().clone();
        header.redacted = true;
        put(&mut draft, &Line::LeydenRecord(header)).map_err(failed)?;
        while let Some(line) = reader.next_line().map_err(|e| wrong(&self.file, &e))? {
            let line = self.redacted(line, replacer, &mut player, &mut end).await;
            let line = line.map_err(|error| at(&self.file, reader.line(), &error))?;
            put(&mut draft, &line).map_err(failed)?;
        }
        let draft = draft
            .into_inner()
            .map_err(|error| failed(error.into_error()))?;
        draft
            .persist(&self.output)
            .map_err(|error| failed(error.error))?;
        Ok(end)
    }

    async fn redacted(
        &self,
        line: Line,
        replacer: &Replacer,
        player: &mut Player,
        end: &mut End,
    ) -> Result<Line, crate::replay::RedactError> {
        Ok(match line {
            Line::Invocation(invocation) => {
                let redacted = replacer.redact(*invocation, player).await?;
                end.invocations += 1;
                end.differing += u64::from(redacted.differs.is_some());
                Line::Invocation(Box::new(redacted))
            }
            Line::Component(component) => {
                player.admit(&component)?;
                Line::Component(component)
            }
            Line::Plugin(plugin) => {
                player.admit_plugin(&plugin, None).await?;
                Line::Plugin(plugin)
            }
            Line::End(last) => Line::End(End {
                differing: end.differing,
                ..last
            }),
            Line::LeydenRecord(header) => Line::LeydenRecord(header),
        })
    }
}

fn open(path: &Path) -> Result<Reader<BufReader<File>>, Error> {
    crate::cli::replay::open(path)
}

fn put(draft: &mut impl std::io::Write, line: &Line) -> std::io::Result<()> {
    serde_json::to_writer(&mut *draft, line)?;
    draft.write_all(b"\n")
}

fn at(path: &Path, line: usize, error: &dyn std::error::Error) -> Error {
    Error::Usage(format!("{}: line {line}: {error}", path.display()))
}
