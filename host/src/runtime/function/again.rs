//! Whether instances of a function can answer more than once. Some runtimes cannot (componentize-js' has one `fetch` event for
//! each instance): whatever their second request is, it fails. Bytes do not tell; so it is learnt, at the price of a few failed
//! requests, and the function gets fresh instances from then on.
//!
//! **Invariant.** A function that has answered a second request in one instance is never suspected: what fails there later
//! is a request's own fault.

use std::sync::atomic::{AtomicU32, Ordering};

use super::Function;
use super::instance::Instance;
use super::run::{Ended, Head};
use crate::dispatch::Error;
use crate::logs::LogLevel;

/// Instances that fail at a request which is not their first, none having answered one, until none is used again: one or
/// two may have met a bad request.
const IN_VAIN_MAX: u32 = 3;

/// An instance has answered again.
const PROVEN: u32 = u32::MAX;

/// What whoever has such a function can do about it.
const REMEDY: &str = "where its runtime cannot be entered twice, leave [reuse] out of its manifest";

/// What is known of a function.
#[derive(Debug, Default)]
pub(super) struct Again {
    /// Instances that failed when they were used again, or [`PROVEN`].
    in_vain: AtomicU32,
}

impl Again {
    /// Whether instances are used again.
    pub(super) fn is_tried(&self) -> bool {
        self.in_vain.load(Ordering::Relaxed) != IN_VAIN_MAX
    }

    /// An instance has answered a request that was not its first.
    pub(super) fn prove(&self) {
        if self.in_vain.load(Ordering::Relaxed) < IN_VAIN_MAX {
            self.in_vain.store(PROVEN, Ordering::Relaxed);
        }
    }

    /// An instance has failed at a request that was not its first: none where instances have answered again, else how many
    /// have failed so.
    fn fail(&self) -> Option<u32> {
        let one_more = |before: u32| (before < IN_VAIN_MAX).then_some(before + 1);
        let order = Ordering::Relaxed;
        let before = self.in_vain.fetch_update(order, order, one_more);
        match before {
            Ok(before) => Some(before + 1),
            Err(before) => (before != PROVEN).then_some(before),
        }
    }
}

impl Function {
    /// What a run has begun to answer, with its instance, if it has returned.
    pub(super) fn returned(
        &self,
        ended: Ended,
        head: Option<Head>,
    ) -> Result<(Option<Box<Instance>>, Head), Error> {
        let Ended { result, instance } = ended;
        match (result, head) {
            (Ok(()), Some(head)) => Ok((instance, head)),
            (Err(error), Some(_)) => Err(error),
            (result, None) => {
                let error = result.err().unwrap_or_else(|| self.unanswered());
                Err(self.blamed(error, instance.as_deref()))
            }
        }
    }

    /// The same failure, saying so where the instance may be to blame for it.
    fn blamed(&self, error: Error, instance: Option<&Instance>) -> Error {
        let again = instance.filter(|instance| instance.uses() > 1);
        let Some(count) = again.and_then(|_| self.again.fail()) else {
            return error;
        };
        if count == IN_VAIN_MAX {
            let why = format!(
                "{count} instances failed when they were used again and none has answered: each request gets a fresh one \
                 from now on; {REMEDY}"
            );
            self.identity.log.write(LogLevel::Warn, &why);
            tracing::warn!(component = %self.identity.culprit, "{why}");
        }
        let with = |why: String| {
            format!("{why}, in an instance that had answered a request before ({REMEDY})")
        };
        match error {
            Error::Misbehaved(culprit, why) => Error::Misbehaved(culprit, with(why)),
            Error::Trapped(culprit, why) => Error::Trapped(culprit, with(why)),
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instances_are_tried_again_until_too_many_have_failed() {
        let again = Again::default();
        for count in 1..IN_VAIN_MAX {
            assert_eq!(again.fail(), Some(count));
            assert!(again.is_tried());
        }
        assert_eq!(again.fail(), Some(IN_VAIN_MAX));
        assert!(!again.is_tried());
        // One that was under way meanwhile changes nothing.
        again.prove();
        assert_eq!(again.fail(), Some(IN_VAIN_MAX));
        assert!(!again.is_tried());
    }

    #[test]
    fn a_function_that_has_answered_again_is_not_suspected() {
        let again = Again::default();
        again.fail();
        again.prove();
        assert_eq!((0..9).find_map(|_| again.fail()), None);
        assert!(again.is_tried());
    }
}
