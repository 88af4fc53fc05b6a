//! Carries one run out, from its hold to its settlement.

use std::sync::Arc;

use futures_util::FutureExt as _;

use super::super::answers::Asked;
use super::super::holds::{Hold, Placed};
use super::super::limits::RunLimits;
use super::super::queue::{self, Claim};
use super::super::receipts::{Issued, Subject};
use super::super::reports::Shelf;
use super::super::settle::{Closing, Verdict};
use super::super::started::{RunRequest, Started};
use super::super::{Partner, failpoints};
use super::commits::Settled;
use super::turns::{Ending, Turn, Waited};
use super::{Carried, End, Ended, Error, Once, Ready, Shared};
use crate::clock;
use crate::dispatch::{self, used::Used};
use crate::ids::{ComponentName, Instant};
use crate::metering::{Purse, Tab};
use crate::policies::log::Decided;
use crate::replay::{Pending, Run as Told};
use crate::runtime::run::{Entry, Ran, RunError, RunParams, Trigger};
use crate::store::{self, Durable};

/// Most runs for one request: what a run reads may be overtaken, or what it was told of groups, by another
/// run of the same partner; from the second on it has the partner's turn and only other hosts get in its way.
const ATTEMPTS_MAX: usize = 5;

/// How long a run may still be settled after its deadline, ms: as long as a store may be away for a moment.
/// Then its hold is void.
const SETTLE_MS_MAX: u64 = 120_000;

/// What a run comes to.
enum Run {
    /// It is to be settled; and then it is recorded, if it is to be.
    Over(Box<Verdict>, Tab, Option<Box<Pending>>),
    /// What it has read has changed meanwhile.
    Overtaken,
}

impl Shared {
    /// Carries a request out.
    pub(super) async fn carry_out(
        &self,
        asked: &Asked,
        request: RunRequest,
        trust_level: u32,
    ) -> Result<Carried, Error> {
        let (partner, plugin) = (&asked.partner, &asked.plugin);
        let runner = &self.options.runner;
        let work = self.work();
        let terms_at = work.now();
        let ready = runner.ready(partner, plugin, trust_level, work).await?;
        let under_way = self.register.begin();
        let draft = self.draft(&under_way.run, asked, &request, &ready, trust_level);
        match self.hold(asked, draft).await? {
            (Placed::Answered | Placed::Outdated, _) => Ok(Carried::Again),
            (Placed::Held(hold, partner), is_held) => {
                let held = Held {
                    plugin: plugin.clone(),
                    hold: *hold,
                    partner: Arc::from(partner),
                    ready,
                    terms_at,
                    request,
                };
                self.carry(held, is_held).await.map(Carried::Ended)
            }
        }
    }

    fn draft(
        &self,
        run: &str,
        asked: &Asked,
        request: &RunRequest,
        ready: &Ready,
        trust_level: u32,
    ) -> Hold {
        let now_ms = clock::system_now().0;
        let wait_ms = u64::try_from(queue::WAIT_MAX.as_millis()).unwrap_or(u64::MAX);
        let run_ms = wait_ms + RunLimits::of(trust_level).deadline_ms;
        Hold {
            run: run.to_owned(),
            partner: asked.partner.clone(),
            trust_level,
            plugin: Subject {
                name: asked.plugin.to_string(),
                digest: ready.digest.to_string(),
            },
            trigger: request.started.to_string(),
            amount: 0,
            answer: asked.place.clone(),
            holder: self.options.holder.clone(),
            placed_at_ms: now_ms,
            expires_at_ms: now_ms + run_ms * ATTEMPTS_MAX as u64 + SETTLE_MS_MAX,
        }
    }

    /// Runs what is held for, and settles it once the hold is durable. Where it never is, the store has failed, and
    /// nothing has happened.
    async fn carry(&self, held: Held, is_held: Durable) -> Result<Ended, Error> {
        let (mut turn, mut is_held) = (None, Some(is_held));
        for _ in 0..ATTEMPTS_MAX {
            let run = self.run(&held).await;
            if let Some(is_held) = is_held.take() {
                is_held.await?;
            }
            let Run::Over(verdict, tab, recorded) = run else {
                turn = self.keep_or_wait(turn, &held).await;
                continue;
            };
            let ending = Ending::new(held.closing(*verdict, Some(tab)));
            match self.settled(&ending, turn.take()).await? {
                (Settled::Done(issued), _) => {
                    recorded.into_iter().for_each(|recorded| recorded.keep());
                    return self.ended(&ending.closing, issued);
                }
                (Settled::Again, kept) => turn = self.keep_or_wait(kept, &held).await,
                (Settled::Gone, _) => return Err(lost(&ending.closing, None)),
                (Settled::Fenced, kept) => {
                    let why = "another host hands over the batch that it was for";
                    return self.void(held.hold, why, kept).await;
                }
            }
        }
        let why = "other runs of the same partner kept changing what it stood on";
        self.void(held.hold, why, turn).await
    }

    /// Runs the plugin.
    async fn run(&self, held: &Held) -> Run {
        failpoints::pass("run.begin");
        let run = held.run(self).await;
        failpoints::pass("run.ended");
        run
    }

    /// The partner's turn, so that the next run of the same request is not overtaken again.
    async fn keep_or_wait(&self, turn: Option<Turn>, held: &Held) -> Option<Turn> {
        match turn {
            Some(turn) => Some(turn),
            None => Some(self.turns.wait(&held.hold.partner).await),
        }
    }

    /// Voids the hold of a run that is lost.
    async fn void(&self, hold: Hold, why: &str, turn: Option<Turn>) -> Result<Ended, Error> {
        let ending = Ending::new(Closing::voiding(hold, why));
        match self.settled(&ending, turn).await? {
            (Settled::Done(issued), _) => self.ended(&ending.closing, issued),
            _ => Err(lost(&ending.closing, None)),
        }
    }

    /// Settles in the partner's turn, which the caller may have already, or is settled by whoever has it. The turn
    /// stays with the caller where it was its own.
    async fn settled(
        &self,
        ending: &Arc<Ending>,
        turn: Option<Turn>,
    ) -> Result<(Settled, Option<Turn>), Error> {
        failpoints::pass("settle.begin");
        let turn = match turn {
            Some(turn) => turn,
            None => match self.turns.settled_or_turn(ending).await {
                Waited::Told(settled) => return Ok((settled, None)),
                Waited::Turn(turn) => turn,
            },
        };
        Ok((self.settle(ending, &turn).await?, Some(turn)))
    }

    /// What the caller gets of a run that is settled.
    fn ended(&self, closing: &Closing, issued: Issued) -> Result<Ended, Error> {
        failpoints::pass("run.answer");
        let Some(outcome) = closing.verdict.outcome else {
            return Err(lost(closing, Some(issued.bytes)));
        };
        let end = match &closing.verdict.report {
            Some(report) => End::Report {
                media_type: report.media_type.clone(),
                body: report.body.clone(),
            },
            None => End::Failed(closing.verdict.detail.clone().unwrap_or_default()),
        };
        Ok(Ended {
            run: closing.hold.run.clone(),
            outcome,
            receipt: issued.bytes,
            end,
        })
    }
}

fn lost(closing: &Closing, receipt: Option<Vec<u8>>) -> Error {
    let why = match closing.verdict.outcome {
        None => closing.verdict.detail.clone().unwrap_or_default(),
        Some(_) => "its time for being settled was over".to_owned(),
    };
    Error::Lost {
        run: closing.hold.run.clone(),
        why,
        receipt,
    }
}

/// A run with its hold.
struct Held {
    plugin: ComponentName,
    hold: Hold,
    partner: Arc<Partner>,
    ready: Ready,
    /// When the access policy was asked for its terms.
    terms_at: Instant,
    request: RunRequest,
}

impl Held {
    /// Runs the plugin once, on a new tab.
    async fn run(&self, shared: &Shared) -> Run {
        let (once, params) = (self.once(), self.params());
        let tab = once.tab();
        let generation = self.ready.generation.clone();
        let work = shared.work_of(&self.hold.run);
        let mut input = once.input(work, tab.clone(), params.clone(), generation);
        input.entry = Some(self.entry(shared));
        let recorder = &shared.options.recorder;
        let recorded = recorder.begin_run(&self.hold.partner, &self.plugin, &mut input.work);
        let used = input.work.used.clone();
        let ran = (self.ready.run)(input).await;
        if is_overtaken(&ran) {
            return Run::Overtaken;
        }
        if let Err(RunError::HostFault(error)) = &ran.outcome {
            tracing::warn!(run = self.hold.run, %error, "a run is lost");
        }
        let told = self.told(once, &params);
        let recorded = recorded.and_then(|recorded| recorded.ran(&told, &ran, &tab));
        let recorded = recorded.map(Box::new);
        let verdict = self.verdict(ran, &tab, &used);
        Run::Over(Box::new(verdict), tab, recorded)
    }

    fn once(&self) -> Once<'_> {
        Once {
            partner: &self.partner,
            purse: Purse::Hold,
            held: self.hold.amount,
            limits: RunLimits::of(self.hold.trust_level),
            terms: &self.ready.terms,
        }
    }

    fn params(&self) -> RunParams {
        RunParams {
            trigger: trigger(&self.request.started),
            json: self.request.params.clone(),
        }
    }

    /// What a record tells of it.
    fn told<'a>(&'a self, once: Once<'a>, params: &'a RunParams) -> Told<'a> {
        Told {
            id: &self.hold.run,
            plugin: &self.plugin,
            digest: self.ready.digest,
            generation: &self.ready.generation,
            params,
            terms_at: self.terms_at,
            once,
        }
    }

    fn verdict(&self, ran: Ran, tab: &Tab, used: &Used) -> Verdict {
        let (reads, policy) = tab.reads();
        let Ready {
            generation, terms, ..
        } = &self.ready;
        Verdict {
            reads,
            generation: Some(used.of_receipt(generation.number)),
            decided: Some(Decided::of(generation, terms.decisions.clone())),
            policy: policy.or(Some(terms.policy)),
            compute_price: terms.compute_price,
            ..Verdict::of(ran)
        }
    }

    /// Waits until there is room for it to compute.
    fn entry(&self, shared: &Shared) -> Entry {
        let (room, partner) = (shared.room.clone(), self.hold.partner.clone());
        let claim = Claim::of(&RunLimits::of(self.hold.trust_level));
        async move {
            let place = room.enter(&partner, claim).await;
            let place = place.map_err(|full| RunError::NoRoom(full.to_string()))?;
            Ok(Box::new(place) as Box<dyn Send>)
        }
        .boxed()
    }

    fn closing(&self, verdict: Verdict, tab: Option<Tab>) -> Closing {
        let started = &self.request.started;
        let shelf = match started.trigger() {
            Some(_) => Some(Shelf::Triggered),
            None => self.hold.answer.as_ref().map(|_| Shelf::Retries),
        };
        let lost = verdict.outcome.is_none();
        Closing {
            hold: self.hold.clone(),
            verdict,
            tab,
            shelf,
            fired: started.fired(&self.hold.partner, &self.plugin),
            // A batch whose run is lost is handed over again.
            acknowledgement: started.acknowledgement().filter(|_| !lost).cloned(),
        }
    }
}

/// Whether what a run has read has changed while it read on.
fn is_overtaken(ran: &Ran) -> bool {
    matches!(
        ran.outcome,
        Err(RunError::HostFault(dispatch::Error::Store(
            store::Error::Overtaken
        )))
    )
}

fn trigger(started: &Started) -> Trigger {
    match started {
        Started::ByRequest => Trigger::Request,
        Started::BySchedule(_, due) => Trigger::Schedule(*due),
        Started::ByBatch(_, batch) => Trigger::Batch {
            stream: batch
                .acknowledgement
                .claim
                .subscription
                .partition
                .stream
                .clone(),
            records: batch.records,
            from: batch.from,
            to: batch.to,
        },
    }
}
