//! Uploads that arrive row by row, for guests.

use crate::bindings::leyden::http::types;
use crate::http::RequestHead;

pub use crate::exports::row_handler::{Batch, Format, Tally};

/// Takes in batches of rows; exported with [`export_rows!`](crate::export_rows).
pub trait Handler {
    /// Takes in one batch: all its rows or none.
    ///
    /// # Errors
    /// A refusal, best with the row's number in each of its field errors, or a wish to be run again.
    fn handle_rows(head: RequestHead, batch: Batch) -> crate::Result<Vec<Tally>>;
}

impl<T: Handler> crate::exports::row_handler::Guest for T {
    fn handle_rows(head: RequestHead, batch: Batch) -> Result<Vec<Tally>, types::Error> {
        crate::init();
        T::handle_rows(head, batch).map_err(Into::into)
    }
}
