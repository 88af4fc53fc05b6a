//! Everything that is active at once.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use tokio::sync::OnceCell;

use super::catalog::{Built, Listed, Source};
use super::manifest::Manifest;
use super::policy::Policy;
use super::router::Router;
use super::variables::Variables;
use super::{Error, Kind};
use crate::dispatch::{Culprit, Turns};
use crate::ids::{ComponentName, Digest, Instant};
use crate::metering::Profile;
use crate::policies::{self, Health};
use crate::runtime::{Loaded, versions};

/// An active component version.
pub struct Active {
    /// Its name.
    pub name: ComponentName,
    /// Its version.
    pub digest: Digest,
    /// Name and version as the header `Leyden-Generation` lists them.
    pub(crate) label: String,
    /// Its kind.
    pub kind: Kind,
    /// Its manifest.
    pub manifest: Manifest,
    /// Interfaces it exports for other components, such as `leyden:grid/devices@0.1.0`.
    pub exports: Vec<String>,
    /// Who deployed it.
    pub source: Source,
    /// The version whose manifest it has, where it carries none itself.
    pub(super) manifest_of: Option<Digest>,
    /// When it was activated, by the system's clock.
    pub activated_at: Instant,
    /// The compiled component.
    pub loaded: Arc<Loaded>,
    /// Its places.
    pub turns: Turns,
    /// Of a policy: how it has done.
    pub health: Health,
    /// How often its secrets have changed while this version was active.
    pub(super) secrets: u64,
    /// Whether its code was loaded after the host started, or is being loaded.
    pub(super) code: OnceCell<()>,
    /// What it finds in its environment, once that was read.
    pub(super) variables: OnceCell<Arc<Variables>>,
}

impl Active {
    pub(super) fn new(loaded: Loaded, listed: &Listed) -> Self {
        let manifest = loaded.manifest().clone();
        Self {
            name: loaded.culprit().component.clone(),
            digest: loaded.culprit().version,
            label: format!(
                ";{}=\"{}\"",
                loaded.culprit().component,
                loaded.culprit().version
            ),
            kind: loaded.kind(),
            exports: loaded.exports().to_vec(),
            source: listed.source,
            manifest_of: listed.manifest_of,
            activated_at: listed.activated_at,
            turns: Turns::new(manifest.limits.concurrency),
            manifest,
            loaded: Arc::new(loaded),
            health: Health::default(),
            secrets: listed.secrets,
            code: OnceCell::new(),
            variables: OnceCell::new(),
        }
    }

    /// A component that no registry lists: of a record that is replayed.
    pub(crate) fn unlisted(loaded: Loaded) -> Self {
        let listed = Listed {
            name: loaded.culprit().component.clone(),
            digest: loaded.culprit().version,
            source: Source::Operator,
            activated_at: Instant(0),
            manifest_of: None,
            built: Built::default(),
            secrets: 0,
            beside: Default::default(),
        };
        Self::new(loaded, &listed)
    }

    /// Whether this is what the registry's record says.
    pub(super) fn is(&self, listed: &Listed) -> bool {
        (self.digest, self.manifest_of) == (listed.digest, listed.manifest_of)
            && (self.source, self.activated_at) == (listed.source, listed.activated_at)
            && self.secrets == listed.secrets
    }

    /// How errors name it.
    #[must_use]
    pub fn culprit(&self) -> Culprit {
        Culprit {
            component: self.name.clone(),
            version: self.digest,
        }
    }
}

/// Everything active at once. An invocation holds one from start to end.
pub struct Generation {
    /// Grows by one with each activation on whatever host; the same number is the same on all.
    pub number: u64,
    /// By name.
    pub components: BTreeMap<ComponentName, Arc<Active>>,
    /// All their routes.
    pub router: Router,
    /// How sums of groups are guarded.
    pub privacy: Profile,
    /// By name without version.
    interfaces: HashMap<String, Arc<Active>>,
    policies: BTreeMap<policies::Kind, Policy>,
    /// Of each policy that has a version in its shadow, this generation with that version as the active one. It serves
    /// calls between components only.
    shadows: BTreeMap<policies::Kind, Arc<Self>>,
}

impl Generation {
    pub(crate) fn new(
        number: u64,
        components: Vec<Arc<Active>>,
        policies: Vec<Policy>,
        privacy: Profile,
    ) -> Result<Self, Error> {
        let all = components.into_iter();
        let components: BTreeMap<_, _> = all.map(|active| (active.name.clone(), active)).collect();
        let routes = components.values().flat_map(|active| {
            let routes = active.manifest.routes.iter();
            routes.map(|route| (active.name.clone(), route))
        });
        let router = Router::new(routes).map_err(|e| Error::Conflict(e.to_string()))?;
        let interfaces = interfaces(&components)?;
        let policies = policies.into_iter().map(|policy| (policy.kind, policy));
        let mut generation = Self {
            number,
            components,
            router,
            privacy,
            interfaces,
            policies: policies.collect(),
            shadows: BTreeMap::new(),
        };
        let shadows = generation
            .policies()
            .filter_map(|policy| generation.shadow_of(policy));
        generation.shadows = shadows.collect();
        Ok(generation)
    }

    fn shadow_of(&self, policy: &Policy) -> Option<(policies::Kind, Arc<Self>)> {
        let mut policies = self.policies.clone();
        policies.insert(policy.kind, policy.shadowed()?);
        let shadow = Self {
            number: self.number,
            components: self.components.clone(),
            router: Router::default(),
            privacy: self.privacy,
            interfaces: self.interfaces.clone(),
            policies,
            shadows: BTreeMap::new(),
        };
        Some((policy.kind, Arc::new(shadow)))
    }

    /// This generation with the version in a policy's shadow as the active one.
    #[must_use]
    pub fn shadowing(&self, kind: policies::Kind) -> Option<&Arc<Self>> {
        self.shadows.get(&kind)
    }

    /// A component with all that it may call, and what those may call.
    pub(crate) fn reach(&self, of: &Arc<Active>) -> Vec<Arc<Active>> {
        self.reach_from(vec![of.clone()])
    }

    /// What exports these interfaces, with all that it may call, and what those may call.
    pub(crate) fn reach_of(&self, interfaces: &[&str]) -> Vec<Arc<Active>> {
        let mut exporters: Vec<Arc<Active>> = Vec::new();
        for active in interfaces.iter().filter_map(|name| self.interface(name)) {
            if !exporters.iter().any(|known| known.name == active.name) {
                exporters.push(active.clone());
            }
        }
        self.reach_from(exporters)
    }

    fn reach_from(&self, mut reached: Vec<Arc<Active>>) -> Vec<Arc<Active>> {
        let mut at = 0;
        while let Some(active) = reached.get(at).cloned() {
            let calls = active.loaded.calls().iter();
            for callee in calls.filter_map(|interface| self.interface(interface)) {
                if !reached.iter().any(|known| known.name == callee.name) {
                    reached.push(callee.clone());
                }
            }
            at += 1;
        }
        reached
    }

    /// The policy of a kind, with the versions beside the active one.
    #[must_use]
    pub fn policy(&self, kind: policies::Kind) -> Option<&Policy> {
        self.policies.get(&kind)
    }

    /// All policies, by kind.
    pub fn policies(&self) -> impl Iterator<Item = &Policy> {
        self.policies.values()
    }

    /// The component that exports an interface, in whatever version: the bridge carries values over from
    /// one to the other.
    #[must_use]
    pub fn interface(&self, name: &str) -> Option<&Arc<Active>> {
        self.interfaces.get(versions::without(name))
    }
}

/// Each interface has one exporter, whatever its version, so that a call has one meaning.
fn interfaces(
    components: &BTreeMap<ComponentName, Arc<Active>>,
) -> Result<HashMap<String, Arc<Active>>, Error> {
    let mut interfaces: HashMap<String, Arc<Active>> = HashMap::new();
    for active in components.values() {
        for interface in &active.exports {
            let interface = versions::without(interface);
            let other = interfaces.insert(interface.to_owned(), active.clone());
            if let Some(other) = other.filter(|other| other.name != active.name) {
                let (one, two) = (&other.name, &active.name);
                let what = format!(
                    "{interface} is exported by {one} and by {two}: deploy the new one as {one}"
                );
                return Err(Error::Conflict(what));
            }
        }
    }
    Ok(interfaces)
}
