//! From a manifest's text to a checked [`Manifest`]: the shape by serde, the rules here. Pure.

use serde::Deserialize;
use toml::Spanned;

use super::{
    BATCH_DEFAULT, BATCH_MAX, BODY_BYTES_DEFAULT, BODY_BYTES_MAX, CONCURRENCY_DEFAULT,
    CONCURRENCY_MAX, DEADLINE_MS_DEFAULT, DEADLINE_MS_MAX, Error, Grants, Limits,
    MANIFEST_BYTES_MAX, MEMORY_MIB_DEFAULT, MEMORY_MIB_MAX, Manifest, Method, RESERVED, RouteSpec,
};
use crate::ids::{ComponentName, StreamName};

/// Most routes of one component: all of them are looked at when any component is activated.
const ROUTES_MAX: usize = 256;
/// Most streams of one kind: each subscription is a task of the host.
const STREAMS_MAX: usize = 32;
/// Longest template (bytes): it travels with every request.
const PATH_BYTES_MAX: usize = 256;
/// Most parameters of a template.
const PARAMS_MAX: usize = 8;
/// Longest parameter name (bytes).
const PARAM_NAME_BYTES_MAX: usize = 64;
/// Longest description (characters): one line of a list.
const DESCRIPTION_CHARS_MAX: usize = 200;
/// Bytes of a mebibyte.
const MIB: u64 = 1024 * 1024;

/// The file.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct File {
    name: Option<Spanned<String>>,
    description: Option<Spanned<String>>,
    bundled: Option<bool>,
    #[serde(default)]
    routes: Vec<Spanned<Route>>,
    #[serde(default)]
    streams: Streams,
    #[serde(default)]
    grants: GrantsTable,
    #[serde(default)]
    limits: LimitsTable,
}

/// One of `[[routes]]`.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Route {
    path: Spanned<String>,
    methods: Spanned<Vec<Spanned<String>>>,
    #[serde(default)]
    rows: bool,
    body_limit_bytes: Option<Spanned<i64>>,
    audited: Option<Spanned<bool>>,
}

/// `[streams]`.
#[derive(Deserialize, Default)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Streams {
    #[serde(default)]
    subscribe: Vec<Spanned<String>>,
    #[serde(default)]
    publish: Vec<Spanned<String>>,
}

/// `[grants]`.
#[derive(Deserialize, Default)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct GrantsTable {
    #[serde(default)]
    ledger: bool,
    #[serde(default)]
    partners: bool,
}

/// `[limits]`.
#[derive(Deserialize, Default)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct LimitsTable {
    memory_mib: Option<Spanned<i64>>,
    deadline_ms: Option<Spanned<i64>>,
    concurrency: Option<Spanned<i64>>,
    batch: Option<Spanned<i64>>,
}

/// Reads and checks a manifest.
pub(super) fn parse(text: &str) -> Result<Manifest, Error> {
    if text.len() > MANIFEST_BYTES_MAX {
        return Err(Error::TooLong(text.len()));
    }
    let file: File = toml::from_str(text).map_err(|error| shape_error(text, &error))?;
    Checker { text }.manifest(&file)
}

/// The line of a byte, from 1.
fn line_of(text: &str, at: usize) -> usize {
    text.as_bytes()
        .iter()
        .take(at)
        .filter(|byte| **byte == b'\n')
        .count()
        + 1
}

/// A wrong shape, with the key as the line at fault writes it.
fn shape_error(text: &str, error: &toml::de::Error) -> Error {
    let line = line_of(text, error.span().map_or(0, |span| span.start));
    let source = text.lines().nth(line - 1).unwrap_or_default();
    let key = source.split('=').next().unwrap_or_default().trim();
    let rule = error.message().trim().replace('\n', ", ");
    Error::Rule {
        line,
        key: if key.is_empty() {
            "manifest".to_owned()
        } else {
            key.to_owned()
        },
        rule,
    }
}

/// Applies the rules; knows the text for the lines of its errors.
struct Checker<'a> {
    text: &'a str,
}

impl Checker<'_> {
    /// An error about a value.
    fn error<T>(&self, key: &str, value: &Spanned<T>, rule: impl Into<String>) -> Error {
        let line = line_of(self.text, value.span().start);
        Error::Rule {
            line,
            key: key.to_owned(),
            rule: rule.into(),
        }
    }

    fn manifest(&self, file: &File) -> Result<Manifest, Error> {
        Ok(Manifest {
            name: file.name.as_ref().map(|name| self.name(name)).transpose()?,
            description: self.description(file.description.as_ref())?,
            bundled: file.bundled.unwrap_or(true),
            routes: self.routes(&file.routes)?,
            subscribe: self.streams("streams.subscribe", &file.streams.subscribe)?,
            publish: self.streams("streams.publish", &file.streams.publish)?,
            grants: Grants {
                ledger: file.grants.ledger,
                partners: file.grants.partners,
            },
            limits: self.limits(&file.limits)?,
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
        let memory_mib = self.number(
            "limits.memory-mib",
            table.memory_mib.as_ref(),
            MEMORY_MIB_DEFAULT,
            MEMORY_MIB_MAX,
        )?;
        let deadline_ms = self.number(
            "limits.deadline-ms",
            table.deadline_ms.as_ref(),
            DEADLINE_MS_DEFAULT,
            DEADLINE_MS_MAX,
        )?;
        let concurrency = self.number(
            "limits.concurrency",
            table.concurrency.as_ref(),
            CONCURRENCY_DEFAULT,
            CONCURRENCY_MAX,
        )?;
        let batch = self.number(
            "limits.batch",
            table.batch.as_ref(),
            BATCH_DEFAULT,
            BATCH_MAX,
        )?;
        Ok(Limits {
            memory_bytes: (memory_mib * MIB) as usize,
            deadline_ms,
            concurrency: concurrency as usize,
            batch: batch as usize,
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

    fn routes(&self, tables: &[Spanned<Route>]) -> Result<Vec<RouteSpec>, Error> {
        let mut routes = Vec::with_capacity(tables.len());
        for (index, table) in tables.iter().enumerate() {
            let key = format!("routes[{index}]");
            if index >= ROUTES_MAX {
                return Err(self.error(
                    &key,
                    table,
                    format!("at most {ROUTES_MAX} routes are taken"),
                ));
            }
            routes.push(self.route(&key, table.get_ref())?);
        }
        Ok(routes)
    }

    fn route(&self, key: &str, table: &Route) -> Result<RouteSpec, Error> {
        let path = check_path(table.path.get_ref());
        path.map_err(|rule| self.error(&format!("{key}.path"), &table.path, rule))?;
        let methods = self.methods(&format!("{key}.methods"), &table.methods)?;
        let limit_key = format!("{key}.body-limit-bytes");
        if table.rows {
            self.check_rows(key, table, &methods)?;
        }
        let limit = table.body_limit_bytes.as_ref();
        Ok(RouteSpec {
            path: table.path.get_ref().clone(),
            methods,
            rows: table.rows,
            body_limit_bytes: self.number(&limit_key, limit, BODY_BYTES_DEFAULT, BODY_BYTES_MAX)?
                as usize,
            audited: table
                .audited
                .as_ref()
                .is_some_and(|audited| *audited.get_ref()),
        })
    }

    /// Rules of a route whose body is taken in row by row.
    fn check_rows(&self, key: &str, table: &Route, methods: &[Method]) -> Result<(), Error> {
        if let Some(limit) = &table.body_limit_bytes {
            let rule = "does not go with rows = true, which takes bodies of any length";
            return Err(self.error(&format!("{key}.body-limit-bytes"), limit, rule));
        }
        if let Some(audited) = &table.audited {
            let rule = "does not go with rows = true, whose bodies are too long to be told";
            return Err(self.error(&format!("{key}.audited"), audited, rule));
        }
        if methods
            .iter()
            .any(|method| !matches!(method, Method::Post | Method::Put | Method::Patch))
        {
            let rule = "a route with rows = true answers POST, PUT and PATCH only";
            return Err(self.error(&format!("{key}.methods"), &table.methods, rule));
        }
        Ok(())
    }

    fn methods(
        &self,
        key: &str,
        names: &Spanned<Vec<Spanned<String>>>,
    ) -> Result<Vec<Method>, Error> {
        if names.get_ref().is_empty() {
            return Err(self.error(key, names, "must name at least one method"));
        }
        let mut methods = Vec::new();
        for name in names.get_ref() {
            let method = Method::parse(name.get_ref());
            let method =
                method.ok_or_else(|| self.error(key, name, method_rule(name.get_ref())))?;
            if methods.contains(&method) {
                return Err(self.error(key, name, format!("names {method} twice")));
            }
            methods.push(method);
        }
        Ok(methods)
    }
}

/// What is wrong with a method's name.
fn method_rule(name: &str) -> &'static str {
    match name {
        "HEAD" => "HEAD comes with GET and is not named",
        _ => "must be of GET, POST, PUT, PATCH, DELETE and OPTIONS, in upper case",
    }
}

/// Checks a template.
fn check_path(path: &str) -> Result<(), String> {
    if path.len() > PATH_BYTES_MAX {
        return Err(format!("must have at most {PATH_BYTES_MAX} bytes"));
    }
    let segments: Vec<&str> = path
        .strip_prefix('/')
        .ok_or("must begin with '/'")?
        .split('/')
        .collect();
    let first = segments.first().copied().unwrap_or_default();
    if RESERVED.contains(&first) {
        return Err(format!("/{first} is the host's own"));
    }
    if first.contains(['{', '}']) {
        return Err("the first segment must be written out".to_owned());
    }
    let mut params = Vec::new();
    for (index, segment) in segments.iter().enumerate() {
        check_segment(segment, index + 1 == segments.len(), &mut params)?;
    }
    Ok(())
}

/// Checks one segment of a template and notes its parameter.
fn check_segment<'a>(
    segment: &'a str,
    last: bool,
    params: &mut Vec<&'a str>,
) -> Result<(), String> {
    let Some(inner) = segment
        .strip_prefix('{')
        .and_then(|rest| rest.strip_suffix('}'))
    else {
        return check_static(segment);
    };
    let name = inner.strip_prefix('*').unwrap_or(inner);
    if inner.starts_with('*') && !last {
        return Err(format!(
            "{{*{name}}} takes the rest and must be the last segment"
        ));
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if name.is_empty() || name.len() > PARAM_NAME_BYTES_MAX || !name.bytes().all(plain) {
        return Err("a parameter's name must be 1 to 64 of a-z, A-Z, 0-9, '-' and '_'".to_owned());
    }
    if params.contains(&name) {
        return Err(format!("names the parameter {name} twice"));
    }
    if params.len() >= PARAMS_MAX {
        return Err(format!("must have at most {PARAMS_MAX} parameters"));
    }
    params.push(name);
    Ok(())
}

/// Checks a segment that is written out.
fn check_static(segment: &str) -> Result<(), String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:@!$'(),;=+&".contains(&byte);
    match segment {
        "" => Err("must have no empty segment".to_owned()),
        "." | ".." => Err("must have no segment '.' or '..'".to_owned()),
        _ if segment.bytes().all(plain) => Ok(()),
        _ => Err(format!(
            "the segment '{segment}' must be a whole parameter or plain URL characters"
        )),
    }
}
