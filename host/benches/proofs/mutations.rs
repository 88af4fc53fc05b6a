//! Hosts that are broken on purpose: each must be caught by the proof that guards against it. Needs
//! a host that was built with the feature `mutations`.

use std::time::Instant;

use crate::kills::{self, Kills};
use crate::proof::{Proof, Size};
use crate::{faults, pause, promotion};

/// Runs of a proof until it is given up that it catches the fault.
const RUNS_MAX: usize = 5;

/// What is broken, and in words.
const MUTATIONS: [(&str, &str); 4] = [
    ("no-fence", "commits are not fenced"),
    ("no-dedupe", "a commit that is sent again is applied again"),
    (
        "ack-outside",
        "the acknowledgement is not part of the commit",
    ),
    (
        "audit-apart",
        "an entry of the audit is not part of the commit that makes the change",
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
        caught = run(mutation, size).await;
    }
    Proof {
        name: format!("mutations {mutation}"),
        promise: format!("if {words}, a proof fails"),
        tried: format!("{runs} runs of the proof with hosts broken so"),
        found: caught.clone().unwrap_or_else(|| "NOT CAUGHT".to_owned()),
        held: caught.is_some(),
        seconds: started.elapsed().as_secs_f64(),
    }
}

/// What the proof that guards against it finds, if it does.
async fn run(mutation: &str, size: Size) -> Option<String> {
    let broken = Some(mutation);
    let audit = match mutation {
        "no-fence" => pause::run(size.of(5, 10), broken).await.1,
        "no-dedupe" => faults::run(size.of(200, 500), broken).await.1,
        "audit-apart" => {
            let (found, _) = promotion::redis(size.of(2, 6), broken).await;
            return found.wrong();
        }
        _ => {
            let kills = Kills {
                hosts: size.of(20, 100),
                redis: 0,
            };
            kills::run(kills, broken).await.1
        }
    };
    (!audit.is_clean()).then(|| audit.words())
}
