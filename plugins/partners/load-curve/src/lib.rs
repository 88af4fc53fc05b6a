//! Example of a partner's plugin: a community's load curve as an HTML page with an SVG chart.
//!
//! This file is the glue: it reads the curve page by page, passes it on, and turns refusals into words. What the
//! report says and how it looks is in the other files, which know nothing of WebAssembly and are tested natively.

mod axis;
mod chart;
mod curve;
mod page;
mod params;
mod time;
mod words;

#[allow(
    missing_docs,
    unsafe_code,
    unreachable_pub,
    unused_qualifications,
    clippy::all,
    reason = "generated from the WIT, which documents every item"
)]
mod bindings {
    wit_bindgen::generate!({
        inline: r"
            package partner:load-curve;
            world plugin {
                import leyden:data/global-consumption@0.1.0;
                import leyden:data/budget@0.1.0;
                import leyden:clock/clock@0.1.0;
                import leyden:log/log@0.1.0;
                export leyden:data/reports@0.1.0;
            }
        ",
        path: "../../../wit",
        world: "plugin",
        generate_all,
        pub_export_macro: true,
        default_bindings_module: "crate::bindings",
    });
}

use bindings::exports::leyden::data::reports::{Document, Error, Guest, Params as RunParams};
use bindings::leyden::clock::clock;
use bindings::leyden::data::budget;
use bindings::leyden::data::global_consumption::{self, Reading};
use bindings::leyden::data::types::{self, Quality, Query};
use bindings::leyden::log::log::{self, Level};
use curve::{Curve, Step};
use page::Page;
use params::Params;

/// Readings of one page, the most there are: every page has the same price.
const PAGE_READINGS: u32 = 1_000;

/// The component.
struct LoadCurve;

impl Guest for LoadCurve {
    fn report(run: RunParams) -> Result<Document, Error> {
        let params = Params::parse(&run.json, clock::now()).map_err(Error::InvalidParams)?;
        let (steps, suppressed) =
            read(&params).map_err(|refused| Error::Failed(words(&refused)))?;
        let curve = Curve::new(params.from_ms, params.to_ms, steps);
        let page = Page {
            title: &params.title,
            curve: &curve,
            suppressed,
            datapoints: budget::spent(),
        };
        Ok(Document {
            media_type: "text/html; charset=utf-8".to_owned(),
            body: page.html().into_bytes(),
        })
    }
}

/// Natively there is nothing to export to, and linkers refuse the names.
#[cfg(target_arch = "wasm32")]
#[allow(
    unsafe_code,
    unreachable_pub,
    clippy::all,
    reason = "the component model's entry points"
)]
const _: () = {
    bindings::export!(LoadCurve with_types_in bindings);
};
#[cfg(not(target_arch = "wasm32"))]
const _: () = {
    const fn implements<T: Guest>() {}
    implements::<LoadCurve>();
};

/// Reads every page of the period; also how many intervals were left out for privacy.
fn read(params: &Params) -> Result<(Vec<Step>, u32), types::Error> {
    let (mut steps, mut suppressed, mut cursor) = (Vec::new(), 0, None);
    loop {
        let page = global_consumption::read(&Query {
            from_ms: params.from_ms,
            to_ms: params.to_ms,
            community: params.community,
            cursor,
            limit: PAGE_READINGS,
        })?;
        steps.extend(page.readings.iter().map(step));
        suppressed += page.suppressed;
        cursor = page.next;
        if cursor.is_none() {
            let read = format!("{} intervals, {suppressed} left out", steps.len());
            log::write(Level::Info, &read);
            return Ok((steps, suppressed));
        }
    }
}

fn step(reading: &Reading) -> Step {
    Step {
        starts_at_ms: reading.interval.starts_at_ms,
        ends_at_ms: reading.interval.ends_at_ms,
        power_w: reading.power_w,
        households: reading.households,
        complete: reading.quality == Quality::Complete,
    }
}

/// Why there is no report, for whoever started the run.
fn words(refused: &types::Error) -> String {
    match refused {
        types::Error::OutOfCredit(shortfall) => format!(
            "the next page of the curve costs {} datapoints and {} are left: give the run more, or ask for a \
             shorter period",
            shortfall.price, shortfall.left
        ),
        types::Error::NotConsented => "no household lets what it draws be read".to_owned(),
        types::Error::NotTrusted(level) => format!("global consumption needs trust level {level}"),
        types::Error::NoData => "nothing was measured in the period".to_owned(),
        types::Error::Suppressed(rule)
        | types::Error::Invalid(rule)
        | types::Error::Limit(rule) => rule.clone(),
    }
}
