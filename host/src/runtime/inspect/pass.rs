//! One walk over the binary: validates it, counts what it is made of, weighs every function, and notes
//! imports and exports of the outermost component. It stops at the first total that is too high, so that it
//! is bounded itself.

use wasmparser::{
    BlockType, ComponentInstance, ComponentTypeRef, CompositeInnerType, CustomSectionReader,
    ElementItems, Encoding, FuncToValidate, FuncValidatorAllocations, FunctionBody, Instance,
    KnownCustom, Name, Parser, Payload, TypeSectionReader, ValidPayload, Validator,
    ValidatorResources, WasmModuleResources,
};

use super::bounds::{self, NAME_CHARS_MAX, NESTING_MAX, PARAMS_MAX, REASONS_MAX, RESULTS_MAX};
use super::functions::Weight;
use super::{Counts, FEATURES, Reason, Refused};

/// Bytes of a page of linear memory (pages of other sizes are a proposal that is off).
const PAGE_BYTES: u64 = 64 << 10;

/// An import of the outermost component.
pub(super) struct Imported {
    pub(super) name: String,
    /// What it imports, in words.
    pub(super) kind: &'static str,
    /// Whether that is an interface: an instance, in terms of the component model.
    pub(super) is_interface: bool,
}

/// What the walk found.
pub(super) struct Found {
    pub(super) imports: Vec<Imported>,
    pub(super) exports: Vec<String>,
    pub(super) counts: Counts,
    pub(super) reasons: Vec<Reason>,
}

/// Totals that are bounded, but of no interest to whoever uploads.
#[derive(Default)]
pub(super) struct Totals {
    pub(super) core_instances: u32,
    pub(super) components: u32,
    pub(super) component_instances: u32,
    pub(super) memories: u32,
    pub(super) tables: u32,
    pub(super) items: u32,
    pub(super) cost: u64,
}

/// A module or component that the walk is inside of.
struct Level {
    /// Number of the core module, from 0; none: a component.
    module: Option<u32>,
    /// Functions that are too heavy, until their names are known.
    heavy: Vec<(u32, Weight)>,
}

struct Pass {
    validator: Validator,
    allocations: FuncValidatorAllocations,
    levels: Vec<Level>,
    totals: Totals,
    found: Found,
}

/// Walks over a binary that begins as a component does.
pub(super) fn run(bytes: &[u8]) -> Result<Found, Refused> {
    let mut pass = Pass {
        validator: Validator::new_with_features(FEATURES),
        allocations: FuncValidatorAllocations::default(),
        levels: Vec::new(),
        totals: Totals::default(),
        found: Found {
            imports: Vec::new(),
            exports: Vec::new(),
            counts: Counts::default(),
            reasons: Vec::new(),
        },
    };
    let mut parser = Parser::new(0);
    parser.set_features(FEATURES);
    for payload in parser.parse_all(bytes) {
        pass.take(&payload.map_err(|e| invalid(&e))?)?;
    }
    Ok(pass.found)
}

impl Pass {
    fn take(&mut self, payload: &Payload<'_>) -> Result<(), Refused> {
        self.nest(payload)?;
        self.count(payload).map_err(|e| invalid(&e))?;
        self.check_totals()?;
        let validated = self.validator.payload(payload).map_err(|e| invalid(&e))?;
        if let ValidPayload::Func(function, body) = validated {
            self.function(function, &body).map_err(|e| invalid(&e))?;
            self.check_totals()?;
        }
        self.unnest(payload);
        Ok(())
    }

    /// Enters a module or component.
    fn nest(&mut self, payload: &Payload<'_>) -> Result<(), Refused> {
        let Payload::Version { encoding, .. } = payload else {
            return Ok(());
        };
        if self.levels.len() >= NESTING_MAX {
            let problem = format!("nests components more than {NESTING_MAX} deep");
            return Err(Reason::new(problem, "compose it flat").into());
        }
        let module = match encoding {
            Encoding::Module => Some(self.found.counts.core_modules),
            Encoding::Component => None,
        };
        match module {
            Some(_) => self.found.counts.core_modules += 1,
            None if !self.levels.is_empty() => self.totals.components += 1,
            None => {}
        }
        let heavy = Vec::new();
        self.levels.push(Level { module, heavy });
        Ok(())
    }

    /// Leaves a module or component. Functions that are too heavy have got their names by now.
    fn unnest(&mut self, payload: &Payload<'_>) {
        match payload {
            Payload::CustomSection(section) => self.name_heavy(section),
            Payload::End(_) => {
                let left = self.levels.pop();
                for (index, weight) in left.iter().flat_map(|level| &level.heavy) {
                    let module = left.as_ref().and_then(|level| level.module);
                    self.refuse_function(*index, *weight, module, None);
                }
            }
            _ => {}
        }
    }

    fn count(&mut self, payload: &Payload<'_>) -> wasmparser::Result<()> {
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
                    for import in imports.clone() {
                        let import = import?;
                        self.found
                            .imports
                            .push(imported(import.name.name, import.ty));
                    }
                }
                Ok(imports.count())
            }
            Payload::ComponentExportSection(exports) => {
                if self.levels.len() == 1 {
                    for export in exports.clone() {
                        self.found.exports.push(export?.name.name.to_owned());
                    }
                }
                Ok(exports.count())
            }
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

    /// Weighs a function; validates it unless it is too heavy to be taken anyway.
    fn function(
        &mut self,
        function: FuncToValidate<ValidatorResources>,
        body: &FunctionBody<'_>,
    ) -> wasmparser::Result<()> {
        let index = function.index;
        let weight = weigh(&function, body)?;
        let costliest = &mut self.found.counts.function_cost_max;
        *costliest = (*costliest).max(weight.cost());
        if weight.exceeds() {
            if let Some(level) = self
                .levels
                .last_mut()
                .filter(|l| l.heavy.len() < REASONS_MAX)
            {
                level.heavy.push((index, weight));
            }
            return Ok(());
        }
        self.totals.cost = self.totals.cost.saturating_add(weight.cost());
        let allocations = std::mem::take(&mut self.allocations);
        let mut validator = function.into_validator(allocations);
        validator.validate(body)?;
        self.allocations = validator.into_allocations();
        Ok(())
    }

    /// Looks up the names of functions that are too heavy.
    fn name_heavy(&mut self, section: &CustomSectionReader<'_>) {
        let Some(level) = self
            .levels
            .last_mut()
            .filter(|level| !level.heavy.is_empty())
        else {
            return;
        };
        let (module, heavy) = (level.module, level.heavy.clone());
        let mut named = Vec::new();
        for (index, name) in function_names(section) {
            if let Some((_, weight)) = heavy.iter().find(|(heavy, _)| *heavy == index) {
                named.push(index);
                self.refuse_function(index, *weight, module, Some(name));
            }
        }
        if let Some(level) = self.levels.last_mut() {
            level.heavy.retain(|(index, _)| !named.contains(index));
        }
    }

    fn refuse_function(
        &mut self,
        index: u32,
        weight: Weight,
        module: Option<u32>,
        name: Option<&str>,
    ) {
        let name = name.map(|name| format!(" `{}`", printable(name)));
        let function = format!(
            "function {index}{} of core module {}",
            name.unwrap_or_default(),
            module.unwrap_or_default()
        );
        if let Some(reason) = weight.check(&function) {
            self.refuse(reason);
        }
    }

    fn refuse(&mut self, reason: Reason) {
        if self.found.reasons.len() < REASONS_MAX {
            self.found.reasons.push(reason);
        }
    }

    /// A total that is too high ends the walk, with what was found until then.
    fn check_totals(&mut self) -> Result<(), Refused> {
        let exceeded = bounds::exceeded(&self.found.counts, &self.totals);
        if exceeded.is_empty() {
            return Ok(());
        }
        for (what, count, most) in exceeded {
            let problem = format!("has {count} {what}, more than {most}");
            self.refuse(Reason::new(
                problem,
                "leave out what it does not need, or split it in two",
            ));
        }
        let reasons = std::mem::take(&mut self.found.reasons);
        Err(Refused { reasons })
    }
}

fn weigh(
    function: &FuncToValidate<ValidatorResources>,
    body: &FunctionBody<'_>,
) -> wasmparser::Result<Weight> {
    let arity = |ty: u32| match function
        .resources
        .sub_type_at(ty)
        .map(|t| &t.composite_type.inner)
    {
        Some(CompositeInnerType::Func(ty)) => (ty.params().len(), ty.results().len()),
        _ => (0, 0),
    };
    Weight::of(body, arity(function.ty).0, |block| match block {
        BlockType::Empty => 0,
        BlockType::Type(_) => 1,
        BlockType::FuncType(ty) => arity(ty).0 + arity(ty).1,
    })
}

/// Names of functions by index, as far as the section is sound.
fn function_names<'a>(
    section: &CustomSectionReader<'a>,
) -> impl Iterator<Item = (u32, &'a str)> + use<'a> {
    let names = match section.as_known() {
        KnownCustom::Name(names) => Some(names),
        _ => None,
    };
    let functions = names.into_iter().flatten().filter_map(|name| match name {
        Ok(Name::Function(functions)) => Some(functions),
        _ => None,
    });
    functions
        .flat_map(|functions| functions.into_iter().map_while(Result::ok))
        .map(|naming| (naming.index, naming.name))
}

fn imported(name: &str, ty: ComponentTypeRef) -> Imported {
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
    }
}

/// A name from the upload that a message may repeat: cut, and without control characters.
pub(in crate::runtime) fn printable(name: &str) -> String {
    let cut: String = name.chars().take(NAME_CHARS_MAX).collect();
    cut.escape_debug().to_string()
}

/// The validator has no kinds of errors; these are its words for proposals that are off.
fn is_about_a_proposal(message: &str) -> bool {
    ["must be enabled", "is not enabled", "disallowed"]
        .iter()
        .any(|words| message.contains(words))
}

/// What the validator's errors mean to whoever uploads.
fn invalid(error: &wasmparser::Error) -> Refused {
    let (message, at) = (printable(error.message()), error.offset());
    let reason = if message.starts_with("unexpected end") {
        let problem = format!("ends too early, at byte {at}");
        Reason::new(problem, "was the upload cut off? send it again")
    } else if is_about_a_proposal(&message) {
        let problem = format!("uses a proposal that is not served: {message} (at byte {at})");
        let remedy =
            "build for WebAssembly 2.0; several memories and extended constants are served as well";
        Reason::new(problem, remedy)
    } else {
        let problem = format!("is not valid: {message} (at byte {at})");
        Reason::new(problem, "build it anew; `wasm-tools validate` says more")
    };
    reason.into()
}
