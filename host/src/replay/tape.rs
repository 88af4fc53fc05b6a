//! One invocation while it is recorded: what is noted of it, until it is handed to the recorder.

use std::sync::Arc;

use super::convert;
use super::format::{Bits, Input, Invocation, Outcome, Read};
use super::player::{failed, of_success};
use crate::dispatch::notes::{Noted, Notes};
use crate::dispatch::work::{Spent, Work};
use crate::dispatch::{Error, types};
use crate::ids::{ComponentName, Instant};
use crate::registry::{Active, Generation};

/// Where the host keeps partners' records; each has a secret.
pub(super) const PARTNERS: &str = "leyden.partners";

/// What is being noted of an invocation.
pub(crate) struct Tape {
    notes: Arc<Notes>,
    id: String,
    at: Instant,
    spent: Spent,
}

/// An invocation that was recorded.
pub(crate) struct Taken {
    pub(super) generation: Arc<Generation>,
    pub(super) active: Arc<Active>,
    id: String,
    at: Instant,
    spent: Spent,
    input: types::Input,
    answers: Vec<Noted>,
    randoms: Vec<u64>,
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
        let outcome = match ran {
            Ok((output, work)) => of_success(output.clone(), work),
            Err(error) => failed(convert::failure(error)?),
        };
        Some(Taken {
            generation: generation.clone(),
            active: active.clone(),
            id: self.id,
            at: self.at,
            spent: self.spent,
            input: input.clone(),
            answers: self.notes.take_answers(),
            randoms: self.notes.randoms(),
            outcome,
        })
    }
}

impl Taken {
    /// The component that was asked.
    pub(crate) fn component(&self) -> &ComponentName {
        &self.active.name
    }

    /// Whether it read what the host keeps of partners, their secrets included.
    pub(crate) fn tells_of_partners(&self) -> bool {
        let of_partners =
            |answer: &Noted| matches!(answer, Noted::Key(space, ..) if *space.0 == *PARTNERS);
        self.answers.iter().any(of_partners)
    }

    /// About as many bytes as it holds.
    pub(super) fn bytes(&self) -> usize {
        let answer = |answer: &Noted| match answer {
            Noted::Key(_, key, value) => key.len() + value.as_ref().map_or(0, Vec::len),
            Noted::Scan(_, entries) => entries.iter().map(|e| e.key.len() + e.value.len()).sum(),
            Noted::Account(name, _) => name.len(),
        };
        let input = match &self.input {
            types::Input::Http(request) => request.body.len(),
            types::Input::Rows(_, batch) => batch.rows.iter().map(Vec::len).sum(),
            types::Input::Events(_, records) => records.iter().map(|one| one.payload.len()).sum(),
        };
        let effects = &self.outcome.effects;
        let written = effects.writes.iter().filter_map(|one| one.value.as_ref());
        let written: usize = written.map(|value| value.0.len()).sum();
        let published: usize = effects.appends.iter().map(|one| one.payload.0.len()).sum();
        input + written + published + self.answers.iter().map(answer).sum::<usize>()
    }

    /// The line that tells of it, by the ids of its components.
    pub(super) fn invocation(self, runs: u32, components: Vec<u32>) -> Invocation {
        Invocation {
            id: self.id,
            at_ms: self.at.0,
            runs,
            components,
            spent: self.spent,
            input: Input::from(self.input),
            reads: self.answers.into_iter().map(Read::from).collect(),
            randoms: self.randoms.into_iter().map(Bits).collect(),
            outcome: self.outcome,
            differs: None,
        }
    }
}
