//! Partners' plugins: runs with everything that belongs to them, the same without holds, settlements and receipts,
//! the same read by native code with all of it, and uploads.
//!
//! All runs are of one process, in turns on stores that were filled alike, so that they see the same machine; what they tell and
//! charge is compared.

mod native;
mod town;
mod upload;

use std::time::{Duration, Instant};

use futures_util::future::join_all;

use super::figure::{Figure, median};
use town::{ROWS, Town, Way};

/// Runs at the same time, of each way: four for each partner, as many as a host of two cores has under way at once. So
/// the machine has something to do while commits are on their way.
const TASKS: usize = 4 * town::PARTNERS;

/// The three ways, in the order in which they take turns.
const WAYS: [Way; 3] = [Way::Native, Way::Metered, Way::Unmetered];

/// Runs the benchmark.
pub(crate) fn run(quick: bool) -> Vec<Figure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let mut figures = runs(quick).await;
        figures.push(upload::measure(quick).await);
        figures
    })
}

/// Runs done in a while.
#[derive(Debug, Clone, Copy)]
struct Done {
    /// Runs a second.
    rate: f64,
    /// Runs a second of processor time: what one core does.
    per_core: f64,
}

async fn runs(quick: bool) -> Vec<Figure> {
    let (rounds, duration) = if quick { (3, 1) } else { (9, 3) };
    let town = Town::start().await;
    for way in WAYS {
        town.check(way).await;
        measure(&town, way, Duration::from_secs(1)).await;
    }
    let mut rounds_done = Vec::new();
    for round in 0..rounds {
        eprintln!("partners: round {} of {rounds}", round + 1);
        let mut done = Vec::new();
        for way in WAYS {
            done.push(measure(&town, way, Duration::from_secs(duration)).await);
        }
        let [native, metered, unmetered] = [done[0], done[1], done[2]];
        for (way, done) in WAYS.iter().zip(&done) {
            let (rate, per_core) = (done.rate, done.per_core);
            eprintln!("partners: {way:?} {rate:.0} runs/s, {per_core:.0} a core");
        }
        rounds_done.push((native, metered, unmetered));
    }
    town.stop().await;
    figures(&rounds_done)
}

fn figures(rounds: &[(Done, Done, Done)]) -> Vec<Figure> {
    let middle = |of: fn(&(Done, Done, Done)) -> f64| {
        let mut values: Vec<_> = rounds.iter().map(of).collect();
        median(&mut values)
    };
    let named = |what: &str| format!("partners: {what}");
    vec![
        Figure::plain(
            named(&format!(
                "native read of {ROWS} rows, held, settled, with receipt"
            )),
            middle(|(native, ..)| native.rate),
            "runs/s",
        ),
        Figure::plain(
            named("metered run of a plugin, the same"),
            middle(|(_, metered, _)| metered.rate),
            "runs/s",
        ),
        Figure::plain(
            named("unmetered run of the plugin"),
            middle(|(.., unmetered)| unmetered.rate),
            "runs/s",
        ),
        Figure::plain(
            named("native reads, for each core"),
            middle(|(native, ..)| native.per_core),
            "runs/s",
        ),
        Figure::plain(
            named("metered runs, for each core"),
            middle(|(_, metered, _)| metered.per_core),
            "runs/s",
        ),
        Figure::plain(
            named("unmetered runs, for each core"),
            middle(|(.., unmetered)| unmetered.per_core),
            "runs/s",
        ),
        Figure::at_least(
            named("metered run over native read"),
            middle(|(native, metered, _)| metered.rate / native.rate),
            "ratio",
            0.5,
        ),
        Figure::at_most(
            named("overhead of metering and receipts"),
            middle(|(_, metered, unmetered)| 100.0 * (unmetered.rate / metered.rate - 1.0)),
            "%",
            15.0,
        ),
    ]
}

/// Runs one way for a while, several at a time.
async fn measure(town: &Town, way: Way, duration: Duration) -> Done {
    let (since, busy) = (Instant::now(), processor_time());
    let task = |task: usize| async move {
        let mut runs = 0_u32;
        while since.elapsed() < duration {
            town.run(way, task % town::PARTNERS).await;
            runs += 1;
        }
        runs
    };
    let tasks: Vec<_> = (0..TASKS).map(task).collect();
    let runs: u32 = join_all(tasks).await.into_iter().sum();
    let (elapsed, busy) = (since.elapsed().as_secs_f64(), processor_time() - busy);
    Done {
        rate: f64::from(runs) / elapsed,
        per_core: f64::from(runs) / busy.max(f64::EPSILON),
    }
}

/// Processor time of this process so far, seconds.
fn processor_time() -> f64 {
    /// Ticks of the kernel's clock for programs, Hz, on every architecture that Rust runs on.
    const TICKS: f64 = 100.0;
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name may have blanks in it; after it come the state and then numbers.
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let ticks = fields.split_whitespace().skip(11).take(2);
    ticks
        .filter_map(|field| field.parse::<f64>().ok())
        .sum::<f64>()
        / TICKS
}
