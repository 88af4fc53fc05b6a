//! Replaces personal data in a record: what names a household or a person becomes another of the same shape, the same
//! one wherever it stands, made with a key that is thrown away. The invocation is then replayed, and what comes of it
//! takes the place of its outcome.
//!
//! What is taken for personal: every UUID (houses have them); texts that stand under a name such as `client_name` or
//! `household` in JSON, parameters and CSV; letters in values that are no text; headers that tell of the caller; secrets
//! of partners. Numbers, times and energies stay: they are what a record is for, and whoever knows a household's
//! load curve knows it again.
//!
//! **Invariants.** Nothing becomes longer or shorter where a value is no text, so that lengths in it stay right. New UUIDs
//! are in the order of those that they replace, since keys are read in their order.

mod find;
mod replace;
mod shape;

use std::collections::BTreeSet;

use serde_json::Value;

use super::format::{Answer, Blob, Head, Input, Invocation, Read};
use super::player;
use find::{Patterns, is_text, json_of};
pub use replace::Replacer;
use shape::Shaper;

/// Names under which personal texts stand, in lower case and without `_` and `-`.
const FIELDS: [&str; 13] = [
    "address",
    "city",
    "client",
    "clientname",
    "email",
    "firstname",
    "household",
    "lastname",
    "name",
    "owner",
    "phone",
    "street",
    "surname",
];

/// Shortest text that is replaced, bytes: shorter ones stand everywhere.
const WORD_BYTES_MIN: usize = 2;

/// Why a record cannot be redacted.
pub type Error = player::Error;

/// Redacts one record: looks at all of it first, then replaces.
pub struct Redactor {
    shaper: Shaper,
    fields: BTreeSet<String>,
    ids: BTreeSet<String>,
    words: BTreeSet<String>,
}

impl Redactor {
    /// Also replaces texts under these names, and these texts.
    #[must_use]
    pub fn new(fields: &[String], texts: &[String]) -> Self {
        let names = FIELDS.iter().map(|name| (*name).to_owned());
        let more = fields.iter().map(|name| plain(name));
        Self {
            shaper: Shaper::new(),
            fields: names.chain(more).collect(),
            ids: BTreeSet::new(),
            words: texts.iter().cloned().collect(),
        }
    }

    /// Notes what is personal in an invocation.
    pub fn look(&mut self, invocation: &Invocation) {
        self.input(&invocation.input);
        for read in &invocation.reads {
            match read {
                Read::Key { key, value, .. } => {
                    self.blob(key);
                    value.iter().for_each(|value| self.blob(value));
                }
                Read::Scan {
                    start,
                    end,
                    entries,
                    ..
                } => {
                    self.blob(start);
                    end.iter().for_each(|end| self.blob(end));
                    for (key, value) in entries {
                        self.blob(key);
                        self.blob(value);
                    }
                }
                Read::Account { name, .. } => self.text(name),
            }
        }
        for Answer { uri, reply, .. } in &invocation.outside.answers {
            self.text(uri);
            let query = uri.split_once('?').map(|(_, query)| query);
            let pairs = find::pairs(query.unwrap_or_default());
            pairs.for_each(|(name, value)| self.field(&name, &value));
            reply.iter().for_each(|reply| self.blob(&reply.body));
        }
        let outcome = serde_json::to_value(&invocation.outcome);
        self.json(&outcome.unwrap_or_default());
    }

    /// What replaces what was noted.
    #[must_use]
    pub fn replacer(self) -> Replacer {
        let ids = shape::in_order(self.ids);
        let mut patterns = Patterns::default();
        for word in self
            .words
            .iter()
            .filter(|word| word.len() >= WORD_BYTES_MIN)
        {
            patterns.add(word, &self.shaper.word(word));
        }
        Replacer::new(self.shaper, ids, patterns)
    }

    fn input(&mut self, input: &Input) {
        match input {
            Input::Http { head, body } => {
                self.head(head);
                self.blob(body);
            }
            Input::Rows {
                head, header, rows, ..
            } => {
                self.head(head);
                rows.iter().for_each(|row| self.blob(row));
                if let Some(header) = header {
                    self.table(header, rows);
                }
            }
            Input::Events { records, .. } => {
                for record in records {
                    self.text(&record.key);
                    self.blob(&record.payload);
                }
            }
            Input::Run(run) => self.text(&run.params),
        }
    }

    fn head(&mut self, head: &Head) {
        self.text(&head.path);
        head.params
            .iter()
            .for_each(|(name, value)| self.field(name, value));
        let pairs = find::pairs(head.query.as_deref().unwrap_or_default());
        pairs.for_each(|(name, value)| self.field(&name, &value));
    }

    /// Columns of CSV whose names are personal.
    fn table(&mut self, header: &Blob, rows: &[Blob]) {
        let names = find::cells(&header.0);
        for row in rows {
            for (name, cell) in names.iter().zip(find::cells(&row.0)) {
                self.field(name, &cell);
            }
        }
    }

    fn blob(&mut self, blob: &Blob) {
        self.ids(&blob.0);
        match json_of(&blob.0) {
            Some(value) => self.json(&value),
            None if is_text(&blob.0) => {
                let text = String::from_utf8_lossy(&blob.0);
                let pairs: Vec<_> = find::pairs(&text).collect();
                pairs
                    .iter()
                    .for_each(|(name, value)| self.field(name, value));
            }
            None => {}
        }
    }

    fn json(&mut self, value: &Value) {
        match value {
            Value::Object(members) => {
                for (name, value) in members {
                    self.text(name);
                    match value {
                        Value::String(text) => self.field(name, text),
                        other => self.json(other),
                    }
                }
            }
            Value::Array(list) => list.iter().for_each(|value| self.json(value)),
            Value::String(text) => self.text(text),
            _ => {}
        }
    }

    fn field(&mut self, name: &str, value: &str) {
        self.text(value);
        let is_id = find::is_id(value);
        if self.fields.contains(&plain(name)) && !is_id {
            self.words.insert(value.to_owned());
        }
    }

    fn ids(&mut self, bytes: &[u8]) {
        find::ids(bytes, |_, id| {
            self.ids.insert(id);
        });
    }

    /// A text may be JSON itself, as bodies in an outcome are.
    fn text(&mut self, text: &str) {
        self.ids(text.as_bytes());
        if let Some(value) = json_of(text.as_bytes()) {
            self.json(&value);
        }
    }
}

fn plain(name: &str) -> String {
    let letters = name.chars().filter(|sign| !matches!(sign, '_' | '-'));
    letters.flat_map(char::to_lowercase).collect()
}
