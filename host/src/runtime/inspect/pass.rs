//! One walk over the binary: validates it, counts what it is made of, weighs every function, and notes
//! imports and exports of the outermost component. It stops at the first total that is too high, so that it
//! is bounded itself.

mod counting;
mod outside;
mod words;

use wasmparser::{
    BlockType, CompositeInnerType, CustomSectionReader, Encoding, FuncToValidate,
    FuncValidatorAllocations, FunctionBody, KnownCustom, Name, Parser, Payload, ValidPayload,
    Validator, ValidatorResources, WasmModuleResources,
};

use super::bounds::{self, NESTING_MAX, REASONS_MAX};
use super::functions::Weight;
use super::{Counts, FEATURES, Reason, Refused};
use words::invalid;

pub(in crate::runtime) use words::printable;

/// An import of the outermost component.
pub(super) struct Imported {
    pub(super) name: String,
    /// What it imports, in words.
    pub(super) kind: &'static str,
    /// Whether that is an interface: an instance, in terms of the component model.
    pub(super) is_interface: bool,
    /// The functions of the interface that it imports.
    pub(super) functions: Vec<String>,
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
    /// Of the outermost component.
    pub(super) imports: u32,
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
        self.look_outside(payload).map_err(|e| invalid(&e))?;
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
