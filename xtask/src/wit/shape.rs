//! WIT packages as they are compared: names in their order, and types as text. Documentation is left out,
//! since nothing breaks by it.

use std::collections::BTreeMap;

use wit_parser::{
    Function, FunctionKind, Handle, InterfaceId, Package as Parsed, Resolve, Type, TypeDef,
    TypeDefKind, TypeId, TypeOwner, WorldId, WorldItem,
};

/// A version of a package.
pub(super) struct Package {
    /// With its version: `leyden:policy@0.1.0`.
    pub(super) name: String,
    /// Where it is written, as a person in the workspace names it.
    pub(super) file: String,
    /// By name.
    pub(super) interfaces: BTreeMap<String, Interface>,
    /// By name.
    pub(super) worlds: BTreeMap<String, World>,
}

/// An interface.
pub(super) struct Interface {
    /// With package and version: `leyden:policy/shed@0.1.0`.
    pub(super) id: String,
    /// By name.
    pub(super) types: BTreeMap<String, Shape>,
    /// By name.
    pub(super) functions: BTreeMap<String, Shape>,
}

/// A world: what components may import and what they export, by name, with a function's type.
pub(super) struct World {
    pub(super) imports: BTreeMap<String, String>,
    pub(super) exports: BTreeMap<String, String>,
}

/// A type or a function.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Shape {
    /// `record`, `enum`, `func`, …
    pub(super) kind: &'static str,
    /// Fields, cases, flags or parameters in their order, each with its type.
    pub(super) members: Vec<(String, String)>,
    /// What it is otherwise: a function's result, an alias's type.
    pub(super) of: String,
}

impl Package {
    /// A package of a `Resolve`.
    pub(super) fn of(resolve: &Resolve, parsed: &Parsed, file: &str) -> Self {
        let interfaces = parsed.interfaces.iter();
        let worlds = parsed.worlds.iter();
        Self {
            name: parsed.name.to_string(),
            file: file.to_owned(),
            interfaces: interfaces
                .map(|(name, id)| (name.clone(), Interface::of(resolve, *id)))
                .collect(),
            worlds: worlds
                .map(|(name, id)| (name.clone(), World::of(resolve, *id)))
                .collect(),
        }
    }
}

impl Interface {
    fn of(resolve: &Resolve, id: InterfaceId) -> Self {
        let interface = &resolve.interfaces[id];
        let types = interface.types.iter();
        let functions = interface.functions.iter();
        Self {
            id: resolve.id_of(id).unwrap_or_default(),
            types: types
                .map(|(name, id)| (name.clone(), Shape::of_type(resolve, &resolve.types[*id])))
                .collect(),
            functions: functions
                .map(|(name, of)| (name.clone(), Shape::of_function(resolve, of)))
                .collect(),
        }
    }
}

impl World {
    fn of(resolve: &Resolve, id: WorldId) -> Self {
        let world = &resolve.worlds[id];
        let items = |items: &wit_parser::IndexMap<wit_parser::WorldKey, WorldItem>| {
            let items = items.iter();
            items
                .map(|(key, item)| (resolve.name_world_key(key), item_text(resolve, item)))
                .collect()
        };
        Self {
            imports: items(&world.imports),
            exports: items(&world.exports),
        }
    }
}

/// What an item of a world is, beside its name.
fn item_text(resolve: &Resolve, item: &WorldItem) -> String {
    match item {
        WorldItem::Interface { .. } => "interface".into(),
        WorldItem::Function(function) => {
            let Shape { kind, members, of } = Shape::of_function(resolve, function);
            format!("{kind}{members:?} -> {of}")
        }
        WorldItem::Type { id, .. } => text_of_id(resolve, *id),
    }
}

impl Shape {
    fn of_type(resolve: &Resolve, of: &TypeDef) -> Self {
        let text = |ty: &Type| text(resolve, ty);
        let member =
            |name: &str, ty: Option<&Type>| (name.to_owned(), ty.map_or_else(String::new, text));
        let kind = of.kind.as_str();
        let members = match &of.kind {
            TypeDefKind::Record(record) => {
                let fields = record.fields.iter();
                fields
                    .map(|field| member(&field.name, Some(&field.ty)))
                    .collect()
            }
            TypeDefKind::Variant(variant) => {
                let cases = variant.cases.iter();
                cases
                    .map(|case| member(&case.name, case.ty.as_ref()))
                    .collect()
            }
            TypeDefKind::Enum(of) => of
                .cases
                .iter()
                .map(|case| member(&case.name, None))
                .collect(),
            TypeDefKind::Flags(of) => of
                .flags
                .iter()
                .map(|flag| member(&flag.name, None))
                .collect(),
            other => {
                let of = text_of_kind(resolve, other);
                return Self {
                    kind,
                    members: Vec::new(),
                    of,
                };
            }
        };
        let of = String::new();
        Self { kind, members, of }
    }

    fn of_function(resolve: &Resolve, of: &Function) -> Self {
        let kind = match of.kind {
            FunctionKind::Freestanding => "func",
            FunctionKind::AsyncFreestanding => "async func",
            FunctionKind::Method(_) => "method",
            FunctionKind::AsyncMethod(_) => "async method",
            FunctionKind::Static(_) => "static func",
            FunctionKind::AsyncStatic(_) => "async static func",
            FunctionKind::Constructor(_) => "constructor",
        };
        let params = of.params.iter();
        let members = params
            .map(|param| (param.name.clone(), text(resolve, &param.ty)))
            .collect();
        let of = of
            .result
            .as_ref()
            .map_or_else(String::new, |ty| text(resolve, ty));
        Self { kind, members, of }
    }
}

/// A type as the WIT writes it.
fn text(resolve: &Resolve, ty: &Type) -> String {
    match ty {
        Type::Bool => "bool",
        Type::U8 => "u8",
        Type::U16 => "u16",
        Type::U32 => "u32",
        Type::U64 => "u64",
        Type::S8 => "s8",
        Type::S16 => "s16",
        Type::S32 => "s32",
        Type::S64 => "s64",
        Type::F32 => "f32",
        Type::F64 => "f64",
        Type::Char => "char",
        Type::String => "string",
        Type::ErrorContext => "error-context",
        Type::Id(id) => return text_of_id(resolve, *id),
    }
    .into()
}

fn text_of_id(resolve: &Resolve, id: TypeId) -> String {
    let of = &resolve.types[id];
    match (&of.name, of.owner) {
        (Some(name), TypeOwner::Interface(interface)) => {
            let interface = resolve.id_of(interface).unwrap_or_default();
            format!("{interface}.{name}")
        }
        (Some(name), _) => name.clone(),
        (None, _) => text_of_kind(resolve, &of.kind),
    }
}

fn text_of_kind(resolve: &Resolve, kind: &TypeDefKind) -> String {
    let text = |ty: &Type| text(resolve, ty);
    let optional = |ty: &Option<Type>| ty.as_ref().map_or_else(|| "_".into(), text);
    match kind {
        TypeDefKind::Type(ty) => text(ty),
        TypeDefKind::List(ty) => format!("list<{}>", text(ty)),
        TypeDefKind::FixedLengthList(ty, length) => format!("list<{}, {length}>", text(ty)),
        TypeDefKind::Map(key, value) => format!("map<{}, {}>", text(key), text(value)),
        TypeDefKind::Option(ty) => format!("option<{}>", text(ty)),
        TypeDefKind::Tuple(tuple) => {
            let types: Vec<_> = tuple.types.iter().map(text).collect();
            format!("tuple<{}>", types.join(", "))
        }
        TypeDefKind::Result(of) => format!("result<{}, {}>", optional(&of.ok), optional(&of.err)),
        TypeDefKind::Future(ty) => format!("future<{}>", optional(ty)),
        TypeDefKind::Stream(ty) => format!("stream<{}>", optional(ty)),
        TypeDefKind::Handle(Handle::Own(id)) => format!("own<{}>", text_of_id(resolve, *id)),
        TypeDefKind::Handle(Handle::Borrow(id)) => format!("borrow<{}>", text_of_id(resolve, *id)),
        named => named.as_str().into(),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::packages::resolve;
    use super::Package;
    use wit_parser::UnresolvedPackageGroup;

    /// Packages from their text, as if `a:b` were written in `a/b.wit`.
    pub(in super::super) fn packages(texts: &[&str]) -> Vec<Package> {
        let groups = texts.iter().map(|text| {
            let group = UnresolvedPackageGroup::parse("test.wit", text).expect(text);
            let name = &group.main.name;
            let file = format!("{}/{}.wit", name.namespace, name.name);
            (group, file)
        });
        resolve(groups.collect()).expect("sound packages")
    }

    #[test]
    fn types_are_told_apart_by_their_whole_text() {
        let packages = packages(&[
            "package a:b@0.1.0; interface i { record r { x: u8 } variant v { n, t(tuple<u8, r>) } \
             type a = list<option<r>>; f: func(p: result<_, v>) -> a; }",
            "package a:c@0.1.0; interface j { use a:b/i@0.1.0.{r}; g: async func(r: r); }",
        ]);
        let i = &packages[0].interfaces["i"];
        assert_eq!(i.types["v"].members[1].1, "tuple<u8, a:b/i@0.1.0.r>");
        assert_eq!(i.types["a"].of, "list<option<a:b/i@0.1.0.r>>");
        assert_eq!(i.functions["f"].members[0].1, "result<_, a:b/i@0.1.0.v>");
        assert_eq!(i.functions["f"].of, "a:b/i@0.1.0.a");
        let j = &packages[1].interfaces["j"];
        assert_eq!(
            (j.types["r"].kind, j.types["r"].of.as_str()),
            ("type", "a:b/i@0.1.0.r")
        );
        assert_eq!(j.functions["g"].kind, "async func");
    }
}
