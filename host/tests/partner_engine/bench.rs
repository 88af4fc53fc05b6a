//! A host whose engine for partners' code is run directly, without accounts and plugins.

use std::sync::Arc;
use std::time::{Duration, Instant};

use leyden::dispatch::work::{Seed, Work};
use leyden::ids::{Digest, PartnerId};
use leyden::metering::{Meter, Purse, Tab};
use leyden::partners::Partner;
use leyden::partners::limits::RunLimits;
use leyden::runtime::{
    Analytics, Datasets, PartnerLoadError, Ran, Report, RunError, RunInput, RunParams, Trigger,
};

use super::support::TestHost;

/// How much later than its deadline a run may end here, where tests share two busy cores. The
/// promise is 50 ms, which `cargo xtask prove` holds it to on a quiet machine.
const GRACE: Duration = Duration::from_millis(700);

/// A deadline for what runs into it: long enough to be made, short enough to wait for.
pub(crate) const DEADLINE_MS: u64 = 500;

/// A host and what runs on it.
pub(crate) struct Bench {
    pub(crate) host: TestHost,
}

impl Bench {
    pub(crate) async fn start() -> Self {
        let host = TestHost::start().await;
        Self { host }
    }

    pub(crate) async fn load(&self, bytes: Vec<u8>) -> Result<Arc<Analytics>, PartnerLoadError> {
        let runtime = &self.host.host.partner_runtime;
        runtime.load(Digest::of(&bytes), Arc::new(bytes)).await
    }

    pub(crate) async fn loaded(&self, bytes: Vec<u8>) -> Arc<Analytics> {
        self.load(bytes).await.unwrap_or_else(|e| panic!("{e}"))
    }

    /// Why a component is not taken.
    pub(crate) async fn refusal(&self, bytes: Vec<u8>) -> String {
        match self.load(bytes).await {
            Err(PartnerLoadError::Refused(refused)) => refused.to_string(),
            Err(other) => panic!("not refused, but: {other}"),
            Ok(_) => panic!("accepted"),
        }
    }

    /// Runs a component with everything granted; it has to end in time.
    pub(crate) async fn run(
        &self,
        analytics: &Arc<Analytics>,
        params: &str,
        limits: RunLimits,
    ) -> Ran {
        let since = Instant::now();
        let ran = analytics
            .run(self.input(Datasets::all(), params, limits))
            .await;
        let most = Duration::from_millis(limits.deadline_ms) + GRACE;
        assert!(
            since.elapsed() < most,
            "{params}: took {:?}",
            since.elapsed()
        );
        ran
    }

    pub(crate) fn input(&self, granted: Datasets, params: &str, limits: RunLimits) -> RunInput {
        let host = &self.host.host;
        let seed = Seed {
            secret: Arc::new([7; 32]),
            invocation: 1,
        };
        let mut work = Work::new(host.store.clone(), host.clock.now(), seed);
        work.meter = Some(Box::new(meter(limits)));
        RunInput {
            entry: None,
            granted,
            limits,
            fuel_max: limits.fuel,
            params: RunParams {
                trigger: Trigger::Request,
                json: params.to_owned(),
            },
            generation: host.registry.generation(),
            work,
        }
    }
}

fn meter(limits: RunLimits) -> Meter {
    let id = PartnerId::parse("acme").expect("an id");
    let partner = Partner::new(id, 3, leyden::ids::Instant(0));
    Meter {
        partner: Arc::new(partner),
        purse: Purse::Hold,
        tab: Tab::over(1_000),
        rows_left: limits.rows,
        reads_left: limits.reads,
        bytes_left: limits.data_bytes as u64,
    }
}

/// The limits of trust level 1 with this deadline.
pub(crate) fn limits(deadline_ms: u64) -> RunLimits {
    RunLimits {
        deadline_ms,
        ..RunLimits::of(1)
    }
}

/// The limits of a run that only its deadline can stop.
pub(crate) fn until_deadline() -> RunLimits {
    RunLimits {
        fuel: u64::MAX >> 1,
        ..limits(DEADLINE_MS)
    }
}

pub(crate) fn report(ran: Ran) -> Report {
    ran.outcome.unwrap_or_else(|error| panic!("{error}"))
}

pub(crate) fn error(ran: &Ran) -> &RunError {
    match &ran.outcome {
        Err(error) => error,
        Ok(report) => panic!("it reported {}", String::from_utf8_lossy(&report.body)),
    }
}
