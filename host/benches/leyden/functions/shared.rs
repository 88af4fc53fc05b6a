//! Fresh instances where servers and load share all cores, over what each reaches with a core of its own and the load on
//! another: what working on several cores costs, of which page tables and interrupts between cores are most. The load
//! is part of the work in both, so 1 is not the most, and a server that scales well comes near it.

use super::rates::Contestant;
use crate::figure::{Figure, median};
use crate::servers::{Cores, Server};

/// What of the rate on one core is kept.
const KEPT_MIN: f64 = 0.9;

/// A server that was started again on all cores.
pub(super) struct Again<'a, 'b> {
    /// As it was on one core.
    pub(super) pinned: &'a Contestant<'a>,
    pub(super) server: &'b Server,
}

/// Measures each in turns with what it is compared with.
pub(super) fn measure(all: &[Again<'_, '_>], rounds: usize, seconds: f64) -> Vec<Figure> {
    let mut kept = vec![Vec::new(); all.len()];
    for round in 0..rounds {
        for (Again { pinned, server }, kept) in all.iter().zip(&mut kept) {
            debug_assert!(server.cores() == Cores::Shared);
            let alone = pinned.server.load(pinned.path, seconds).answered().rate;
            let shared = server.load(pinned.path, seconds).answered().rate;
            kept.push(shared / alone);
        }
        eprintln!("functions: shared cores, round {} of {rounds}", round + 1);
    }
    let figure = |(Again { pinned, .. }, mut kept): (&Again<'_, '_>, Vec<f64>)| {
        let name = format!("functions: {}, all cores shared over one core", pinned.name);
        match pinned.least {
            Some(_) => Figure::at_least(name, median(&mut kept), "ratio", KEPT_MIN),
            None => Figure::plain(name, median(&mut kept), "ratio"),
        }
    };
    all.iter().zip(kept).map(figure).collect()
}
