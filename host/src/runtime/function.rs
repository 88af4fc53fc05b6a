//! Functions: components of the world `wasi:http/proxy` 0.2, from whatever language. A request goes in as it comes
//! and the answer goes out while it is made; neither is held in memory. What they import is carried out by
//! wasmtime's own crates for WASI; what is behind it is decided here (`surroundings`, `outgoing`, `log`).
//!
//! A run and its answer are two halves: the run (`run`) is driven by the caller until it answers, and where it goes on
//! after that, by a task of its own; the answer's body (`answer`, `streamed`) is read by the connection. Small
//! answers, which most are, come whole and need neither a task nor chunks.
//!
//! **Invariants.** A run that traps, passes its deadline or is cancelled leaves an error or a broken answer, never one that
//! looks complete. It ends with its client, and its instance with it: an instance is used again only after a run that
//! returned and whose answer was read to its end, and only where the manifest says so.

mod again;
mod answer;
mod compiling;
mod imports;
mod incoming;
mod instance;
mod links;
mod log;
mod noted;
mod outgoing;
mod run;
mod slice;
mod state;
mod streamed;
mod surroundings;
mod time;
mod transaction;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock};

use super::engine::Runtime;
use super::guest::Identity;
use super::instance::Pauses;
use crate::dispatch::rounds::Rounds;
use crate::ids::VariableName;
use crate::outbound::Outbound;
use crate::replay;
use crate::telemetry::Stats;
use again::Again;
pub use answer::Answer;
pub(super) use compiling::{Compiling, exports_of};
pub(super) use imports::{check as check_imports, exports_handler, grant_missing};
pub use incoming::Fault;
use instance::Idle;
pub(super) use links::{Linked, Links};
pub use streamed::{Broken, Streamed};
use surroundings::Surroundings;

/// A function. What it is made of is most often loaded when it is first called: of thousands that are deployed few are called at
/// a time, and one that is not holds little more than its manifest.
pub(super) struct Function {
    identity: Arc<Identity>,
    /// Nothing until its code is loaded.
    code: OnceLock<Linked>,
    outbound: Outbound,
    slices: Rounds,
    counts_fuel: bool,
    stats: Arc<Stats>,
    /// What it finds around it; nothing until its secrets are known, if it has any.
    surroundings: OnceLock<Arc<Surroundings>>,
    idle: Mutex<Idle>,
    pauses: Pauses,
    again: Again,
}

impl Function {
    /// A function whose code is loaded, or is loaded before its first request.
    pub(super) fn new(
        runtime: &Runtime,
        identity: Arc<Identity>,
        code: Option<Linked>,
    ) -> Arc<Self> {
        let surroundings = OnceLock::new();
        if identity.manifest.secrets.is_empty() {
            let _ = surroundings.set(Arc::new(Surroundings::of(&identity.manifest, Vec::new())));
        }
        let stats = runtime.stats.of(&identity.culprit.component);
        Arc::new(Self {
            identity,
            code: code.map_or_else(OnceLock::new, OnceLock::from),
            outbound: runtime.outbound.apart(),
            slices: runtime.slices.clone(),
            counts_fuel: runtime.counts_fuel,
            stats,
            surroundings,
            idle: Mutex::default(),
            pauses: Pauses::default(),
            again: Again::default(),
        })
    }

    /// Whether its code has to be loaded before it can answer.
    pub(super) fn awaits_code(&self) -> bool {
        self.code.get().is_none()
    }

    /// Gives it its code. What it was given first holds: the same.
    pub(super) fn set_code(&self, code: Linked) {
        let _ = self.code.set(code);
    }

    /// Whether its secrets have to be told before it can answer.
    pub(super) fn awaits_secrets(&self) -> bool {
        self.surroundings.get().is_none()
    }

    /// Tells it its secrets. What it was told first holds; where they change, a new version of it is loaded.
    pub(super) fn tell_secrets(&self, secrets: Vec<(String, String)>) {
        let manifest = &self.identity.manifest;
        self.surroundings
            .get_or_init(|| Arc::new(Surroundings::of(manifest, secrets)));
    }
}

impl Function {
    /// Its variables, with letters in the place of secrets.
    pub(super) fn shown_variables(&self) -> BTreeMap<VariableName, String> {
        let mut shown = self.identity.manifest.env.clone();
        let told = self.surroundings.get();
        for (name, value) in told.map_or(&[][..], |told| told.variables()) {
            let secret = self.identity.manifest.secrets.iter();
            if let Some(name) = { secret }.find(|secret| secret.as_str() == name) {
                shown.insert(name.clone(), replay::cover(value));
            }
        }
        shown
    }

    /// The values of its secrets, the longest first.
    pub(super) fn secrets(&self) -> Vec<String> {
        let told = self.surroundings.get();
        told.map_or_else(Vec::new, |told| told.secrets().to_vec())
    }
}
