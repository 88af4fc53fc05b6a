//! Turns at computing. A run may compute for a while (an epoch) as it likes; from then on it needs a slice, of which there
//! are as many as cores and which go round among functions. So a request that needs little waits for a slice of each
//! core at most, however many runs of another function compute for long.

use std::sync::{Arc, Mutex, PoisonError};

use crate::dispatch::rounds::{Place, Rounds};
use crate::ids::ComponentName;

/// The slice of one instance, while it has one. Cheap to clone.
#[derive(Clone)]
pub(super) struct Slice {
    slices: Rounds,
    function: ComponentName,
    held: Arc<Mutex<Option<Place>>>,
}

impl Slice {
    pub(super) fn new(slices: Rounds, function: ComponentName) -> Self {
        let held = Arc::default();
        Self {
            slices,
            function,
            held,
        }
    }

    /// Waits for the next one, behind everybody whose turn comes before.
    pub(super) async fn next(self) {
        self.give_back();
        let place = self.slices.take(&self.function).await;
        // The thread looks for what has come in, and runs what waits for it, before it computes on: it would otherwise do
        // so after some sixty slices only.
        tokio::task::yield_now().await;
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = Some(place);
    }

    /// The run waits for something else, or has ended.
    pub(super) fn give_back(&self) {
        let place = self
            .held
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        drop(place);
    }
}
