//! What the operator does with partners: registers them, gives them credit, trusts them more or less, looks
//! at them. Each is one small transaction; what changes something has its entry in the audit.
//!
//! **Invariants.** Datapoints come from the issuer under a reference that counts once for a partner,
//! whoever sends it how often: an invoice is credited once. What was given wrongly is taken back by
//! `refunds`.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::keys;
use super::{
    Error, Operation, PARTNERS, Partner, account, credits, hold_account, perform, record,
    upload_key,
};
use crate::clock::Clock;
use crate::dispatch::work::Work;
use crate::ids::PartnerId;
use crate::keys::{ApiKey, Of};
use crate::operators::Operator;
use crate::operators::audit::{self, Change, Entry};
use crate::store::{Order, Range, Store};

/// Greatest credit given at once, datapoints: a thousandth of what a sum can hold.
pub const CREDIT_MAX: u64 = 1_000_000_000_000;
/// Greatest trust level.
pub const TRUST_LEVEL_MAX: u32 = 10;
/// Longest reference of a credit (bytes).
pub const REFERENCE_BYTES_MAX: usize = 200;
/// Most partners of one answer: each costs a look at two accounts.
pub const LISTED_MAX: usize = 200;

/// The reference of the credit that a partner is registered with.
const OPENING: &str = "opening";

/// Ids that a path cannot name: clients resolve the first two before they send a request, and the
/// last is a document.
const RESERVED: [&str; 3] = [".", "..", "receipt-key"];

/// The operator's hand on partners' accounts. Cheap to clone.
#[derive(Clone)]
pub struct Accounts {
    store: Arc<dyn Store>,
    clock: Arc<Clock>,
}

/// A partner and what it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overview {
    /// Who it is.
    pub partner: Partner,
    /// What it may spend, datapoints.
    pub balance: u64,
    /// What its running plugins hold, datapoints.
    pub held: u64,
}

/// A page of partners.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// By id.
    pub partners: Vec<Overview>,
    /// After whom the next page begins; none at the end.
    pub next: Option<PartnerId>,
}

/// A credit that was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credited {
    /// The partner afterwards.
    pub overview: Overview,
    /// Whether it had been given before, so that this request changed nothing.
    pub repeated: bool,
}

impl Accounts {
    /// Accounts in a store.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, clock: Arc<Clock>) -> Self {
        Self { store, clock }
    }

    /// Registers a partner with its first API key and, where `credit` is more than 0, with datapoints.
    ///
    /// # Errors
    /// It is registered already, or see [`Error`].
    pub async fn add(
        &self,
        by: &Operator,
        id: &PartnerId,
        trust_level: u32,
        credit: u64,
    ) -> Result<(Overview, ApiKey), Error> {
        if RESERVED.contains(&id.as_str()) {
            return Err(Error::invalid(
                "id",
                format!("must not be {}", RESERVED.join(", ")),
            ));
        }
        let key = &ApiKey::generate(Of::Partner);
        let overview = self
            .perform(&Add {
                by,
                id,
                trust_level,
                credit,
                key,
            })
            .await?;
        Ok((overview, key.clone()))
    }

    /// Gives a partner datapoints, once for each reference.
    ///
    /// # Errors
    /// The reference was used for another amount, or see [`Error`].
    pub async fn credit(
        &self,
        by: &Operator,
        id: &PartnerId,
        amount: u64,
        reference: &str,
    ) -> Result<Credited, Error> {
        credits::check_reference(reference)?;
        self.perform(&credits::Give {
            by,
            id,
            amount,
            reference,
        })
        .await
    }

    /// Sets how far a partner is trusted. Counts for what is uploaded or run from then on.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn set_trust(
        &self,
        by: &Operator,
        id: &PartnerId,
        level: u32,
    ) -> Result<Overview, Error> {
        self.perform(&Set {
            by,
            id,
            to: Changed::Trust(level),
        })
        .await
    }

    /// Registers the key that signs a partner's uploads, in place of the former one. What was uploaded stays.
    ///
    /// # Errors
    /// It is no such key, or see [`Error`].
    pub async fn set_upload_key(
        &self,
        by: &Operator,
        id: &PartnerId,
        text: &str,
    ) -> Result<Overview, Error> {
        let key = upload_key::parse(text).map_err(|rule| Error::invalid("pem", rule.0))?;
        self.perform(&Set {
            by,
            id,
            to: Changed::UploadKey(key),
        })
        .await
    }

    /// A partner and what it has.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn overview(&self, id: &PartnerId) -> Result<Overview, Error> {
        self.perform(&Look(id)).await
    }

    /// Partners by id, after one of them.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn list(&self, after: Option<&PartnerId>, limit: usize) -> Result<Page, Error> {
        let limit = limit.min(LISTED_MAX);
        self.perform(&List { after, limit }).await
    }

    /// Gives a partner one more API key.
    ///
    /// # Errors
    /// It has as many as it may, or see [`Error`].
    pub async fn issue_key(&self, by: &Operator, id: &PartnerId) -> Result<ApiKey, Error> {
        let key = &ApiKey::generate(Of::Partner);
        let partner = id;
        self.perform(&keys::Issue { by, partner, key }).await?;
        Ok(key.clone())
    }

    /// Revokes an API key: the next request with it is refused, on every host.
    ///
    /// # Errors
    /// The partner has no such key, or see [`Error`].
    pub async fn revoke_key(
        &self,
        by: &Operator,
        id: &PartnerId,
        key_id: &str,
    ) -> Result<keys::Listed, Error> {
        self.perform(&keys::Revoke {
            by,
            partner: id,
            key_id,
        })
        .await
    }

    /// A partner's API keys, the newest first, those revoked lately included.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn keys(&self, id: &PartnerId) -> Result<Vec<keys::Listed>, Error> {
        self.perform(&keys::List(id)).await
    }

    pub(super) async fn perform<O: Operation>(&self, operation: &O) -> Result<O::Done, Error> {
        perform(&self.store, self.clock.now(), operation).await
    }
}

/// A registered partner.
pub(super) async fn registered(work: &mut Work, id: &PartnerId) -> Result<Partner, Error> {
    let found = record::find(work, id).await?;
    found.ok_or_else(|| Error::UnknownPartner(id.clone()))
}

/// What a partner has, what this transaction moves included.
pub(super) async fn overview(work: &mut Work, partner: Partner) -> Result<Overview, Error> {
    let id = partner.id.as_str();
    Ok(Overview {
        balance: work.balance(&account(id)).await?,
        held: work.balance(&hold_account(id)).await?,
        partner,
    })
}

struct Add<'a> {
    by: &'a Operator,
    id: &'a PartnerId,
    trust_level: u32,
    credit: u64,
    key: &'a ApiKey,
}

impl Operation for Add<'_> {
    type Done = Overview;

    async fn apply(&self, work: &mut Work) -> Result<Overview, Error> {
        if record::find(work, self.id).await?.is_some() {
            return Err(Error::Conflict(format!(
                "partner '{0}' is registered already: `leyden partner trust {0} LEVEL` changes its trust \
                 level, `leyden partner credit {0} AMOUNT --reference TEXT` gives it credit, and `leyden \
                 partner keys {0} --rotate` makes another key",
                self.id
            )));
        }
        let partner = Partner::new(self.id.clone(), self.trust_level, work.now());
        record::put(work, &partner)?;
        if self.credit > 0 {
            credits::give(work, self.id, self.credit, OPENING).await?;
        }
        keys::keep(work, self.id, self.key).await?;
        let given = format!("key {}, credit {}", self.key.id(), self.credit);
        Entry::of(self.by, Change::AddPartner, &audit::partner(self.id))
            .with(None, Some(self.trust_level.to_string()))
            .because(Some(given))
            .enter(work)?;
        overview(work, partner).await
    }
}

/// What is changed in a partner's record.
enum Changed {
    Trust(u32),
    UploadKey([u8; 32]),
}

struct Set<'a> {
    by: &'a Operator,
    id: &'a PartnerId,
    to: Changed,
}

impl Operation for Set<'_> {
    type Done = Overview;

    async fn apply(&self, work: &mut Work) -> Result<Overview, Error> {
        let mut partner = registered(work, self.id).await?;
        let (change, from, to) = self.apply_to(&mut partner);
        record::put(work, &partner)?;
        if from != to {
            Entry::of(self.by, change, &audit::partner(self.id))
                .with(from, to)
                .enter(work)?;
        }
        overview(work, partner).await
    }
}

impl Set<'_> {
    /// Sets it; what the audit says of it, before and afterwards.
    fn apply_to(&self, partner: &mut Partner) -> (Change, Option<String>, Option<String>) {
        match self.to {
            Changed::Trust(level) => {
                let former = std::mem::replace(&mut partner.trust_level, level);
                let (from, to) = (former.to_string(), level.to_string());
                (Change::Trust, Some(from), Some(to))
            }
            Changed::UploadKey(key) => {
                let former = partner.upload_key.replace(key);
                let from = former.map(|key| STANDARD.encode(key));
                (Change::UploadKey, from, Some(STANDARD.encode(key)))
            }
        }
    }
}

struct Look<'a>(&'a PartnerId);

impl Operation for Look<'_> {
    type Done = Overview;

    async fn apply(&self, work: &mut Work) -> Result<Overview, Error> {
        let partner = registered(work, self.0).await?;
        overview(work, partner).await
    }
}

struct List<'a> {
    after: Option<&'a PartnerId>,
    limit: usize,
}

impl Operation for List<'_> {
    type Done = Page;

    async fn apply(&self, work: &mut Work) -> Result<Page, Error> {
        let range = Range {
            start: self
                .after
                .map_or(vec![0], |id| [record::key(id), vec![0]].concat()),
            end: None,
        };
        let found = work
            .scan(&PARTNERS.into(), range, Order::Ascending, self.limit + 1)
            .await?;
        let mut partners = Vec::with_capacity(found.len().min(self.limit));
        for entry in found.iter().take(self.limit) {
            let partner = serde_json::from_slice(&entry.value).map_err(|_| Error::broken())?;
            partners.push(overview(work, partner).await?);
        }
        let more = found.len() > self.limit;
        let last = partners
            .last()
            .map(|last: &Overview| last.partner.id.clone());
        Ok(Page {
            partners,
            next: last.filter(|_| more),
        })
    }
}
