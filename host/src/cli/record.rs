//! `leyden record`: what runs on a host, written to a file as it runs; and personal data taken out of such files.

mod redact;

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Subcommand;
use reqwest::{Method, Response};
use serde_json::{Value, json};

use super::client::Client;
use super::error::Problem;
use super::{Context, Error, signals};

/// Longest refusal that is read, bytes.
const REFUSAL_BYTES_MAX: usize = 64 * 1024;

/// Records what runs on a host, to be replayed anywhere with `leyden replay`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  leyden record start -o traffic.lrec                    until Ctrl-C, 1000 invocations, 256 MiB or 10 minutes
  leyden record start -o peak.lrec --component consumption-peak --limit 50
  leyden record start -o failed.lrec --failing           only what fails
  leyden record start -o runs.lrec --component acme/daily-peaks    runs of a partner's plugin
  leyden record start -o hello.lrec --component hello    requests to a function
  leyden record stop                                     from elsewhere
  leyden record redact traffic.lrec -o to-send.lrec      without names and ids of households

A record tells all that the components were given and read, personal data and partners' secrets included: it takes the
role admin, and the audit says who recorded. Secrets of functions are not in it. With several hosts each records what it runs itself (--url).")]
pub(super) struct Command {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Records until Ctrl-C, `leyden record stop` or a limit.
    #[command(
        after_help = "Examples:\n  leyden record start -o traffic.lrec\n  leyden record start -o failed.lrec --failing"
    )]
    Start(Start),
    /// Ends the recording on the host, whoever started it.
    #[command(after_help = "Example:\n  leyden record stop")]
    Stop,
    /// Tells how far the recording on the host is.
    #[command(after_help = "Example:\n  leyden record status")]
    Status,
    Redact(redact::Redact),
}

#[derive(Debug, clap::Args)]
struct Start {
    /// Write the record to this file; standard output where it is not given.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Only invocations of this component, or runs of this plugin (PARTNER/PLUGIN); those that it calls are part of them.
    #[arg(long, value_name = "NAME")]
    component: Option<String>,
    /// Only invocations that fail: a trap, a refusal, a deadline, an answer of 500 and above.
    #[arg(long)]
    failing: bool,
    /// Most invocations.
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    limit: u64,
    /// Largest record.
    #[arg(long, value_name = "MIB", default_value_t = 256)]
    max_mib: u64,
    /// Longest recording.
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    seconds: u64,
}

impl Command {
    pub(super) async fn run(self, context: &Context) -> Result<(), Error> {
        match self.verb {
            Verb::Start(start) => start.run(context).await,
            Verb::Stop => {
                let client = context.client()?;
                let stopped = client.write(Method::POST, STOP, &json!({})).await?;
                context.show(&stopped)
            }
            Verb::Status => context.show(&context.client()?.get("/admin/record/status").await?),
            Verb::Redact(redact) => redact.run(context).await,
        }
    }
}

const STOP: &str = "/admin/record/stop";

impl Start {
    async fn run(self, context: &Context) -> Result<(), Error> {
        let mut body = json!({
            "failing": self.failing,
            "limit": self.limit,
            "maxMib": self.max_mib,
            "seconds": self.seconds,
        });
        if let Some(component) = &self.component {
            body["component"] = json!(component);
        }
        save(
            context,
            "/admin/record/start",
            &body,
            self.output.as_deref(),
        )
        .await
    }
}

/// Writes the record that a path answers with, as it comes.
pub(super) async fn save(
    context: &Context,
    path: &str,
    body: &Value,
    output: Option<&Path>,
) -> Result<(), Error> {
    let client = context.client()?;
    let request = client.request(Method::POST, path)?.json(body);
    let response = accepted(client.open(request).await?).await?;
    let mut file = Output::open(output)?;
    if output.is_some() {
        context.screen.error_line("recording");
    }
    let end = copied(&client, response, &mut file).await?;
    match (output, end) {
        (Some(_), Some(end)) => context.show(&end),
        (None, Some(_)) => Ok(()),
        (_, None) => Err(Error::Answer(
            "the record was cut off; what came of it can be replayed".to_owned(),
        )),
    }
}

async fn accepted(response: Response) -> Result<Response, Error> {
    let status = response.status().as_u16();
    if status < 400 {
        return Ok(response);
    }
    let mut body = response.bytes().await.unwrap_or_default();
    body.truncate(REFUSAL_BYTES_MAX);
    Err(Error::Refused(Box::new(Problem::of(status, &body))))
}

/// Copies a record until its end; an interrupt ends the recording, and what was taken in until then still comes.
/// The members of the last line, if it came.
async fn copied(
    client: &Client,
    mut response: Response,
    file: &mut Output<'_>,
) -> Result<Option<Value>, Error> {
    let mut last = Vec::new();
    let mut is_stopped = false;
    loop {
        let chunk = tokio::select! {
            chunk = response.chunk() => chunk,
            stop = signals::told_to_stop(), if !is_stopped => {
                stop?;
                is_stopped = true;
                client.write(Method::POST, STOP, &json!({})).await?;
                continue;
            }
        };
        let Ok(Some(chunk)) = chunk else { break };
        file.write(&chunk)?;
        keep_last(&mut last, &chunk);
    }
    file.flush()?;
    let end = serde_json::from_slice::<Value>(&last).ok();
    Ok(end.and_then(|line| line.get("end").cloned()))
}

/// Keeps the last line, or what came of it.
fn keep_last(last: &mut Vec<u8>, chunk: &[u8]) {
    let whole = chunk.strip_suffix(b"\n").unwrap_or(chunk);
    if last.ends_with(b"\n") {
        last.clear();
    }
    match whole.iter().rposition(|byte| *byte == b'\n') {
        Some(at) => *last = chunk[at + 1..].to_vec(),
        None => last.extend_from_slice(chunk),
    }
}

/// Where a record goes.
struct Output<'a> {
    path: Option<&'a Path>,
    to: Box<dyn Write + Send>,
}

impl<'a> Output<'a> {
    fn open(path: Option<&'a Path>) -> Result<Self, Error> {
        let to: Box<dyn Write + Send> = match path {
            None => Box::new(io::stdout()),
            Some(file) => {
                Box::new(File::create(file).map_err(|source| Error::unwritable(file, source))?)
            }
        };
        Ok(Self { path, to })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let written = self.to.write_all(bytes);
        written.map_err(|source| self.failed(source))
    }

    fn flush(&mut self) -> Result<(), Error> {
        let flushed = self.to.flush();
        flushed.map_err(|source| self.failed(source))
    }

    fn failed(&self, source: io::Error) -> Error {
        match self.path {
            Some(path) => Error::unwritable(path, source),
            None => source.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_is_kept_however_it_comes() {
        for chunks in [
            &["a\nb\n", "{\"end\"", ":1}\n"][..],
            &["a\nb\n{\"end\":1}\n"],
            &["{\"a\":1}\n", "{\"end\":1}\n"],
            &["x", "y\n{\"end\":1}", "\n"],
        ] {
            let mut last = Vec::new();
            chunks
                .iter()
                .for_each(|chunk| keep_last(&mut last, chunk.as_bytes()));
            assert_eq!(last, b"{\"end\":1}\n", "{chunks:?}");
        }
    }
}
