//! What the outermost component imports and exports.

use wasmparser::component_types::ComponentEntityType;
use wasmparser::{ComponentTypeRef, Payload};

use super::super::Reason;
use super::super::bounds::INTERFACE_ITEMS_MAX;
use super::words::printable;
use super::{Imported, Pass};

impl Pass {
    /// Notes what a section that was found valid imports or exports.
    pub(super) fn look_outside(&mut self, payload: &Payload<'_>) -> wasmparser::Result<()> {
        if self.levels.len() != 1 {
            return Ok(());
        }
        match payload {
            Payload::ComponentImportSection(imports) => {
                for import in imports.clone() {
                    let import = import?;
                    let imported = self.imported(import.name.name, import.ty);
                    self.found.imports.push(imported);
                }
            }
            Payload::ComponentExportSection(exports) => {
                for export in exports.clone() {
                    self.found.exports.push(export?.name.name.to_owned());
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn imported(&mut self, name: &str, ty: ComponentTypeRef) -> Imported {
        let kind = match ty {
            ComponentTypeRef::Module(_) => "the core module",
            ComponentTypeRef::Func(_) => "the function",
            ComponentTypeRef::Value(_) => "the value",
            ComponentTypeRef::Type(_) => "the type",
            ComponentTypeRef::Instance(_) => "the interface",
            ComponentTypeRef::Component(_) => "the component",
        };
        Imported {
            name: printable(name),
            kind,
            is_interface: matches!(ty, ComponentTypeRef::Instance(_)),
            functions: self.functions_of(name),
        }
    }

    /// The functions of an imported interface; none, where the import is something else.
    fn functions_of(&mut self, import: &str) -> Vec<String> {
        let types = self.validator.types(0);
        let item = types.and_then(|types| Some((types, types.component_item_for_import(import)?)));
        let Some((types, ComponentEntityType::Instance(id))) = item.map(|(t, i)| (t, i.ty)) else {
            return Vec::new();
        };
        let exports = &types[id].exports;
        let is_function = |ty| matches!(ty, ComponentEntityType::Func(_));
        let functions = exports.iter().filter(|(_, item)| is_function(item.ty));
        if exports.len() <= INTERFACE_ITEMS_MAX {
            return functions.map(|(name, _)| printable(name)).collect();
        }
        let (name, count) = (printable(import), exports.len());
        let problem = format!("imports {name} with {count} items, more than {INTERFACE_ITEMS_MAX}");
        self.refuse(Reason::new(problem, "import what it uses"));
        Vec::new()
    }
}
