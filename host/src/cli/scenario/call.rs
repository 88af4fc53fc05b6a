//! Calls of routes: from a scenario's words to an HTTP request, and from an answer to the line
//! and the checks of the report. Pure.

use reqwest::Url;
use serde_json::Value;

use super::action::{Call, Expect, Method, Send, Show};
use super::pattern::{Mismatch, Mode, Pattern, length};
use super::report::Check;
use super::text::Language;
use super::variables::{self, Variables};
use crate::cli::client::Answer;
use crate::cli::error::Problem;

/// Longest body in the report, bytes; longer ones are cut, which no check is affected by.
const SHOWN_BYTES_MAX: usize = 64 * 1024;

/// Why a call cannot be made as the scenario says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Error {
    /// A variable is missing.
    #[error(transparent)]
    Variable(#[from] variables::Error),
    /// The parameters have a shape that cannot be sent this way.
    #[error("{0}")]
    Params(&'static str),
}

/// A request, ready to be sent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Prepared {
    /// The route with its variables filled in.
    pub(crate) route: String,
    /// The parameters as the report shows them.
    pub(crate) params: String,
    /// Where it goes.
    pub(crate) url: Url,
    /// The body and its media type.
    pub(crate) body: Option<(String, String)>,
    /// The `Idempotency-Key`.
    pub(crate) idempotency_key: Option<String>,
}

/// Fills in a call's variables and puts its parameters where they are sent.
pub(crate) fn prepare(
    base: &Url,
    method: Method,
    call: &Call,
    variables: &Variables,
) -> Result<Prepared, Error> {
    let route = variables.text(&call.route)?;
    let params = call
        .params
        .as_ref()
        .map(|params| variables.value(params))
        .transpose()?;
    let text = call
        .text
        .as_ref()
        .map(|text| variables.text(text))
        .transpose()?;
    let mut url = base.clone();
    push_segments(
        &mut url,
        std::iter::once(call.service.as_str()).chain(route.split('/')),
    )?;
    let shown = shown_params(params.as_ref(), text.as_deref());
    let body = match (text, params) {
        (Some(_), Some(_)) => return Err(Error::Params("a call has params or text, not both")),
        (Some(text), None) => Some(("text/plain".to_owned(), text)),
        (None, Some(params)) => place(&mut url, send(method, call), &params)?,
        (None, None) => None,
    };
    let body = body.map(|(media, body)| (call.content_type.clone().unwrap_or(media), body));
    let key = call
        .idempotency_key
        .as_ref()
        .map(|key| variables.text(key))
        .transpose()?;
    Ok(Prepared {
        route,
        params: shown,
        url,
        body,
        idempotency_key: key,
    })
}

fn send(method: Method, call: &Call) -> Send {
    call.send.unwrap_or(match method {
        Method::Get | Method::Delete => Send::Query,
        Method::Post => Send::Json,
    })
}

/// Puts the parameters into the URL, or returns them as a body with its media type.
fn place(url: &mut Url, send: Send, params: &Value) -> Result<Option<(String, String)>, Error> {
    match send {
        Send::Json => return Ok(Some(("application/json".to_owned(), params.to_string()))),
        Send::Text => return Ok(Some(("text/plain".to_owned(), scalar(params)?))),
        Send::Form => {
            let mut form = url.clone();
            push_pairs(&mut form, params)?;
            let fields = form.query().unwrap_or_default().to_owned();
            return Ok(Some((
                "application/x-www-form-urlencoded".to_owned(),
                fields,
            )));
        }
        Send::Query if params.is_object() => push_pairs(url, params)?,
        Send::Query => url.set_query(Some(&scalar(params)?)),
        Send::Path => push_segments(url, std::iter::once(scalar(params)?.as_str()))?,
    }
    Ok(None)
}

fn push_segments<'a>(url: &mut Url, segments: impl Iterator<Item = &'a str>) -> Result<(), Error> {
    let mut path = url
        .path_segments_mut()
        .map_err(|()| Error::Params("the host's URL has no path"))?;
    path.pop_if_empty().extend(segments);
    Ok(())
}

fn push_pairs(url: &mut Url, params: &Value) -> Result<(), Error> {
    let members = params
        .as_object()
        .ok_or(Error::Params("a form needs an object of scalars"))?;
    let mut pairs = url.query_pairs_mut();
    for (name, value) in members {
        pairs.append_pair(name, &scalar(value)?);
    }
    Ok(())
}

fn scalar(value: &Value) -> Result<String, Error> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(_) | Value::Bool(_) => Ok(value.to_string()),
        _ => Err(Error::Params("only scalars can be sent this way")),
    }
}

/// The parameters in the transcript's form: `_` where there are none, a scalar bare.
fn shown_params(params: Option<&Value>, text: Option<&str>) -> String {
    match (params, text) {
        (Some(Value::String(bare)), _) => bare.clone(),
        (Some(params), _) => params.to_string(),
        (None, Some(text)) => text.to_owned(),
        (None, None) => "_".to_owned(),
    }
}

/// The answer in the transcript's form. An empty answer to a write shows as `_`: nothing is meant
/// to come back.
pub(crate) fn shown_answer(method: Method, show: Show, answer: &Answer) -> String {
    let elements = || answer.json().ok().as_ref().and_then(length);
    let raw = || cut(answer.text());
    match show {
        Show::Rows if answer.status >= 400 => "[]".to_owned(),
        Show::Length => elements().map_or_else(raw, |elements| format!("(length){elements}")),
        Show::Count => elements().map_or_else(raw, |elements| elements.to_string()),
        Show::Raw | Show::Rows if answer.body.is_empty() && method != Method::Get => "_".to_owned(),
        Show::Raw | Show::Rows => raw(),
    }
}

fn cut(text: String) -> String {
    if text.len() <= SHOWN_BYTES_MAX {
        return text;
    }
    let end = (0..=SHOWN_BYTES_MAX)
        .rev()
        .find(|&end| text.is_char_boundary(end))
        .unwrap_or(0);
    format!("{}… ({} bytes)", &text[..end], text.len())
}

/// Compares an answer with everything that is expected of it.
///
/// # Errors
/// A variable of an expectation is missing.
pub(crate) fn checks(
    expect: Option<&Expect>,
    answer: &Answer,
    variables: &Variables,
    language: Language,
) -> Result<Vec<Check>, variables::Error> {
    let default = Expect::default();
    let expect = expect.unwrap_or(&default);
    let body = body_value(answer);
    let name = language.body();
    let mut checks: Vec<Check> = status_check(expect.status, answer, language)
        .into_iter()
        .collect();
    if expect.empty == Some(true) {
        checks.push(Check::text(
            name,
            language.empty().to_owned(),
            answer.body.is_empty(),
            answer.text(),
        ));
    }
    if let Some(raw) = &expect.raw {
        let raw = variables.text(raw)?;
        checks.push(Check::text(
            name,
            raw.clone(),
            raw == answer.text(),
            answer.text(),
        ));
    }
    if let Some(length) = expect.length {
        let pattern = Pattern::Length(length.into());
        checks.push(compared(name, &pattern, body.as_ref(), Mode::Exact));
    }
    if let Some(pattern) = &expect.body {
        checks.push(compared(
            name,
            &pattern.fill(variables)?,
            body.as_ref(),
            Mode::Exact,
        ));
    }
    if let Some(pattern) = &expect.subset {
        checks.push(compared(
            name,
            &pattern.fill(variables)?,
            body.as_ref(),
            Mode::Subset,
        ));
    }
    for (pointer, pattern) in &expect.at {
        let part = body.as_ref().and_then(|body| body.pointer(pointer));
        let name = format!("{name} {pointer}");
        checks.push(compared(
            &name,
            &pattern.fill(variables)?,
            part,
            Mode::Exact,
        ));
    }
    Ok(checks)
}

/// The body as a value: JSON, or else its text. A body without bytes is no value.
pub(crate) fn body_value(answer: &Answer) -> Option<Value> {
    if answer.body.is_empty() {
        return None;
    }
    Some(
        answer
            .json()
            .unwrap_or_else(|_| Value::String(answer.text())),
    )
}

/// The check of the status: always made, reported only where it was asked for or fails.
fn status_check(expected: Option<u16>, answer: &Answer, language: Language) -> Option<Check> {
    let good = expected.map_or(answer.status < 300, |expected| expected == answer.status);
    if expected.is_none() && good {
        return None;
    }
    let wanted = expected.map_or("2xx".to_owned(), |expected| expected.to_string());
    let got = match answer.status {
        0..400 => answer.status.to_string(),
        status => Problem::of(status, &answer.body).to_string(),
    };
    Some(Check::text(language.status(), wanted, good, got))
}

/// A check of a value against a pattern.
pub(crate) fn compared(name: &str, pattern: &Pattern, got: Option<&Value>, mode: Mode) -> Check {
    match pattern.compare(got, mode, "") {
        Ok(()) => Check::met(name, pattern.to_string()),
        Err(Mismatch {
            path,
            expected,
            got,
        }) if path.is_empty() => Check::not_met(name, expected, got),
        Err(Mismatch {
            path,
            expected,
            got,
        }) => Check::not_met(&format!("{name} {path}"), expected, got),
    }
}

#[cfg(test)]
mod tests;
