//! What the access policy asks for reads and computing.

use std::sync::Arc;

use super::Dataset;
use crate::dispatch::Error;
use crate::dispatch::work::Work;
use crate::ids::Digest;
use crate::policies;
use crate::registry::Generation;

/// What the access policy says of a dataset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// It may be read, at this price: datapoints for each read that finds data.
    Granted(u64),
    /// It may not: the trust level that would be needed.
    NotTrusted(u32),
}

/// The terms of a trust level.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// The version of the access policy that says so.
    pub policy: Digest,
    /// Each dataset's terms.
    pub datasets: Vec<(Dataset, Decision)>,
    /// Datapoints for each 1,000,000,000 units of fuel; 0: nothing.
    pub compute_price: u64,
    /// What was asked and said, for the log of whoever goes by these terms.
    pub decisions: Vec<policies::Decision>,
}

impl Terms {
    /// The terms of a dataset.
    #[must_use]
    pub fn of(&self, dataset: Dataset) -> Option<Decision> {
        let found = self.datasets.iter().find(|(of, _)| *of == dataset);
        found.map(|(_, decision)| *decision)
    }

    /// Datasets that may be read, with their prices.
    pub fn granted(&self) -> impl Iterator<Item = (Dataset, u64)> {
        self.datasets.iter().filter_map(|(dataset, decision)| {
            let Decision::Granted(price) = decision else {
                return None;
            };
            Some((*dataset, *price))
        })
    }
}

/// What the active access policy of a generation says to a trust level. `work` lends its instant; it is
/// neither read from nor written to.
///
/// # Errors
/// No access policy is active, or it fails.
pub async fn terms(
    generation: &Arc<Generation>,
    work: Box<Work>,
    trust_level: u32,
) -> Result<Terms, Error> {
    crate::runtime::terms(generation, work, trust_level).await
}
