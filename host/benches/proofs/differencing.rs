//! Somebody asks for the sums of many groups and puts them together. No household's own value follows from all
//! that was told.

mod algebra;
mod consents;
mod queries;

use std::time::Instant;

use crate::proof::{Proof, Random, Size};

const PROMISE: &str = "no household's value follows from the sums that a partner was told";

pub async fn prove(size: Size) -> Vec<Proof> {
    algebra::check_itself();
    vec![cohorts(size).await, host(size).await]
}

async fn cohorts(size: Size) -> Proof {
    let started = Instant::now();
    let (worlds, random) = (size.of(6, 60), &mut Random::seeded());
    let found = queries::attack(worlds, false, random).await;
    // That the attack works: where nothing is remembered of what was told, households are isolated.
    let unguarded = queries::attack(1, true, random).await;
    let first = found.isolated.iter().chain(&found.uneven).next();
    let first = first.map_or(String::new(), |first| format!(", first {first}"));
    Proof {
        name: "differencing cohorts".to_owned(),
        promise: PROMISE.to_owned(),
        tried: format!(
            "{} cohorts chosen in {} ways (at random, all but one, trackers, by bits, …) in {worlds} worlds each; what was told solved exactly",
            found.asked,
            queries::WAYS
        ),
        found: format!(
            "{} told; {} worlds with a household isolated, {} with a difference that breaks the profile ({} and {} of {} where nothing is remembered){first}",
            found.told,
            found.isolated.len(),
            found.uneven.len(),
            unguarded.isolated.len(),
            unguarded.uneven.len(),
            queries::WAYS,
        ),
        // Somebody who is told nothing learns nothing, but that would be no service.
        held: found.isolated.is_empty()
            && found.uneven.is_empty()
            && found.told > worlds * queries::WAYS
            && !unguarded.isolated.is_empty()
            && !unguarded.uneven.is_empty(),
        seconds: started.elapsed().as_secs_f64(),
    }
}

async fn host(size: Size) -> Proof {
    let started = Instant::now();
    let rounds = size.of(30, 400);
    let found = consents::attack(rounds, &mut Random::seeded()).await;
    let first = found
        .wrong
        .first()
        .map_or(String::new(), |first| format!(", first {first}"));
    Proof {
        name: "differencing consents".to_owned(),
        promise: PROMISE.to_owned(),
        tried: format!(
            "{} reads of communities and of all through a host, with consents withdrawn and given back in between",
            found.reads
        ),
        found: format!(
            "{} values told, {} times too much{first}",
            found.told,
            found.wrong.len()
        ),
        held: found.wrong.is_empty() && found.told > 0,
        seconds: started.elapsed().as_secs_f64(),
    }
}
