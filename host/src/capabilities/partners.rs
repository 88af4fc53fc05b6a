//! `leyden:partners`: partners' accounts, for components whose manifest grants them.

use std::sync::Arc;

use super::data::DataView;
use super::leyden::partners::accounts::{Error, Host, Partner as Info};
use crate::dispatch::work::{self, Work};
use crate::ids::PartnerId;
use crate::metering::{Meter, Purse, Tab};
use crate::partners::{self, Partner};
use crate::runtime::Guest;
use crate::store::{ISSUER, Posting};

/// Longest reference, bytes.
const REFERENCE_BYTES_MAX: usize = 200;

/// Largest amount of one credit, so that sums of many stay far from the store's 2^53.
const AMOUNT_MAX: u64 = 1_000_000_000_000;

/// The highest trust level.
const TRUST_LEVEL_MAX: u32 = 10;

/// Readings, reads and bytes of readings that an invocation of the operator's own component may have: what
/// its deadline allows, so that these bounds end what is broken.
const ROWS_MAX: u32 = 100_000;
const READS_MAX: u32 = 1_000;
const BYTES_MAX: u64 = 64 << 20;

/// What the guest calls its metered datasets with.
pub(super) fn view(guest: &mut Guest) -> DataView<'_> {
    DataView {
        call: &mut guest.call,
    }
}

/// Why a call of the guest fails: for its own reasons, or with the whole invocation.
enum Stop {
    Refused(Error),
    Failed(wasmtime::Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

impl From<wasmtime::Error> for Stop {
    fn from(error: wasmtime::Error) -> Self {
        Self::Failed(error)
    }
}

impl From<work::Error> for Stop {
    fn from(error: work::Error) -> Self {
        match error {
            work::Error::Budget(budget) => Self::Refused(Error::Budget(budget.to_string())),
            other => Self::Failed(super::end(other)),
        }
    }
}

fn answer<T>(result: Result<T, Stop>) -> wasmtime::Result<Result<T, Error>> {
    match result {
        Ok(value) => Ok(Ok(value)),
        Err(Stop::Refused(error)) => Ok(Err(error)),
        Err(Stop::Failed(error)) => Err(error),
    }
}

fn invalid(rule: impl Into<String>) -> Error {
    Error::Invalid(rule.into())
}

fn parse(id: &str) -> Result<PartnerId, Error> {
    PartnerId::parse(id).map_err(|rule| invalid(format!("id {rule}")))
}

/// The registered partner. An id that no partner can have is one that no partner has.
async fn registered(work: &mut Work, id: &str) -> Result<Partner, Stop> {
    let unknown = || Stop::Refused(Error::UnknownPartner(id.chars().take(200).collect()));
    let parsed = PartnerId::parse(id).map_err(|_| unknown())?;
    partners::find(work, &parsed).await?.ok_or_else(unknown)
}

async fn info(work: &mut Work, partner: &Partner) -> Result<Info, Stop> {
    Ok(Info {
        id: partner.id.to_string(),
        trust_level: partner.trust_level,
        datapoints: work
            .balance(&partners::account(partner.id.as_str()))
            .await?,
    })
}

async fn find(work: &mut Work, id: &str) -> Result<Option<Info>, Stop> {
    match registered(work, id).await {
        Ok(partner) => Ok(Some(info(work, &partner).await?)),
        Err(Stop::Refused(Error::UnknownPartner(_))) => Ok(None),
        Err(other) => Err(other),
    }
}

async fn put(work: &mut Work, id: &str, trust_level: u32) -> Result<(), Stop> {
    let id = parse(id)?;
    if trust_level > TRUST_LEVEL_MAX {
        return Err(invalid("trust-level must be 0 to 10").into());
    }
    let partner = match partners::find(work, &id).await? {
        Some(known) => Partner {
            trust_level,
            ..known
        },
        // From the invocation's randomness, so that a replay makes the same.
        None => Partner {
            secret: secret(work),
            ..Partner::new(id, trust_level, work.now())
        },
    };
    Ok(partners::put(work, &partner)?)
}

fn secret(work: &mut Work) -> [u8; 32] {
    let mut secret = [0; 32];
    for bits in secret.chunks_exact_mut(8) {
        bits.copy_from_slice(&work.random().to_be_bytes());
    }
    secret
}

async fn credit(work: &mut Work, id: &str, amount: u64, reference: String) -> Result<(), Stop> {
    if !(1..=AMOUNT_MAX).contains(&amount) {
        return Err(invalid(format!("amount must be 1 to {AMOUNT_MAX}")).into());
    }
    if reference.len() > REFERENCE_BYTES_MAX {
        let rule = format!("reference must be at most {REFERENCE_BYTES_MAX} bytes");
        return Err(invalid(rule).into());
    }
    let partner = registered(work, id).await?;
    let posting = Posting {
        debit: ISSUER.to_owned(),
        credit: partners::account(partner.id.as_str()),
        amount,
        reference,
    };
    Ok(work.post(posting).await?)
}

async fn act_for(work: &mut Work, id: &str) -> Result<(), Stop> {
    let partner = registered(work, id).await?;
    match &work.meter {
        Some(meter) if meter.partner.id == partner.id => Ok(()),
        Some(_) => Err(invalid("id must be the same throughout an invocation").into()),
        None => {
            work.meter = Some(Box::new(Meter {
                partner: Arc::new(partner),
                purse: Purse::Account,
                // The account itself says what is left.
                tab: Tab::over(u64::MAX),
                rows_left: ROWS_MAX,
                reads_left: READS_MAX,
                bytes_left: BYTES_MAX,
            }));
            Ok(())
        }
    }
}

impl Host for Guest {
    async fn find(&mut self, id: String) -> wasmtime::Result<Result<Option<Info>, Error>> {
        answer(find(self.work()?, &id).await)
    }

    async fn put(&mut self, id: String, trust_level: u32) -> wasmtime::Result<Result<(), Error>> {
        answer(put(self.work()?, &id, trust_level).await)
    }

    async fn credit(
        &mut self,
        id: String,
        amount: u64,
        reference: String,
    ) -> wasmtime::Result<Result<(), Error>> {
        answer(credit(self.work()?, &id, amount, reference).await)
    }

    async fn act_for(&mut self, id: String) -> wasmtime::Result<Result<(), Error>> {
        answer(act_for(self.work()?, &id).await)
    }
}
