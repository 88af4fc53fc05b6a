//! What the clients of a community were told: a latest message, and the last hundred. Messages of
//! a community are numbered from 0; the number says which old one a new one pushes out.

use leyden_sdk::grid::events::AutarkyChange;

/// Messages kept per community: enough to see a day of hourly changes several times over, and a
/// bound on what a flapping community can store.
pub(crate) const MESSAGES_MAX: u64 = 100;

/// A message as it is kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Message {
    /// Its number in its community.
    pub(crate) number: u64,
    /// When it was sent, ms since 1970.
    pub(crate) sent_at_ms: u64,
    /// What it says: the community is autarkic now, or no longer.
    pub(crate) autarky: bool,
}

impl Message {
    /// Two big-endian numbers of eight bytes and one byte of the flag.
    pub(crate) fn encode(self) -> Vec<u8> {
        let mut bytes = [self.number.to_be_bytes(), self.sent_at_ms.to_be_bytes()].concat();
        bytes.push(u8::from(self.autarky));
        bytes
    }

    /// The reverse of [`Message::encode`]; none where the bytes have another shape.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (number, rest) = bytes.split_first_chunk::<8>()?;
        let (sent_at, autarky) = rest.split_first_chunk::<8>()?;
        let [autarky] = <[u8; 1]>::try_from(autarky).ok()?;
        Some(Self {
            number: u64::from_be_bytes(*number),
            sent_at_ms: u64::from_be_bytes(*sent_at),
            autarky: autarky == 1,
        })
    }
}

/// A new message and the number of the one it pushes out.
pub(crate) fn next(
    latest: Option<Message>,
    autarky: bool,
    sent_at_ms: u64,
) -> (Message, Option<u64>) {
    let number = latest.map_or(0, |message| message.number.saturating_add(1));
    (
        Message {
            number,
            sent_at_ms,
            autarky,
        },
        number.checked_sub(MESSAGES_MAX),
    )
}

/// The message as clients read it.
pub(crate) fn change(community: u64, message: Message) -> AutarkyChange {
    AutarkyChange {
        type_: "Community".to_owned(),
        id: community,
        autarky: message.autarky,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_numbered_from_zero() {
        let (first, pushed_out) = next(None, true, 5);
        assert_eq!(
            first,
            Message {
                number: 0,
                sent_at_ms: 5,
                autarky: true
            }
        );
        assert_eq!(pushed_out, None);
        assert_eq!(next(Some(first), false, 6).0.number, 1);
    }

    #[test]
    fn exactly_the_last_hundred_are_kept() {
        let mut kept = std::collections::BTreeSet::new();
        let mut latest = None;
        for sent_at_ms in 0..250 {
            let (message, pushed_out) = next(latest, true, sent_at_ms);
            kept.insert(message.number);
            pushed_out.map(|number| kept.remove(&number));
            latest = Some(message);
        }
        assert_eq!(kept, (150..250).collect());
    }

    #[test]
    fn state_survives_its_encoding() {
        let message = Message {
            number: 7,
            sent_at_ms: 1_636_300_702_144,
            autarky: true,
        };
        assert_eq!(Message::decode(&message.encode()), Some(message));
        assert_eq!(Message::decode(&message.encode()[..16]), None);
    }
}
