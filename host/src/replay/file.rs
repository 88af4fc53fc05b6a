//! Reads a record line by line, and holds it to the rules of the format. Every error names its line.
//!
//! **Invariant.** No bytes make this panic, or keep more in memory than one line of [`LINE_BYTES_MAX`].

use std::collections::BTreeSet;
use std::io::{BufRead, Read as _};

use super::format::{Header, Input, Invocation, Line, VERSION};
use crate::partners::limits::RunLimits;

/// Longest line, bytes: an invocation reads 64 MiB at most and writes half of that, and JSON and base 64 add to it.
pub const LINE_BYTES_MAX: u64 = 256 << 20;

/// What is wrong with a record.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be read.
    #[error("it cannot be read")]
    Io(#[from] std::io::Error),
    /// A line breaks a rule.
    #[error("line {line}: {rule}")]
    Line {
        /// Its number, from 1.
        line: usize,
        /// The rule, in words.
        rule: String,
    },
}

/// Reads a record.
#[derive(Debug)]
pub struct Reader<R> {
    input: R,
    line: usize,
    header: Header,
    components: BTreeSet<u32>,
    plugins: BTreeSet<u32>,
    invocations: u64,
    has_ended: bool,
}

impl<R: BufRead> Reader<R> {
    /// Reads the first line.
    ///
    /// # Errors
    /// It is none of a record, or of another version.
    pub fn open(mut input: R) -> Result<Self, Error> {
        let mut number = 0;
        let Some(text) = next_line(&mut input, &mut number)? else {
            return Err(wrong(1, "the file is empty"));
        };
        check_version(&text).map_err(|rule| wrong(1, rule))?;
        let Line::LeydenRecord(header) = parse(&text, 1)? else {
            return Err(wrong(1, NO_RECORD));
        };
        Ok(Self {
            input,
            line: number,
            header,
            components: BTreeSet::new(),
            plugins: BTreeSet::new(),
            invocations: 0,
            has_ended: false,
        })
    }

    /// What the first line says.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Number of the line that was read last.
    pub fn line(&self) -> usize {
        self.line
    }

    /// Whether the last line was there: a record without it was cut off.
    pub fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// The next line; none at the end.
    ///
    /// # Errors
    /// It breaks a rule.
    pub fn next_line(&mut self) -> Result<Option<Line>, Error> {
        let Some(text) = next_line(&mut self.input, &mut self.line)? else {
            return Ok(None);
        };
        if self.has_ended {
            return Err(self.wrong("comes after the line 'end'"));
        }
        let line = parse(&text, self.line)?;
        self.check(&line).map_err(|rule| self.wrong(rule))?;
        Ok(Some(line))
    }

    fn check(&mut self, line: &Line) -> Result<(), String> {
        match line {
            Line::LeydenRecord(_) => Err("leydenRecord: comes once, in the first line".to_owned()),
            Line::Component(component) => {
                let is_new = self.is_new(component.id) && self.components.insert(component.id);
                is_new
                    .then_some(())
                    .ok_or_else(|| twice("component", component.id))
            }
            Line::Plugin(plugin) => {
                let is_new = self.is_new(plugin.id) && self.plugins.insert(plugin.id);
                is_new
                    .then_some(())
                    .ok_or_else(|| twice("plugin", plugin.id))
            }
            Line::Invocation(invocation) => {
                self.invocations += 1;
                self.check_invocation(invocation)
            }
            Line::End(end) => {
                self.has_ended = true;
                let (said, found) = (end.invocations, self.invocations);
                match said == found {
                    true => Ok(()),
                    false => Err(format!(
                        "end.invocations: says {said}, but the file has {found}"
                    )),
                }
            }
        }
    }

    fn check_invocation(&self, invocation: &Invocation) -> Result<(), String> {
        let id = &invocation.id;
        if id.len() != 32 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err("invocation.id: must be 32 hexadecimal digits".to_owned());
        }
        if !invocation.components.contains(&invocation.runs) {
            return Err("invocation.runs: must be one of invocation.components".to_owned());
        }
        let is_run = match &invocation.input {
            Input::Run(run) => {
                check_limits(&run.limits)?;
                true
            }
            _ => false,
        };
        if self.plugins.contains(&invocation.runs) != is_run && !self.is_new(invocation.runs) {
            let rule =
                "invocation.runs: must be a plugin where invocation.input is a run, and only there";
            return Err(rule.to_owned());
        }
        let unknown = |id: &&u32| self.is_new(**id);
        match invocation.components.iter().find(unknown) {
            Some(id) => Err(format!(
                "invocation.components: no component {id} comes before this line"
            )),
            None => Ok(()),
        }
    }

    /// Whether no component and no plugin has this id.
    fn is_new(&self, id: u32) -> bool {
        !self.components.contains(&id) && !self.plugins.contains(&id)
    }

    fn wrong(&self, rule: impl Into<String>) -> Error {
        wrong(self.line, rule)
    }
}

const NO_RECORD: &str = "is no record of Leyden: the first line must be {\"leydenRecord\": …}";

fn twice(line: &str, id: u32) -> String {
    format!("{line}.id: {id} comes twice")
}

/// Whoever replays a record gives it no more than any run gets.
fn check_limits(limits: &RunLimits) -> Result<(), String> {
    match limits.is_within(&RunLimits::of(u32::MAX)) {
        true => Ok(()),
        false => Err(
            "invocation.input.run.limits: must be within those of the highest trust level".into(),
        ),
    }
}

fn wrong(line: usize, rule: impl Into<String>) -> Error {
    Error::Line {
        line,
        rule: rule.into(),
    }
}

/// A line without its end; none at the end of the file.
fn next_line(input: &mut impl BufRead, number: &mut usize) -> Result<Option<Vec<u8>>, Error> {
    let mut text = Vec::new();
    *number += 1;
    let read = input
        .take(LINE_BYTES_MAX + 1)
        .read_until(b'\n', &mut text)?;
    if read == 0 {
        *number -= 1;
        return Ok(None);
    }
    if text.pop_if(|last| *last == b'\n').is_none() {
        let is_long = read as u64 > LINE_BYTES_MAX;
        return Err(match is_long {
            true => wrong(*number, format!("is longer than {LINE_BYTES_MAX} bytes")),
            false => wrong(*number, "is cut off: it has no line end"),
        });
    }
    Ok(Some(text))
}

fn parse(text: &[u8], number: usize) -> Result<Line, Error> {
    serde_json::from_slice(text).map_err(|error| {
        // The file's line is told, the place in it is serde's.
        let column = error.column();
        let message = error.to_string();
        let rule = message.split(" at line ").next().unwrap_or(&message);
        wrong(number, format!("{rule} (column {column})"))
    })
}

/// Other versions have other members: the version is looked at before them.
fn check_version(text: &[u8]) -> Result<(), String> {
    let value: serde_json::Value = serde_json::from_slice(text).map_err(|_| NO_RECORD)?;
    let header = value.get("leydenRecord").ok_or(NO_RECORD)?;
    let version = header.get("version").and_then(serde_json::Value::as_u64);
    match version {
        Some(version) if version == u64::from(VERSION) => Ok(()),
        Some(version) => Err(format!(
            "leydenRecord.version: is {version}, and this version of Leyden reads {VERSION}"
        )),
        None => Err("leydenRecord.version: must be a number".to_owned()),
    }
}
