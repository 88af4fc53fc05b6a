//! Between a record's lines and what the host works with. Pure.

use std::collections::BTreeMap;

use super::format::{self, Blob, Event, Format, Head, Output, Read};
use super::secrets::covered;
use crate::dispatch::notes::{Noted, Notes, Scanned};
use crate::dispatch::outside::{self, Outside};
use crate::dispatch::types::{self, RowBatch, RowFormat};
use crate::dispatch::{self, work};
use crate::ids::{Digest, Instant};
use crate::store::{
    Account, Append, Entry, Order, Partition, Posting, Range, Record, Space, Write, offset_of,
    offset_text,
};

impl From<types::RequestHead> for Head {
    fn from(head: types::RequestHead) -> Self {
        let types::RequestHead {
            method,
            route,
            path,
            params,
            query,
            headers,
        } = head;
        Self {
            method,
            route,
            path,
            params,
            query,
            headers,
        }
    }
}

impl From<Head> for types::RequestHead {
    fn from(head: Head) -> Self {
        let Head {
            method,
            route,
            path,
            params,
            query,
            headers,
        } = head;
        Self {
            method,
            route,
            path,
            params,
            query,
            headers,
        }
    }
}

impl From<types::Input> for format::Input {
    fn from(input: types::Input) -> Self {
        match input {
            types::Input::Http(request) => Self::Http {
                head: request.head.into(),
                body: Blob(request.body),
            },
            types::Input::Rows(head, batch) => Self::Rows {
                head: head.into(),
                format: match batch.format {
                    RowFormat::Csv => Format::Csv,
                    RowFormat::Ndjson => Format::Ndjson,
                    RowFormat::Json => Format::Json,
                },
                header: batch.header.map(Blob),
                first_row: batch.first_row,
                rows: batch.rows.into_iter().map(Blob).collect(),
            },
            types::Input::Events(partition, records) => Self::Events {
                stream: partition.stream,
                partition: partition.number,
                records: records.into_iter().map(Event::from).collect(),
            },
        }
    }
}

impl From<Record> for Event {
    fn from(record: Record) -> Self {
        Self {
            offset: offset_text(record.offset),
            key: record.key,
            payload: Blob(record.payload),
            published_at_ms: record.published_at.0,
        }
    }
}

impl TryFrom<format::Input> for types::Input {
    type Error = String;

    fn try_from(input: format::Input) -> Result<Self, String> {
        Ok(match input {
            format::Input::Http { head, body } => Self::Http(types::Request {
                head: head.into(),
                body: body.0,
            }),
            format::Input::Rows {
                head,
                format,
                header,
                first_row,
                rows,
            } => {
                let batch = RowBatch {
                    format: match format {
                        Format::Csv => RowFormat::Csv,
                        Format::Ndjson => RowFormat::Ndjson,
                        Format::Json => RowFormat::Json,
                    },
                    header: header.map(|header| header.0),
                    first_row,
                    rows: rows.into_iter().map(|row| row.0).collect(),
                };
                Self::Rows(head.into(), batch)
            }
            format::Input::Events {
                stream,
                partition: number,
                records,
            } => {
                let records: Result<_, String> = records.into_iter().map(record).collect();
                Self::Events(Partition { stream, number }, records?)
            }
            format::Input::Run(_) => return Err("input.run: is no component's input".to_owned()),
        })
    }
}

fn record(event: Event) -> Result<Record, String> {
    let offset = offset_of(&event.offset);
    Ok(Record {
        offset: offset.ok_or_else(|| format!("input.events: {}: is no offset", event.offset))?,
        key: event.key,
        payload: event.payload.0,
        published_at: Instant(event.published_at_ms),
    })
}

impl From<Noted> for Read {
    fn from(noted: Noted) -> Self {
        match noted {
            Noted::Key(space, key, value) => Self::Key {
                space: space.0.to_string(),
                key: Blob(key),
                value: value.map(Blob),
            },
            Noted::Scan(scanned, entries) => Self::Scan {
                space: scanned.space.0.to_string(),
                start: Blob(scanned.range.start),
                end: scanned.range.end.map(Blob),
                descending: scanned.order == Order::Descending,
                limit: scanned.limit,
                entries: entries
                    .into_iter()
                    .map(|entry| (Blob(entry.key), Blob(entry.value)))
                    .collect(),
            },
            Noted::Account(name, sums) => Self::Account {
                name,
                debits: sums.debits,
                credits: sums.credits,
            },
        }
    }
}

impl From<Read> for Noted {
    fn from(read: Read) -> Self {
        match read {
            Read::Key { space, key, value } => {
                Self::Key(Space(space.into()), key.0, value.map(|value| value.0))
            }
            Read::Scan {
                space,
                start,
                end,
                descending,
                limit,
                entries,
            } => {
                let scanned = Scanned {
                    space: Space(space.into()),
                    range: Range {
                        start: start.0,
                        end: end.map(|end| end.0),
                    },
                    order: match descending {
                        true => Order::Descending,
                        false => Order::Ascending,
                    },
                    limit,
                };
                let entry = |(key, value): (Blob, Blob)| Entry {
                    key: key.0,
                    value: value.0,
                };
                Self::Scan(scanned, entries.into_iter().map(entry).collect())
            }
            Read::Account {
                name,
                debits,
                credits,
            } => Self::Account(name, Account { debits, credits }),
        }
    }
}

impl From<types::Output> for Output {
    fn from(output: types::Output) -> Self {
        match output {
            types::Output::Http(response) => Self::of_response(response),
            types::Output::Rows(tallies) => Self::Rows(tallies),
            types::Output::Events => Self::Done,
        }
    }
}

/// How an invocation failed, where that is its components' doing: what the store or the host did to it would not
/// happen again.
pub(super) fn failure(error: &dispatch::Error) -> Option<Output> {
    use dispatch::Error;
    Some(match error {
        Error::Rejected(problem) => Output::Rejected(problem.clone()),
        Error::Retry(by, reason) => Output::Retry {
            component: by.component.clone(),
            reason: reason.clone(),
        },
        Error::Trapped(by, reason) => Output::Trapped {
            component: by.component.clone(),
            reason: reason.clone(),
        },
        Error::Deadline(by, deadline_ms) => Output::Deadline {
            component: by.component.clone(),
            deadline_ms: *deadline_ms,
        },
        Error::Misbehaved(by, reason) => Output::Misbehaved {
            component: by.component.clone(),
            reason: reason.clone(),
        },
        _ => return None,
    })
}

impl From<work::Effects> for format::Effects {
    fn from(effects: work::Effects) -> Self {
        let append = |append: Append| format::Append {
            stream: append.stream,
            key: append.key,
            payload: Blob(append.payload),
        };
        let (writes, postings) = (effects.writes.into_iter(), effects.postings.into_iter());
        Self {
            writes: writes.map(format::Write::from).collect(),
            appends: effects.appends.into_iter().map(append).collect(),
            postings: postings.map(format::Posting::from).collect(),
            sent: Vec::new(),
        }
    }
}

impl From<Write> for format::Write {
    fn from(write: Write) -> Self {
        Self {
            space: write.space.0.to_string(),
            key: Blob(write.key),
            value: write.value.map(Blob),
        }
    }
}

impl From<Posting> for format::Posting {
    fn from(posting: Posting) -> Self {
        Self {
            debit: posting.debit,
            credit: posting.credit,
            amount: posting.amount,
            reference: posting.reference,
        }
    }
}

/// What a function has sent elsewhere, as it would have been sent without its secrets.
pub(super) fn sent(notes: &Notes, secrets: &[String]) -> Vec<format::Sent> {
    let sent = |sent: outside::Sent| format::Sent {
        method: sent.method,
        uri: sent.uri,
        sha256: sent.body.map(|body| Digest::of(&covered(&body, secrets))),
    };
    notes.sent().into_iter().map(sent).collect()
}

impl From<Outside> for format::Outside {
    fn from(outside: Outside) -> Self {
        let answer = |answer: outside::Answer| {
            let (reply, error) = match answer.reply {
                None => (None, None),
                Some(Ok(reply)) => (Some(format::Reply::from(reply)), None),
                Some(Err(error)) => (None, Some(error)),
            };
            format::Answer {
                method: answer.method,
                uri: answer.uri,
                reply,
                error,
            }
        };
        Self {
            wall_ns: outside.wall_ns,
            monotonic_ns: outside.monotonic_ns,
            answers: outside.answers.into_iter().map(answer).collect(),
        }
    }
}

impl From<format::Outside> for Outside {
    fn from(outside: format::Outside) -> Self {
        let answer = |answer: format::Answer| {
            let reply = answer.reply.map(|reply| Ok(reply.into()));
            outside::Answer {
                method: answer.method,
                uri: answer.uri,
                reply: reply.or(answer.error.map(Err)),
            }
        };
        Self {
            wall_ns: outside.wall_ns,
            monotonic_ns: outside.monotonic_ns,
            answers: outside.answers.into_iter().map(answer).collect(),
        }
    }
}

impl From<outside::Reply> for format::Reply {
    fn from(reply: outside::Reply) -> Self {
        let headers = reply.headers.into_iter();
        Self {
            status: reply.status,
            headers: headers.map(|(name, value)| (name, Blob(value))).collect(),
            body: Blob(reply.body),
            whole: reply.is_whole,
        }
    }
}

impl From<format::Reply> for outside::Reply {
    fn from(reply: format::Reply) -> Self {
        let headers = reply.headers.into_iter();
        Self {
            status: reply.status,
            headers: headers.map(|(name, value)| (name, value.0)).collect(),
            body: reply.body.0,
            is_whole: reply.whole,
        }
    }
}

/// What each account got by movements, all in all.
pub(super) fn datapoints(effects: &format::Effects) -> BTreeMap<String, i64> {
    let mut sums: BTreeMap<String, i64> = BTreeMap::new();
    for posting in &effects.postings {
        // A store's sums are far below 2^63.
        let amount = i64::try_from(posting.amount).unwrap_or(i64::MAX);
        let given = sums.entry(posting.debit.clone()).or_default();
        *given = given.saturating_sub(amount);
        let got = sums.entry(posting.credit.clone()).or_default();
        *got = got.saturating_add(amount);
    }
    sums
}
