//! Triggers and what became of them, as they are kept.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::super::Error;
use super::super::receipts::Outcome;
use super::TRIGGERS_MAX;
use super::cron::Cron;
use crate::dispatch::work::{self, Work};
use crate::ids::{ComponentName, Instant, PartnerId};
use crate::store::{Entry, Order, Range, Space};

/// Triggers: partner, 0, plugin, 0, name → [`Trigger`].
const TRIGGERS: &str = "leyden.triggers";

/// What became of them: the same key → [`State`].
const STATES: &str = "leyden.trigger-states";

/// How often triggers were changed: under [`COUNT`], 8 bytes.
pub(super) const CHANGES: &str = "leyden.trigger-changes";

/// Key of the count.
pub(super) const COUNT: &[u8] = b"count";

/// First wait after a failure, ms; doubled with each more, up to [`BACKOFF_MS_MAX`].
const BACKOFF_MS: u64 = 30_000;

/// Longest wait after failures, ms: a day, so that a daily trigger is tried each time.
const BACKOFF_MS_MAX: u64 = 86_400_000;

/// Longest reason that is kept, bytes.
const REASON_BYTES_MAX: usize = 1_000;

/// Streams that triggers may listen to, and the trust level that each asks for: that of the dataset which tells
/// the same. A trigger is told that something happened and when, which is less than the records say.
const STREAMS: [(&str, u32); 5] = [
    // Sums of communities, as in `global-consumption`.
    ("community.balance", 1),
    // That such a sum passed a threshold, or fell below it again.
    ("consumption.peak", 1),
    ("consumption.peak-end", 1),
    // That a community's sums met.
    ("community.autarky", 1),
    // That single households reported, as in `detailed-consumption`.
    ("house.readings", 3),
];

/// The trust level that listening to a stream asks for; none: nobody's triggers may.
#[must_use]
pub fn level_of(stream: &str) -> Option<u32> {
    let found = STREAMS.iter().find(|(name, _)| *name == stream);
    found.map(|(_, level)| *level)
}

/// The streams that triggers may listen to, for people.
pub(super) fn streams() -> String {
    STREAMS.map(|(name, _)| name).join(", ")
}

/// Names a trigger.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// Whose.
    pub partner: PartnerId,
    /// Of which plugin.
    pub plugin: ComponentName,
    /// Its name.
    pub name: ComponentName,
}

impl Key {
    fn bytes(&self) -> Vec<u8> {
        let Self {
            partner,
            plugin,
            name,
        } = self;
        format!("{partner}\0{plugin}\0{name}").into_bytes()
    }

    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let mut parts = text.split('\0');
        let (partner, plugin, name) = (parts.next()?, parts.next()?, parts.next()?);
        Some(Self {
            partner: PartnerId::parse(partner).ok()?,
            plugin: ComponentName::parse(plugin).ok()?,
            name: ComponentName::parse(name).ok()?,
        })
    }
}

/// What starts a trigger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum On {
    /// A schedule.
    Schedule {
        /// The cron expression.
        cron: String,
    },
    /// Batches of a stream.
    Stream {
        /// The stream.
        stream: String,
        /// Which of the partner's groups it listens with.
        slot: u8,
    },
}

/// A trigger as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Trigger {
    /// What starts it.
    pub on: On,
    /// The parameters of its runs, a JSON document.
    pub params: String,
    /// What each run may spend.
    pub max_spend: Option<u64>,
    /// When it was set, ms since 1970 by the host's clock: what was due or published before is none of its
    /// business.
    pub changed_at_ms: u64,
}

impl Trigger {
    /// Its schedule, if it has one.
    #[must_use]
    pub fn cron(&self) -> Option<Cron> {
        match &self.on {
            On::Schedule { cron } => Cron::parse(cron).ok(),
            On::Stream { .. } => None,
        }
    }
}

/// What starts its runs and what they may spend, as the audit tells it. Their parameters are the partner's own.
impl fmt::Display for Trigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.on {
            On::Schedule { cron } => write!(f, "cron {cron}")?,
            On::Stream { stream, .. } => write!(f, "stream {stream}")?,
        }
        match self.max_spend {
            Some(max_spend) => write!(f, ", maxSpend {max_spend}"),
            None => Ok(()),
        }
    }
}

/// What became of a trigger's runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct State {
    /// The last instant of its schedule that was run, ms since 1970; 0: none.
    pub run_up_to_ms: u64,
    /// Runs since it last succeeded that did not.
    pub failures: u32,
    /// It waits until then after failures, ms since 1970 by the host's clock; 0: it does not.
    pub waits_until_ms: u64,
    /// Its last run.
    pub last_run: Option<String>,
    /// How that ended, or that there was none; in words.
    pub last: Option<String>,
    /// When, ms since 1970 by the host's clock.
    pub last_at_ms: u64,
}

impl State {
    /// After a run that was settled.
    fn ran(mut self, run: &str, outcome: Outcome, detail: Option<&str>, at: Instant) -> Self {
        self.last_run = Some(run.to_owned());
        if outcome == Outcome::Report {
            self.failures = 0;
            self.waits_until_ms = 0;
            self.last = Some(outcome.name().to_owned());
            self.last_at_ms = at.0;
            return self;
        }
        let why = detail.map_or_else(String::new, |detail| format!(": {detail}"));
        self.failed(&format!("{}{why}", outcome.name()), at)
    }

    /// After a failure.
    pub(super) fn failed(mut self, why: &str, at: Instant) -> Self {
        let wait_ms = backoff_ms(self.failures);
        self.failures = self.failures.saturating_add(1);
        self.waits_until_ms = at.0.saturating_add(wait_ms);
        self.last = Some(cut(why).to_owned());
        self.last_at_ms = at.0;
        self
    }
}

/// How long a trigger waits that has failed so often before, ms.
pub(super) fn backoff_ms(failures: u32) -> u64 {
    let doubled = BACKOFF_MS.checked_shl(failures.min(20)).unwrap_or(u64::MAX);
    doubled.min(BACKOFF_MS_MAX)
}

fn cut(text: &str) -> &str {
    let end = (0..=REASON_BYTES_MAX.min(text.len()))
        .rev()
        .find(|&at| text.is_char_boundary(at));
    &text[..end.unwrap_or(0)]
}

/// A trigger, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Its name.
    pub name: ComponentName,
    /// What it is.
    pub trigger: Trigger,
    /// What became of it.
    pub state: State,
}

/// A run that a trigger started and that is being settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fired {
    /// Which.
    pub(crate) key: Key,
    /// The instant of its schedule, if it has one.
    pub(crate) due: Option<Instant>,
}

/// Notes in the commit that settles a run what became of its trigger. Nothing where the trigger is gone.
///
/// # Errors
/// The store did not answer, or the transaction's budget is used up.
pub(crate) async fn settled(
    work: &mut Work,
    fired: &Fired,
    run: &str,
    outcome: Outcome,
    detail: Option<&str>,
) -> Result<(), work::Error> {
    if find(work, &fired.key).await?.is_none() {
        return Ok(());
    }
    let mut state = state(work, &fired.key).await?;
    if let Some(due) = fired.due {
        state.run_up_to_ms = state.run_up_to_ms.max(due.0);
    }
    let at = work.now();
    put_state(work, &fired.key, &state.ran(run, outcome, detail, at))
}

pub(super) async fn find(work: &mut Work, key: &Key) -> Result<Option<Trigger>, work::Error> {
    let stored = work.read(&Space::from(TRIGGERS), &key.bytes()).await?;
    Ok(stored.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
}

pub(super) async fn state(work: &mut Work, key: &Key) -> Result<State, work::Error> {
    let stored = work.read(&Space::from(STATES), &key.bytes()).await?;
    let state = stored.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    Ok(state.unwrap_or_default())
}

pub(super) fn put_state(work: &mut Work, key: &Key, state: &State) -> Result<(), work::Error> {
    work.write(&STATES.into(), key.bytes(), serde_json::to_vec(state).ok())
}

/// Sets or removes a trigger, forgets what became of it, and counts the change.
pub(super) async fn change(
    work: &mut Work,
    key: &Key,
    trigger: Option<&Trigger>,
) -> Result<(), work::Error> {
    let bytes = trigger.and_then(|trigger| serde_json::to_vec(trigger).ok());
    work.write(&TRIGGERS.into(), key.bytes(), bytes)?;
    work.write(&STATES.into(), key.bytes(), None)?;
    let space = Space::from(CHANGES);
    let count = work.read(&space, COUNT).await?;
    let count = count.and_then(|bytes| bytes.try_into().ok());
    let count = count.map_or(0, u64::from_be_bytes) + 1;
    work.write(&space, COUNT.to_vec(), Some(count.to_be_bytes().to_vec()))
}

/// Removes all triggers of a plugin, which goes itself.
///
/// # Errors
/// The store did not answer, or the transaction's budget is used up.
pub(crate) async fn forget(
    work: &mut Work,
    partner: &PartnerId,
    plugin: &ComponentName,
) -> Result<(), Error> {
    for (key, _) in of_plugin(work, partner, plugin).await? {
        change(work, &key, None).await?;
    }
    Ok(())
}

/// All triggers of a plugin, by name.
pub(super) async fn of_plugin(
    work: &mut Work,
    partner: &PartnerId,
    plugin: &ComponentName,
) -> Result<Vec<(Key, Trigger)>, Error> {
    let range = Range {
        start: format!("{partner}\0{plugin}\0").into_bytes(),
        end: Some(format!("{partner}\0{plugin}\x01").into_bytes()),
    };
    scanned(work, range, TRIGGERS_MAX + 1).await
}

/// All triggers of a partner.
pub(super) async fn of_partner(
    work: &mut Work,
    partner: &PartnerId,
) -> Result<Vec<(Key, Trigger)>, Error> {
    let range = Range {
        start: format!("{partner}\0").into_bytes(),
        end: Some(format!("{partner}\x01").into_bytes()),
    };
    scanned(work, range, work::SCAN_LIMIT_MAX).await
}

async fn scanned(
    work: &mut Work,
    range: Range,
    limit: usize,
) -> Result<Vec<(Key, Trigger)>, Error> {
    let space = Space::from(TRIGGERS);
    let entries = work.scan(&space, range, Order::Ascending, limit).await?;
    let read: Option<Vec<_>> = entries.iter().map(read).collect();
    read.ok_or_else(Error::broken)
}

fn read(entry: &Entry) -> Option<(Key, Trigger)> {
    let trigger = serde_json::from_slice(&entry.value).ok()?;
    Some((Key::parse(&entry.key)?, trigger))
}

/// Triggers of all partners after a key, at most `limit` of them. What cannot be read is left out.
pub(super) async fn page(
    work: &mut Work,
    after: Option<&Key>,
    limit: usize,
) -> Result<Vec<(Key, Trigger)>, work::Error> {
    let start = after.map_or_else(
        || vec![0],
        |after| [after.bytes().as_slice(), &[0]].concat(),
    );
    let (space, range) = (Space::from(TRIGGERS), Range { start, end: None });
    let entries = work.scan(&space, range, Order::Ascending, limit).await?;
    Ok(entries.iter().filter_map(read).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_as_they_are_written() {
        let name = |name| ComponentName::parse(name).expect("a name");
        let key = Key {
            partner: PartnerId::parse("Energie Süd").expect("an id"),
            plugin: name("peaks"),
            name: name("daily"),
        };
        assert_eq!(Key::parse(&key.bytes()), Some(key));
        assert_eq!(Key::parse(b"a\0b"), None);
    }

    #[test]
    fn failures_wait_longer_and_longer_and_a_report_ends_that() {
        assert_eq!([0, 1, 2].map(backoff_ms), [30_000, 60_000, 120_000]);
        assert_eq!([12, 40, u32::MAX].map(backoff_ms), [BACKOFF_MS_MAX; 3]);
        let at = Instant(1_000);
        let state = State::default().ran("r1", Outcome::Trapped, Some("unreachable"), at);
        assert_eq!((state.failures, state.waits_until_ms), (1, 31_000));
        assert_eq!(state.last.as_deref(), Some("trapped: unreachable"));
        let state = state.failed("out of credit", at);
        assert_eq!((state.failures, state.waits_until_ms), (2, 61_000));
        assert_eq!(state.last_run.as_deref(), Some("r1"));
        let state = state.ran("r2", Outcome::Report, None, at);
        assert_eq!((state.failures, state.waits_until_ms), (0, 0));
    }

    #[test]
    fn reasons_are_cut_at_a_character() {
        let long = "é".repeat(REASON_BYTES_MAX);
        let kept = State::default().failed(&long, Instant(0)).last;
        assert_eq!(kept.expect("a reason").len(), REASON_BYTES_MAX);
    }

    #[test]
    fn streams_have_names_and_levels() {
        for (name, level) in STREAMS {
            assert!(crate::ids::StreamName::parse(name).is_ok() && level <= 3);
            assert_eq!(level_of(name), Some(level));
        }
        assert_eq!(level_of("dead.letters"), None);
    }
}
