//! Hosts that are broken on purpose: each must be caught by the proof that guards against it. Needs
//! a host that was built with the feature `mutations`.

use std::time::Instant;

use crate::books::Audit;
use crate::kills::{self, Kills};
use crate::proof::{Proof, Size};
use crate::{faults, pause};

/// Runs of a proof until it is given up that it catches the fault.
const RUNS_MAX: usize = 5;

/// What is broken, and in words.
const MUTATIONS: [(&str, &str); 3] = [
    ("no-fence", "commits are not fenced"),
    ("no-dedupe", "a commit that is sent again is applied again"),
    (
        "ack-outside",
        "the acknowledgement is not part of the commit",
    ),
];

pub async fn prove(size: Size) -> Vec<Proof> {
    let mut proofs = Vec::new();
    for (mutation, words) in MUTATIONS {
        eprintln!("  with {mutation} …");
        proofs.push(catch(mutation, words, size).await);
    }
    proofs
}

async fn catch(mutation: &str, words: &str, size: Size) -> Proof {
    let started = Instant::now();
    let mut runs = 0;
    let mut caught = None;
    while caught.is_none() && runs < RUNS_MAX {
        runs += 1;
        caught = Some(run(mutation, size).await).filter(|audit| !audit.is_clean());
    }
    Proof {
        name: format!("mutations {mutation}"),
        promise: format!("if {words}, a proof fails"),
        tried: format!("{runs} runs of the proof with hosts broken so"),
        found: caught
            .as_ref()
            .map_or("NOT CAUGHT".to_owned(), Audit::words),
        held: caught.is_some(),
        seconds: started.elapsed().as_secs_f64(),
    }
}

/// The proof that guards against it.
async fn run(mutation: &str, size: Size) -> Audit {
    let broken = Some(mutation);
    match mutation {
        "no-fence" => pause::run(size.of(5, 10), broken).await.1,
        "no-dedupe" => faults::run(size.of(200, 500), broken).await.1,
        _ => {
            let kills = Kills {
                hosts: size.of(20, 100),
                redis: 0,
            };
            kills::run(kills, broken).await.1
        }
    }
}
