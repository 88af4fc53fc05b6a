//! A function that answers 13 bytes (`wasi:http`, an unmodified component), with a fresh instance for each request and with
//! reuse, against a service and native axum. Servers and load as in `echo`.

use super::echo::{PATH, Server};
use super::figure::{Figure, median};

/// What is measured, where it answers, and its target as a ratio to native axum.
const MEASURED: [(&str, &str, f64); 3] = [
    ("service echo, own world, reused instance", PATH, 0.7),
    ("wasi:http hello, reused instance", "/fn/reused/", 0.5),
    ("wasi:http hello, fresh instance", "/fn/fresh/", 0.12),
];

/// Runs the benchmark.
pub(crate) fn run(quick: bool) -> Vec<Figure> {
    let (rounds, seconds) = if quick { (3, 1) } else { (7, 2) };
    let native = Server::start("native");
    let leyden = Server::start("leyden");
    let mut ratios: [Vec<f64>; MEASURED.len()] = Default::default();
    for round in 0..=rounds {
        let base = native.rate(PATH, seconds);
        for ((_, path, _), ratios) in MEASURED.iter().zip(&mut ratios) {
            let rate = leyden.rate(path, seconds);
            // The first round warms up.
            if round > 0 {
                ratios.push(rate / base);
            }
        }
    }
    let figure = |((name, _, least), mut ratios): ((&str, &str, f64), Vec<f64>)| {
        let name = format!("functions: {name}, over native axum");
        Figure::at_least(name, median(&mut ratios), "ratio", least)
    };
    MEASURED.into_iter().zip(ratios).map(figure).collect()
}
