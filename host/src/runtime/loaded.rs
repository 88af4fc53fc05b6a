//! A compiled component version: its kind and interfaces, read from its type, and everything that
//! can be worked out before the first call.

mod error;
mod kept;
mod shape;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::sync::Semaphore;
use wasmtime::Engine;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, ComponentExportIndex, InstancePre, Linker, Type};

use super::bindings::{events, http, rows};
use super::engine::Runtime;
use super::function::{Function, Linked};
use super::guest::{Guest, Identity};
use super::inspect;
use super::instance::{Instance, Pauses};
use super::partner::PartnerLoadError;
use super::versions;
use crate::capabilities;
use crate::dispatch::Culprit;
use crate::registry::Kind;
use crate::registry::manifest::{self, Manifest};
use crate::store::Space;
use crate::telemetry::Stats;
pub use error::LoadError;
use shape::Shape;

/// Largest component, bytes.
const COMPONENT_BYTES_MAX: usize = 64 << 20;

/// First bytes of a component: magic, version 13, layer 1 (component-model binary format).
const COMPONENT_PREAMBLE: [u8; 8] = [0x00, b'a', b's', b'm', 0x0d, 0x00, 0x01, 0x00];

/// First bytes of a core module.
const MODULE_PREAMBLE: [u8; 8] = [0x00, b'a', b's', b'm', 0x01, 0x00, 0x00, 0x00];

/// Interfaces that the host calls; every other export is for components.
const HANDLERS: [&str; 3] = [
    "leyden:http/handler@0.1.0",
    "leyden:http/row-handler@0.1.0",
    "leyden:streams/handler@0.1.0",
];

/// Which handlers a component exports, ready to be called.
#[derive(Default)]
pub(super) struct Handlers {
    pub(super) http: Option<http::HttpIndices>,
    pub(super) rows: Option<rows::RowsIndices>,
    pub(super) events: Option<events::EventsIndices>,
    pub(super) grid: super::grid::Indices,
}

/// What a component version is run by.
pub(super) enum Code {
    /// A service or a policy, linked to the host's own interfaces.
    Own(InstancePre<Guest>),
    /// A function, linked to WASI.
    Function(Arc<Function>),
}

/// A compiled component version.
pub struct Loaded {
    pub(super) engine: Engine,
    pub(super) identity: Arc<Identity>,
    pub(super) code: Code,
    pub(super) handlers: Handlers,
    /// Exported functions by interface and name.
    pub(super) functions: HashMap<String, HashMap<String, ComponentExportIndex>>,
    /// Functions of a policy, by interface and name.
    pub(super) signatures: HashMap<String, HashMap<String, Signature>>,
    #[expect(
        clippy::vec_box,
        reason = "an instance goes to and fro, and is not to be copied each time"
    )]
    pub(super) idle: Mutex<Vec<Box<Instance>>>,
    pub(super) stats: Arc<Stats>,
    pub(super) counts_fuel: bool,
    pub(super) spares: Arc<Semaphore>,
    pub(super) pauses: Pauses,
    kind: Kind,
    exports: Vec<String>,
    calls: Vec<String>,
}

impl Runtime {
    /// As [`Runtime::load`], of a component that is brought just now: whether it can be compiled at a bounded cost is asked of
    /// services and policies, too. Functions are looked through whenever they are compiled.
    ///
    /// # Errors
    /// The rule that it breaks, in words.
    pub fn admit(
        &self,
        culprit: Culprit,
        bytes: &[u8],
        manifest: Option<Manifest>,
    ) -> Result<Loaded, LoadError> {
        check_preamble(bytes)?;
        if !kept::is_function(bytes) {
            inspect::imports_of(bytes).map_err(PartnerLoadError::from)?;
        }
        self.load(culprit, bytes, manifest)
    }

    /// Compiles a component and checks that everything it imports is served and granted; without a
    /// manifest it gets the default one. Takes as long as the compiler needs: call it off the
    /// request path.
    ///
    /// # Errors
    /// The rule that the component breaks, in words.
    pub fn load(
        &self,
        culprit: Culprit,
        bytes: &[u8],
        manifest: Option<Manifest>,
    ) -> Result<Loaded, LoadError> {
        let loaded = self.load_whole(culprit, bytes, manifest);
        loaded.map_err(LoadError::cut)
    }

    fn load_whole(
        &self,
        culprit: Culprit,
        bytes: &[u8],
        manifest: Option<Manifest>,
    ) -> Result<Loaded, LoadError> {
        let component = self.component(&culprit, bytes)?;
        let shape = Shape::read(&self.engine, &component);
        let manifest = manifest
            .unwrap_or_else(|| shape::default_manifest(&culprit.component, shape.exported()));
        let kind = shape.kind(&manifest)?;
        let identity = self.identity(culprit, manifest, kind)?;
        if kind == Kind::Function {
            let code = self.linked(&component, &identity.manifest)?;
            return self.function(identity, Some(code));
        }
        let linked = link(&self.engine, &shape, &identity.manifest);
        let pre = linked.and_then(|linker| linker.instantiate_pre(&component));
        let pre = pre.map_err(|error| LoadError::of(&error))?;
        let handlers = handlers(&pre, &shape)?;
        check_manifest(kind, &handlers, &identity.manifest)?;
        Ok(Loaded {
            handlers,
            functions: functions(&component, &shape),
            signatures: match kind {
                Kind::Policy => signatures(&self.engine, &component),
                Kind::Service | Kind::Function => HashMap::new(),
            },
            exports: shape.exports_for_components(),
            calls: shape.calls_of_components(&identity.manifest),
            ..self.loaded(identity, Code::Own(pre), kind)
        })
    }

    /// Who a component is, where its manifest names nothing that its kind may not have.
    fn identity(
        &self,
        culprit: Culprit,
        manifest: Manifest,
        kind: Kind,
    ) -> Result<Arc<Identity>, LoadError> {
        let misplaced = |error: manifest::Error| LoadError::Refused(error.to_string());
        manifest.check_kind(kind).map_err(misplaced)?;
        Ok(Arc::new(Identity {
            space: Space::from(culprit.component.as_str()),
            log: self.logs.of(&culprit.component),
            culprit,
            manifest,
        }))
    }

    /// A version that neither calls others nor is called by them.
    fn loaded(&self, identity: Arc<Identity>, code: Code, kind: Kind) -> Loaded {
        Loaded {
            engine: self.engine.clone(),
            stats: self.stats.of(&identity.culprit.component),
            identity,
            code,
            handlers: Handlers::default(),
            functions: HashMap::new(),
            signatures: HashMap::new(),
            idle: Mutex::default(),
            counts_fuel: self.counts_fuel,
            spares: self.spares.clone(),
            pauses: Pauses::default(),
            kind,
            exports: Vec::new(),
            calls: Vec::new(),
        }
    }

    /// A function, whose code is loaded, or is before its first request.
    fn function(&self, identity: Arc<Identity>, code: Option<Linked>) -> Result<Loaded, LoadError> {
        check_manifest(Kind::Function, &Handlers::default(), &identity.manifest)?;
        let function = Function::new(self, identity.clone(), code);
        Ok(self.loaded(identity, Code::Function(function), Kind::Function))
    }

    /// Makes bytes a component.
    fn component(&self, culprit: &Culprit, bytes: &[u8]) -> Result<Component, LoadError> {
        check_preamble(bytes)?;
        if kept::is_function(bytes) {
            let compiling = &self.compiling;
            return compiling.component(&self.engine, culprit.version, bytes);
        }
        Component::new(&self.engine, bytes).map_err(|e| LoadError::of(&e))
    }

    /// Links a function with what its manifest grants.
    fn linked(&self, component: &Component, manifest: &Manifest) -> Result<Linked, LoadError> {
        let linked = Linked::new(&self.links, component, manifest.grants.keyvalue);
        linked.map_err(|error| LoadError::of(&error))
    }
}

impl Loaded {
    /// What it may do, and how it is reached.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.identity.manifest
    }

    /// The component and version.
    #[must_use]
    pub fn culprit(&self) -> &Culprit {
        &self.identity.culprit
    }

    /// What the component has done on this host, in whatever version.
    #[must_use]
    pub fn stats(&self) -> &Arc<Stats> {
        &self.stats
    }

    /// The kind, read from the component's type.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Interfaces that other components may call.
    #[must_use]
    pub fn exports(&self) -> &[String] {
        &self.exports
    }

    /// Interfaces of other components that it may call, or have the host call.
    pub(crate) fn calls(&self) -> &[String] {
        &self.calls
    }

    /// Instances of a function that wait to serve again.
    #[must_use]
    pub fn instances_idle(&self) -> usize {
        self.as_function()
            .map_or(0, |function| function.instances_idle())
    }

    /// What runs it, if it is a function.
    pub(super) fn as_function(&self) -> Option<&Arc<Function>> {
        match &self.code {
            Code::Function(function) => Some(function),
            Code::Own(_) => None,
        }
    }

    /// An exported function of an interface in this version, else in another, and which version that is.
    pub(super) fn function(
        &self,
        interface: &str,
        function: &str,
    ) -> Option<(&str, &ComponentExportIndex)> {
        let name = versions::without(interface);
        let (exported, functions) = self.functions.get_key_value(interface).or_else(|| {
            let mut all = self.functions.iter();
            all.find(|(exported, _)| versions::without(exported) == name)
        })?;
        Some((exported, functions.get(function)?))
    }
}

fn check_preamble(bytes: &[u8]) -> Result<(), LoadError> {
    if bytes.len() > COMPONENT_BYTES_MAX {
        return Err(LoadError::Refused(format!(
            "it is larger than {COMPONENT_BYTES_MAX} bytes"
        )));
    }
    if bytes.starts_with(&MODULE_PREAMBLE) {
        let how =
            "link it with wasm-component-ld, or turn it into one with `wasm-tools component new`";
        return Err(LoadError::Refused(format!(
            "it is a core module, not a component: {how}"
        )));
    }
    let component = bytes.starts_with(&COMPONENT_PREAMBLE);
    if component {
        Ok(())
    } else {
        Err(LoadError::Refused(
            "it is not a WebAssembly component in binary form".into(),
        ))
    }
}

/// Links the host's capabilities, and a bridge for every interface of other components.
fn link(engine: &Engine, shape: &Shape, manifest: &Manifest) -> wasmtime::Result<Linker<Guest>> {
    let mut linker = Linker::new(engine);
    capabilities::add_to_linker(&mut linker, &manifest.grants)?;
    for (interface, functions) in &shape.imports {
        if !capabilities::SERVED.contains(&interface.as_str()) {
            super::bridge::add_to_linker(&mut linker, interface, functions)?;
        }
    }
    Ok(linker)
}

fn handlers(pre: &InstancePre<Guest>, shape: &Shape) -> Result<Handlers, LoadError> {
    let exported = |name: &str| shape.exported().any(|export| export == name);
    let failed = |e: wasmtime::Error| LoadError::of(&e);
    Ok(Handlers {
        http: exported(HANDLERS[0])
            .then(|| http::HttpIndices::new(pre))
            .transpose()
            .map_err(failed)?,
        rows: exported(HANDLERS[1])
            .then(|| rows::RowsIndices::new(pre))
            .transpose()
            .map_err(failed)?,
        events: exported(HANDLERS[2])
            .then(|| events::EventsIndices::new(pre))
            .transpose()
            .map_err(failed)?,
        grid: super::grid::Indices::of(pre),
    })
}

/// A manifest must not route to a handler that the component does not have.
fn check_manifest(kind: Kind, handlers: &Handlers, manifest: &Manifest) -> Result<(), LoadError> {
    // A function answers whatever is not taken in row by row.
    let needs_http = kind != Kind::Function && manifest.routes.iter().any(|route| !route.rows);
    let needs_rows = manifest.routes.iter().any(|route| route.rows);
    let missing = [
        (
            needs_http && handlers.http.is_none(),
            "routes, but it does not export",
            HANDLERS[0],
        ),
        (
            needs_rows && handlers.rows.is_none(),
            "routes with rows = true, but it does not export",
            HANDLERS[1],
        ),
        (
            !manifest.subscribe.is_empty() && handlers.events.is_none(),
            "subscriptions, but it does not export",
            HANDLERS[2],
        ),
    ];
    match missing.into_iter().find(|(missing, _, _)| *missing) {
        Some((_, what, handler)) => Err(LoadError::Refused(format!(
            "its manifest names {what} {handler}"
        ))),
        None => Ok(()),
    }
}

fn functions(
    component: &Component,
    shape: &Shape,
) -> HashMap<String, HashMap<String, ComponentExportIndex>> {
    let of_interface = |interface: &str, names: &[String]| {
        let at = component.get_export_index(None, interface)?;
        let index =
            |name: &String| Some((name.clone(), component.get_export_index(Some(&at), name)?));
        Some((
            interface.to_string(),
            names.iter().filter_map(index).collect(),
        ))
    };
    shape
        .exports
        .iter()
        .filter_map(|(interface, names)| of_interface(interface, names))
        .collect()
}

/// A function that takes one value.
pub(super) struct Signature {
    /// The parameter's name.
    pub(super) name: String,
    /// Its type.
    pub(super) param: Type,
    /// How many values it answers with.
    pub(super) results: usize,
}

/// The functions of exported interfaces that take one value.
fn signatures(
    engine: &Engine,
    component: &Component,
) -> HashMap<String, HashMap<String, Signature>> {
    let of_function = |(name, item): (&str, ComponentItem)| {
        let ComponentItem::ComponentFunc(function) = item else {
            return None;
        };
        let (param_name, param) = function.params().next()?;
        let signature = Signature {
            name: param_name.to_owned(),
            param,
            results: function.results().len(),
        };
        Some((name.to_owned(), signature))
    };
    let ty = component.component_type();
    let of_interface = |(name, item): (&str, ComponentItem)| {
        let ComponentItem::ComponentInstance(instance) = item else {
            return None;
        };
        let functions = instance.exports(engine).map(|(name, item)| (name, item.ty));
        Some((name.to_owned(), functions.filter_map(of_function).collect()))
    };
    let exports = ty.exports(engine).map(|(name, item)| (name, item.ty));
    exports.filter_map(of_interface).collect()
}
