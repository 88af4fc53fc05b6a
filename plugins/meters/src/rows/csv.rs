//! CSV as in RFC 4180: the header names the columns, in any order; each row has as many fields.

use std::borrow::Cow;

use csv_core::{ReadRecordResult, Reader};
use leyden_sdk::http::ProblemKind;

use super::{FIELDS, Texts};
use crate::faults::Faults;

/// The most columns that are read at all; the known ones are five.
const COLUMNS_MAX: usize = 64;

const ROW: &str = "row";

/// Reads rows under one header.
#[derive(Debug)]
pub(super) struct Lines {
    reader: Reader,
    /// Where each of [`FIELDS`] stands in a row.
    columns: [usize; FIELDS.len()],
    count: usize,
    /// A row with its line end, its unquoted bytes, and where its fields end in those.
    line: Vec<u8>,
    fields: Vec<u8>,
    ends: [usize; COLUMNS_MAX],
}

impl Lines {
    /// Reads the header; none where a column is missing, unknown or there twice.
    pub(super) fn new(header: &[u8], faults: &mut Faults) -> Option<Self> {
        let mut lines = Self {
            reader: Reader::new(),
            columns: [0; FIELDS.len()],
            count: 0,
            line: Vec::new(),
            fields: Vec::new(),
            ends: [0; COLUMNS_MAX],
        };
        // Spreadsheets put a byte order mark before the first column.
        let header = header.strip_prefix(b"\xef\xbb\xbf").unwrap_or(header);
        match lines.split(header) {
            Ok(names) => lines.place(&names, faults).then_some(lines),
            Err(rule) => {
                faults.add_column("header", rule);
                None
            }
        }
    }

    fn place(&mut self, names: &[String], faults: &mut Faults) -> bool {
        self.count = names.len();
        let unknown = names.iter().filter(|name| !FIELDS.contains(&name.as_str()));
        let mut unfit: Vec<(&str, &str)> = unknown
            .map(|name| (name.as_str(), "is an unknown column"))
            .collect();
        for (place, field) in self.columns.iter_mut().zip(FIELDS) {
            let mut found = names.iter().enumerate().filter(|(_, name)| *name == field);
            match (found.next(), found.next()) {
                (None, _) => unfit.push((field, "is a missing column")),
                (Some((at, _)), None) => *place = at,
                (Some(_), Some(_)) => unfit.push((field, "is a column that stands there twice")),
            }
        }
        unfit
            .iter()
            .for_each(|(field, rule)| faults.add_column(field, *rule));
        unfit.is_empty()
    }

    /// The fields of a row in the order of [`FIELDS`]; none where it has a fault.
    pub(super) fn texts<'a>(
        &mut self,
        row: &[u8],
        number: u64,
        faults: &mut Faults,
    ) -> Option<Texts<'a>> {
        let mut fault = |rule: String| {
            faults.add(number, ProblemKind::Malformed, ROW, rule);
            None
        };
        match self.split(row) {
            Err(rule) => fault(rule.to_owned()),
            Ok(fields) if fields.len() != self.count => fault(format!(
                "has {} fields where the header names {}",
                fields.len(),
                self.count
            )),
            Ok(mut fields) => Some(
                self.columns
                    .map(|at| Cow::Owned(std::mem::take(&mut fields[at]))),
            ),
        }
    }

    /// Splits one row, which must be whole.
    fn split(&mut self, row: &[u8]) -> Result<Vec<String>, &'static str> {
        if row.iter().all(u8::is_ascii_whitespace) {
            return Ok(Vec::new());
        }
        self.line.clear();
        self.line
            .extend_from_slice(row.strip_suffix(b"\r").unwrap_or(row));
        self.line.push(b'\n');
        self.fields
            .resize(self.line.len().max(self.fields.len()), 0);
        self.reader.reset();
        let (result, read, _, count) =
            self.reader
                .read_record(&self.line, &mut self.fields, &mut self.ends);
        match result {
            ReadRecordResult::Record if read == self.line.len() => self.texts_of(count),
            ReadRecordResult::OutputEndsFull => Err("has too many fields"),
            _ => Err("is not one CSV record: a quotation mark is not closed"),
        }
    }

    fn texts_of(&self, count: usize) -> Result<Vec<String>, &'static str> {
        let mut start = 0;
        let ends = self.ends.iter().take(count);
        let field = ends.map(|end| {
            let bytes = self.fields.get(start..*end).unwrap_or_default();
            start = *end;
            std::str::from_utf8(bytes)
                .map(str::to_owned)
                .map_err(|_| "is not UTF-8")
        });
        field.collect()
    }
}
