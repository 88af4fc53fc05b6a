//! One invocation while it is recorded: what is noted of it, until it is handed to the recorder.

use std::sync::Arc;

use super::format::{self, Bits, Input, Invocation, Outcome, Output, Read};
use super::player::{failed, of_success};
use super::{Name, Run, convert, run, secrets};
use crate::dispatch::notes::{Noted, Notes};
use crate::dispatch::outside::Outside;
use crate::dispatch::work::{Spent, Work};
use crate::dispatch::{Error, types};
use crate::ids::{ComponentName, Digest, Instant, PartnerId};
use crate::metering::Tab;
use crate::registry::{Active, Generation};
use crate::runtime::Ran;

/// Where the host keeps partners' records; each has a secret.
pub(super) const PARTNERS: &str = "leyden.partners";

/// What is being noted of an invocation.
pub(crate) struct Tape {
    notes: Arc<Notes>,
    id: String,
    at: Instant,
    spent: Spent,
}

/// What was run, and with what.
pub(super) enum What {
    /// A component.
    Component(Arc<Active>, types::Input),
    /// A version of a partner's plugin.
    Plugin(PartnerId, ComponentName, Digest, Box<format::Run>),
}

/// An invocation that was recorded.
pub(crate) struct Taken {
    pub(super) generation: Arc<Generation>,
    pub(super) what: What,
    id: String,
    at: Instant,
    spent: Spent,
    answers: Vec<Noted>,
    randoms: Vec<u64>,
    outside: Outside,
    pub(super) outcome: Outcome,
}

impl Tape {
    /// Begins to note what an invocation reads and draws.
    pub(crate) fn over(work: &mut Work) -> Self {
        let notes = Arc::new(Notes::default());
        let spent = work.note(&notes);
        Self {
            id: work.id(),
            at: work.now(),
            notes,
            spent,
        }
    }

    /// The invocation, now that its components have run and before the host adds anything of its own to its
    /// transaction; none where it failed and that was not its components' doing.
    pub(crate) fn taken(
        self,
        generation: &Arc<Generation>,
        active: &Arc<Active>,
        input: &types::Input,
        ran: &Result<(types::Output, Box<Work>), Error>,
    ) -> Option<Taken> {
        let mut outcome = match ran {
            Ok((output, work)) => of_success(output.clone(), work),
            Err(error) => failed(convert::failure(error)?),
        };
        outcome.effects.sent = convert::sent(&self.notes, &active.loaded.secrets());
        let what = What::Component(active.clone(), input.clone());
        Some(self.ended(generation, what, outcome))
    }

    /// A run of a plugin, before it is settled; none where it failed and that was nobody's doing but the host's.
    pub(crate) fn ran(mut self, told: &Run<'_>, ran: &Ran, tab: &Tab) -> Option<Taken> {
        let outcome = run::outcome(told.id, told.once, ran, tab)?;
        told.id.clone_into(&mut self.id);
        let partner = told.once.partner.id.clone();
        let input = Box::new(told.input());
        let what = What::Plugin(partner, told.plugin.clone(), told.digest, input);
        Some(self.ended(told.generation, what, outcome))
    }

    fn ended(self, generation: &Arc<Generation>, what: What, outcome: Outcome) -> Taken {
        Taken {
            generation: generation.clone(),
            what,
            id: self.id,
            at: self.at,
            spent: self.spent,
            answers: self.notes.take_answers(),
            randoms: self.notes.randoms(),
            outside: self.notes.take_outside(),
            outcome,
        }
    }

    /// Whether there was more than can be noted.
    pub(super) fn is_cut(&self) -> bool {
        self.notes.is_cut()
    }
}

impl What {
    /// About as many bytes as it was given.
    fn bytes(&self) -> usize {
        match self {
            Self::Component(_, types::Input::Http(request)) => request.body.len(),
            Self::Component(_, types::Input::Rows(_, batch)) => {
                batch.rows.iter().map(Vec::len).sum()
            }
            Self::Component(_, types::Input::Events(_, records)) => {
                records.iter().map(|one| one.payload.len()).sum()
            }
            Self::Plugin(.., run) => run.params.len(),
        }
    }
}

impl Taken {
    /// What was run.
    pub(crate) fn name(&self) -> Name {
        match &self.what {
            What::Component(active, _) => active.name.clone().into(),
            What::Plugin(partner, plugin, ..) => Name::Plugin(partner.clone(), plugin.clone()),
        }
    }

    /// Whether it tells what the host keeps of partners, their secrets included.
    pub(crate) fn tells_of_partners(&self) -> bool {
        let of_partners =
            |answer: &Noted| matches!(answer, Noted::Key(space, ..) if *space.0 == *PARTNERS);
        matches!(self.what, What::Plugin(..)) || self.answers.iter().any(of_partners)
    }

    /// About as many bytes as it holds.
    pub(super) fn bytes(&self) -> usize {
        let answer = |answer: &Noted| match answer {
            Noted::Key(_, key, value) => key.len() + value.as_ref().map_or(0, Vec::len),
            Noted::Scan(_, entries) => entries.iter().map(|e| e.key.len() + e.value.len()).sum(),
            Noted::Account(name, _) => name.len(),
        };
        let output = match &self.outcome.output {
            Output::Report { body, .. } | Output::Http { body, .. } => body.0.len(),
            _ => 0,
        };
        let effects = &self.outcome.effects;
        let written = effects.writes.iter().filter_map(|one| one.value.as_ref());
        let written: usize = written.map(|value| value.0.len()).sum();
        let published: usize = effects.appends.iter().map(|one| one.payload.0.len()).sum();
        self.what.bytes()
            + self.outside.bytes()
            + output
            + written
            + published
            + self.answers.iter().map(answer).sum::<usize>()
    }

    /// The line that tells of it, by the ids of its components, without the secrets of a function.
    ///
    /// # Errors
    /// It cannot be told without them.
    pub(super) fn invocation(
        self,
        runs: u32,
        components: Vec<u32>,
    ) -> Result<Invocation, serde_json::Error> {
        let hidden = match &self.what {
            What::Component(active, _) => active.loaded.secrets(),
            What::Plugin(..) => Vec::new(),
        };
        let invocation = Invocation {
            id: self.id,
            at_ms: self.at.0,
            runs,
            components,
            spent: self.spent,
            input: match self.what {
                What::Component(_, input) => Input::from(input),
                What::Plugin(.., run) => Input::Run(run),
            },
            reads: self.answers.into_iter().map(Read::from).collect(),
            randoms: self.randoms.into_iter().map(Bits).collect(),
            outside: self.outside.into(),
            outcome: self.outcome,
            differs: None,
        };
        secrets::hide(invocation, &hidden)
    }
}
