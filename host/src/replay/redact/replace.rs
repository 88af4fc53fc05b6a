//! Puts other names and ids in the place of those that were found, and replays what comes of it.

use std::collections::BTreeMap;

use super::Error;
use super::find::{self, Patterns, is_text, json_of};
use super::shape::{self, Shaper};
use crate::replay::differences::differences;
use crate::replay::format::{
    Answer, Bits, Blob, Event, Head, Input, Invocation, Output, Read, Run, Secret,
};
use crate::replay::player::{Player, failed};
use crate::replay::tape::PARTNERS;

/// Headers whose values tell of the caller.
const HEADERS: [&str; 9] = [
    "authorization",
    "cookie",
    "forwarded",
    "from",
    "idempotency-key",
    "set-cookie",
    "user-agent",
    "x-forwarded-for",
    "x-real-ip",
];

/// What replaces what.
pub struct Replacer {
    shaper: Shaper,
    ids: BTreeMap<String, String>,
    patterns: Patterns,
}

impl Replacer {
    pub(super) fn new(shaper: Shaper, ids: BTreeMap<String, String>, patterns: Patterns) -> Self {
        Self {
            shaper,
            ids,
            patterns,
        }
    }

    /// An invocation without what is personal. What came of it is what comes of it now.
    ///
    /// # Errors
    /// It cannot be replayed.
    pub async fn redact(
        &self,
        mut invocation: Invocation,
        player: &mut Player,
    ) -> Result<Invocation, Error> {
        invocation.input = self.input(invocation.input);
        invocation.reads = invocation
            .reads
            .into_iter()
            .map(|read| self.read(read))
            .collect();
        for answer in &mut invocation.outside.answers {
            self.answer(answer);
        }
        self.randoms(&mut invocation.randoms);
        invocation.id = self.shaper.id(&invocation.id);
        // What has to be replayed is whether it runs into its deadline, not what it said.
        if !invocation.outcome.output.is_late() {
            invocation.outcome = failed(Output::NotRecorded(String::new()));
        }
        let (first, again) = (
            player.play(&invocation).await?,
            player.play(&invocation).await?,
        );
        let different = differences(&first.outcome, &again.outcome);
        invocation.differs = match &first.outcome.output {
            Output::NotRecorded(what) => Some(format!("output: redacted, it {what}")),
            _ => different.first().map(ToString::to_string),
        };
        invocation.outcome = first.outcome;
        Ok(invocation)
    }

    fn input(&self, input: Input) -> Input {
        match input {
            Input::Http { head, body } => Input::Http {
                head: self.head(head),
                body: self.blob(body),
            },
            Input::Rows {
                head,
                format,
                header,
                first_row,
                rows,
            } => Input::Rows {
                head: self.head(head),
                format,
                header,
                first_row,
                rows: rows.into_iter().map(|row| self.blob(row)).collect(),
            },
            Input::Events {
                stream,
                partition,
                records,
            } => {
                let event = |event: Event| Event {
                    key: self.text(&event.key),
                    payload: self.blob(event.payload),
                    ..event
                };
                Input::Events {
                    stream,
                    partition,
                    records: records.into_iter().map(event).collect(),
                }
            }
            Input::Run(run) => Input::Run(Box::new(self.run(*run))),
        }
    }

    /// What a run was given, with the secret that its partner has wherever it stands in the record.
    fn run(&self, mut run: Run) -> Run {
        run.params = self.text(&run.params);
        run.partner.secret = Secret(self.secret(&serde_json::json!(run.partner.secret.0)));
        run
    }

    fn secret(&self, secret: &serde_json::Value) -> [u8; 32] {
        self.shaper.secret(&secret.to_string())
    }

    fn head(&self, head: Head) -> Head {
        let header = |(name, value): (String, String)| match HEADERS.contains(&name.as_str()) {
            true => (name, self.shaper.word(&value)),
            false => (name, self.text(&value)),
        };
        Head {
            path: self.text(&head.path),
            params: head
                .params
                .into_iter()
                .map(|(name, value)| (name, self.text(&value)))
                .collect(),
            query: head.query.map(|query| self.text(&query)),
            headers: head.headers.into_iter().map(header).collect(),
            ..head
        }
    }

    /// What a function was answered from elsewhere.
    fn answer(&self, answer: &mut Answer) {
        answer.uri = self.text(&answer.uri);
        let Some(reply) = &mut answer.reply else {
            return;
        };
        reply.body = self.blob(std::mem::take(&mut reply.body));
        for (name, value) in &mut reply.headers {
            *value = match HEADERS.contains(&name.as_str()) {
                true => Blob(self.shaper.word(&String::from_utf8_lossy(&value.0)).into()),
                false => self.key(std::mem::take(value)),
            };
        }
    }

    fn read(&self, read: Read) -> Read {
        match read {
            Read::Key { space, key, value } => {
                let value = value.map(|value| match space == PARTNERS {
                    true => self.blob(self.partner(value)),
                    false => self.blob(value),
                });
                Read::Key {
                    space,
                    key: self.key(key),
                    value,
                }
            }
            Read::Scan {
                space,
                start,
                end,
                descending,
                limit,
                entries,
            } => {
                let entry = |(key, value)| (self.key(key), self.blob(value));
                let mut entries: Vec<_> = entries.into_iter().map(entry).collect();
                entries.sort_by(|(one, _), (other, _)| match descending {
                    true => other.cmp(one),
                    false => one.cmp(other),
                });
                Read::Scan {
                    space,
                    start: self.key(start),
                    end: end.map(|end| self.key(end)),
                    descending,
                    limit,
                    entries,
                }
            }
            Read::Account {
                name,
                debits,
                credits,
            } => Read::Account {
                name: self.text(&name),
                debits,
                credits,
            },
        }
    }

    /// A partner's record with another secret.
    fn partner(&self, value: Blob) -> Blob {
        let Some(mut record) = json_of(&value.0) else {
            return value;
        };
        record["secret"] = serde_json::json!(self.secret(&record["secret"]));
        Blob(record.to_string().into_bytes())
    }

    /// UUIDs are drawn in two halves: the same new ones come of it then.
    fn randoms(&self, randoms: &mut [Bits]) {
        for at in 1..randoms.len() {
            let drawn = shape::id_of_bits(randoms[at - 1].0, randoms[at].0);
            let new = self.ids.get(&drawn).and_then(|new| shape::bits_of_id(new));
            if let Some((high, low)) = new {
                (randoms[at - 1], randoms[at]) = (Bits(high), Bits(low));
            }
        }
    }

    fn text(&self, text: &str) -> String {
        let bytes = self.bytes(text.as_bytes(), false);
        // Texts are replaced by texts.
        String::from_utf8(bytes).unwrap_or_default()
    }

    fn blob(&self, Blob(bytes): Blob) -> Blob {
        Blob(self.bytes(&bytes, true))
    }

    /// Letters in keys are mostly the component's own words.
    fn key(&self, Blob(bytes): Blob) -> Blob {
        Blob(self.bytes(&bytes, false))
    }

    fn bytes(&self, bytes: &[u8], has_letters: bool) -> Vec<u8> {
        let is_text = is_text(bytes);
        let mut bytes =
            self.patterns
                .replace(bytes, is_text, |rest| match has_letters && !is_text {
                    true => find::letters(rest, |word| self.shaper.word(word)),
                    false => rest.to_vec(),
                });
        let mut found = Vec::new();
        find::ids(&bytes, |at, id| found.push((at, id)));
        for (at, id) in found {
            if let Some(new) = self.ids.get(&id) {
                bytes[at..at + new.len()].copy_from_slice(new.as_bytes());
            }
        }
        bytes
    }
}
