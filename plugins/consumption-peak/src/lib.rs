//! Judges the communities' balances by the peak-limit policy: one event on `consumption.peak` when
//! a peak opens, one on `consumption.peak-end` when it is over. It neither measures nor sheds.
//!
//! State: `c/<community 8>` holds what was judged last (see `logic::State`), `o/<community 8>` an
//! open peak, and exists exactly while the peak is open.

mod logic;

use leyden_sdk::grid::events::{Balance, Peak, PeakEnd};
use leyden_sdk::http::{self, Params, Request, Response};
use leyden_sdk::policy::peak_limit;
use leyden_sdk::state::{self, Key, Order};
use leyden_sdk::streams::{self, Event};
use leyden_sdk::{Error, Result, number, time};
use logic::{Change, OpenPeak, State};
use serde::Serialize;

leyden_sdk::export_http!(ConsumptionPeak);
leyden_sdk::export_streams!(ConsumptionPeak);

/// The component: one stateless value that carries the exports.
struct ConsumptionPeak;

impl streams::Handler for ConsumptionPeak {
    fn handle(_stream: &str, batch: Vec<Event>) -> Result<()> {
        let balances = batch
            .iter()
            .map(streams::decode)
            .collect::<Result<Vec<Balance>>>()?;
        let keys: Vec<_> = balances.iter().map(|one| key(one).to_vec()).collect();
        state::prefetch(&keys)?;
        balances.iter().try_for_each(judge)
    }
}

/// Where a community's last judgement lies.
fn key(balance: &Balance) -> Key {
    Key::new("c/").u64(balance.community)
}

fn judge(balance: &Balance) -> Result<()> {
    let key = key(balance);
    let former =
        state::get(&key)?.map(|bytes| State::decode(&bytes).expect("state holds a judgement here"));
    let Some(consumption_mw) = logic::due(former, balance) else {
        return Ok(());
    };
    let limits = peak_limit::limit(logic::policy_input(balance));
    logic::check_limits(&limits).map_err(Error::Retry)?;
    let starts_at_ms = balance.interval.starts_at_ms;
    let (state, change) = logic::judge(former, starts_at_ms, consumption_mw, &limits);
    if former != Some(state) {
        state::set(&key, &state.encode())?;
    }
    change.map_or(Ok(()), |change| tell(balance, change))
}

fn tell(balance: &Balance, change: Change) -> Result<()> {
    let community_id = balance.community;
    let open_key = Key::new("o/").u64(community_id);
    let event_key = community_id.to_string();
    match change {
        Change::Opened(value_mw) => {
            let since_ms = balance.interval.starts_at_ms;
            state::set(&open_key, &OpenPeak { since_ms, value_mw }.encode())?;
            let peak_value = logic::watts(value_mw);
            streams::publish(
                "consumption.peak",
                &event_key,
                &Peak {
                    community_id,
                    peak_value,
                },
            )
        }
        Change::Closed(value_mw) => {
            state::delete(&open_key)?;
            let value = logic::watts(value_mw);
            streams::publish(
                "consumption.peak-end",
                &event_key,
                &PeakEnd {
                    community_id,
                    value,
                },
            )
        }
    }
}

/// Open peaks that one answer lists: about 100 KB of JSON. `after` goes on from there.
const PEAKS_MAX: u32 = 1_000;

/// An open peak in an answer.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    #[serde(rename = "communityID")]
    community_id: u64,
    /// Consumption that opened it, W.
    #[serde(serialize_with = "number::serialize")]
    peak_value: f64,
    /// Start of the interval it opened in.
    since: String,
}

impl http::Handler for ConsumptionPeak {
    fn handle(request: Request) -> Result<Response> {
        match request.head.route.as_str() {
            "/consumption-peak/open-peaks" => open_peaks(&Params::of(&request)?),
            _ => Err(http::unknown_route(&request)),
        }
    }
}

/// Open peaks by community, at most [`PEAKS_MAX`], of communities above the parameter `after`.
fn open_peaks(params: &Params) -> Result<Response> {
    let after = params.optional("after", Params::u64)?;
    let start = after.map_or_else(
        || b"o/".to_vec(),
        |community| state::key_after(&Key::new("o/").u64(community)),
    );
    let end = state::prefix_end(b"o/");
    let entries = state::scan(&start, end.as_deref(), Order::Ascending, PEAKS_MAX)?;
    let peaks: Vec<_> = entries.iter().map(listed).collect();
    Ok(http::json(&peaks))
}

fn listed(entry: &state::Entry) -> Listed {
    let community = state::Reader::new(&entry.key[b"o/".len()..]).u64();
    let peak = OpenPeak::decode(&entry.value).expect("state holds an open peak here");
    Listed {
        community_id: community.expect("the key names a community"),
        peak_value: logic::watts(peak.value_mw),
        since: time::format_ms(peak.since_ms),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use leyden_sdk::grid::events::Interval;
    use leyden_sdk::testing;

    fn balance(community: u64) -> Balance {
        Balance {
            community,
            interval: Interval {
                starts_at_ms: 1_636_300_762_144,
                ends_at_ms: 1_636_300_822_144,
            },
            consumption_mw: Some(13_100_000),
            production_mw: None,
            houses: 3,
            closed: true,
        }
    }

    fn listed_peaks(body: &str) -> String {
        let request = Request {
            head: http::RequestHead {
                method: "POST".to_owned(),
                route: "/consumption-peak/open-peaks".to_owned(),
                path: "/consumption-peak/open-peaks".to_owned(),
                params: Vec::new(),
                query: None,
                headers: Vec::new(),
            },
            body: body.as_bytes().to_vec(),
        };
        let answer = <ConsumptionPeak as http::Handler>::handle(request).expect("an answer");
        String::from_utf8(answer.body).expect("text")
    }

    #[test]
    fn a_peak_is_told_with_exactly_two_members_under_its_community() {
        tell(&balance(4), Change::Opened(13_100_000)).expect("told");
        tell(&balance(4), Change::Closed(1_500_500)).expect("told");
        let told = testing::take_published();
        let told: Vec<_> = told
            .iter()
            .map(|event| {
                (
                    event.stream.as_str(),
                    event.key.as_str(),
                    event.payload.as_slice(),
                )
            })
            .collect();
        let opened = br#"{"communityID":4,"peakValue":13100}"#.as_slice();
        let closed = br#"{"communityID":4,"value":1500.5}"#.as_slice();
        assert_eq!(
            told,
            [
                ("consumption.peak", "4", opened),
                ("consumption.peak-end", "4", closed)
            ]
        );
    }

    #[test]
    fn open_peaks_are_listed_while_they_last_and_page_by_page() {
        tell(&balance(4), Change::Opened(13_100_000)).expect("told");
        tell(&balance(300), Change::Opened(10_000_500)).expect("told");
        let four = r#"{"communityID":4,"peakValue":13100,"since":"2021-11-07T15:59:22.144Z"}"#;
        let three_hundred =
            r#"{"communityID":300,"peakValue":10000.5,"since":"2021-11-07T15:59:22.144Z"}"#;
        assert_eq!(listed_peaks(""), format!("[{four},{three_hundred}]"));
        assert_eq!(listed_peaks(r#"{"after":4}"#), format!("[{three_hundred}]"));
        assert_eq!(listed_peaks(r#"{"after":18446744073709551615}"#), "[]");
        tell(&balance(4), Change::Closed(1)).expect("told");
        assert_eq!(listed_peaks(""), format!("[{three_hundred}]"));
    }
}
