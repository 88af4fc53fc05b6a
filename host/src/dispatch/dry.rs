//! Runs whose effects nobody keeps: what would a component do with this input now?

use std::sync::Arc;

use super::error::Error;
use super::work::Work;
use super::{Dispatcher, RUNS_MAX, find};
use crate::ids::ComponentName;
use crate::registry::Generation;
use crate::replay::{Taken, Tape};
use crate::store::{self, Partition, Record};

impl Dispatcher {
    /// Runs a component on one record, drops what it did, and tells all of it.
    ///
    /// # Errors
    /// The host failed at it; that the component fails is what is told.
    pub(crate) async fn dry(
        &self,
        generation: &Arc<Generation>,
        component: &ComponentName,
        partition: Partition,
        record: Record,
    ) -> Result<Taken, Error> {
        let active = find(generation, component)?;
        let input = self.delivered(partition, vec![record]);
        for _ in 0..RUNS_MAX {
            let (store, now) = (self.shared.store.clone(), self.shared.clock.now());
            let mut work = Work::new(store, now, self.seed());
            let tape = Tape::over(&mut work);
            let ran = active.loaded.invoke(generation, &input, work).await;
            match tape.taken(generation, active, &input, &ran) {
                Some(taken) => return Ok(taken),
                None => match ran {
                    Err(Error::Store(store::Error::Overtaken)) => {}
                    Err(error) => return Err(error),
                    Ok(_) => return Err(Error::Stopping),
                },
            }
        }
        Err(Error::Contended(RUNS_MAX))
    }
}
