//! Runs recorded invocations once more, with the same engine that serves, over what they once read. One after the
//! other: a replay begins with new instances, so that it depends on nothing but its record.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::oneshot;

use super::Name;
use super::convert::{self, datapoints};
use super::format::{Bits, Component, Effects, Input, Invocation, Outcome, Output, Plugin};
use super::run::Again;
use super::shelf::{Missing, Shelf};
use crate::dispatch::notes::{Given, Noted, Notes};
use crate::dispatch::work::{Seed, Work};
use crate::dispatch::{Culprit, Error as Failed, types};
use crate::ids::{Digest, Instant};
use crate::metering::Profile;
use crate::registry::manifest::Manifest;
use crate::registry::{Active, Generation, Kind, Policy};
use crate::runtime::{Analytics, Options, PartnerOptions, PartnerRuntime, Runtime};

/// How many times its deadline a replay may take: counting fuel is slower, and the machine may be. What ran past its
/// deadline when it was recorded is given no more than that.
const PATIENCE: u64 = 10;

/// Why something cannot be replayed at all.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The engine does not start.
    #[error("the WebAssembly engine does not start: {0}")]
    Engine(String),
    /// A component or plugin cannot be loaded.
    #[error("component {0}: {1}")]
    Component(Name, String),
    /// The components do not go together.
    #[error("the record's components do not go together: {0}")]
    Generation(String),
    /// The record is wrong in a way that only shows when it is used.
    #[error("{0}")]
    Record(String),
}

/// What came of an invocation that was run once more.
#[derive(Debug, Clone, PartialEq)]
pub struct Played {
    /// What came of it.
    pub outcome: Outcome,
    /// The randomness that it drew.
    pub randoms: Vec<Bits>,
}

/// A replay that begins.
pub(super) struct Replay {
    /// Its transaction.
    pub(super) work: Box<Work>,
    /// What is noted of it.
    pub(super) notes: Arc<Notes>,
    /// What it asked for that the record does not hold.
    pub(super) missing: Missing,
}

/// Runs invocations of one record.
pub struct Player {
    runtime: Runtime,
    /// How plugins are compiled and run.
    partners: PartnerOptions,
    /// Runs plugins, once there are any.
    partner_runtime: Option<PartnerRuntime>,
    components: HashMap<u32, Arc<Active>>,
    plugins: HashMap<u32, Arc<Analytics>>,
    /// The last invocation's components: those of the next are mostly the same.
    generation: Option<(Vec<u32>, Arc<Generation>)>,
}

impl Player {
    /// Starts an engine that counts fuel. Compiled components are kept where `compiling` says, and plugins compiled as it
    /// says.
    ///
    /// # Errors
    /// The engine does not start.
    pub fn start(compiling: PartnerOptions, privacy: Profile) -> Result<Self, Error> {
        let options = Options {
            cache_directory: compiling.compiled.clone(),
            privacy,
            compiler: compiling.program.clone(),
            counts_fuel: true,
            ..Options::default()
        };
        let runtime =
            Runtime::start(&options).map_err(|error| Error::Engine(format!("{error:#}")))?;
        Ok(Self {
            runtime,
            partners: PartnerOptions {
                one_at_a_time: true,
                ..compiling
            },
            partner_runtime: None,
            components: HashMap::new(),
            plugins: HashMap::new(),
            generation: None,
        })
    }

    /// Takes a component of the record.
    ///
    /// # Errors
    /// It cannot be loaded.
    pub fn admit(&mut self, component: &Component) -> Result<(), Error> {
        let bytes = component
            .bytes()
            .map_err(|rule| Error::Component(component.name.clone().into(), rule))?;
        self.load(component, &bytes, component.manifest())
    }

    /// Takes other bytes in the place of a component of the record; where they have no manifest, the record's holds.
    ///
    /// # Errors
    /// They cannot be loaded.
    pub fn admit_instead(&mut self, component: &Component, bytes: &[u8]) -> Result<(), Error> {
        let own = Manifest::from_component(bytes)
            .map_err(|error| Error::Component(component.name.clone().into(), error.to_string()))?;
        let manifest = own.map(|mut own| {
            own.routes.clear();
            own.subscribe.clear();
            component.surround(&mut own);
            own
        });
        self.load(
            component,
            bytes,
            manifest.unwrap_or_else(|| component.manifest()),
        )
    }

    pub(super) fn load(
        &mut self,
        component: &Component,
        bytes: &[u8],
        manifest: Manifest,
    ) -> Result<(), Error> {
        let culprit = Culprit {
            component: component.name.clone(),
            version: Digest::of(bytes),
        };
        let loaded = self.runtime.load(culprit, bytes, Some(manifest));
        let loaded = loaded
            .map_err(|error| Error::Component(component.name.clone().into(), error.to_string()))?;
        self.components
            .insert(component.id, Arc::new(Active::unlisted(loaded)));
        self.generation = None;
        Ok(())
    }

    /// Takes a plugin of the record, or other bytes in its place.
    ///
    /// # Errors
    /// It cannot be loaded.
    pub async fn admit_plugin(
        &mut self,
        plugin: &Plugin,
        instead: Option<&[u8]>,
    ) -> Result<(), Error> {
        let failed = |why| {
            let name = Name::Plugin(plugin.partner.clone(), plugin.name.clone());
            Error::Component(name, why)
        };
        let bytes = match instead {
            Some(bytes) => bytes.to_vec(),
            None => plugin.bytes().map_err(failed)?,
        };
        let runtime = self.partner_runtime()?.clone();
        let loaded = runtime.load(Digest::of(&bytes), Arc::new(bytes)).await;
        let loaded = loaded.map_err(|error| failed(error.to_string()))?;
        self.plugins.insert(plugin.id, loaded);
        Ok(())
    }

    fn partner_runtime(&mut self) -> Result<&PartnerRuntime, Error> {
        let started = match self.partner_runtime.take() {
            Some(started) => started,
            None => PartnerRuntime::start(&self.partners)
                .map_err(|error| Error::Engine(format!("{error:#}")))?,
        };
        Ok(self.partner_runtime.insert(started))
    }

    /// Runs an invocation once more.
    ///
    /// # Errors
    /// The record is wrong.
    pub async fn play(&mut self, invocation: &Invocation) -> Result<Played, Error> {
        let generation = self.generation(&invocation.components)?;
        for component in generation.components.values() {
            component.loaded.forget_instances();
        }
        let replay = again(invocation);
        let notes = replay.notes.clone();
        let outcome = match &invocation.input {
            Input::Run(run) => {
                let plugin = self.plugins.get(&invocation.runs);
                let plugin = plugin.ok_or_else(|| unknown(invocation.runs))?;
                let again = Again {
                    plugin,
                    generation: &generation,
                    invocation,
                    run,
                };
                again.play(replay).await
            }
            _ => self.invoke(&generation, invocation, replay).await?,
        };
        Ok(Played {
            outcome,
            randoms: notes.randoms().into_iter().map(Bits).collect(),
        })
    }

    /// Has a component handle its input once more.
    async fn invoke(
        &self,
        generation: &Arc<Generation>,
        invocation: &Invocation,
        replay: Replay,
    ) -> Result<Outcome, Error> {
        let Replay {
            work,
            notes,
            missing,
        } = replay;
        let active = self.components.get(&invocation.runs);
        let active = active.ok_or_else(|| unknown(invocation.runs))?;
        let input = types::Input::try_from(invocation.input.clone()).map_err(Error::Record)?;
        let ran = match active.kind {
            Kind::Function => alone(active.clone(), generation.clone(), input, work).await?,
            Kind::Service | Kind::Policy => active.loaded.invoke(generation, &input, work).await,
        };
        let mut outcome = match (ran, missing.told().or_else(|| notes.lacking())) {
            (Err(error), missing) => of_failure(&error, missing),
            // A function may go on without what the record lacks.
            (Ok(_), Some(missing)) => failed(Output::NotRecorded(missing)),
            (Ok((output, work)), None) => of_success(output, &work),
        };
        outcome.effects.sent = convert::sent(&notes, &[]);
        outcome.fuel = match outcome.output {
            Output::Deadline { .. } | Output::NotRecorded(_) => None,
            _ => Some(notes.fuel()),
        };
        Ok(outcome)
    }

    fn generation(&mut self, ids: &[u32]) -> Result<Arc<Generation>, Error> {
        if let Some((_, same)) = self.generation.as_ref().filter(|(known, _)| known == ids) {
            return Ok(same.clone());
        }
        let of_components = ids.iter().filter(|id| !self.plugins.contains_key(id));
        let found = of_components.map(|id| {
            let component = self.components.get(id).cloned();
            component.ok_or_else(|| unknown(*id))
        });
        let components: Vec<Arc<Active>> = found.collect::<Result<_, _>>()?;
        let policies = components.iter().filter_map(Policy::alone).collect();
        let generation = Generation::new(0, components, policies, self.runtime.privacy)
            .map_err(|error| Error::Generation(error.to_string()))?;
        let generation = Arc::new(generation);
        self.generation = Some((ids.to_vec(), generation.clone()));
        Ok(generation)
    }
}

fn unknown(id: u32) -> Error {
    Error::Record(format!("components: there is no component {id}"))
}

/// Turns after a run in which its requests to elsewhere are read to their end.
const TURNS: usize = 4;

/// Has a function answer on a thread that does nothing else, so that what it waits for comes in the same order each time.
async fn alone(
    active: Arc<Active>,
    generation: Arc<Generation>,
    input: types::Input,
    work: Box<Work>,
) -> Result<Result<(types::Output, Box<Work>), Failed>, Error> {
    let engine = |error: std::io::Error| Error::Engine(error.to_string());
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_time().build().map_err(engine)?;
    let (tell, told) = oneshot::channel();
    let run = async move {
        let ran = active.loaded.invoke(&generation, &input, work).await;
        for _ in 0..TURNS {
            tokio::task::yield_now().await;
        }
        ran
    };
    let thread = std::thread::Builder::new().name("replay".into());
    let started = thread.spawn(move || tell.send(runtime.block_on(run)));
    started.map_err(engine)?;
    let lost = |_| Error::Engine("a replay's thread ended early".to_owned());
    told.await.map_err(lost)
}

/// An invocation that begins once more.
fn again(invocation: &Invocation) -> Replay {
    let missing = Missing::default();
    let answers = invocation.reads.iter().cloned().map(Noted::from);
    let shelf = Shelf::new(answers, missing.clone());
    let patience = match invocation.outcome.output.is_late() {
        true => 1,
        false => PATIENCE,
    };
    let given = Given {
        id: invocation.id.clone(),
        at: Instant(invocation.at_ms),
        outside: invocation.outside.clone().into(),
        randoms: invocation.randoms.iter().map(|bits| bits.0).collect(),
    };
    let notes = Arc::new(Notes::replaying(given, patience));
    // Draws beyond what was recorded are at least the same each time.
    let seed = Seed::of(&[0; 32], &invocation.id);
    let now = Instant(invocation.at_ms);
    let work = Work::replayed(Box::new(shelf), now, seed, notes.clone(), invocation.spent);
    Replay {
        work,
        notes,
        missing,
    }
}

/// What a run that ended well comes to, as far as its transaction tells.
pub(super) fn of_success(output: types::Output, work: &Work) -> Outcome {
    let effects = Effects::from(work.effects());
    let metered = work.meter.as_ref().map(|meter| meter.tab.reads().0);
    Outcome {
        output: output.into(),
        datapoints: datapoints(&effects),
        effects,
        metered: metered.unwrap_or_default(),
        decisions: work.decisions().to_vec(),
        fuel: None,
        plugin_fuel: None,
    }
}

pub(super) fn of_failure(error: &Failed, missing: Option<String>) -> Outcome {
    let output = match missing {
        Some(what) => Output::NotRecorded(what),
        // What the host makes of an answer of the store that it cannot read.
        None => convert::failure(error).unwrap_or_else(|| Output::NotRecorded(error.to_string())),
    };
    failed(output)
}

/// What a run comes to that failed: its effects are dropped.
pub(super) fn failed(output: Output) -> Outcome {
    Outcome {
        output,
        effects: Effects::default(),
        datapoints: Default::default(),
        metered: Vec::new(),
        decisions: Vec::new(),
        fuel: None,
        plugin_fuel: None,
    }
}
