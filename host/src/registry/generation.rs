//! Everything that is active at once.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::catalog::{Listed, Source};
use super::manifest::Manifest;
use super::router::Router;
use super::{Error, Kind};
use crate::dispatch::{Culprit, Turns};
use crate::ids::{ComponentName, Digest, Instant};
use crate::metering::Profile;
use crate::runtime::{Loaded, versions};

/// An active component version.
pub struct Active {
    /// Its name.
    pub name: ComponentName,
    /// Its version.
    pub digest: Digest,
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
    pub loaded: Loaded,
    /// Its places.
    pub turns: Turns,
}

impl Active {
    pub(super) fn new(loaded: Loaded, listed: &Listed) -> Self {
        let manifest = loaded.manifest().clone();
        Self {
            name: loaded.culprit().component.clone(),
            digest: loaded.culprit().version,
            kind: loaded.kind(),
            exports: loaded.exports().to_vec(),
            source: listed.source,
            manifest_of: listed.manifest_of,
            activated_at: listed.activated_at,
            turns: Turns::new(manifest.limits.concurrency),
            manifest,
            loaded,
        }
    }

    /// Whether this is what the registry's record says.
    pub(super) fn is(&self, listed: &Listed) -> bool {
        (self.digest, self.manifest_of) == (listed.digest, listed.manifest_of)
            && (self.source, self.activated_at) == (listed.source, listed.activated_at)
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
}

impl Generation {
    pub(super) fn new(
        number: u64,
        components: impl IntoIterator<Item = Arc<Active>>,
        privacy: Profile,
    ) -> Result<Self, Error> {
        let components = components.into_iter();
        let all = components.map(|active| (active.name.clone(), active));
        Self::of(number, all.collect(), privacy)
    }

    /// The next generation: this one with a component added or replaced.
    pub(super) fn with(&self, active: Active) -> Result<Self, Error> {
        let mut components = self.components.clone();
        components.insert(active.name.clone(), Arc::new(active));
        Self::of(self.number + 1, components, self.privacy)
    }

    /// The component that exports an interface, in whatever version: the bridge carries values over from
    /// one to the other.
    #[must_use]
    pub fn interface(&self, name: &str) -> Option<&Arc<Active>> {
        self.interfaces.get(versions::without(name))
    }

    fn of(
        number: u64,
        components: BTreeMap<ComponentName, Arc<Active>>,
        privacy: Profile,
    ) -> Result<Self, Error> {
        let routes = components.values().flat_map(|active| {
            active
                .manifest
                .routes
                .iter()
                .map(|route| (active.name.clone(), route))
        });
        let router = Router::new(routes).map_err(|e| Error::Conflict(e.to_string()))?;
        let interfaces = interfaces(&components)?;
        Ok(Self {
            number,
            components,
            router,
            privacy,
            interfaces,
        })
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
