//! A policy in a generation: the version that is active, and those beside it.

use std::sync::Arc;

use serde_json::Value;

use super::Active;
use super::rollout::Rollout;
use crate::policies::log::Sampling;
use crate::policies::{Kind, OnFailure};

/// A policy with the versions that may decide.
#[derive(Clone)]
pub struct Policy {
    /// What it decides.
    pub kind: Kind,
    /// The active version.
    pub active: Arc<Active>,
    /// The version before, which decides where the active one fails.
    pub former: Option<Arc<Active>>,
    /// The version that is being promoted, and how.
    pub rollout: Option<(Arc<Active>, Rollout)>,
    /// The version that runs beside it on live traffic, its effects dropped.
    pub shadow: Option<Arc<Active>>,
    /// How much of what it decides is logged.
    pub log: Sampling,
}

impl Policy {
    /// A policy with nothing beside the active version; none where that is no policy of a kind that is known.
    pub(crate) fn alone(active: &Arc<Active>) -> Option<Self> {
        let mut kinds = active.exports.iter();
        Some(Self {
            kind: kinds.find_map(|interface| Kind::of_interface(interface))?,
            active: active.clone(),
            former: None,
            rollout: None,
            shadow: None,
            log: Sampling::default(),
        })
    }

    /// The versions to ask for a decision, one after the other until one decides.
    pub(crate) fn asked(&self, input: &Value) -> impl Iterator<Item = &Arc<Active>> + use<'_> {
        let on_its_side = |(_, rollout): &&(Arc<Active>, Rollout)| {
            let field = &input[self.kind.subject_field()];
            match field {
                Value::String(subject) => rollout.takes(subject),
                other => rollout.takes(&other.to_string()),
            }
        };
        let candidate = self.rollout.as_ref().filter(on_its_side);
        let candidate = candidate.map(|(candidate, _)| candidate);
        let asked = [candidate, Some(&self.active), self.former.as_ref()];
        let most = match self.kind.on_failure() {
            OnFailure::Closed => 1,
            OnFailure::LastGood => asked.len(),
        };
        asked.into_iter().flatten().take(most)
    }

    /// The same with the version in its shadow as the active one, and no other.
    pub(super) fn shadowed(&self) -> Option<Self> {
        let shadow = self.shadow.clone()?;
        Some(Self {
            active: shadow.clone(),
            former: None,
            rollout: None,
            shadow: Some(shadow),
            ..self.clone()
        })
    }

    /// Whether what a version decides counts for how it does: in a shadow only the version that casts it.
    pub(crate) fn counts(&self, active: &Arc<Active>, is_shadow: bool) -> bool {
        let casts = |shadow: &Arc<Active>| Arc::ptr_eq(shadow, active);
        !is_shadow || self.shadow.as_ref().is_some_and(casts)
    }

    /// All its versions that are loaded.
    pub(super) fn versions(&self) -> impl Iterator<Item = &Arc<Active>> {
        self.roles().map(|(_, version)| version)
    }

    /// The same, each with what it is: `active`, `former`, `candidate` or `shadow`.
    pub fn roles(&self) -> impl Iterator<Item = (&'static str, &Arc<Active>)> {
        let candidate = self.rollout.as_ref().map(|(candidate, _)| candidate);
        let roles = [
            ("active", Some(&self.active)),
            ("former", self.former.as_ref()),
            ("candidate", candidate),
            ("shadow", self.shadow.as_ref()),
        ];
        let there = roles.into_iter();
        there.filter_map(|(role, version)| Some((role, version?)))
    }

    /// The version that a candidate's decisions are compared with, where the rollout has a guard that asks for it.
    pub(crate) fn compared(&self, decided: &Arc<Active>) -> Option<&Arc<Active>> {
        let (candidate, rollout) = self.rollout.as_ref()?;
        let is_compared = rollout.plan.guards.diff_max.is_some() && Arc::ptr_eq(candidate, decided);
        is_compared.then_some(&self.active)
    }
}
