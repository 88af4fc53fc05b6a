//! A hello in JavaScript and in Python, the unchanged template of a new function, over `wasmtime serve` in the same mode.

use std::path::Path;

use super::peers::{self, Mode, Peer};
use crate::figure::{Figure, median};
use crate::servers::{Cores, LANGUAGES, Server};

/// Ours over theirs.
const LEAST: f64 = 1.0;

/// Seconds of a warming load.
const WARM_S: f64 = 0.5;

/// Each language in both modes, in turns; what is not there is said and left out.
pub(super) fn measure(leyden: &Server, rounds: usize, seconds: f64) -> Vec<Figure> {
    let Some(wasmtime) = Peer::Wasmtime.program() else {
        return Vec::new();
    };
    let mut figures = Vec::new();
    for language in LANGUAGES {
        let Some(component) = std::env::var_os(language.variable) else {
            eprintln!(
                "functions: {} names no component: left out",
                language.variable
            );
            continue;
        };
        let modes = [
            (Mode::Fresh, language.fresh, "fresh instance"),
            (Mode::Reuse, language.again, "reused instance"),
        ];
        for (mode, function, word) in modes {
            let theirs = peers::wasmtime(&wasmtime, Cores::Apart, mode, Path::new(&component));
            let name = format!("{} hello, {word}", language.name);
            let path = format!("/fn/{function}/");
            match compare((leyden, &path), (&theirs, "/"), rounds, seconds) {
                Some((ours, ratio)) => figures.extend([
                    Figure::plain(format!("functions: Leyden, {name}"), ours, "requests/s"),
                    Figure::at_least(
                        format!("functions: {name}, over wasmtime serve"),
                        ratio,
                        "ratio",
                        LEAST,
                    ),
                ]),
                None => eprintln!("functions: {name} fails under load: left out"),
            }
        }
    }
    figures
}

/// The median rate of the first and the median of its ratio to the second; none where one of them fails.
fn compare(
    ours: (&Server, &str),
    theirs: (&Server, &str),
    rounds: usize,
    seconds: f64,
) -> Option<(f64, f64)> {
    let rate = |(server, path): (&Server, &str), seconds| {
        let answered = server.load(path, seconds).tried();
        answered.map(|answered| answered.rate)
    };
    rate(ours, WARM_S)?;
    rate(theirs, WARM_S)?;
    let (mut rates, mut ratios) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let ours = rate(ours, seconds)?;
        ratios.push(ours / rate(theirs, seconds)?);
        rates.push(ours);
    }
    Some((median(&mut rates), median(&mut ratios)))
}
