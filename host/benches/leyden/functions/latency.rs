//! How long one answer takes: one request at a time on a quiet server, and 32 connections at half of the highest rate, where
//! requests are due at fixed times and are timed from then.

use super::rates::Contestant;
use crate::figure::{Figure, median};
use crate::servers::{PATH, Server};

/// The median that a contestant may take longer than native axum (µs), by what its name ends with.
const LATER_MAX_US: [(&str, f64); 2] = [("reused instance", 10.0), ("fresh instance", 25.0)];

/// The p99 at half of the highest rate over native axum's at half of its own.
const P99_MAX: f64 = 3.0;

/// How much later than native axum each answers one request at a time: median over rounds of the difference of medians.
pub(super) fn alone(
    native: &Server,
    contestants: &[Contestant<'_>],
    rounds: usize,
    seconds: f64,
) -> Vec<Figure> {
    let p50 = |server: &Server, path: &str| {
        let load = server.load(path, seconds).connections(1);
        load.answered().p50_us
    };
    let mut natives = Vec::new();
    let mut later = vec![Vec::new(); contestants.len()];
    for round in 0..rounds {
        let base = p50(native, PATH);
        natives.push(base);
        for (contestant, later) in contestants.iter().zip(&mut later) {
            later.push(p50(contestant.server, contestant.path) - base);
        }
        eprintln!("functions: one at a time, round {} of {rounds}", round + 1);
    }
    let name = "functions: native axum, one at a time, p50";
    let mut figures = vec![Figure::plain(name, median(&mut natives), "µs")];
    figures.extend(
        contestants
            .iter()
            .zip(later)
            .map(|(contestant, mut later)| {
                let name = format!(
                    "functions: {}, one at a time, p50 after axum's",
                    contestant.name
                );
                let most = LATER_MAX_US
                    .iter()
                    .find(|(end, _)| contestant.least.is_some() && contestant.name.contains(end));
                match most {
                    Some((_, most)) => Figure::at_most(name, median(&mut later), "µs", *most),
                    None => Figure::plain(name, median(&mut later), "µs"),
                }
            }),
    );
    figures
}

/// The p99 of each at half of its own highest rate, over native axum's at half of its (`native_rate`): median over rounds.
pub(super) fn at_half(
    native: &Server,
    native_rate: f64,
    contestants: &[Contestant<'_>],
    rounds: usize,
    seconds: f64,
) -> Vec<Figure> {
    let p99 = |server: &Server, path: &str, rate: f64| {
        let load = server.load(path, seconds).due(rate / 2.0);
        load.answered().p99_us
    };
    let mut natives = Vec::new();
    let mut over = vec![Vec::new(); contestants.len()];
    for round in 0..rounds {
        let base = p99(native, PATH, native_rate);
        natives.push(base);
        for (contestant, over) in contestants.iter().zip(&mut over) {
            over.push(p99(contestant.server, contestant.path, contestant.rate()) / base);
        }
        eprintln!(
            "functions: p99 at half rate, round {} of {rounds}",
            round + 1
        );
    }
    let name = "functions: native axum, p99 at half of its highest rate";
    let mut figures = vec![Figure::plain(name, median(&mut natives), "µs")];
    figures.extend(contestants.iter().zip(over).map(|(contestant, mut over)| {
        let name = format!(
            "functions: {}, p99 at half of its rate, over axum's",
            contestant.name
        );
        match contestant.least {
            Some(_) => Figure::at_most(name, median(&mut over), "ratio", P99_MAX),
            None => Figure::plain(name, median(&mut over), "ratio"),
        }
    }));
    figures
}
