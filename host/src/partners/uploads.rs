//! Uploads of plugins, from bytes to the active version: signature, pass over the binary, trust,
//! compilation, and then one transaction.
//!
//! **Invariants.** Nothing of an upload is parsed before its signature by the partner's registered key has
//! been found sound, and nothing is compiled that did not pass the inspection. What imports a dataset that the
//! partner is not trusted with is refused here, so that the partner is told; that it never gets it is up to
//! linking, at each run. Uploads at a time are bounded, over all and for each partner.

mod places;

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::Signature;

pub use places::Place;
use places::Places;

use super::accounts::registered;
use super::plugins::{self, Keep, Kept, Plugin, Remove, RollBack, RolledBack, Version};
use super::signature::{self, PluginVersion};
use super::{Error, Operation, Partner, Policy, perform};
use crate::clock::Clock;
use crate::dispatch::types::FieldError;
use crate::dispatch::work::Work;
use crate::ids::{ComponentName, Digest, PartnerId};
use crate::metering::{Decision, Terms};
use crate::operators::audit::By;
use crate::runtime::inspect::{Import, Need, Reason};
use crate::runtime::{Inspection, PartnerLoadError, PartnerRuntime, Refused};
use crate::store::Store;

/// The header that carries the signature.
pub const SIGNATURE_HEADER: &str = "Leyden-Signature";
/// The header that names the version.
pub const VERSION_HEADER: &str = "Leyden-Version";

/// Takes uploads, and looks after what was uploaded. Cheap to clone.
#[derive(Clone)]
pub struct Uploads {
    store: Arc<dyn Store>,
    clock: Arc<Clock>,
    policy: Policy,
    runtime: PartnerRuntime,
    places: Arc<Places>,
}

/// An upload as it came.
#[derive(Debug)]
pub struct Upload {
    /// The plugin's name.
    pub name: ComponentName,
    /// What the partner calls this version.
    pub version: PluginVersion,
    /// The detached signature.
    pub signature: Signature,
    /// The component.
    pub bytes: Vec<u8>,
}

impl Uploads {
    /// Uploads into a store.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        clock: Arc<Clock>,
        policy: Policy,
        runtime: PartnerRuntime,
    ) -> Self {
        Self {
            store,
            clock,
            policy,
            runtime,
            places: Arc::default(),
        }
    }

    /// A place for one upload of a partner, to be had before its bytes are read.
    ///
    /// # Errors
    /// The partner is unknown or has no key for uploads, or too many are under way.
    pub async fn place(&self, partner: &PartnerId) -> Result<Place, Error> {
        let partner = self.perform(&Uploader(partner)).await?;
        self.places.take(partner)
    }

    /// Takes an upload; it is active then.
    ///
    /// # Errors
    /// The signature does not fit, the component is refused, or see [`Error`].
    pub async fn accept(&self, by: &By, place: &Place, upload: Upload) -> Result<Kept, Error> {
        let partner = &place.partner;
        let digest = Digest::of(&upload.bytes);
        let signed_by = check_signature(partner, &digest, &upload)?;
        let bytes = Arc::new(upload.bytes);
        let inspected = self.runtime.inspect(bytes.clone()).await;
        let inspection = inspected.map_err(not_loaded)?;
        self.check_trust(partner, &inspection).await?;
        let datasets = inspection.datasets().collect();
        let loaded = self.runtime.load_inspected(inspection, bytes.clone());
        loaded.await.map_err(not_loaded)?;
        let version = &Version {
            digest,
            version: upload.version,
            size_bytes: bytes.len() as u64,
            datasets,
            uploaded_at_ms: self.clock.now().0,
            signature: STANDARD.encode(upload.signature.to_bytes()),
            signed_by,
            activation: 0,
        };
        let (name, bytes) = (&upload.name, &bytes);
        self.perform(&Keep {
            by,
            partner,
            name,
            version,
            bytes,
        })
        .await
    }

    /// That the partner is trusted with every dataset that the component imports.
    async fn check_trust(&self, partner: &Partner, inspection: &Inspection) -> Result<(), Error> {
        let terms = self.policy.terms(partner.trust_level).await?;
        let errors = withheld(inspection, terms.as_ref());
        if errors.is_empty() {
            return Ok(());
        }
        let needs = errors
            .iter()
            .map(|error| format!("{} {}", error.field, error.rule));
        let needs: Vec<String> = needs.collect();
        let (id, level) = (&partner.id, partner.trust_level);
        let detail = format!(
            "partner '{id}' has trust level {level}: {}",
            needs.join(", ")
        );
        Err(Error::Forbidden { detail, errors })
    }

    /// The plugins of a partner.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn plugins(
        &self,
        partner: &PartnerId,
    ) -> Result<Vec<(ComponentName, Plugin)>, Error> {
        self.perform(&plugins::List(partner)).await
    }

    /// A plugin of a partner.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn plugin(&self, partner: &PartnerId, name: &ComponentName) -> Result<Plugin, Error> {
        self.perform(&plugins::Look { partner, name }).await
    }

    /// Makes an earlier version of a plugin the active one: the one with this digest or name, or the one that was
    /// active before.
    ///
    /// # Errors
    /// There is no such version, or see [`Error`].
    pub async fn roll_back(
        &self,
        by: &By,
        partner: &PartnerId,
        name: &ComponentName,
        to: Option<&str>,
    ) -> Result<RolledBack, Error> {
        self.perform(&RollBack {
            by,
            partner,
            name,
            to,
        })
        .await
    }

    /// Removes a plugin; tells how many versions it had.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn remove(
        &self,
        by: &By,
        partner: &PartnerId,
        name: &ComponentName,
    ) -> Result<usize, Error> {
        self.perform(&Remove { by, partner, name }).await
    }

    async fn perform<O: Operation>(&self, operation: &O) -> Result<O::Done, Error> {
        perform(&self.store, self.clock.now(), operation).await
    }
}

/// The imports that these terms do not grant, and what each needs.
fn withheld(inspection: &Inspection, terms: Option<&Terms>) -> Vec<FieldError> {
    let rule = |import: &Import| {
        let Need::Dataset(dataset) = import.needs else {
            return None;
        };
        let decision = terms.and_then(|terms| terms.of(dataset));
        match decision {
            Some(Decision::Granted(_)) => None,
            Some(Decision::NotTrusted(level)) => Some(format!("needs trust level {level}")),
            None => Some("is not served: no access policy is active".to_owned()),
        }
    };
    let imports = inspection.imports.iter();
    let withheld = imports.filter_map(|import| {
        Some(FieldError {
            row: None,
            field: import.name.clone(),
            rule: rule(import)?,
        })
    });
    withheld.collect()
}

/// A partner that may upload.
struct Uploader<'a>(&'a PartnerId);

impl Operation for Uploader<'_> {
    type Done = Partner;

    async fn apply(&self, work: &mut Work) -> Result<Partner, Error> {
        let partner = registered(work, self.0).await?;
        match partner.upload_key {
            Some(_) => Ok(partner),
            None => Err(unsigned(format!(
                "no key is registered that signs the uploads of '{0}': the operator does so with `leyden \
                 partner key {0} FILE`",
                self.0
            ))),
        }
    }
}

/// The key that the signature is sound by, base64.
fn check_signature(partner: &Partner, digest: &Digest, upload: &Upload) -> Result<String, Error> {
    let text = signature::signed_text(digest, &partner.id, &upload.name, &upload.version);
    match partner.upload_key {
        Some(key) if signature::fits(&key, &text, &upload.signature) => Ok(STANDARD.encode(key)),
        _ => Err(unsigned(format!(
            "must be the registered key's signature of {text:?}; `leyden plugin sign` makes it"
        ))),
    }
}

fn unsigned(rule: String) -> Error {
    Error::Forbidden {
        detail: format!("{SIGNATURE_HEADER}: {rule}"),
        errors: vec![FieldError {
            row: None,
            field: SIGNATURE_HEADER.to_owned(),
            rule,
        }],
    }
}

fn not_loaded(error: PartnerLoadError) -> Error {
    match error {
        PartnerLoadError::Refused(reasons) => refused(reasons),
        PartnerLoadError::Busy => Error::Busy("too many components wait to be compiled"),
        PartnerLoadError::Host(why) => Error::Compiler(why),
    }
}

/// What the pass over the binary found, one error for each reason.
fn refused(refused: Refused) -> Error {
    let detail = refused.to_string();
    let error = |reason: Reason| FieldError {
        row: None,
        rule: reason.to_string(),
        field: reason.import.unwrap_or_else(|| "body".to_owned()),
    };
    let errors = refused.reasons.into_iter().map(error).collect();
    Error::Refused { detail, errors }
}
