//! What a reading costs Redis, with few houses and with many: commands, bytes both ways, processor time.

use std::time::Duration;

use super::super::figure::Figure;
use super::super::redis_server::Server;
use super::{Bench, workload};

/// Houses of the small and of the large installation.
const SMALL: usize = 1_000;
const LARGE: usize = 100_000;

/// Enough that what a host asks without any reading (twice a second or so) does not count.
const READINGS_MIN: usize = 50_000;

/// Between two looks at the backlog, which cost commands themselves.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How much more a reading may cost with many houses: constant, but for the noise of batches that are cut
/// elsewhere.
const GROWTH_MAX: f64 = 1.2;

/// The costs with few and many houses, and their ratios.
pub(crate) async fn measure(quick: bool) -> Vec<Figure> {
    let large = if quick { LARGE / 10 } else { LARGE };
    // The same number of readings, so that only the number of houses differs.
    let readings = large.max(READINGS_MIN);
    let at_small = Cost::with(SMALL, readings).await;
    let at_large = Cost::with(large, readings).await;
    let mut figures = Vec::new();
    for (houses, cost) in [(SMALL, &at_small), (large, &at_large)] {
        let name = |what: &str| format!("redis: per reading, {houses} houses: {what}");
        figures.extend([
            Figure::plain(name("commands"), cost.commands, "commands"),
            Figure::plain(name("to Redis"), cost.bytes_in, "bytes"),
            Figure::plain(name("from Redis"), cost.bytes_out, "bytes"),
            Figure::plain(name("Redis' processor"), cost.cpu_us, "µs"),
        ]);
    }
    let growth = |what: &str, ratio: f64| {
        let name = format!("redis: per reading, many houses over few: {what}");
        Figure::at_most(name, ratio, "ratio", GROWTH_MAX)
    };
    let bytes = |cost: &Cost| cost.bytes_in + cost.bytes_out;
    figures.extend([
        growth("commands", at_large.commands / at_small.commands),
        growth("bytes", bytes(&at_large) / bytes(&at_small)),
    ]);
    figures
}

/// The cost of something, or of one reading.
#[derive(Debug, Clone, Copy)]
struct Cost {
    /// Commands that were run, those inside scripts included.
    commands: f64,
    bytes_in: f64,
    bytes_out: f64,
    /// Processor time of the server, µs.
    cpu_us: f64,
}

impl Cost {
    /// Of one of many readings by a host, while it works off a backlog.
    async fn with(houses: usize, readings: usize) -> Self {
        eprintln!("redis: cost with {houses} houses");
        let bench = Bench::with_backlog(houses, readings).await;
        let before = Self::so_far(&bench.server);
        let (host, _folder) = bench.host().await;
        workload::drained(bench.store.as_ref(), readings, LOOK_EVERY).await;
        let after = Self::so_far(&bench.server);
        host.stop().await;
        let of_one = |after: f64, before: f64| (after - before) / readings as f64;
        Self {
            commands: of_one(after.commands, before.commands),
            bytes_in: of_one(after.bytes_in, before.bytes_in),
            bytes_out: of_one(after.bytes_out, before.bytes_out),
            cpu_us: of_one(after.cpu_us, before.cpu_us),
        }
    }

    /// Since the server started.
    fn so_far(server: &Server) -> Self {
        let ask = |section| server.ask(&["INFO", section]).expect("INFO");
        let (stats, cpu, commands) = (ask("stats"), ask("cpu"), ask("commandstats"));
        let seconds = field(&cpu, "used_cpu_user") + field(&cpu, "used_cpu_sys");
        Self {
            commands: calls(&commands),
            bytes_in: field(&stats, "total_net_input_bytes"),
            bytes_out: field(&stats, "total_net_output_bytes"),
            cpu_us: seconds * 1e6,
        }
    }
}

/// The number of a line `name:number`.
fn field(info: &str, name: &str) -> f64 {
    let mut lines = info.lines();
    let number = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let number = number.and_then(|number| number.trim().parse().ok());
    number.unwrap_or_else(|| panic!("INFO tells no {name}"))
}

/// All calls of `cmdstat_get:calls=3,usec=5,…`.
fn calls(info: &str) -> f64 {
    let of = |line: &str| -> Option<f64> {
        let (_, rest) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
        rest.split(',').next()?.parse().ok()
    };
    info.lines().filter_map(of).sum()
}
