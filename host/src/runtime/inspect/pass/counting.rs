//! What each section adds to the totals.

use wasmparser::{
    ComponentInstance, CompositeInnerType, ElementItems, Instance, Payload, TypeSectionReader,
};

use super::super::Reason;
use super::super::bounds::{PARAMS_MAX, RESULTS_MAX};
use super::Pass;

/// Bytes of a page of linear memory (pages of other sizes are a proposal that is off).
const PAGE_BYTES: u64 = 64 << 10;

impl Pass {
    pub(super) fn count(&mut self, payload: &Payload<'_>) -> wasmparser::Result<()> {
        let items = match payload {
            Payload::TypeSection(types) => {
                self.types(types)?;
                types.count()
            }
            Payload::ImportSection(imports) => imports.count(),
            Payload::FunctionSection(functions) => {
                let all = &mut self.found.counts.functions;
                *all = all.saturating_add(functions.count());
                functions.count()
            }
            Payload::TableSection(_) | Payload::MemorySection(_) => return self.room(payload),
            Payload::GlobalSection(globals) => globals.count(),
            Payload::ExportSection(exports) => exports.count(),
            Payload::ElementSection(_) | Payload::DataSection(_) => self.segments(payload)?,
            Payload::CoreTypeSection(types) => types.count(),
            Payload::ComponentTypeSection(types) => types.count(),
            Payload::ComponentAliasSection(aliases) => aliases.count(),
            Payload::ComponentCanonicalSection(functions) => functions.count(),
            _ => self.component(payload)?,
        };
        self.totals.items = self.totals.items.saturating_add(items);
        Ok(())
    }

    /// Instances, imports and exports of components.
    fn component(&mut self, payload: &Payload<'_>) -> wasmparser::Result<u32> {
        match payload {
            Payload::InstanceSection(instances) => {
                for instance in instances.clone() {
                    let made = matches!(instance?, Instance::Instantiate { .. });
                    self.totals.core_instances += u32::from(made);
                }
                Ok(instances.count())
            }
            Payload::ComponentInstanceSection(instances) => {
                for instance in instances.clone() {
                    let made = matches!(instance?, ComponentInstance::Instantiate { .. });
                    self.totals.component_instances += u32::from(made);
                }
                Ok(instances.count())
            }
            Payload::ComponentImportSection(imports) => {
                if self.levels.len() == 1 {
                    self.totals.imports = self.totals.imports.saturating_add(imports.count());
                }
                Ok(imports.count())
            }
            Payload::ComponentExportSection(exports) => Ok(exports.count()),
            _ => Ok(0),
        }
    }

    /// Types whose use costs more than their bytes.
    fn types(&mut self, types: &TypeSectionReader<'_>) -> wasmparser::Result<()> {
        for group in types.clone() {
            for ty in group?.into_types() {
                let CompositeInnerType::Func(function) = ty.composite_type.inner else {
                    continue;
                };
                let (params, results) = (function.params().len(), function.results().len());
                if params > PARAMS_MAX || results > RESULTS_MAX {
                    let problem = format!(
                        "has a function type with {params} parameters and {results} results, more than \
                         {PARAMS_MAX} and {RESULTS_MAX}"
                    );
                    self.refuse(Reason::new(problem, "pass them in memory, as compilers do"));
                }
            }
        }
        Ok(())
    }

    /// Memories and tables, and what they begin with.
    fn room(&mut self, payload: &Payload<'_>) -> wasmparser::Result<()> {
        let counts = &mut self.found.counts;
        match payload {
            Payload::MemorySection(memories) => {
                self.totals.memories = self.totals.memories.saturating_add(memories.count());
                for memory in memories.clone() {
                    let bytes = memory?.initial.saturating_mul(PAGE_BYTES);
                    counts.memory_bytes = counts.memory_bytes.saturating_add(bytes);
                }
            }
            Payload::TableSection(tables) => {
                self.totals.tables = self.totals.tables.saturating_add(tables.count());
                for table in tables.clone() {
                    let elements = table?.ty.initial;
                    counts.table_elements = counts.table_elements.saturating_add(elements);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Elements and data; how many items they are.
    fn segments(&mut self, payload: &Payload<'_>) -> wasmparser::Result<u32> {
        let mut items: u32 = 0;
        match payload {
            Payload::ElementSection(segments) => {
                for segment in segments.clone() {
                    let elements = match segment?.items {
                        ElementItems::Functions(functions) => functions.count(),
                        ElementItems::Expressions(_, expressions) => expressions.count(),
                    };
                    items = items.saturating_add(elements).saturating_add(1);
                }
            }
            Payload::DataSection(segments) => {
                for segment in segments.clone() {
                    self.found.counts.data_bytes += segment?.data.len() as u64;
                    items = items.saturating_add(1);
                }
            }
            _ => {}
        }
        Ok(items)
    }
}
