//! What changed between a release and now, and whether components built against the release notice. Pure.
//!
//! Components carry the types of what they import and export. The host links a component only where these
//! are the same as its own, and values are told apart by their places; so anything that changes a
//! type breaks, be it by adding. What is added beside what was there breaks nobody, unless
//! components have to export it.

use std::collections::{BTreeMap, BTreeSet};

use super::shape::{Interface, Package, Shape, World};

/// A change of one item.
pub(super) struct Change {
    /// The file to look at.
    pub(super) file: String,
    /// The package with its version.
    pub(super) package: String,
    /// The item that changed: `leyden:policy/schedule@0.1.0 reason`.
    pub(super) item: String,
    /// What happened to it.
    pub(super) what: String,
    /// The rule that judges it.
    pub(super) rule: Rule,
}

impl Change {
    /// What to do instead, if it breaks.
    pub(super) fn todo(&self) -> Option<String> {
        let package = self.package.split('@').next().unwrap_or_default();
        let instead = match self.rule {
            Rule::PackageRemoved => {
                format!("put it back from wit/released/: a released version of {package} stays")
            }
            _ => {
                format!("take it back, and add an interface or a new version of {package} instead")
            }
        };
        self.rule.breaks().then_some(instead)
    }
}

/// Why a change breaks components, or does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    PackageAdded,
    PackageRemoved,
    ItemAdded,
    FunctionServed,
    ImportOffered,
    FunctionRequired,
    ExportRequired,
    Removed,
    Renamed,
    FieldAdded,
    CaseAdded,
    ParameterAdded,
    Reordered,
    TypeChanged,
}

impl Rule {
    /// Whether components built against the release break.
    pub(super) fn breaks(self) -> bool {
        !matches!(
            self,
            Self::PackageAdded | Self::ItemAdded | Self::FunctionServed | Self::ImportOffered
        )
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::PackageAdded => "package-added",
            Self::PackageRemoved => "package-removed",
            Self::ItemAdded => "item-added",
            Self::FunctionServed => "function-served",
            Self::ImportOffered => "import-offered",
            Self::FunctionRequired => "function-required",
            Self::ExportRequired => "export-required",
            Self::Removed => "removed",
            Self::Renamed => "renamed",
            Self::FieldAdded => "field-added",
            Self::CaseAdded => "case-added",
            Self::ParameterAdded => "parameter-added",
            Self::Reordered => "reordered",
            Self::TypeChanged => "type-changed",
        }
    }

    pub(super) fn why(self) -> &'static str {
        match self {
            Self::PackageAdded => {
                "no component was built against it; `cargo xtask wit-release` releases it"
            }
            Self::PackageRemoved => "components that were built against it are not linked any more",
            Self::ItemAdded => "components built before do not know it and do not need it",
            Self::FunctionServed => {
                "the host serves the interface; components built before do not call it"
            }
            Self::ImportOffered => "components built before do not import it",
            Self::FunctionRequired => "components built before export the interface without it",
            Self::ExportRequired => "components built before do not export it",
            Self::Removed => "components built before use it",
            Self::Renamed => "components built before use the former name",
            Self::FieldAdded => {
                "a record's fields are its type; components built before hand over one without it"
            }
            Self::CaseAdded => {
                "cases are the type; components built before neither link nor know what to do with it"
            }
            Self::ParameterAdded => {
                "parameters are the function's type; components built before pass none"
            }
            Self::Reordered => {
                "values are told apart by their places; components built before mix them up"
            }
            Self::TypeChanged => "components built before have the former type",
        }
    }
}

/// The world of what the host itself serves.
const HOST: &str = "host";

/// All changes from a release to now, by file.
pub(super) fn compare(released: &[Package], current: &[Package]) -> Vec<Change> {
    let served: BTreeSet<&str> = current
        .iter()
        .filter_map(|package| package.worlds.get(HOST))
        .flat_map(|world| world.imports.keys().map(String::as_str))
        .collect();
    let mut changes = Changes::default();
    for old in released {
        match current.iter().find(|new| new.name == old.name) {
            Some(new) => changes.package(old, new, &served),
            None => changes
                .of(old)
                .note(&old.name, "removed", Rule::PackageRemoved),
        }
    }
    for new in current {
        if !released.iter().any(|old| old.name == new.name) {
            changes.of(new).note(&new.name, "added", Rule::PackageAdded);
        }
    }
    changes.all
}

/// The changes found so far, and in which package more are being looked for.
#[derive(Default)]
struct Changes {
    all: Vec<Change>,
    file: String,
    package: String,
}

impl Changes {
    fn of(&mut self, package: &Package) -> &mut Self {
        self.file.clone_from(&package.file);
        self.package.clone_from(&package.name);
        self
    }

    fn note(&mut self, item: &str, what: impl Into<String>, rule: Rule) {
        self.all.push(Change {
            file: self.file.clone(),
            package: self.package.clone(),
            item: item.to_owned(),
            what: what.into(),
            rule,
        });
    }

    fn package(&mut self, old: &Package, new: &Package, served: &BTreeSet<&str>) {
        self.of(new);
        let name = &new.name;
        for (interface, old) in &old.interfaces {
            match new.interfaces.get(interface) {
                Some(new) => self.interface(old, new, served.contains(old.id.as_str())),
                None => self.note(&old.id, "interface removed", Rule::Removed),
            }
        }
        for (world, old) in &old.worlds {
            match new.worlds.get(world) {
                Some(new) => self.world(&format!("{name} {world}"), old, new),
                None => self.note(&format!("{name} {world}"), "world removed", Rule::Removed),
            }
        }
        for interface in added(&old.interfaces, &new.interfaces) {
            self.note(&interface.id, "interface added", Rule::ItemAdded);
        }
        for world in new
            .worlds
            .keys()
            .filter(|world| !old.worlds.contains_key(*world))
        {
            self.note(&format!("{name} {world}"), "world added", Rule::ItemAdded);
        }
    }

    fn interface(&mut self, old: &Interface, new: &Interface, served: bool) {
        let added_function = match served {
            true => Rule::FunctionServed,
            false => Rule::FunctionRequired,
        };
        self.items(&old.id, "type", &old.types, &new.types, Rule::ItemAdded);
        self.items(
            &old.id,
            "function",
            &old.functions,
            &new.functions,
            added_function,
        );
    }

    /// Types or functions of an interface.
    fn items(
        &mut self,
        interface: &str,
        kind: &str,
        old: &BTreeMap<String, Shape>,
        new: &BTreeMap<String, Shape>,
        added: Rule,
    ) {
        let is_new = |(name, _): &(&String, &Shape)| !old.contains_key(*name);
        let mut added_ones: Vec<_> = new.iter().filter(is_new).collect();
        for (name, shape) in old {
            let item = format!("{interface} {name}");
            if let Some(new) = new.get(name) {
                self.shape(&item, shape, new);
            } else if let Some(at) = added_ones.iter().position(|(_, new)| *new == shape) {
                let (to, _) = added_ones.remove(at);
                self.note(&item, format!("{kind} renamed to `{to}`"), Rule::Renamed);
            } else {
                self.note(&item, format!("{kind} removed"), Rule::Removed);
            }
        }
        for (name, _) in added_ones {
            self.note(
                &format!("{interface} {name}"),
                format!("{kind} added"),
                added,
            );
        }
    }

    fn shape(&mut self, item: &str, old: &Shape, new: &Shape) {
        if old.kind != new.kind {
            let what = format!("was {}, is {}", old.kind, new.kind);
            return self.note(item, what, Rule::TypeChanged);
        }
        if old.of != new.of {
            let what = format!("was `{}`, is `{}`", old.of, new.of);
            self.note(item, what, Rule::TypeChanged);
        }
        self.members(item, old, new);
    }

    fn members(&mut self, item: &str, old: &Shape, new: &Shape) {
        let (kind, added) = member_kind(old.kind);
        let find = |shape: &Shape, name: &str| {
            let mut members = shape.members.iter();
            members
                .find(|(member, _)| member == name)
                .map(|(_, of)| of.clone())
        };
        for (name, was) in &old.members {
            match find(new, name) {
                Some(is) if is == *was => {}
                Some(is) => {
                    let what = format!("{kind} `{name}` was `{was}`, is `{is}`");
                    self.note(item, what, Rule::TypeChanged);
                }
                None => self.note(
                    item,
                    format!("{kind} `{name}` removed or renamed"),
                    Rule::Removed,
                ),
            }
        }
        for (name, _) in new
            .members
            .iter()
            .filter(|(name, _)| find(old, name).is_none())
        {
            self.note(item, format!("{kind} `{name}` added"), added);
        }
        if is_reordered(old, new) {
            self.note(
                item,
                format!("{kind}s are in another order"),
                Rule::Reordered,
            );
        }
    }

    fn world(&mut self, item: &str, old: &World, new: &World) {
        self.world_items(
            item,
            "import",
            (&old.imports, &new.imports),
            Rule::ImportOffered,
        );
        self.world_items(
            item,
            "export",
            (&old.exports, &new.exports),
            Rule::ExportRequired,
        );
    }

    fn world_items(
        &mut self,
        item: &str,
        kind: &str,
        (old, new): (&BTreeMap<String, String>, &BTreeMap<String, String>),
        added: Rule,
    ) {
        for (name, was) in old {
            match new.get(name) {
                Some(is) if is == was => {}
                Some(_) => self.note(item, format!("{kind} `{name}` changed"), Rule::TypeChanged),
                None => self.note(item, format!("{kind} `{name}` removed"), Rule::Removed),
            }
        }
        for name in new.keys().filter(|name| !old.contains_key(*name)) {
            self.note(item, format!("{kind} `{name}` added"), added);
        }
    }
}

/// How the members of a type or function are called, and what it means that there is one more.
fn member_kind(kind: &str) -> (&'static str, Rule) {
    match kind {
        "record" => ("field", Rule::FieldAdded),
        "variant" | "enum" => ("case", Rule::CaseAdded),
        "flags" => ("flag", Rule::CaseAdded),
        _ => ("parameter", Rule::ParameterAdded),
    }
}

/// Whether the members that both have come in another order.
fn is_reordered(old: &Shape, new: &Shape) -> bool {
    let names = |of: &Shape, other: &Shape| -> Vec<String> {
        let in_both = |name: &String| other.members.iter().any(|(known, _)| known == name);
        let names = of.members.iter().map(|(name, _)| name.clone());
        names.filter(in_both).collect()
    };
    names(old, new) != names(new, old)
}

fn added<'a, T>(old: &BTreeMap<String, T>, new: &'a BTreeMap<String, T>) -> Vec<&'a T> {
    let items = new.iter().filter(|(name, _)| !old.contains_key(*name));
    items.map(|(_, item)| item).collect()
}

#[cfg(test)]
mod tests;
