//! What a component's type tells: its kind, what it needs, and whether that is served and granted.

use wasmtime::Engine;
use wasmtime::component::Component;
use wasmtime::component::types::ComponentItem;

use super::{HANDLERS, LoadError};
use crate::capabilities;
use crate::ids::ComponentName;
use crate::registry::Kind;
use crate::registry::manifest::Manifest;
use crate::runtime::{function, grid, versions};

/// Imported and exported interfaces of a component, with their functions.
pub(super) struct Shape {
    pub(super) imports: Vec<(String, Vec<String>)>,
    pub(super) exports: Vec<(String, Vec<String>)>,
}

impl Shape {
    pub(super) fn read(engine: &Engine, component: &Component) -> Self {
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

    /// What it exports.
    pub(super) fn exported(&self) -> impl Iterator<Item = &str> {
        self.exports.iter().map(|(name, _)| name.as_str())
    }

    /// Imports that have functions; the others only name types.
    fn calls(&self) -> impl Iterator<Item = &str> {
        self.imports
            .iter()
            .filter(|(_, functions)| !functions.is_empty())
            .map(|(name, _)| name.as_str())
    }

    /// Interfaces of other components that it calls, and those that the host calls for it.
    pub(super) fn calls_of_components(&self, manifest: &Manifest) -> Vec<String> {
        let own = self
            .calls()
            .filter(|name| !capabilities::SERVED.contains(name));
        let metered = grid::CALLED
            .into_iter()
            .filter(|_| manifest.grants.partners);
        own.chain(metered).map(str::to_owned).collect()
    }

    /// Interfaces that other components may call.
    pub(super) fn exports_for_components(&self) -> Vec<String> {
        let names = self.exports.iter().map(|(name, _)| name);
        names.filter(|name| !is_handler(name)).cloned().collect()
    }

    pub(super) fn kind(&self, manifest: &Manifest) -> Result<Kind, LoadError> {
        let mut exports = self.exports.iter();
        if exports.any(|(name, _)| function::exports_handler(name)) {
            return self.check_function(manifest).map(|()| Kind::Function);
        }
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
            return Err(LoadError::Refused(format!(
                "it exports neither a handler ({handlers}; wasi:http/incoming-handler@0.2 for a function) nor an \
                 interface for other components"
            )));
        }
        match (policies, self.exports.len(), self.calls().count()) {
            (0, _, _) => Ok(Kind::Service),
            (1, 1, 0) => Ok(Kind::Policy),
            _ => Err(LoadError::Refused(
                "a policy exports exactly one leyden:policy interface and imports nothing".into(),
            )),
        }
    }

    /// Each import of a function is served and granted.
    fn check_function(&self, manifest: &Manifest) -> Result<(), LoadError> {
        let grants = &manifest.grants;
        let mut names = self.imports.iter().map(|(name, _)| name);
        let missing = names.find_map(|name| Some((name, function::grant_missing(name, grants)?)));
        if let Some((name, grant)) = missing {
            return Err(LoadError::Refused(not_granted(name, grant)));
        }
        let imports = self.imports.iter().map(|(name, _)| name.as_str());
        function::check_imports(imports).map_err(LoadError::Refused)
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
            Err(LoadError::Refused(refused.join("; ")))
        }
    }
}

/// Routes under the component's name, if it answers requests at all. A function has its place below `/fn/`, and others
/// only where its manifest says so.
pub(super) fn default_manifest<'a>(
    component: &ComponentName,
    mut exports: impl Iterator<Item = &'a str>,
) -> Manifest {
    let mut manifest = Manifest::default_for(component);
    if !exports.any(|name| name == HANDLERS[0]) {
        manifest.routes.clear();
    }
    manifest
}

/// Why an import is not linked, if it is not. Interfaces of other components are linked when called.
fn refuse_import(name: &str, manifest: &Manifest) -> Option<String> {
    if let Some(grant) = capabilities::grant_missing(name, &manifest.grants) {
        return Some(not_granted(name, grant));
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

fn not_granted(name: &str, grant: &str) -> String {
    format!("it imports {name}, which its manifest does not grant (grants.{grant} = true)")
}

/// Why an export is not taken, if it is not: nobody could call it.
fn refuse_export(name: &str) -> Option<String> {
    if name.starts_with("wasi:") {
        return Some(format!(
            "it exports {name}, which nothing calls (a function exports wasi:http/incoming-handler@0.2)"
        ));
    }
    let known = versions::unknown(name)?;
    Some(format!("it exports {name}, which nothing calls ({known})"))
}

fn hint(name: &str) -> String {
    if name.starts_with("wasi:") {
        return "build for wasm32-unknown-unknown with the leyden packages, which need no WASI; what exports \
                wasi:http/incoming-handler@0.2 is a function and gets WASI"
            .into();
    }
    format!("packages are {}", versions::all())
}

fn is_handler(name: &str) -> bool {
    HANDLERS.contains(&name)
}
