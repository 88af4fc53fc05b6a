//! How a version in the shadow of the active one has done: how often what it led to differs, with some examples.

use std::collections::VecDeque;

use serde::Serialize;
use serde_json::Value;

/// Examples that are kept, the latest ones.
const EXAMPLES_MAX: usize = 10;

/// How one invocation went in the shadow.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// There was no room for it, or its snapshot was gone.
    LeftOut,
    /// It failed; why, in words.
    Failed(String),
    /// It was compared with what was committed.
    Compared {
        /// The first decision that differs: what was asked, what was decided, what would have been.
        decision: Option<(Value, Value, Value)>,
        /// Whether other policies were asked or decided otherwise later on.
        later: bool,
        /// Whether writes, events or movements differ.
        effects: bool,
        /// Whether the answer differs.
        output: bool,
    },
}

/// What was counted.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Shadowed {
    /// Invocations that were compared.
    pub compared: u64,
    /// Of these, those in which it decided otherwise.
    pub changed: u64,
    /// Those in which other policies decided otherwise for it.
    pub later_changed: u64,
    /// Those with other effects.
    pub effects_changed: u64,
    /// Those with another answer.
    pub answers_changed: u64,
    /// Invocations that failed in the shadow.
    pub failed: u64,
    /// Invocations that there was no room for.
    pub left_out: u64,
    /// Why one failed last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<String>,
    /// Decisions that differ, the latest last.
    pub examples: VecDeque<Example>,
}

/// A decision that differs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Example {
    /// What was asked.
    pub input: Value,
    /// What was decided.
    pub before: Value,
    /// What would have been decided.
    pub after: Value,
}

impl Shadowed {
    /// Counts an invocation.
    pub(super) fn enter(&mut self, outcome: Outcome) {
        let (decision, later, effects, output) = match outcome {
            Outcome::LeftOut => {
                self.left_out += 1;
                return;
            }
            Outcome::Failed(why) => {
                self.failed += 1;
                self.last_failure = Some(why);
                return;
            }
            Outcome::Compared {
                decision,
                later,
                effects,
                output,
            } => (decision, later, effects, output),
        };
        self.compared += 1;
        self.changed += u64::from(decision.is_some());
        self.later_changed += u64::from(later);
        self.effects_changed += u64::from(effects);
        self.answers_changed += u64::from(output);
        if let Some((input, before, after)) = decision {
            if self.examples.len() == EXAMPLES_MAX {
                self.examples.pop_front();
            }
            self.examples.push_back(Example {
                input,
                before,
                after,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_are_the_latest_and_bounded() {
        let mut shadowed = Shadowed::default();
        for n in 0..25 {
            shadowed.enter(Outcome::Compared {
                decision: Some((n.into(), 1.into(), 2.into())),
                later: n % 2 == 0,
                effects: true,
                output: false,
            });
        }
        shadowed.enter(Outcome::Failed("it trapped".into()));
        shadowed.enter(Outcome::LeftOut);
        assert_eq!(
            (shadowed.compared, shadowed.changed, shadowed.later_changed),
            (25, 25, 13)
        );
        assert_eq!(
            (shadowed.effects_changed, shadowed.answers_changed),
            (25, 0)
        );
        assert_eq!((shadowed.failed, shadowed.left_out), (1, 1));
        let inputs: Vec<_> = shadowed.examples.iter().map(|e| e.input.clone()).collect();
        assert_eq!((inputs.len(), &inputs[9]), (10, &24.into()));
    }
}
