//! Runs of partners' plugins in records: what is told of one, what it came to, and how it is run once more.

use std::sync::Arc;

use super::convert::{self, datapoints};
use super::format::{self, Blob, Effects, Invocation, Outcome, Output, Reader, Secret, Trigger};
use super::player::{Replay, failed, of_failure};
use super::shelf::Shelf;
use crate::dispatch::work::{Spent, Work};
use crate::ids::{ComponentName, Digest, Instant};
use crate::metering::{Purse, Tab, Terms, cohorts, terms};
use crate::partners::Partner;
use crate::partners::runs::Once;
use crate::registry::Generation;
use crate::runtime::{self, Analytics, Ran, RunError, RunParams};

/// A run, as whoever carries it out knows it.
pub(crate) struct Run<'a> {
    /// Its id.
    pub(crate) id: &'a str,
    /// The plugin's name.
    pub(crate) plugin: &'a ComponentName,
    /// The version that ran.
    pub(crate) digest: Digest,
    /// What its reads were answered by.
    pub(crate) generation: &'a Arc<Generation>,
    /// What it was called with.
    pub(crate) params: &'a RunParams,
    /// When the access policy was asked for its terms.
    pub(crate) terms_at: Instant,
    /// What else it went by.
    pub(crate) once: Once<'a>,
}

impl Run<'_> {
    /// What the record says that it was given.
    pub(super) fn input(&self) -> format::Run {
        let partner = self.once.partner;
        format::Run {
            partner: Reader {
                id: partner.id.clone(),
                trust_level: partner.trust_level,
                secret: Secret(partner.secret),
            },
            trigger: self.params.trigger.clone().into(),
            params: self.params.json.clone(),
            limits: self.once.limits,
            held: self.once.held,
            terms_at_ms: self.terms_at.0,
        }
    }
}

impl From<runtime::Trigger> for Trigger {
    fn from(trigger: runtime::Trigger) -> Self {
        match trigger {
            runtime::Trigger::Request => Self::Request,
            runtime::Trigger::Schedule(due) => Self::Schedule { due_ms: due.0 },
            runtime::Trigger::Batch {
                stream,
                records,
                from,
                to,
            } => Self::Batch {
                stream,
                records,
                from_ms: from.0,
                to_ms: to.0,
            },
        }
    }
}

impl From<Trigger> for runtime::Trigger {
    fn from(trigger: Trigger) -> Self {
        match trigger {
            Trigger::Request => Self::Request,
            Trigger::Schedule { due_ms } => Self::Schedule(Instant(due_ms)),
            Trigger::Batch {
                stream,
                records,
                from_ms,
                to_ms,
            } => Self::Batch {
                stream,
                records,
                from: Instant(from_ms),
                to: Instant(to_ms),
            },
        }
    }
}

/// What a run came to; none where it failed and that was nobody's doing but the host's.
pub(super) fn outcome(id: &str, once: Once<'_>, ran: &Ran, tab: &Tab) -> Option<Outcome> {
    let output = output(ran)?;
    let (is_late, is_lost) = (output.is_late(), !output.is_of_run());
    let work = ran.work.as_ref().filter(|_| !is_late && !is_lost);
    let postings = once.postings(id, ran, tab).into_iter();
    let effects = Effects {
        writes: work.map_or_else(Vec::new, |work| told(work)),
        postings: postings.map(format::Posting::from).collect(),
        ..Effects::default()
    };
    let decided = work.map_or(&[][..], |work| work.decisions());
    Some(Outcome {
        datapoints: datapoints(&effects),
        effects,
        metered: if is_lost { Vec::new() } else { tab.reads().0 },
        decisions: [&once.terms.decisions, decided].concat(),
        plugin_fuel: (!is_late).then_some(ran.fuel),
        ..failed(output)
    })
}

fn output(ran: &Ran) -> Option<Output> {
    match &ran.outcome {
        Ok(report) => Some(Output::Report {
            media_type: report.media_type.clone(),
            body: Blob(report.body.clone()),
        }),
        // A component that it read from may be at fault.
        Err(RunError::HostFault(error)) => convert::failure(error),
        Err(error) => Some(Output::NoReport {
            kind: error.kind().to_owned(),
            reason: error.to_string(),
        }),
    }
}

/// What it keeps of what it was told of groups. What else the components that it read from have written is dropped.
fn told(work: &Work) -> Vec<format::Write> {
    let writes = work.effects().writes.into_iter();
    let of_groups = writes.filter(|write| *write.space.0 == *cohorts::SPACE);
    of_groups.map(format::Write::from).collect()
}

/// A run that is run once more.
pub(super) struct Again<'a> {
    /// The plugin.
    pub(super) plugin: &'a Analytics,
    /// What its reads are answered by.
    pub(super) generation: &'a Arc<Generation>,
    /// What is recorded of it.
    pub(super) invocation: &'a Invocation,
    /// What it was given.
    pub(super) run: &'a format::Run,
}

impl Again<'_> {
    /// Asks the access policy for its terms again, and holds the plugin to them.
    pub(super) async fn play(self, replay: Replay) -> Outcome {
        let asking = asking(self.run, &replay);
        let trust_level = self.run.partner.trust_level;
        match terms(self.generation, asking, trust_level).await {
            Ok(terms) => self.under(&terms, replay).await,
            Err(error) => of_failure(&error, replay.missing.told()),
        }
    }

    async fn under(self, terms: &Terms, replay: Replay) -> Outcome {
        let partner = Arc::new(partner(&self.run.partner));
        let once = Once {
            partner: &partner,
            purse: Purse::Hold,
            held: self.run.held,
            limits: self.run.limits,
            terms,
        };
        let tab = once.tab();
        let params = RunParams {
            trigger: self.run.trigger.clone().into(),
            json: self.run.params.clone(),
        };
        let mut input = once.input(replay.work, tab.clone(), params, self.generation.clone());
        if self.invocation.outcome.output.is_late() {
            // A faster machine has burnt more fuel by the deadline.
            (input.limits.fuel, input.fuel_max) = (u64::MAX, u64::MAX);
        }
        let ran = self.plugin.run_here(input).await;
        let fuel = replay.notes.fuel().saturating_add(ran.fuel);
        match (
            replay.missing.told(),
            outcome(&self.invocation.id, once, &ran, &tab),
        ) {
            (None, Some(outcome)) => Outcome {
                fuel: outcome.plugin_fuel.map(|_| fuel),
                ..outcome
            },
            (missing, _) => {
                let error = ran.outcome.err().map(|error| error.to_string());
                failed(Output::NotRecorded(missing.or(error).unwrap_or_default()))
            }
        }
    }
}

/// The transaction that the access policy is asked in for its terms. It reads nothing.
fn asking(run: &format::Run, replay: &Replay) -> Box<Work> {
    let shelf = Shelf::new([], replay.missing.clone());
    let (at, notes) = (Instant(run.terms_at_ms), replay.notes.clone());
    let seed = replay.work.seed().clone();
    Work::replayed(Box::new(shelf), at, seed, notes, Spent::default())
}

fn partner(reader: &Reader) -> Partner {
    Partner {
        id: reader.id.clone(),
        trust_level: reader.trust_level,
        secret: reader.secret.0,
        upload_key: None,
        created_at_ms: 0,
    }
}
