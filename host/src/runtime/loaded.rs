//! A compiled component version: its kind and interfaces, read from its type, and everything that
//! can be worked out before the first call.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use wasmtime::Engine;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, ComponentExportIndex, InstancePre, Linker, Type};

use super::bindings::{events, http, rows};
use super::engine::Runtime;
use super::guest::{Guest, Identity};
use super::instance::Instance;
use super::versions;
use crate::capabilities;
use crate::dispatch::Culprit;
use crate::registry::Kind;
use crate::registry::manifest::{self, Manifest};
use crate::store::Space;

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

/// Why bytes are not taken as a component, in words for whoever deploys them.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct LoadError(String);

impl LoadError {
    fn of(error: &wasmtime::Error) -> Self {
        Self(format!("{error:#}"))
    }
}

/// Which handlers a component exports, ready to be called.
pub(super) struct Handlers {
    pub(super) http: Option<http::HttpIndices>,
    pub(super) rows: Option<rows::RowsIndices>,
    pub(super) events: Option<events::EventsIndices>,
    pub(super) grid: super::grid::Indices,
}

/// A compiled component version.
pub struct Loaded {
    pub(super) engine: Engine,
    pub(super) identity: Arc<Identity>,
    pub(super) pre: InstancePre<Guest>,
    pub(super) handlers: Handlers,
    /// Exported functions by interface and name.
    pub(super) functions: HashMap<String, HashMap<String, ComponentExportIndex>>,
    /// Functions of a policy, by interface and name.
    pub(super) signatures: HashMap<String, HashMap<String, Signature>>,
    pub(super) idle: Mutex<Vec<Instance>>,
    pub(super) counts_fuel: bool,
    kind: Kind,
    exports: Vec<String>,
    calls: Vec<String>,
}

impl Runtime {
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
        check_preamble(bytes)?;
        let component = Component::new(&self.engine, bytes).map_err(|e| LoadError::of(&e))?;
        let shape = Shape::read(&self.engine, &component);
        let manifest = manifest.unwrap_or_else(|| shape.default_manifest(&culprit));
        let kind = shape.kind(&manifest)?;
        let misplaced = |error: manifest::Error| LoadError(error.to_string());
        manifest.check_kind(kind).map_err(misplaced)?;
        let linker = link(&self.engine, &shape, &manifest).map_err(|e| LoadError::of(&e))?;
        let pre = linker
            .instantiate_pre(&component)
            .map_err(|e| LoadError::of(&e))?;
        let handlers = handlers(&pre, &shape)?;
        check_manifest(&handlers, &manifest)?;
        let space = Space::from(culprit.component.as_str());
        let log = self.logs.of(&culprit.component);
        let identity = Arc::new(Identity {
            culprit,
            space,
            manifest,
            log,
        });
        let functions = functions(&component, &shape);
        let signatures = match kind {
            Kind::Policy => signatures(&self.engine, &component),
            Kind::Service | Kind::Function => HashMap::new(),
        };
        let calls = shape.calls_of_components(&identity.manifest);
        let exports = shape
            .exports
            .into_iter()
            .map(|(name, _)| name)
            .filter(|n| !is_handler(n))
            .collect();
        let idle = Mutex::default();
        Ok(Loaded {
            engine: self.engine.clone(),
            identity,
            pre,
            handlers,
            functions,
            signatures,
            idle,
            counts_fuel: self.counts_fuel,
            kind,
            exports,
            calls,
        })
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

/// Imported and exported interfaces of a component, with their functions.
struct Shape {
    imports: Vec<(String, Vec<String>)>,
    exports: Vec<(String, Vec<String>)>,
}

impl Shape {
    fn read(engine: &Engine, component: &Component) -> Self {
        let ty = component.component_type();
        let list = |item: ComponentItem| match item {
            ComponentItem::ComponentInstance(instance) => instance
                .exports(engine)
                .filter(|(_, item)| matches!(item.ty, ComponentItem::ComponentFunc(_)))
                .map(|(name, _)| name.to_string())
                .collect(),
            _ => Vec::new(),
        };
        let imports = ty
            .imports(engine)
            .map(|(name, item)| (name.to_string(), list(item.ty)))
            .collect();
        let exports = ty
            .exports(engine)
            .map(|(name, item)| (name.to_string(), list(item.ty)))
            .collect();
        Self { imports, exports }
    }

    /// Routes under the component's name, if it answers requests at all.
    fn default_manifest(&self, culprit: &Culprit) -> Manifest {
        let mut manifest = Manifest::default_for(&culprit.component);
        if !self.exports.iter().any(|(name, _)| name == HANDLERS[0]) {
            manifest.routes.clear();
        }
        manifest
    }

    /// Imports that have functions; the others only name types.
    fn calls(&self) -> impl Iterator<Item = &str> {
        self.imports
            .iter()
            .filter(|(_, functions)| !functions.is_empty())
            .map(|(name, _)| name.as_str())
    }

    /// Interfaces of other components that it calls, and those that the host calls for it.
    fn calls_of_components(&self, manifest: &Manifest) -> Vec<String> {
        let own = self
            .calls()
            .filter(|name| !capabilities::SERVED.contains(name));
        let metered = super::grid::CALLED
            .into_iter()
            .filter(|_| manifest.grants.partners);
        own.chain(metered).map(str::to_owned).collect()
    }

    fn kind(&self, manifest: &Manifest) -> Result<Kind, LoadError> {
        self.check_outside(manifest)?;
        let policies = self
            .exports
            .iter()
            .filter(|(name, _)| name.starts_with("leyden:policy/"))
            .count();
        if policies == 0
            && self
                .exports
                .iter()
                .all(|(_, functions)| functions.is_empty())
        {
            let handlers = HANDLERS.join(", ");
            return Err(LoadError(format!(
                "it exports neither a handler ({handlers}) nor an interface for other components"
            )));
        }
        match (policies, self.exports.len(), self.calls().count()) {
            (0, _, _) => Ok(Kind::Service),
            (1, 1, 0) => Ok(Kind::Policy),
            _ => Err(LoadError(
                "a policy exports exactly one leyden:policy interface and imports nothing".into(),
            )),
        }
    }

    /// Each import is served and granted, and whatever is Leyden's has a version that is known.
    fn check_outside(&self, manifest: &Manifest) -> Result<(), LoadError> {
        let imports = self.calls();
        let imports = imports.filter_map(|name| refuse_import(name, manifest));
        let exports = self.exports.iter();
        let exports = exports.filter_map(|(name, _)| refuse_export(name));
        let refused: Vec<String> = imports.chain(exports).collect();
        if refused.is_empty() {
            Ok(())
        } else {
            Err(LoadError(refused.join("; ")))
        }
    }
}

/// Why an import is not linked, if it is not. Interfaces of other components are linked when called.
fn refuse_import(name: &str, manifest: &Manifest) -> Option<String> {
    if let Some(grant) = capabilities::grant_missing(name, &manifest.grants) {
        return Some(format!(
            "it imports {name}, which its manifest does not grant (grants.{grant} = true)"
        ));
    }
    if let Some(known) = versions::unknown(name) {
        return Some(format!("it imports {name}, which is not served ({known})"));
    }
    let served = capabilities::SERVED.contains(&name);
    let of_components = name.starts_with("leyden:grid/") || name.starts_with("leyden:policy/");
    let foreign = name.starts_with("leyden:") && !of_components
        || name.starts_with("wasi:")
        || !name.contains('/');
    (!served && foreign).then(|| format!("it imports {name}, which is not served ({})", hint(name)))
}

/// Why an export is not taken, if it is not: nobody could call it.
fn refuse_export(name: &str) -> Option<String> {
    let known = versions::unknown(name)?;
    Some(format!("it exports {name}, which nothing calls ({known})"))
}

fn hint(name: &str) -> String {
    if name.starts_with("wasi:") {
        return "build for wasm32-unknown-unknown with the leyden packages, which need no WASI"
            .into();
    }
    format!("packages are {}", versions::all())
}

fn is_handler(name: &str) -> bool {
    HANDLERS.contains(&name)
}

fn check_preamble(bytes: &[u8]) -> Result<(), LoadError> {
    if bytes.len() > COMPONENT_BYTES_MAX {
        return Err(LoadError(format!(
            "it is larger than {COMPONENT_BYTES_MAX} bytes"
        )));
    }
    if bytes.starts_with(&MODULE_PREAMBLE) {
        let how =
            "link it with wasm-component-ld, or turn it into one with `wasm-tools component new`";
        return Err(LoadError(format!(
            "it is a core module, not a component: {how}"
        )));
    }
    let component = bytes.starts_with(&COMPONENT_PREAMBLE);
    if component {
        Ok(())
    } else {
        Err(LoadError(
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
    let exported = |name: &str| shape.exports.iter().any(|(export, _)| export == name);
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
fn check_manifest(handlers: &Handlers, manifest: &Manifest) -> Result<(), LoadError> {
    let needs_http = manifest.routes.iter().any(|route| !route.rows);
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
        Some((_, what, handler)) => Err(LoadError(format!("its manifest names {what} {handler}"))),
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
