//! Tells the clients of a community that it became autarkic, or no longer is. It judges nothing:
//! it keeps what `community.autarky` says, in its order.
//!
//! State: `m/<community 8>` holds the latest message, `h/<community 8><number 8>` each of the last
//! `logic::MESSAGES_MAX` (see `logic::Message`).

mod logic;

use leyden_sdk::grid::client_registry;
use leyden_sdk::grid::events::AutarkyChange;
use leyden_sdk::http::{self, Params, Request, Response};
use leyden_sdk::state::{self, Key, Order};
use leyden_sdk::streams::{self, Event};
use leyden_sdk::{Error, Result, time};
use logic::Message;
use serde::Serialize;

leyden_sdk::export_http!(ClientNotifier);
leyden_sdk::export_streams!(ClientNotifier);

/// The component: one stateless value that carries the exports.
struct ClientNotifier;

impl streams::Handler for ClientNotifier {
    fn handle(_stream: &str, batch: Vec<Event>) -> Result<()> {
        batch.iter().try_for_each(keep)
    }
}

fn keep(event: &Event) -> Result<()> {
    let change: AutarkyChange = streams::decode(event)?;
    let history = Key::new("h/").u64(change.id);
    let (message, pushed_out) =
        logic::next(latest(change.id)?, change.autarky, event.published_at_ms);
    state::set(&Key::new("m/").u64(change.id), &message.encode())?;
    state::set(&history.clone().u64(message.number), &message.encode())?;
    pushed_out.map_or(Ok(()), |number| state::delete(&history.u64(number)))
}

fn latest(community: u64) -> Result<Option<Message>> {
    let stored = state::get(&Key::new("m/").u64(community))?;
    Ok(stored.as_deref().map(message))
}

fn message(bytes: &[u8]) -> Message {
    Message::decode(bytes).expect("state holds a message here")
}

impl http::Handler for ClientNotifier {
    fn handle(request: Request) -> Result<Response> {
        let params = Params::of(&request)?.bare_as("communityID");
        match request.head.route.as_str() {
            "/client-notifier/client-notifier/get-community-message"
            | "/client-notifier/client-notifier/get-community-message/{communityID}" => {
                community_message(community(&params)?)
            }
            "/client-notifier/client-notifier/get-community-messages"
            | "/client-notifier/client-notifier/get-community-messages/{communityID}" => {
                community_messages(community(&params)?)
            }
            _ => Err(http::unknown_route(&request)),
        }
    }
}

/// The community asked for, which has to exist.
fn community(params: &Params) -> Result<u64> {
    let community = params.u64("communityID")?;
    if client_registry::community_exists(community)? {
        return Ok(community);
    }
    Err(Error::not_found(
        "communityID",
        format!("No community has the id {community}."),
    ))
}

/// The latest message; an empty answer where there is none yet.
fn community_message(community: u64) -> Result<Response> {
    let latest = latest(community)?;
    Ok(latest.map_or_else(http::no_content, |message| {
        http::json(&logic::change(community, message))
    }))
}

/// A message of the history in an answer.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Told {
    #[serde(flatten)]
    change: AutarkyChange,
    /// When it was sent.
    sent_at: String,
}

/// The last messages, newest first.
fn community_messages(community: u64) -> Result<Response> {
    let prefix = Key::new("h/").u64(community);
    let limit = u32::try_from(logic::MESSAGES_MAX).unwrap_or(u32::MAX);
    let entries = state::scan_prefix(&prefix, Order::Descending, limit)?;
    let messages = entries.iter().map(|entry| message(&entry.value));
    let told: Vec<_> = messages.map(|message| told(community, message)).collect();
    Ok(http::json(&told))
}

fn told(community: u64, message: Message) -> Told {
    let change = logic::change(community, message);
    Told {
        change,
        sent_at: time::format_ms(message.sent_at_ms),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keeps that a community became autarkic (or no longer is) at this instant.
    fn keep_change(community: u64, autarky: bool, published_at_ms: u64) {
        let payload = format!(r#"{{"type":"Community","id":{community},"autarky":{autarky}}}"#);
        let event = Event {
            partition: 0,
            offset: 0,
            key: community.to_string(),
            payload: payload.into_bytes(),
            published_at_ms,
        };
        keep(&event).expect("kept");
    }

    fn text(answer: Result<Response>) -> (u16, String) {
        let answer = answer.expect("an answer");
        (answer.status, String::from_utf8(answer.body).expect("text"))
    }

    #[test]
    fn a_community_without_messages_gets_an_empty_answer() {
        keep_change(5, true, 1);
        assert_eq!(text(community_message(4)), (204, String::new()));
        assert_eq!(text(community_messages(4)), (200, "[]".to_owned()));
    }

    #[test]
    fn the_latest_message_is_the_event_as_it_was() {
        keep_change(4, false, 1);
        keep_change(4, true, 2);
        let message = r#"{"type":"Community","id":4,"autarky":true}"#;
        assert_eq!(text(community_message(4)), (200, message.to_owned()));
    }

    #[test]
    fn the_history_is_newest_first_and_bounded() {
        for number in 0..150 {
            keep_change(4, number % 2 == 0, number * 1_000);
        }
        let (_, history) = text(community_messages(4));
        let newest =
            r#"[{"type":"Community","id":4,"autarky":false,"sentAt":"1970-01-01T00:02:29.000Z"},"#;
        assert!(history.starts_with(newest), "{history}");
        assert!(history.contains("00:00:50.000Z") && !history.contains("00:00:49.000Z"));
        let stored = state::scan_prefix(b"h/", Order::Ascending, 1_000).expect("read");
        assert_eq!(stored.len(), 100);
    }

    #[test]
    fn a_record_that_is_no_change_is_refused() {
        let payload = b"{}".to_vec();
        let event = Event {
            partition: 0,
            offset: 7,
            key: String::new(),
            payload,
            published_at_ms: 0,
        };
        assert!(matches!(keep(&event), Err(Error::Reject(_))));
    }
}
