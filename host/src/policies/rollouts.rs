//! Drives promotions: looks at what this host has seen of the candidates, takes one back whose guard is broken, and goes on to
//! the next stage when the time has come and it has decided often enough. Runs on a timer, takes no input, may run twice; what a
//! host began and did not end, it or another one goes on with.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Kind;
use crate::clock;
use crate::operators::Operator;
use crate::registry::rollout::{Rollout, Verdict, judge};
use crate::registry::{Error, Registry};
use crate::streams::Streams;

/// Between two looks: a candidate that fails decides for no longer than this.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Drives promotions until told to stop.
pub async fn run(registry: Registry, streams: Streams, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = clock::sleep(LOOK_EVERY) => {}
        }
        let generation = registry.generation();
        for policy in generation.policies() {
            if let Some((candidate, rollout)) = &policy.rollout {
                let (health, now_ms) = (&candidate.health, clock::system_now().0);
                let in_stage = health.in_stage(rollout.stage_since_ms);
                let verdict = judge(rollout, &health.observed(), in_stage, now_ms);
                let done = carry_out(&registry, policy.kind, rollout, verdict, streams.leads());
                report(policy.kind, done.await);
            }
        }
    }
}

/// Every host may take a candidate back. The one that leads goes on; where a stage asks for decisions, whichever has seen
/// them, since the one that leads may see few.
async fn carry_out(
    registry: &Registry,
    kind: Kind,
    rollout: &Rollout,
    verdict: Verdict,
    leads: bool,
) -> Result<(), Error> {
    let goes_on = leads || rollout.plan.decisions_min > 0;
    match verdict {
        Verdict::TakeBack(reason) => {
            let by = Operator::host();
            registry
                .take_back(&by, kind, Some(rollout.candidate()), &reason)
                .await
        }
        Verdict::Advance if goes_on => registry.advance(kind, rollout).await,
        Verdict::Complete if goes_on => registry.complete(kind, rollout).await,
        Verdict::Keep | Verdict::Advance | Verdict::Complete => Ok(()),
    }
}

/// A change that another host has made meanwhile is done; what failed is tried again at the next look.
fn report(kind: Kind, done: Result<(), Error>) {
    match done {
        Ok(()) | Err(Error::Conflict(_) | Error::Overtaken) => {}
        Err(error) => tracing::warn!(%kind, %error, "a promotion cannot go on"),
    }
}
