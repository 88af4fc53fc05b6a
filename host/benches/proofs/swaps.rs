//! Policies are swapped under load: deployed, promoted, rolled back, one after the other, while clients ask and a stream
//! runs. In the end every decision is compared with the generation that it was made in and with the version that it
//! names, done again here in native code; and what clients were told with what is kept.

mod check;
mod swapper;
mod traffic;

use std::time::Instant;

use crate::history::{History, audit, present};
use crate::partner::people::Operator;
use crate::process::Process;
use crate::proof::{Proof, Random, Size};
use check::Checked;
use swapper::{Swapped, Versions};
use traffic::Traffic;

/// Connections that ask, besides those that feed the stream.
pub const CONNECTIONS: usize = 32;

pub async fn prove(size: Size) -> Proof {
    let started = Instant::now();
    let swaps = size.of(100, 1_000);
    let folder = tempfile::tempdir().expect("a folder");
    let host = Process::start_with(folder.path(), &["--log", "error"]).await;
    let operator = Operator::of(&host.url);
    let versions = Versions::all();
    let mut traffic = Traffic::prepare(&operator).await;
    let most = traffic.most().await;
    let (before, known) = (present(&operator).await, audit(&operator).await.len());
    let running = traffic.start(&host.url, most / 2.0);
    let swapped = swapper::swap(&operator, &versions, swaps, &mut Random::seeded()).await;
    let told = running.stop().await;
    operator.post("/admin/settle", &serde_json::json!({})).await;
    let entries = audit(&operator).await.split_off(known);
    let history = History::replay(before, &entries);
    let mut checked = Checked::default();
    checked.history(&operator, &history).await;
    checked
        .decisions(&operator, &history, &versions, &told)
        .await;
    checked.effects(&operator, &told).await;
    report(started, most, &swapped, &told, &checked)
}

fn report(
    started: Instant,
    most: f64,
    swapped: &Swapped,
    told: &traffic::Told,
    checked: &Checked,
) -> Proof {
    let Swapped {
        deployed,
        promoted,
        rolled_back,
        ..
    } = swapped;
    let wrong = [&swapped.refused, &told.failed, &checked.wrong];
    let wrong: Vec<&String> = wrong.into_iter().flatten().collect();
    wrong
        .iter()
        .take(20)
        .for_each(|wrong| eprintln!("    WRONG {wrong}"));
    let outcome = match wrong.first() {
        None => "all as due".to_owned(),
        Some(first) => format!("{} WRONG, first {first}", wrong.len()),
    };
    Proof {
        name: "swaps".to_owned(),
        promise: "no request fails by a swap, every decision is that of the one version its generation says, no effect is lost or doubled".to_owned(),
        tried: format!(
            "{} swaps ({deployed} deployed, {promoted} promoted, {rolled_back} rolled back) of two policies with three versions each, under {} requests on {CONNECTIONS} connections and {} readings at half of {most:.0}/s",
            deployed + promoted + rolled_back,
            told.houses.len() + told.limits.len(),
            told.readings
        ),
        found: format!(
            "{outcome}; {} requests failed; {} decisions in {} generations compared with their version's rule; {} answers name the version that the log names; {} houses and {} Wh kept",
            told.failed.len(),
            checked.decisions,
            checked.generations,
            checked.headers,
            checked.houses,
            checked.energy_wh,
        ),
        held: wrong.is_empty(),
        seconds: started.elapsed().as_secs_f64(),
    }
}
