//! `leyden logs NAME`.

use reqwest::{Method, Response};
use serde_json::Value;

use super::screen::printable;
use super::{Client, Context, Error, route, signals};

/// Longest event (bytes): a line of a log is bounded by the host, and JSON may double it.
const EVENT_BYTES_MAX: usize = 64 * 1024;

/// Shows what a component logged last, and how it failed, on the host that answers.
///
/// Standard output and error of a function are its log. A host keeps the latest thousand lines of each component; its own log
/// has all of them.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  leyden logs hello
  leyden logs hello -f                 go on with what is logged from now on, until Ctrl-C
  leyden logs hello --lines 0 -f       only that
  leyden --json logs hello             one document; with -f one for each line")]
pub(super) struct Logs {
    /// The component's name.
    name: String,
    /// Follow what is logged.
    #[arg(long, short)]
    follow: bool,
    /// How many of the lines before, 1000 at most.
    #[arg(long, short = 'n', value_name = "N", default_value_t = 50)]
    lines: u32,
}

impl Logs {
    pub(super) async fn run(self, context: &Context) -> Result<(), Error> {
        let client = context.client()?;
        if self.follow {
            return tokio::select! {
                followed = follow(context, &client, &self.name, self.lines) => followed,
                told = signals::told_to_stop() => Ok(told?),
            };
        }
        let path = format!(
            "{}/logs?limit={}",
            route::component(&self.name)?,
            self.lines
        );
        let answer = client.get(&path).await?;
        if context.global.json {
            return context.show(&answer);
        }
        let mut lines = answer["lines"].as_array().into_iter().flatten();
        lines.try_for_each(|line| show(context, line))
    }
}

/// Prints what a component logs until it, or the host, goes.
///
/// # Errors
/// The host does not answer or refuses, or one of the two has gone.
pub(super) async fn follow(
    context: &Context,
    client: &Client,
    name: &str,
    lines: u32,
) -> Result<(), Error> {
    let path = format!("{}/logs?follow=true&limit={lines}", route::component(name)?);
    let response = client.open(client.request(Method::GET, &path)?).await?;
    if !response.status().is_success() {
        let refused = client.whole(response).await?;
        return refused.accepted().map(drop);
    }
    print_events(context, response).await
}

async fn print_events(context: &Context, mut response: Response) -> Result<(), Error> {
    let gone = |_| Error::Host("the host is gone, or the way to it".to_owned());
    let mut pending = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(gone)? {
        pending.extend_from_slice(&chunk);
        for event in whole_lines(&mut pending) {
            if let Some(line) = event.strip_prefix("data: ") {
                let line = serde_json::from_str(line);
                show(context, &line.map_err(|e| Error::Answer(e.to_string()))?)?;
            }
        }
        if pending.len() > EVENT_BYTES_MAX {
            return Err(Error::Answer("a line of the log is too long".to_owned()));
        }
    }
    let ended = "the log has ended: the component was taken away, or the host has stopped";
    Err(Error::Host(ended.to_owned()))
}

/// Takes the lines that have come whole.
fn whole_lines(pending: &mut Vec<u8>) -> Vec<String> {
    let end = pending.iter().rposition(|byte| *byte == b'\n');
    let whole: Vec<u8> = pending.drain(..end.map_or(0, |end| end + 1)).collect();
    String::from_utf8_lossy(&whole)
        .lines()
        .map(str::to_owned)
        .collect()
}

/// One line for people, or as it is.
fn show(context: &Context, line: &Value) -> Result<(), Error> {
    let screen = &context.screen;
    if context.global.json {
        return Ok(screen.line(&line.to_string())?);
    }
    let text = |member: &str| line[member].as_str().unwrap_or_default();
    let level = format!("{:5}", text("level"));
    let level = match text("level") {
        "error" | "warn" => screen.red(&level),
        _ => level,
    };
    let message = printable(text("message"));
    Ok(screen.line(&format!("{} {level} {message}", screen.dim(text("at"))))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_taken_when_they_have_come_whole() {
        let mut pending = b"data: a\ndata: ".to_vec();
        assert_eq!(whole_lines(&mut pending), ["data: a"]);
        assert!(whole_lines(&mut pending).is_empty());
        pending.extend_from_slice("é\n\n".as_bytes());
        assert_eq!(whole_lines(&mut pending), ["data: é", ""]);
        assert!(pending.is_empty());
    }
}
