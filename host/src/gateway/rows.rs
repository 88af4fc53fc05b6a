//! Cuts an upload into rows and rows into batches while it arrives. Pure: bytes in, batches out; who
//! reads the network and who runs the batches is elsewhere.
//!
//! **Invariants.** Where rows and batches are cut depends on the upload's bytes alone, never on how
//! they arrive: a repeated upload has the same batches, so that their idempotency keys hold. At most
//! one batch and one row are held. A row is only ever cut out, never read: what it means is its
//! component's business.

mod csv;
mod json;
mod lines;

use crate::dispatch::types::{RowBatch, RowFormat};

/// Most rows of a batch: a batch is one transaction.
pub(crate) const BATCH_ROWS_MAX: usize = 1_000;
/// Most bytes of a batch's rows: they are copied into the component's memory.
pub(crate) const BATCH_BYTES_MAX: usize = 256 * 1024;
/// Longest row (bytes): rows are records, not documents.
pub(crate) const ROW_BYTES_MAX: usize = 64 * 1024;

/// Some editors begin UTF-8 files with it; it is not part of the first row.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Why an upload cannot be cut further.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Error {
    /// Its form is broken.
    #[error("{rule}")]
    Malformed {
        /// The row at fault, from 1; `None` outside of rows.
        row: Option<u64>,
        /// The rule it breaks.
        rule: &'static str,
    },
    /// A row is longer than [`ROW_BYTES_MAX`].
    #[error("a row has more than {ROW_BYTES_MAX} bytes")]
    RowTooLong {
        /// The row, from 1; `None` is the header.
        row: Option<u64>,
    },
}

/// What to do with the next bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cut {
    /// So many bytes belong to the row.
    keep: usize,
    /// So many after them belong to none.
    skip: usize,
    /// Whether the row ends after the bytes kept.
    end: bool,
}

/// Where rows end, by format.
enum Cutter {
    Csv(csv::Cutter),
    Lines,
    Json(json::Cutter),
}

impl Cutter {
    /// Decides on the first bytes of `input`, which is not empty; at least one is consumed.
    fn cut(&mut self, input: &[u8]) -> Result<Cut, &'static str> {
        match self {
            Self::Csv(csv) => csv.cut(input),
            Self::Lines => Ok(lines::cut(input)),
            Self::Json(json) => json.cut(input),
        }
    }

    /// Whether the upload may end here.
    fn end(&self) -> Result<(), &'static str> {
        match self {
            Self::Csv(csv) => csv.end(),
            Self::Lines => Ok(()),
            Self::Json(json) => json.end(),
        }
    }
}

/// Cuts one upload.
pub(crate) struct Splitter {
    format: RowFormat,
    cutter: Cutter,
    /// CSV's first row, once it is there.
    header: Option<Vec<u8>>,
    /// The row that is arriving.
    row: Vec<u8>,
    /// Rows of the batch that is being filled.
    batch: Vec<Vec<u8>>,
    batch_bytes: usize,
    /// Rows of earlier batches.
    rows_done: u64,
}

impl Splitter {
    /// Begins an upload.
    pub(crate) fn new(format: RowFormat) -> Self {
        let cutter = match format {
            RowFormat::Csv => Cutter::Csv(csv::Cutter::default()),
            RowFormat::Ndjson => Cutter::Lines,
            RowFormat::Json => Cutter::Json(json::Cutter::default()),
        };
        let (header, row, batch) = (None, Vec::new(), Vec::new());
        Self {
            format,
            cutter,
            header,
            row,
            batch,
            batch_bytes: 0,
            rows_done: 0,
        }
    }

    /// Takes bytes off the front of `input` until a batch is full or none are left. An error comes
    /// after every batch before it.
    pub(crate) fn next_batch(&mut self, input: &mut &[u8]) -> Result<Option<RowBatch>, Error> {
        while !input.is_empty() {
            let cut = self
                .cutter
                .cut(input)
                .map_err(|rule| self.malformed(rule))?;
            let (kept, rest) = input.split_at(cut.keep);
            self.extend_row(kept)?;
            *input = &rest[cut.skip..];
            if cut.end
                && let Some(batch) = self.end_row()
            {
                return Ok(Some(batch));
            }
        }
        Ok(None)
    }

    /// The upload is over: the batches that are left, at most two.
    pub(crate) fn finish(mut self) -> Result<Vec<RowBatch>, Error> {
        self.cutter.end().map_err(|rule| self.malformed(rule))?;
        let full = self.end_row();
        if self.format == RowFormat::Csv && self.header.is_none() {
            return Err(Error::Malformed {
                row: None,
                rule: "a CSV upload begins with a row that names the columns",
            });
        }
        let last = if self.batch.is_empty() {
            None
        } else {
            Some(self.take_batch())
        };
        Ok(full.into_iter().chain(last).collect())
    }

    /// The number of the row that is arriving; `None` for CSV's header.
    fn row_number(&self) -> Option<u64> {
        match self.format == RowFormat::Csv && self.header.is_none() {
            true => None,
            false => Some(self.rows_done + self.batch.len() as u64 + 1),
        }
    }

    fn malformed(&self, rule: &'static str) -> Error {
        Error::Malformed {
            row: self.row_number(),
            rule,
        }
    }

    fn extend_row(&mut self, bytes: &[u8]) -> Result<(), Error> {
        if self.row.len() + bytes.len() > ROW_BYTES_MAX {
            return Err(Error::RowTooLong {
                row: self.row_number(),
            });
        }
        self.row.extend_from_slice(bytes);
        Ok(())
    }

    /// Takes the row that has arrived; gives back the batch that it does not fit into any more, or
    /// that it fills.
    fn end_row(&mut self) -> Option<RowBatch> {
        let row = self.trimmed_row()?;
        if self.format == RowFormat::Csv && self.header.is_none() {
            self.header = Some(row);
            return None;
        }
        let overfull = !self.batch.is_empty() && self.batch_bytes + row.len() > BATCH_BYTES_MAX;
        let before = if overfull {
            Some(self.take_batch())
        } else {
            None
        };
        self.batch_bytes += row.len();
        self.batch.push(row);
        let full = before.is_none() && self.batch.len() == BATCH_ROWS_MAX;
        if full {
            Some(self.take_batch())
        } else {
            before
        }
    }

    /// The row without its line's end; `None` for a blank one.
    fn trimmed_row(&mut self) -> Option<Vec<u8>> {
        let capacity = self.row.len();
        let mut row = std::mem::replace(&mut self.row, Vec::with_capacity(capacity));
        if self.format != RowFormat::Json && row.last() == Some(&b'\r') {
            row.pop();
        }
        if self.rows_done == 0 && self.batch.is_empty() && row.starts_with(BYTE_ORDER_MARK) {
            row.drain(..BYTE_ORDER_MARK.len());
        }
        let blank = match self.format {
            RowFormat::Csv => row.is_empty(),
            RowFormat::Ndjson | RowFormat::Json => row.iter().all(u8::is_ascii_whitespace),
        };
        if blank { None } else { Some(row) }
    }

    fn take_batch(&mut self) -> RowBatch {
        let rows = std::mem::take(&mut self.batch);
        let first_row = self.rows_done + 1;
        self.rows_done += rows.len() as u64;
        self.batch_bytes = 0;
        RowBatch {
            format: self.format,
            header: self.header.clone(),
            first_row,
            rows,
        }
    }
}

#[cfg(test)]
mod tests;
