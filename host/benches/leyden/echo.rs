//! An echo component over HTTP, reused instance, against the same handler in native axum, in turns.

use super::figure::{Figure, median};
use super::servers::{PATH, Server};

/// Runs the benchmark.
pub(crate) fn run(quick: bool) -> Vec<Figure> {
    let (rounds, seconds) = if quick { (3, 1) } else { (7, 2) };
    let native = Server::start("native");
    let leyden = Server::start("leyden");
    let _warm = (native.rate(PATH, 1), leyden.rate(PATH, 1));
    let (mut natives, mut leydens, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        let (n, l) = (native.rate(PATH, seconds), leyden.rate(PATH, seconds));
        natives.push(n);
        leydens.push(l);
        ratios.push(l / n);
    }
    vec![
        Figure::plain(
            "echo: native axum, one core, 32 connections",
            median(&mut natives),
            "requests/s",
        ),
        Figure::plain(
            "echo: component, reused instance",
            median(&mut leydens),
            "requests/s",
        ),
        Figure::at_least(
            "echo: component over native axum",
            median(&mut ratios),
            "ratio",
            0.7,
        ),
    ]
}
