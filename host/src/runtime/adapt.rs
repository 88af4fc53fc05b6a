//! Values from one version of an interface to another, by name. A caller and a callee may have been
//! built against different versions of a WIT package; what the one hands over is made into what
//! the other takes:
//!
//! - a record's fields go by their names: one that the target does not have is left out; one that only
//!   the target has is none where it is an option, else what [`DEFAULTS`] declares for it;
//! - parameters of a function go by their places, and one that only the target has like a field;
//! - cases of enums and variants, and flags, go by their names: the target must have those that are used;
//! - everything else must have the same type.
//!
//! Nothing is guessed: what cannot be carried over is a [`Misfit`], which names the place. Pure; it neither
//! looks for the versions nor calls anything.

use std::borrow::Cow;
use std::fmt;

use wasmtime::component::types::{self, ComponentFunc};
use wasmtime::component::{Type, Val};

/// What a field is that the other version does not know and that is no option.
struct Default {
    /// The interface, in the version that has the field.
    interface: &'static str,
    /// Function and place of the field, as a [`Misfit`] writes it.
    place: &'static str,
    /// The value, and in the interface's documentation what it means.
    value: fn() -> Val,
}

const DEFAULTS: [Default; 1] = [Default {
    interface: "leyden:policy/schedule@0.2.0",
    place: "decide: input.community",
    // The community is not known.
    value: || Val::U64(0),
}];

/// What the field at a place of an interface is where the other version does not know it.
pub(super) fn default(interface: &str, place: &str) -> Option<Val> {
    let mut defaults = DEFAULTS.iter();
    let default = defaults.find(|d| d.interface == interface && d.place == place);
    default.map(|default| (default.value)())
}

/// Why a value has no counterpart in another version of its interface.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("between {from} and {to}, {place}: {rule}")]
pub(super) struct Misfit {
    from: String,
    to: String,
    place: String,
    rule: String,
}

/// Where two versions of an interface meet: a function, and the versions that its caller and its callee have.
#[derive(Clone, Copy)]
pub(super) struct Seam<'a> {
    /// The interface that is called, with its version.
    pub(super) called: &'a str,
    /// The one that is exported.
    pub(super) exported: &'a str,
    /// The function's name.
    pub(super) function: &'a str,
}

impl Seam<'_> {
    /// A caller's parameters as the callee takes them, whose type is asked for where the versions differ.
    pub(super) fn params<'v>(
        &self,
        callee: impl FnOnce() -> ComponentFunc,
        values: &'v [Val],
    ) -> Result<Cow<'v, [Val]>, Misfit> {
        if self.called == self.exported {
            return Ok(Cow::Borrowed(values));
        }
        let adapter = Adapter {
            from: self.called,
            to: self.exported,
            function: self.function,
        };
        let callee = callee();
        let mut values = values.iter();
        let param =
            |(name, to): (&str, Type)| adapter.or_absent(values.next(), &to, &At::start(name));
        let params = callee.params().map(param).collect::<Result<_, _>>()?;
        match values.next() {
            Some(_) => Err(adapter.misfit(&At::start("parameters"), "the callee takes fewer")),
            None => Ok(Cow::Owned(params)),
        }
    }

    /// Turns what the callee answered into what the caller, whose type of the function this is, gets.
    pub(super) fn results(
        &self,
        caller: &ComponentFunc,
        answers: &mut [Val],
    ) -> Result<(), Misfit> {
        if self.called == self.exported {
            return Ok(());
        }
        let adapter = Adapter {
            from: self.exported,
            to: self.called,
            function: self.function,
        };
        for (answer, to) in answers.iter_mut().zip(caller.results()) {
            *answer = adapter.value(answer, &to, &At::start("answer"))?;
        }
        Ok(())
    }
}

/// A place in a value: the step to it, and the place that the step is made from.
struct At<'a> {
    parent: Option<&'a At<'a>>,
    step: &'a str,
}

impl<'a> At<'a> {
    fn start(step: &'a str) -> Self {
        Self { parent: None, step }
    }

    fn then(&'a self, step: &'a str) -> Self {
        let parent = Some(self);
        Self { parent, step }
    }
}

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.parent {
            Some(parent) if self.step == EACH => write!(f, "{parent}{EACH}"),
            Some(parent) => write!(f, "{parent}.{}", self.step),
            None => f.write_str(self.step),
        }
    }
}

/// How an element of a list or a tuple is named: which one it is does not matter.
const EACH: &str = "[]";

/// Carries values of one function over.
struct Adapter<'a> {
    /// The interface that values come from, with its version.
    from: &'a str,
    /// The one they are made for.
    to: &'a str,
    function: &'a str,
}

impl Adapter<'_> {
    fn value(&self, value: &Val, to: &Type, at: &At<'_>) -> Result<Val, Misfit> {
        Ok(match (value, to) {
            (Val::Record(fields), Type::Record(to)) => Val::Record(self.record(fields, to, at)?),
            (Val::List(values), Type::List(to)) => Val::List(self.list(values, &to.ty(), at)?),
            (Val::Tuple(values), Type::Tuple(to)) => Val::Tuple(self.tuple(values, to, at)?),
            (Val::Variant(case, value), Type::Variant(to)) => {
                self.variant(case, value.as_deref(), to, at)?
            }
            (Val::Enum(case), Type::Enum(to)) => Val::Enum(self.known(case, to.names(), at)?),
            (Val::Flags(set), Type::Flags(to)) => {
                let set = set.iter().map(|flag| self.known(flag, to.names(), at));
                Val::Flags(set.collect::<Result<_, _>>()?)
            }
            (Val::Option(None), Type::Option(_)) => Val::Option(None),
            (Val::Option(value), Type::Option(to)) => {
                Val::Option(self.inner(value.as_deref(), Some(to.ty()), at)?)
            }
            (Val::Result(Ok(value)), Type::Result(to)) => {
                Val::Result(Ok(self.inner(value.as_deref(), to.ok(), at)?))
            }
            (Val::Result(Err(value)), Type::Result(to)) => {
                Val::Result(Err(self.inner(value.as_deref(), to.err(), at)?))
            }
            (plain, to) if is_same(plain, to) => plain.clone(),
            _ => return Err(self.misfit(at, "the types differ")),
        })
    }

    fn record(
        &self,
        fields: &[(String, Val)],
        to: &types::Record,
        at: &At<'_>,
    ) -> Result<Vec<(String, Val)>, Misfit> {
        let field = |field: types::Field<'_>| {
            let source = fields.iter().find(|(name, _)| name == field.name);
            let source = source.map(|(_, value)| value);
            let value = self.or_absent(source, &field.ty, &at.then(field.name))?;
            Ok((field.name.to_owned(), value))
        };
        to.fields().map(field).collect()
    }

    /// What the source has there, else what it is without.
    fn or_absent(&self, source: Option<&Val>, to: &Type, at: &At<'_>) -> Result<Val, Misfit> {
        match (source, to) {
            (Some(value), to) => self.value(value, to, at),
            (None, Type::Option(_)) => Ok(Val::Option(None)),
            (None, _) => self.default(at),
        }
    }

    fn default(&self, at: &At<'_>) -> Result<Val, Misfit> {
        default(self.to, &self.place(at))
            .ok_or_else(|| self.misfit(at, "the one does not have it, the other needs it"))
    }

    fn list(&self, values: &[Val], to: &Type, at: &At<'_>) -> Result<Vec<Val>, Misfit> {
        let at = at.then(EACH);
        let values = values.iter().map(|value| self.value(value, to, &at));
        values.collect()
    }

    fn tuple(&self, values: &[Val], to: &types::Tuple, at: &At<'_>) -> Result<Vec<Val>, Misfit> {
        if values.len() != to.types().len() {
            return Err(self.misfit(at, "the tuples differ in length"));
        }
        let values = values.iter().zip(to.types());
        let values = values.map(|(value, to)| self.value(value, &to, &at.then(EACH)));
        values.collect()
    }

    fn variant(
        &self,
        case: &str,
        value: Option<&Val>,
        to: &types::Variant,
        at: &At<'_>,
    ) -> Result<Val, Misfit> {
        let name = self.known(case, to.cases().map(|known| known.name), at)?;
        let known = to.cases().find(|known| known.name == case);
        let value = self.inner(value, known.and_then(|known| known.ty), &at.then(case))?;
        Ok(Val::Variant(name, value))
    }

    /// What an option, a result or a case carries, if it does.
    fn inner(
        &self,
        value: Option<&Val>,
        to: Option<Type>,
        at: &At<'_>,
    ) -> Result<Option<Box<Val>>, Misfit> {
        match (value, to) {
            (Some(value), Some(to)) => Ok(Some(Box::new(self.value(value, &to, at)?))),
            (None, None) => Ok(None),
            _ => Err(self.misfit(at, "only one of the two carries a value")),
        }
    }

    /// A case or a flag that the target has, too.
    fn known<'n>(
        &self,
        name: &str,
        names: impl Iterator<Item = &'n str>,
        at: &At<'_>,
    ) -> Result<String, Misfit> {
        let names: Vec<_> = names.collect();
        if names.contains(&name) {
            return Ok(name.to_owned());
        }
        let all = names.join(", ");
        Err(self.misfit(at, &format!("`{name}` is none of {all}")))
    }

    fn place(&self, at: &At<'_>) -> String {
        format!("{}: {at}", self.function)
    }

    fn misfit(&self, at: &At<'_>, rule: &str) -> Misfit {
        Misfit {
            from: self.from.to_owned(),
            to: self.to.to_owned(),
            place: self.place(at),
            rule: rule.to_owned(),
        }
    }
}

/// Whether a value without parts has this type. Handles are not among them: they mean nothing to
/// another version.
fn is_same(value: &Val, to: &Type) -> bool {
    matches!(
        (value, to),
        (Val::Bool(_), Type::Bool)
            | (Val::S8(_), Type::S8)
            | (Val::U8(_), Type::U8)
            | (Val::S16(_), Type::S16)
            | (Val::U16(_), Type::U16)
            | (Val::S32(_), Type::S32)
            | (Val::U32(_), Type::U32)
            | (Val::S64(_), Type::S64)
            | (Val::U64(_), Type::U64)
            | (Val::Float32(_), Type::Float32)
            | (Val::Float64(_), Type::Float64)
            | (Val::Char(_), Type::Char)
            | (Val::String(_), Type::String)
    )
}

#[cfg(test)]
mod tests;
