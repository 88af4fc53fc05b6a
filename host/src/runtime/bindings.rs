//! Typed access to the handlers that components export, and the conversions to and from the
//! dispatcher's types.

use super::run::{self, GuestErrorKind, Report, RunError, RunParams};
use crate::dispatch::types::{
    Field, FieldError, Output, Problem, ProblemKind, Request, RequestHead, Response, RowBatch,
    RowFormat, Tally,
};
use crate::store::{Partition, Record};

/// `leyden:http/handler`.
#[allow(missing_docs, clippy::all, reason = "generated from the WIT packages")]
pub(super) mod http {
    wasmtime::component::bindgen!({
        path: "../wit",
        inline: "package leyden:host-http; world http { export leyden:http/handler@0.1.0; }",
        exports: { default: async },
        ownership: Borrowing { duplicate_if_necessary: false },
    });
}

/// `leyden:http/row-handler`.
#[allow(missing_docs, clippy::all, reason = "generated from the WIT packages")]
pub(super) mod rows {
    wasmtime::component::bindgen!({
        path: "../wit",
        inline: "package leyden:host-rows; world rows { export leyden:http/row-handler@0.1.0; }",
        exports: { default: async },
        ownership: Borrowing { duplicate_if_necessary: false },
        with: { "leyden:http/types": super::http::leyden::http::types },
    });
}

/// `leyden:streams/handler`.
#[allow(missing_docs, clippy::all, reason = "generated from the WIT packages")]
pub(super) mod events {
    wasmtime::component::bindgen!({
        path: "../wit",
        inline: "package leyden:host-events; world events { export leyden:streams/handler@0.1.0; }",
        exports: { default: async },
        ownership: Borrowing { duplicate_if_necessary: false },
    });
}

/// `leyden:data/reports`.
#[allow(missing_docs, clippy::all, reason = "generated from the WIT packages")]
pub(super) mod reports {
    wasmtime::component::bindgen!({
        path: "../wit",
        inline: "package leyden:host-reports; world reports { export leyden:data/reports@0.1.0; }",
        exports: { default: async },
        ownership: Borrowing { duplicate_if_necessary: false },
    });
}

use http::exports::leyden::http::handler as http_handler;
use http::leyden::http::types as http_types;
use reports::exports::leyden::data::reports as partner_reports;
use rows::exports::leyden::http::row_handler;

/// What a handler answers instead of an output.
pub(super) enum Refusal {
    /// The input is at fault.
    Reject(Problem),
    /// The moment is at fault.
    Retry(String),
}

/// A handler's result in the dispatcher's types.
pub(super) type Handled = Result<Output, Refusal>;

/// A request head with its lists lent out.
pub(super) struct LentHead<'a> {
    head: &'a RequestHead,
    params: Vec<&'a Field>,
    headers: Vec<&'a Field>,
}

impl<'a> LentHead<'a> {
    pub(super) fn new(head: &'a RequestHead) -> Self {
        Self {
            head,
            params: head.params.iter().collect(),
            headers: head.headers.iter().collect(),
        }
    }

    pub(super) fn as_param(&self) -> http_types::RequestHead<'_> {
        http_types::RequestHead {
            // To a component a HEAD is a GET whose answer's body nobody reads.
            method: if self.head.method == "HEAD" {
                "GET"
            } else {
                &self.head.method
            },
            route: &self.head.route,
            path: &self.head.path,
            params: &self.params,
            query: self.head.query.as_deref(),
            headers: &self.headers,
        }
    }
}

/// Calls `leyden:http/handler`.
pub(super) async fn call_http(
    handler: &http_handler::Guest,
    store: impl wasmtime::AsContextMut<Data: Send>,
    request: &Request,
) -> wasmtime::Result<Handled> {
    let head = LentHead::new(&request.head);
    let lent = http_types::Request {
        head: head.as_param(),
        body: &request.body,
    };
    let answer = handler.call_handle(store, lent).await?;
    Ok(answer.map(|a| Output::Http(response(a))).map_err(refusal))
}

/// Calls `leyden:http/row-handler`.
pub(super) async fn call_rows(
    handler: &row_handler::Guest,
    store: impl wasmtime::AsContextMut<Data: Send>,
    head: &RequestHead,
    batch: &RowBatch,
) -> wasmtime::Result<Handled> {
    let head = LentHead::new(head);
    let rows: Vec<&[u8]> = batch.rows.iter().map(Vec::as_slice).collect();
    let lent = row_handler::Batch {
        format: row_format(batch.format),
        header: batch.header.as_deref(),
        first_row: batch.first_row,
        rows: &rows,
    };
    let tallies = handler
        .call_handle_rows(store, head.as_param(), lent)
        .await?;
    let tally = |t: row_handler::Tally| Tally {
        name: t.name,
        count: t.count,
    };
    Ok(tallies
        .map(|all| Output::Rows(all.into_iter().map(tally).collect()))
        .map_err(refusal))
}

/// Calls `leyden:streams/handler`.
pub(super) async fn call_events(
    handler: &events::exports::leyden::streams::handler::Guest,
    store: impl wasmtime::AsContextMut<Data: Send>,
    partition: &Partition,
    batch: &[Record],
) -> wasmtime::Result<Handled> {
    use events::exports::leyden::streams::handler::Error;
    use events::leyden::streams::types::Event;
    let lent: Vec<Event<'_>> = batch
        .iter()
        .map(|record| Event {
            partition: partition.number.into(),
            offset: record.offset,
            key: &record.key,
            payload: &record.payload,
            published_at_ms: record.published_at.0,
        })
        .collect();
    let handled = handler
        .call_handle(store, partition.stream.as_str(), &lent)
        .await?;
    Ok(handled
        .map(|()| Output::Events)
        .map_err(|error| match error {
            Error::Reject(reason) => Refusal::Reject(Problem {
                kind: ProblemKind::Invalid,
                detail: reason,
                errors: Vec::new(),
            }),
            Error::Retry(reason) => Refusal::Retry(reason),
        }))
}

/// Longest error text of a partner's component that is kept, bytes.
const ERROR_BYTES_MAX: usize = 4 << 10;

/// Calls `leyden:data/reports`.
pub(super) async fn call_report(
    reports: &partner_reports::Guest,
    store: impl wasmtime::AsContextMut<Data: Send>,
    params: &RunParams,
) -> wasmtime::Result<Result<Report, RunError>> {
    use partner_reports::{Batch, Error, Params, Trigger};
    let trigger = match &params.trigger {
        run::Trigger::Request => Trigger::Request,
        run::Trigger::Schedule(due) => Trigger::Schedule(due.0),
        run::Trigger::Batch {
            stream,
            records,
            from,
            to,
        } => Trigger::Batch(Batch {
            stream: stream.as_str(),
            records: *records,
            from_ms: from.0,
            to_ms: to.0,
        }),
    };
    let json = &params.json;
    let reported = reports.call_report(store, Params { trigger, json }).await?;
    let kept = |text: String| text[..text.floor_char_boundary(ERROR_BYTES_MAX)].to_owned();
    Ok(match reported {
        Ok(document) => Ok(Report {
            media_type: document.media_type,
            body: document.body,
        }),
        Err(Error::InvalidParams(text)) => Err(RunError::Guest {
            kind: GuestErrorKind::InvalidParams,
            text: kept(text),
        }),
        Err(Error::Failed(text)) => Err(RunError::Guest {
            kind: GuestErrorKind::Failed,
            text: kept(text),
        }),
    })
}

fn row_format(format: RowFormat) -> row_handler::Format {
    match format {
        RowFormat::Csv => row_handler::Format::Csv,
        RowFormat::Ndjson => row_handler::Format::Ndjson,
        RowFormat::Json => row_handler::Format::Json,
    }
}

fn response(answer: http_types::Response) -> Response {
    Response {
        status: answer.status,
        headers: answer.headers,
        body: answer.body,
    }
}

/// The one place where a guest's HTTP error becomes the dispatcher's.
fn refusal(error: http_types::Error) -> Refusal {
    match error {
        http_types::Error::Reject(problem) => Refusal::Reject(Problem {
            kind: problem_kind(problem.kind),
            detail: problem.detail,
            errors: problem.errors.into_iter().map(field_error).collect(),
        }),
        http_types::Error::Retry(reason) => Refusal::Retry(reason),
    }
}

fn problem_kind(kind: http_types::ProblemKind) -> ProblemKind {
    match kind {
        http_types::ProblemKind::Malformed => ProblemKind::Malformed,
        http_types::ProblemKind::PaymentRequired => ProblemKind::PaymentRequired,
        http_types::ProblemKind::Forbidden => ProblemKind::Forbidden,
        http_types::ProblemKind::NotFound => ProblemKind::NotFound,
        http_types::ProblemKind::Conflict => ProblemKind::Conflict,
        http_types::ProblemKind::UnsupportedMediaType => ProblemKind::UnsupportedMediaType,
        http_types::ProblemKind::Invalid => ProblemKind::Invalid,
    }
}

fn field_error(error: http_types::FieldError) -> FieldError {
    FieldError {
        row: error.row,
        field: error.field,
        rule: error.rule,
    }
}
