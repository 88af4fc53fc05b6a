//! Glue between the platform and the report: reads what the report needs and passes it on. What is computed
//! is in `summary.rs`, which knows nothing of WebAssembly and is tested natively.

mod summary;

use exports::leyden::data::reports::{Document, Error, Guest, Params};
use leyden::clock::clock;
use leyden::data::global_consumption::{self, Reading};
use leyden::data::types::{self, Query};
use summary::{Period, Power};

wit_bindgen::generate!({ path: "wit", world: "plugin", generate_all });

struct Plugin;

impl Guest for Plugin {
    fn report(params: Params) -> Result<Document, Error> {
        let period = Period::parse(&params.json, clock::now()).map_err(Error::InvalidParams)?;
        let (readings, suppressed) = read_all(period).map_err(|error| Error::Failed(words(&error)))?;
        let powers: Vec<Power> = readings.iter().map(power).collect();
        Ok(Document {
            media_type: "application/json".to_owned(),
            body: summary::report(period, &powers, suppressed).into_bytes(),
        })
    }
}

export!(Plugin);

/// Readings of one page, the most there are: each page has its price.
const PAGE_READINGS: u32 = 1_000;

/// Reads every page of the period; also how many intervals were left out for privacy.
fn read_all(period: Period) -> Result<(Vec<Reading>, u32), types::Error> {
    let (mut readings, mut suppressed, mut cursor) = (Vec::new(), 0, None);
    loop {
        let page = global_consumption::read(&Query {
            from_ms: period.from_ms,
            to_ms: period.to_ms,
            community: None,
            cursor,
            limit: PAGE_READINGS,
        })?;
        readings.extend(page.readings);
        suppressed += page.suppressed;
        cursor = page.next;
        if cursor.is_none() {
            return Ok((readings, suppressed));
        }
    }
}

fn power(reading: &Reading) -> Power {
    Power {
        starts_at_ms: reading.interval.starts_at_ms,
        ends_at_ms: reading.interval.ends_at_ms,
        power_w: reading.power_w,
    }
}

/// Why there is no report, for whoever started the run.
fn words(error: &types::Error) -> String {
    match error {
        types::Error::OutOfCredit(shortfall) => format!(
            "a read costs {} datapoints and {} are left",
            shortfall.price, shortfall.left
        ),
        types::Error::NotConsented => "no household lets this dataset be read".to_owned(),
        types::Error::NotTrusted(level) => format!("the dataset needs trust level {level}"),
        types::Error::NoData => "nothing was measured in the period".to_owned(),
        types::Error::Suppressed(rule) | types::Error::Invalid(rule) | types::Error::Limit(rule) => rule.clone(),
    }
}
