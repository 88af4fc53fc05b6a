//! Places for uploads: how many are taken at a time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::ids::PartnerId;
use crate::partners::{Error, Partner};

/// Uploads at a time: each holds a component of up to 24 MiB, and one compiles at a time anyway.
const PLACES_MAX: usize = 12;
/// Uploads of one partner at a time, so that others find a place.
const PLACES_PER_PARTNER_MAX: usize = 4;

/// Who has places.
#[derive(Debug, Default)]
pub(super) struct Places(Mutex<BTreeMap<PartnerId, usize>>);

/// A place for one upload of a partner, until dropped.
#[derive(Debug)]
pub struct Place {
    places: Arc<Places>,
    /// For whom, as it was registered when the place was taken.
    pub partner: Partner,
}

impl Places {
    pub(super) fn take(self: &Arc<Self>, partner: Partner) -> Result<Place, Error> {
        let mut taken = self.taken();
        if taken.values().sum::<usize>() >= PLACES_MAX {
            return Err(Error::Busy("too many plugins are being uploaded"));
        }
        let own = taken.entry(partner.id.clone()).or_default();
        if *own >= PLACES_PER_PARTNER_MAX {
            return Err(Error::Busy(
                "the partner is uploading too many plugins at a time",
            ));
        }
        *own += 1;
        drop(taken);
        let places = self.clone();
        Ok(Place { places, partner })
    }

    fn taken(&self) -> MutexGuard<'_, BTreeMap<PartnerId, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        if let Some(own) = taken.get_mut(&self.partner.id) {
            *own -= 1;
            if *own == 0 {
                taken.remove(&self.partner.id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Instant;

    #[test]
    fn places_are_bounded_over_all_and_for_each_partner_and_given_back() {
        let places = Arc::new(Places::default());
        let partner = |id: &str| Partner::new(PartnerId::parse(id).unwrap(), 0, Instant(0));
        let take = |id: &str| places.take(partner(id));
        let mut held: Vec<Place> = (0..PLACES_PER_PARTNER_MAX)
            .map(|_| take("a").unwrap())
            .collect();
        assert!(matches!(take("a"), Err(Error::Busy(_))));
        held.extend((held.len()..PLACES_MAX).map(|n| take(&format!("b{n}")).unwrap()));
        assert!(matches!(take("c"), Err(Error::Busy(_))));
        drop(held.remove(0));
        let again = take("a").unwrap();
        assert!(take("c").is_err());
        drop((again, held));
        assert!(places.taken().is_empty());
    }
}
