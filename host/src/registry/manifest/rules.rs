//! From a manifest's text to a checked [`Manifest`]: the shape by serde (`shape`), the rules here, in `routes` and in
//! `functions`. Pure.

mod functions;
mod routes;
mod shape;

use std::ops::Range;

use toml::Spanned;

use super::kinds::{Mention, Part};
use super::{
    BATCH_DEFAULT, BATCH_MAX, CONCURRENCY_DEFAULT, CONCURRENCY_MAX, DEADLINE_MS_DEFAULT,
    DEADLINE_MS_MAX, Error, Grants, Limits, MANIFEST_BYTES_MAX, MEMORY_MIB_DEFAULT, MEMORY_MIB_MAX,
    Manifest, Place, QUEUE_DEFAULT, QUEUE_MAX, REQUEST_BODY_BYTES_DEFAULT,
    RESPONSE_BODY_BYTES_DEFAULT, STREAMED_BODY_BYTES_MAX,
};
use crate::ids::{ComponentName, StreamName};
use shape::{File, GrantsTable, LimitsTable};

/// Most streams of one kind: each subscription is a task of the host.
const STREAMS_MAX: usize = 32;
/// Longest description (characters): one line of a list.
const DESCRIPTION_CHARS_MAX: usize = 200;
/// Longest key (characters) that an error about an unreadable line repeats.
const KEY_CHARS_MAX: usize = 80;
/// Bytes of a mebibyte.
const MIB: u64 = 1024 * 1024;

/// A project's file: a manifest, and how its component is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    /// What is said of the component.
    pub manifest: Manifest,
    /// Where the component lies once it is built, in the project's folder.
    pub component: Option<String>,
    /// How it is built.
    pub build: Option<Build>,
}

/// How a project's component is built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Build {
    /// The command, for a shell in the project's folder.
    pub command: String,
    /// Files and folders whose change asks for another build; none: the whole folder.
    pub watch: Vec<String>,
}

/// Reads and checks a project's file, or a manifest, which is one without what building needs.
pub(super) fn parse(text: &str) -> Result<Project, Error> {
    if text.len() > MANIFEST_BYTES_MAX {
        return Err(Error::TooLong(text.len()));
    }
    let file: File = toml::from_str(text).map_err(|error| shape_error(text, &error))?;
    Checker { text }.project(&file)
}

impl Project {
    /// Reads and checks a project's file.
    ///
    /// # Errors
    /// The first key that breaks a rule, with its place.
    pub fn parse(text: &str) -> Result<Self, Error> {
        parse(text)
    }
}

/// Where a span stands. The text may be anything: spans that lie outside of it are taken as its end.
fn place_of(text: &str, span: Range<usize>) -> Place {
    let before = text.get(..span.start).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let marked = text.get(span).unwrap_or_default();
    let marked = marked.lines().next().unwrap_or_default();
    Place {
        line: before.matches('\n').count() + 1,
        column: before[line_start..].chars().count() + 1,
        width: marked.chars().count().max(1),
    }
}

/// A wrong shape, with the key as the line at fault writes it.
fn shape_error(text: &str, error: &toml::de::Error) -> Error {
    let place = place_of(text, error.span().unwrap_or_default());
    let source = text.lines().nth(place.line - 1).unwrap_or_default();
    let key = source.split('=').next().unwrap_or_default().trim();
    let key: String = match key {
        "" => "manifest".to_owned(),
        key => key.chars().take(KEY_CHARS_MAX).collect(),
    };
    let rule = error.message().trim().replace('\n', ", ");
    Error::Rule { place, key, rule }
}

/// Applies the rules; knows the text for the lines of its errors.
struct Checker<'a> {
    text: &'a str,
}

impl Checker<'_> {
    /// An error about a value.
    fn error<T>(&self, key: &str, value: &Spanned<T>, rule: impl Into<String>) -> Error {
        Error::Rule {
            place: place_of(self.text, value.span()),
            key: key.to_owned(),
            rule: rule.into(),
        }
    }

    /// That a value is there.
    fn mention<T>(&self, part: Part, key: String, value: &Spanned<T>) -> Mention {
        let place = place_of(self.text, value.span());
        Mention { part, key, place }
    }

    fn project(&self, file: &File) -> Result<Project, Error> {
        Ok(Project {
            manifest: self.manifest(file)?,
            component: self.component(file.component.as_ref())?,
            build: self.build(file.build.as_ref())?,
        })
    }

    fn manifest(&self, file: &File) -> Result<Manifest, Error> {
        let env = self.env(&file.env)?;
        Ok(Manifest {
            name: file.name.as_ref().map(|name| self.name(name)).transpose()?,
            description: self.description(file.description.as_ref())?,
            bundled: file.bundled.unwrap_or(true),
            routes: self.routes(&file.routes)?,
            subscribe: self.streams("streams.subscribe", &file.streams.subscribe)?,
            publish: self.streams("streams.publish", &file.streams.publish)?,
            grants: grants(&file.grants),
            limits: self.limits(&file.limits)?,
            reuse: self.reuse(file.reuse.as_ref())?,
            secrets: self.secrets(&file.secrets, &env)?,
            env,
            outbound: self.outbound(&file.outbound.hosts)?,
            mentions: self.mentions(file),
        })
    }

    fn name(&self, name: &Spanned<String>) -> Result<ComponentName, Error> {
        ComponentName::parse(name.get_ref()).map_err(|rule| self.error("name", name, rule.0))
    }

    fn description(&self, description: Option<&Spanned<String>>) -> Result<String, Error> {
        let Some(description) = description else {
            return Ok(String::new());
        };
        let text = description.get_ref();
        if text.chars().count() > DESCRIPTION_CHARS_MAX || text.chars().any(char::is_control) {
            let rule = format!("must be one line of at most {DESCRIPTION_CHARS_MAX} characters");
            return Err(self.error("description", description, rule));
        }
        Ok(text.clone())
    }

    fn streams(&self, key: &str, names: &[Spanned<String>]) -> Result<Vec<StreamName>, Error> {
        let mut streams: Vec<StreamName> = Vec::with_capacity(names.len());
        for (index, name) in names.iter().enumerate() {
            let key = format!("{key}[{index}]");
            if index >= STREAMS_MAX {
                return Err(self.error(
                    &key,
                    name,
                    format!("at most {STREAMS_MAX} streams are taken"),
                ));
            }
            let stream =
                StreamName::parse(name.get_ref()).map_err(|rule| self.error(&key, name, rule.0))?;
            if streams.contains(&stream) {
                return Err(self.error(&key, name, "is named twice"));
            }
            streams.push(stream);
        }
        Ok(streams)
    }

    fn limits(&self, table: &LimitsTable) -> Result<Limits, Error> {
        let number = |name: &str, value: &Option<Spanned<i64>>, default, max| {
            self.number(&format!("limits.{name}"), value.as_ref(), default, max)
        };
        let concurrency = (CONCURRENCY_DEFAULT, CONCURRENCY_MAX);
        let (memory, deadline) = (&table.memory_mib, &table.deadline_ms);
        let (request, response) = (&table.request_body_bytes, &table.response_body_bytes);
        let longest = STREAMED_BODY_BYTES_MAX;
        Ok(Limits {
            memory_bytes: (number("memory-mib", memory, MEMORY_MIB_DEFAULT, MEMORY_MIB_MAX)? * MIB)
                as usize,
            deadline_ms: number(
                "deadline-ms",
                deadline,
                DEADLINE_MS_DEFAULT,
                DEADLINE_MS_MAX,
            )?,
            concurrency: number(
                "concurrency",
                &table.concurrency,
                concurrency.0,
                concurrency.1,
            )? as usize,
            batch: number("batch", &table.batch, BATCH_DEFAULT, BATCH_MAX)? as usize,
            queue: number("queue", &table.queue, QUEUE_DEFAULT, QUEUE_MAX)? as usize,
            request_body_bytes: number(
                "request-body-bytes",
                request,
                REQUEST_BODY_BYTES_DEFAULT,
                longest,
            )?,
            response_body_bytes: number(
                "response-body-bytes",
                response,
                RESPONSE_BODY_BYTES_DEFAULT,
                longest,
            )?,
        })
    }

    /// A whole number from 1 to `max`.
    fn number(
        &self,
        key: &str,
        value: Option<&Spanned<i64>>,
        default: u64,
        max: u64,
    ) -> Result<u64, Error> {
        let Some(value) = value else {
            return Ok(default);
        };
        let number = u64::try_from(*value.get_ref())
            .ok()
            .filter(|number| (1..=max).contains(number));
        number.ok_or_else(|| self.error(key, value, format!("must be 1 to {max}")))
    }
}

/// What is granted.
fn grants(table: &GrantsTable) -> Grants {
    let given = |grant: &Option<Spanned<bool>>| grant.as_ref().is_some_and(|g| *g.get_ref());
    Grants {
        ledger: given(&table.ledger),
        partners: given(&table.partners),
        keyvalue: given(&table.keyvalue),
    }
}
