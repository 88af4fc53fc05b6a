//! For partners' analytics components: metered datasets to read, a report to return. Such a component
//! imports nothing but what it calls of `leyden:data`, [`now_ms`] and the log.
//!
//! ```
//! use leyden_sdk::analytics::{self, Document, Failure, Params, Query};
//!
//! #[derive(serde::Deserialize)]
//! struct Period {
//!     from: u64,
//!     to: u64,
//! }
//!
//! struct Peaks;
//!
//! impl analytics::Report for Peaks {
//!     fn report(params: Params) -> Result<Document, Failure> {
//!         let period: Period = params.parse()?;
//!         let readings = analytics::consumption(Query::of(period.from..period.to))?;
//!         let peak = readings.iter().map(|r| r.power_w).fold(0.0, f64::max);
//!         Ok(Document::text(format!("{peak} W")))
//!     }
//! }
//!
//! leyden_sdk::export_report!(Peaks);
//! # fn main() {}
//! ```

use std::ops::Range;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use crate::bindings::leyden::data::detailed_consumption::ObjectPower;
pub use crate::bindings::leyden::data::types::{
    Error as ReadError, Interval, Quality, Query, Shortfall,
};
pub use crate::bindings::leyden::data::{
    budget, detailed_consumption, detailed_consumption_columns, global_consumption,
    production as produced, production_columns as produced_columns,
};
pub use crate::exports::reports::{Batch, Document, Error as Failure, Params, Trigger};
pub use crate::time::now_ms;

/// Most readings of a page.
pub const PAGE_READINGS_MAX: u32 = 1_000;

/// Makes reports; exported with [`export_report!`](crate::export_report).
pub trait Report {
    /// Makes a report.
    ///
    /// # Errors
    /// Parameters that break a rule, or why no report can be made. What was read is paid for all the same.
    fn report(params: Params) -> Result<Document, Failure>;
}

impl<T: Report> crate::exports::reports::Guest for T {
    fn report(params: Params) -> Result<Document, Failure> {
        crate::init();
        T::report(params)
    }
}

impl Params {
    /// Reads the parameters.
    ///
    /// # Errors
    /// They are not such a document.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        serde_json::from_str(&self.json).map_err(|error| Failure::InvalidParams(error.to_string()))
    }
}

impl Document {
    /// A report of a media type.
    #[must_use]
    pub fn new(media_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self {
            media_type: media_type.to_owned(),
            body: body.into(),
        }
    }

    /// Plain text.
    #[must_use]
    pub fn text(body: impl Into<String>) -> Self {
        Self::new("text/plain; charset=utf-8", body.into())
    }

    /// HTML.
    #[must_use]
    pub fn html(body: impl Into<String>) -> Self {
        Self::new("text/html; charset=utf-8", body.into())
    }

    /// A drawing.
    #[must_use]
    pub fn svg(body: impl Into<String>) -> Self {
        Self::new("image/svg+xml", body.into())
    }

    /// JSON.
    ///
    /// # Errors
    /// The value cannot be JSON.
    pub fn json(value: &impl Serialize) -> Result<Self, Failure> {
        match serde_json::to_vec(value) {
            Ok(body) => Ok(Self::new("application/json", body)),
            Err(error) => Err(Failure::Failed(error.to_string())),
        }
    }
}

impl Query {
    /// Everything in a period (ms since 1970), page by page.
    #[must_use]
    pub fn of(period_ms: Range<u64>) -> Self {
        Self {
            from_ms: period_ms.start,
            to_ms: period_ms.end,
            community: None,
            cursor: None,
            limit: PAGE_READINGS_MAX,
        }
    }

    /// The same, of one community only.
    #[must_use]
    pub fn in_community(self, community: u64) -> Self {
        Self {
            community: Some(community),
            ..self
        }
    }
}

/// What households draw together, all pages of it. Each page is a read, and is paid.
///
/// # Errors
/// Why a page was refused; pages before it are paid.
pub fn consumption(query: Query) -> Result<Vec<global_consumption::Reading>, ReadError> {
    all(query, |query| {
        let page = global_consumption::read(query)?;
        Ok((page.readings, page.next))
    })
}

/// What each producer feeds in, all pages of it. Each page is a read, and is paid. Where readings are many,
/// [`produced_columns`] has them in fewer pieces.
///
/// # Errors
/// Why a page was refused; pages before it are paid.
pub fn production(query: Query) -> Result<Vec<produced::Reading>, ReadError> {
    all(query, |query| {
        let page = produced::read(query)?;
        Ok((page.readings, page.next))
    })
}

/// What each household draws, all pages of it. Each page is a read, and is paid. Where readings are many,
/// [`detailed_consumption_columns`] has them in fewer pieces.
///
/// # Errors
/// Why a page was refused; pages before it are paid.
pub fn details(query: Query) -> Result<Vec<detailed_consumption::Reading>, ReadError> {
    all(query, |query| {
        let page = detailed_consumption::read(query)?;
        Ok((page.readings, page.next))
    })
}

fn all<R>(
    mut query: Query,
    read: impl Fn(&Query) -> Result<(Vec<R>, Option<String>), ReadError>,
) -> Result<Vec<R>, ReadError> {
    let mut readings = Vec::new();
    loop {
        let (page, next) = read(&query)?;
        readings.extend(page);
        if next.is_none() {
            return Ok(readings);
        }
        query.cursor = next;
    }
}

/// In words, for whoever started the run.
impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Self {
        let words = match error {
            ReadError::OutOfCredit(Shortfall { price, left }) => {
                format!("a read costs {price} datapoints, and {left} are left to spend")
            }
            ReadError::NotConsented => "every household withholds these data".to_owned(),
            ReadError::NotTrusted(level) => format!("these data need trust level {level}"),
            ReadError::NoData => "nothing was measured in this period".to_owned(),
            ReadError::Suppressed(rule) => format!("the data would tell too much: {rule}"),
            ReadError::Invalid(rule) => return Self::InvalidParams(rule),
            ReadError::Limit(which) => format!("the run has used up its {which}"),
        };
        Self::Failed(words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_pages_are_read_in_order_and_an_error_ends_it() {
        let pages = |query: &Query| match query.cursor.as_deref() {
            None => Ok((vec![1, 2], Some("2".to_owned()))),
            Some("2") => Ok((vec![3], None)),
            Some(_) => Err(ReadError::NoData),
        };
        assert_eq!(all(Query::of(0..1), pages).unwrap(), [1, 2, 3]);
        let failing = |query: &Query| match query.cursor {
            None => Ok((vec![1], Some("9".to_owned()))),
            Some(_) => Err(ReadError::NoData),
        };
        assert_eq!(all(Query::of(0..1), failing), Err(ReadError::NoData));
    }

    #[test]
    fn refusals_are_told_in_words_and_broken_queries_are_the_callers() {
        let failure = Failure::from(ReadError::OutOfCredit(Shortfall { price: 50, left: 7 }));
        assert!(
            matches!(failure, Failure::Failed(words) if words.contains("50") && words.contains('7'))
        );
        let failure = Failure::from(ReadError::Invalid("to-ms: too late".to_owned()));
        assert!(matches!(failure, Failure::InvalidParams(_)));
    }

    #[test]
    fn parameters_are_json() {
        let params = Params {
            trigger: Trigger::Request,
            json: "[1]".to_owned(),
        };
        assert_eq!(params.parse::<Vec<u8>>().unwrap(), [1]);
        assert!(matches!(
            params.parse::<String>(),
            Err(Failure::InvalidParams(_))
        ));
    }
}
