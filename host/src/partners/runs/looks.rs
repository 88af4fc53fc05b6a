//! What is kept of runs, for whoever may see it.

use super::super::archive::{self, Month};
use super::super::limits::RunLimits;
use super::super::logs::{self, RunLog};
use super::super::queue::Claim;
use super::super::quote::{self, Quote};
use super::super::receipts::PublicKey;
use super::super::reports::{self, Shelved};
use super::super::{account, plugins, usage};
use super::{Error, Runs};
use crate::ids::{ComponentName, PartnerId};

/// Most runs of one answer about logs: the longest log has a mebibyte.
pub const LOGS_MAX: usize = 20;

impl Runs {
    /// The key that verifies receipts.
    ///
    /// # Errors
    /// The store did not answer.
    pub async fn receipt_key(&self) -> Result<PublicKey, Error> {
        Ok(self.shared.options.notary.public_key().await?)
    }

    /// A partner's receipts after a place in its chain (0: from the first), of one month or of all.
    ///
    /// # Errors
    /// The partner is unknown, or the store did not answer.
    pub async fn receipts(
        &self,
        partner: &PartnerId,
        month: Option<&Month>,
        after: u64,
        limit: usize,
    ) -> Result<archive::Page, Error> {
        let mut work = self.shared.work();
        Ok(archive::page(&mut work, partner, month, after, limit).await?)
    }

    /// What a partner, or everybody, used in a month: the rows after a place.
    ///
    /// # Errors
    /// The store did not answer.
    pub async fn usage(
        &self,
        month: &Month,
        partner: Option<&PartnerId>,
        after: Option<&str>,
    ) -> Result<usage::Report, Error> {
        let mut work = self.shared.work();
        Ok(usage::report(&mut work, month, partner, after).await?)
    }

    /// What a plugin's last runs logged and cost, the newest first: at most `limit` runs, and only those before
    /// the one of number `before`.
    ///
    /// # Errors
    /// There is no such plugin, or the store did not answer.
    pub async fn logs(
        &self,
        partner: &PartnerId,
        plugin: &ComponentName,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<RunLog>, Error> {
        self.check_plugin(partner, plugin).await?;
        let mut work = self.shared.work();
        let logs = logs::list(&mut work, partner, plugin, before, limit.min(LOGS_MAX));
        Ok(logs.await?)
    }

    /// The reports of a plugin's triggers, the newest first.
    ///
    /// # Errors
    /// There is no such plugin, or the store did not answer.
    pub async fn reports(
        &self,
        partner: &PartnerId,
        plugin: &ComponentName,
    ) -> Result<Vec<Shelved>, Error> {
        self.check_plugin(partner, plugin).await?;
        let mut work = self.shared.work();
        Ok(reports::list(&mut work, partner, plugin).await?)
    }

    /// One report of a plugin's triggers.
    ///
    /// # Errors
    /// None of this run is kept, or the store did not answer.
    pub async fn report(
        &self,
        partner: &PartnerId,
        plugin: &ComponentName,
        run: &str,
    ) -> Result<(Shelved, Vec<u8>), Error> {
        let mut work = self.shared.work();
        Ok(reports::find(&mut work, partner, plugin, run).await?)
    }

    /// What a run of a plugin would cost; nothing of anybody is read and nothing is charged. It takes a place like
    /// any run.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn quote(
        &self,
        partner: &PartnerId,
        plugin: &ComponentName,
        params: String,
    ) -> Result<Quote, Error> {
        let shared = &self.shared;
        let trust_level = shared.trust_level(partner).await?;
        let claim = Claim::of(&RunLimits::of(trust_level));
        let _place = shared.room.enter(partner, claim).await?;
        let runner = &shared.options.runner;
        let ready = runner.ready(partner, plugin, trust_level, shared.work());
        let ready = ready.await?;
        let work = shared.work_of(&uuid::Uuid::new_v4().to_string());
        let tried = quote::tried(&ready, work, trust_level, params).await;
        let mut work = shared.work();
        Ok(Quote {
            digest: ready.digest,
            imports: ready.imports,
            terms: ready.terms,
            balance: work.balance(&account(partner.as_str())).await?,
            tried,
            last: quote::last(&mut work, partner, plugin).await?,
        })
    }

    async fn check_plugin(&self, partner: &PartnerId, plugin: &ComponentName) -> Result<(), Error> {
        let store = self.shared.options.store.as_ref();
        let unknown = || super::super::Error::UnknownPlugin(partner.clone(), plugin.clone());
        let active = plugins::active(store, partner, plugin).await?;
        active.map(|_| ()).ok_or_else(|| unknown().into())
    }
}
