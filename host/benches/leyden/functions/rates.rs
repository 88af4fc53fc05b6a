//! Requests per second, 32 connections, the server on one core and the load on the other, in turns.

use crate::figure::{Figure, median};
use crate::servers::{PATH, Server};

/// Seconds of a warming load: compilers inside the servers have done what they do by then.
const WARM_S: f64 = 0.5;

/// One that is measured.
pub(super) struct Contestant<'a> {
    pub(super) name: String,
    pub(super) server: &'a Server,
    pub(super) path: &'a str,
    /// What its rate should be over the native one's; none: only printed.
    pub(super) least: Option<f64>,
    /// What came of it, a round each.
    rates: Vec<f64>,
    ratios: Vec<f64>,
}

impl<'a> Contestant<'a> {
    pub(super) fn new(name: &str, server: &'a Server, path: &'a str, least: Option<f64>) -> Self {
        Self {
            name: name.to_owned(),
            server,
            path,
            least,
            rates: Vec::new(),
            ratios: Vec::new(),
        }
    }

    /// Its median rate.
    pub(super) fn rate(&self) -> f64 {
        median(&mut self.rates.clone())
    }

    fn figures(&self) -> [Figure; 2] {
        let rate = format!("functions: {}, one core, 32 connections", self.name);
        let ratio = format!("functions: {}, over native axum", self.name);
        let over = median(&mut self.ratios.clone());
        let ratio = match self.least {
            Some(least) => Figure::at_least(ratio, over, "ratio", least),
            None => Figure::plain(ratio, over, "ratio"),
        };
        [Figure::plain(rate, self.rate(), "requests/s"), ratio]
    }
}

/// Has them all asked in turns; `native` is what they are compared with. The native median rate first.
pub(super) fn measure(
    native: &Server,
    contestants: &mut [Contestant<'_>],
    rounds: usize,
    seconds: f64,
) -> (f64, Vec<Figure>) {
    let _warm = native.load(PATH, WARM_S).answered();
    for contestant in contestants.iter() {
        let _warm = contestant.server.load(contestant.path, WARM_S).answered();
    }
    let mut natives = Vec::new();
    for round in 0..rounds {
        let base = native.load(PATH, seconds).answered().rate;
        natives.push(base);
        for contestant in contestants.iter_mut() {
            let rate = contestant
                .server
                .load(contestant.path, seconds)
                .answered()
                .rate;
            contestant.rates.push(rate);
            contestant.ratios.push(rate / base);
        }
        eprintln!("functions: rates, round {} of {rounds}", round + 1);
    }
    let base = median(&mut natives);
    let name = "functions: native axum, one core, 32 connections";
    let mut figures = vec![Figure::plain(name, base, "requests/s")];
    figures.extend(contestants.iter().flat_map(Contestant::figures));
    (base, figures)
}
