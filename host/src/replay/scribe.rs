//! Writes what was recorded as lines, and replays each invocation at once: that measures its fuel, and shows whether
//! the record holds all that the invocation went by. Meant for a thread of its own: compiling and replaying take long.

use std::collections::HashMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::differences::differences;
use super::format::{Bounds, Component, End, Function, Granted, Header, Invocation, Line, Plugin};
use super::format::{ENGINE, VERSION};
use super::player::{self, Player};
use super::recorder::Sources;
use super::tape::{Taken, What};
use crate::clock;
use crate::ids::{ComponentName, Digest, PartnerId, StreamName};
use crate::metering::Profile;
use crate::partners::plugins;
use crate::policies::{Decision, Kind};
use crate::registry::{self, Active, Generation};
use crate::{runtime, store};

/// Why something recorded cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be replayed.
    #[error(transparent)]
    Player(#[from] player::Error),
    /// A component's bytes cannot be had.
    #[error(transparent)]
    Registry(#[from] registry::Error),
    /// A plugin's bytes cannot be had.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A secret of a function stands for what a record is made of.
    #[error("it cannot be told without a secret of the function: {0}")]
    Secret(#[from] serde_json::Error),
    /// A plugin was deleted since it ran.
    #[error("the plugin's version {0} is not kept any more")]
    Gone(Digest),
}

/// What makes a plugin in a record another one.
type KeptPlugin = (PartnerId, ComponentName, Digest);

/// What makes a component in a record another one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Kept {
    name: ComponentName,
    digest: Digest,
    grants: Granted,
    limits: Bounds,
    publish: Vec<StreamName>,
    function: Option<Function>,
}

impl Kept {
    fn of(active: &Active) -> Self {
        let manifest = &active.manifest;
        Self {
            name: active.name.clone(),
            digest: active.digest,
            grants: (&manifest.grants).into(),
            limits: (&manifest.limits).into(),
            publish: manifest.publish.clone(),
            function: active.loaded.variables().map(|variables| Function {
                keyvalue: manifest.grants.keyvalue,
                response_body_bytes: manifest.limits.response_body_bytes,
                variables,
            }),
        }
    }

    fn component(self, id: u32, bytes: &[u8]) -> Component {
        Component {
            id,
            name: self.name,
            digest: self.digest,
            grants: self.grants,
            limits: self.limits,
            publish: self.publish,
            function: self.function,
            wasm: STANDARD.encode(bytes),
        }
    }
}

/// Writes one record.
pub(super) struct Scribe {
    sources: Sources,
    player: Player,
    privacy: Profile,
    ids: HashMap<Kept, u32>,
    plugins: HashMap<KeptPlugin, u32>,
    /// Lines of components and plugins that are not written yet: each is once invocations need it.
    unwritten: HashMap<u32, Line>,
    pub(super) end: End,
}

impl Scribe {
    pub(super) fn new(sources: Sources) -> Result<Self, Error> {
        let privacy = sources.registry.generation().privacy;
        Ok(Self {
            player: Player::start(sources.compiling.clone(), privacy)?,
            sources,
            privacy,
            ids: HashMap::new(),
            plugins: HashMap::new(),
            unwritten: HashMap::new(),
            end: End::default(),
        })
    }

    /// The first line.
    pub(super) fn header(&self) -> Vec<u8> {
        line(&Line::LeydenRecord(Header {
            version: VERSION,
            leyden: env!("CARGO_PKG_VERSION").to_owned(),
            engine: ENGINE.to_owned(),
            started_at: clock::system_now().to_string(),
            privacy_profile: self.privacy.name().to_owned(),
            redacted: false,
        }))
    }

    /// The last line.
    pub(super) fn end(&self) -> Vec<u8> {
        line(&Line::End(self.end.clone()))
    }

    /// Gets components ready that invocations may need, given what policies have decided.
    pub(super) async fn prepare(
        &mut self,
        generation: &Generation,
        of: &Arc<Active>,
        decided: &[Decision],
    ) -> Result<Vec<u32>, Error> {
        self.all(generation, generation.reach(of), decided).await
    }

    /// The same for runs of plugins.
    pub(super) async fn prepare_run(
        &mut self,
        generation: &Generation,
        decided: &[Decision],
    ) -> Result<Vec<u32>, Error> {
        let reached = generation.reach_of(&runtime::CALLED);
        self.all(generation, reached, decided).await
    }

    async fn all(
        &mut self,
        generation: &Generation,
        reached: Vec<Arc<Active>>,
        decided: &[Decision],
    ) -> Result<Vec<u32>, Error> {
        let mut ids = Vec::with_capacity(reached.len());
        for active in reached {
            let deciding = deciding(generation, &active, decided).unwrap_or(&active);
            ids.push(self.id(deciding).await?);
        }
        Ok(ids)
    }

    async fn id(&mut self, active: &Active) -> Result<u32, Error> {
        let kept = Kept::of(active);
        if let Some(id) = self.ids.get(&kept) {
            return Ok(*id);
        }
        let bytes = self.sources.registry.bytes(active).await?;
        let id = self.next_id();
        let component = kept.clone().component(id, &bytes);
        self.player.load(&component, &bytes, component.manifest())?;
        self.ids.insert(kept, id);
        self.unwritten.insert(id, Line::Component(component));
        Ok(id)
    }

    async fn plugin_id(&mut self, kept: KeptPlugin) -> Result<u32, Error> {
        if let Some(id) = self.plugins.get(&kept) {
            return Ok(*id);
        }
        let (partner, name, digest) = &kept;
        let store = self.sources.store.as_ref();
        let bytes = plugins::bytes(store, digest).await?;
        let bytes = bytes.ok_or(Error::Gone(*digest))?;
        let version = plugins::version(store, partner, name, digest).await?;
        let id = self.next_id();
        let plugin = Plugin::new(id, (partner.clone(), name.clone()), version, &bytes);
        self.player.admit_plugin(&plugin, None).await?;
        self.plugins.insert(kept, id);
        self.unwritten.insert(id, Line::Plugin(plugin));
        Ok(id)
    }

    fn next_id(&self) -> u32 {
        u32::try_from(self.ids.len() + self.plugins.len()).unwrap_or(u32::MAX)
    }

    /// The lines that tell of an invocation: components that were not told of yet, and itself.
    pub(super) async fn lines(&mut self, taken: Taken) -> Result<Vec<u8>, Error> {
        let components = self.components(&taken).await?;
        let runs = components.first().copied().unwrap_or_default();
        let new = components.iter().filter_map(|id| self.unwritten.remove(id));
        let mut lines: Vec<u8> = new.flat_map(|new| line(&new)).collect();
        let mut invocation = taken.invocation(runs, components)?;
        self.check(&mut invocation).await;
        self.end.invocations += 1;
        self.end.differing += u64::from(invocation.differs.is_some());
        lines.extend(line(&Line::Invocation(Box::new(invocation))));
        Ok(lines)
    }

    /// What could take part in an invocation, what was run first.
    async fn components(&mut self, taken: &Taken) -> Result<Vec<u32>, Error> {
        let (generation, decided) = (&taken.generation, &taken.outcome.decisions);
        match &taken.what {
            What::Component(active, _) => self.prepare(generation, active, decided).await,
            What::Plugin(partner, name, digest, _) => {
                let plugin = (partner.clone(), name.clone(), *digest);
                let mut ids = vec![self.plugin_id(plugin).await?];
                ids.extend(self.prepare_run(generation, decided).await?);
                Ok(ids)
            }
        }
    }

    /// Replays an invocation and notes its fuel, or how it differed.
    async fn check(&mut self, invocation: &mut Invocation) {
        match self.player.play(invocation).await {
            Ok(played) => {
                let different = differences(&invocation.outcome, &played.outcome);
                invocation.differs = different.first().map(ToString::to_string);
                if different.is_empty() {
                    invocation.outcome.fuel = played.outcome.fuel;
                }
            }
            Err(error) => invocation.differs = Some(error.to_string()),
        }
    }
}

/// The version that made all decisions of a policy, where that was not the active one: a candidate, or the former one
/// where the active one failed.
fn deciding<'g>(
    generation: &'g Generation,
    active: &Active,
    decided: &[Decision],
) -> Option<&'g Arc<Active>> {
    let kind = active
        .exports
        .iter()
        .find_map(|name| Kind::of_interface(name))?;
    let mut digests = decided.iter().filter(|d| d.kind() == Some(kind));
    let digest = &digests.next()?.policy;
    if !digests.all(|other| other.policy == *digest) {
        return None;
    }
    let mut versions = generation.policy(kind)?.roles().map(|(_, version)| version);
    versions.find(|version| version.digest.to_string() == *digest)
}

/// A line with its end.
pub(super) fn line(line: &Line) -> Vec<u8> {
    // What is in a line has no map whose keys are no texts, so this cannot fail.
    let mut bytes = serde_json::to_vec(line).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}
