//! One run of a plugin: what it is given, and what it costs. The same for a run that is paid for, for its replay, and for an
//! estimate.

use std::sync::Arc;

use super::super::Partner;
use super::super::bill::{Bill, fuel_paid_for};
use super::super::limits::RunLimits;
use super::super::settle;
use crate::dispatch::work::Work;
use crate::metering::{Meter, Purse, Tab, Terms};
use crate::registry::Generation;
use crate::runtime::run::{Ran, RunInput, RunParams};
use crate::store::Posting;

/// What a run goes by.
#[derive(Clone, Copy)]
pub(crate) struct Once<'a> {
    /// For whom it runs.
    pub(crate) partner: &'a Arc<Partner>,
    /// From what its reads are paid.
    pub(crate) purse: Purse,
    /// What it may spend, datapoints.
    pub(crate) held: u64,
    /// What it may use.
    pub(crate) limits: RunLimits,
    /// What the access policy asks.
    pub(crate) terms: &'a Terms,
}

impl Once<'_> {
    /// A new tab for it.
    pub(crate) fn tab(&self) -> Tab {
        Tab::over(self.held).under(self.terms)
    }

    /// What its plugin is run with. Its reads are made in `work` and counted on `tab`.
    pub(crate) fn input(
        &self,
        mut work: Box<Work>,
        tab: Tab,
        params: RunParams,
        generation: Arc<Generation>,
    ) -> RunInput {
        let limits = self.limits;
        work.meter = Some(Box::new(Meter {
            partner: self.partner.clone(),
            purse: self.purse,
            tab,
            rows_left: limits.rows,
            reads_left: limits.reads,
            bytes_left: limits.data_bytes as u64,
        }));
        RunInput {
            entry: None,
            granted: self.terms.granted().map(|(dataset, _)| dataset).collect(),
            limits,
            fuel_max: fuel_paid_for(self.held, self.terms.compute_price),
            params,
            generation,
            work,
        }
    }

    /// What it costs.
    pub(crate) fn bill(&self, ran: &Ran, tab: &Tab) -> Bill {
        let (outcome, (reads, _)) = (settle::outcome(ran), tab.reads());
        let price = self.terms.compute_price;
        Bill::of(self.held, reads, ran.fuel, price, outcome)
    }

    /// The movements that settle it under its id.
    pub(crate) fn postings(&self, run: &str, ran: &Ran, tab: &Tab) -> Vec<Posting> {
        self.bill(ran, tab).postings(&self.partner.id, run)
    }
}
