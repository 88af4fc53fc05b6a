//! Values of components as JSON, by the names that their WIT gives them, and back by the type that is asked for.
//!
//! A record is an object, a list an array, an enum its case, a variant `{"case": value}` or, without a value, its case;
//! an option is `null` or the value, a result `{"ok": …}` or `{"err": …}`, flags an array of names. Numbers that JSON does
//! not have are `"NaN"`, `"Infinity"` and `"-Infinity"`. An option of an option cannot be told apart from an option, which no
//! interface of Leyden has.
//!
//! **Invariant.** What [`to_json`] writes, [`from_json`] reads as the same value, given the same type. A field that the
//! JSON does not have is none where it is an option, else what the caller says; one that the type does not have is left
//! out. So what one version of an interface was asked can be asked of another.

use serde_json::{Map, Number, Value};
use wasmtime::component::types::{Record, Type, Variant};
use wasmtime::component::{Type as ValType, Val};

/// Why JSON is not a value of a type: where, and the rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{at}: {rule}")]
pub(crate) struct Mismatch {
    at: String,
    rule: String,
}

impl Mismatch {
    fn new(rule: impl Into<String>) -> Self {
        let (at, rule) = (String::new(), rule.into());
        Self { at, rule }
    }

    /// The same, found inside a field or an element.
    fn inside(mut self, step: &str) -> Self {
        self.at = match self.at.as_str() {
            "" => step.to_owned(),
            deeper => format!("{step}.{deeper}"),
        };
        self
    }
}

/// A value as JSON.
pub(crate) fn to_json(value: &Val) -> Value {
    match value {
        Val::Bool(value) => Value::Bool(*value),
        Val::S8(value) => (*value).into(),
        Val::U8(value) => (*value).into(),
        Val::S16(value) => (*value).into(),
        Val::U16(value) => (*value).into(),
        Val::S32(value) => (*value).into(),
        Val::U32(value) => (*value).into(),
        Val::S64(value) => (*value).into(),
        Val::U64(value) => (*value).into(),
        Val::Float32(value) => float(f64::from(*value)),
        Val::Float64(value) => float(*value),
        Val::Char(value) => Value::String(value.to_string()),
        Val::String(value) | Val::Enum(value) => Value::String(value.clone()),
        Val::List(values) | Val::Tuple(values) | Val::FixedLengthList(values) => {
            values.iter().map(to_json).collect()
        }
        Val::Record(fields) => fields
            .iter()
            .map(|(name, value)| (name.clone(), to_json(value)))
            .collect::<Map<_, _>>()
            .into(),
        Val::Variant(case, None) => Value::String(case.clone()),
        Val::Variant(case, Some(value)) => one(case, to_json(value)),
        Val::Option(None) => Value::Null,
        Val::Option(Some(value)) => to_json(value),
        Val::Result(Ok(value)) => one("ok", optional(value.as_deref())),
        Val::Result(Err(value)) => one("err", optional(value.as_deref())),
        Val::Flags(names) => names.iter().cloned().map(Value::String).collect(),
        // Values that live in an instance; no interface between components has them.
        Val::Map(_) | Val::Resource(_) | Val::Future(_) | Val::Stream(_) | Val::ErrorContext(_) => {
            Value::Null
        }
    }
}

fn one(case: &str, value: Value) -> Value {
    Value::Object(Map::from_iter([(case.to_owned(), value)]))
}

fn optional(value: Option<&Val>) -> Value {
    value.map_or(Value::Null, to_json)
}

fn float(value: f64) -> Value {
    if let Some(number) = Number::from_f64(value) {
        return Value::Number(number);
    }
    let name = match value {
        f64::INFINITY => "Infinity",
        f64::NEG_INFINITY => "-Infinity",
        _ => "NaN",
    };
    Value::String(name.into())
}

/// A value of a type, read from JSON. `absent` says what the fields of a record are, by name, that the JSON does not have.
///
/// # Errors
/// Where the JSON is not a value of this type, and what was expected.
pub(crate) fn from_json(
    value: &Value,
    of: &ValType,
    absent: &dyn Fn(&str) -> Option<Val>,
) -> Result<Val, Mismatch> {
    match of {
        Type::Record(record) => Ok(Val::Record(fields(value, record, absent)?)),
        of => read(value, of),
    }
}

/// As [`from_json`], inside of a value: nothing is absent there but options.
fn read(value: &Value, of: &ValType) -> Result<Val, Mismatch> {
    Ok(match of {
        Type::Bool => Val::Bool(value.as_bool().ok_or_else(|| expected("true or false"))?),
        Type::S8 => Val::S8(integer(value)?),
        Type::U8 => Val::U8(integer(value)?),
        Type::S16 => Val::S16(integer(value)?),
        Type::U16 => Val::U16(integer(value)?),
        Type::S32 => Val::S32(integer(value)?),
        Type::U32 => Val::U32(integer(value)?),
        Type::S64 => Val::S64(integer(value)?),
        Type::U64 => Val::U64(integer(value)?),
        #[expect(
            clippy::cast_possible_truncation,
            reason = "it was written from an f32, which it fits"
        )]
        Type::Float32 => Val::Float32(number(value)? as f32),
        Type::Float64 => Val::Float64(number(value)?),
        Type::Char => Val::Char(character(value)?),
        Type::String => Val::String(text(value)?.to_owned()),
        Type::List(list) => Val::List(elements(value, &list.ty())?),
        Type::Tuple(tuple) => {
            let values = array(value)?;
            if values.len() != tuple.types().len() {
                return Err(expected("as many elements as the tuple has"));
            }
            let all = values.iter().zip(tuple.types());
            let all = all.map(|(value, of)| read(value, &of));
            Val::Tuple(all.collect::<Result<_, _>>()?)
        }
        Type::Record(record) => Val::Record(fields(value, record, &|_| None)?),
        Type::Variant(variant) => case(value, variant)?,
        Type::Enum(cases) => Val::Enum(known(text(value)?, cases.names())?),
        Type::Option(option) => Val::Option(match value {
            Value::Null => None,
            value => Some(Box::new(read(value, &option.ty())?)),
        }),
        Type::Result(result) => match single(value)? {
            ("ok", value) => Val::Result(Ok(inner(value, result.ok())?)),
            ("err", value) => Val::Result(Err(inner(value, result.err())?)),
            _ => return Err(expected("an object with `ok` or `err`")),
        },
        Type::Flags(flags) => {
            let named = array(value)?.iter().map(|name| {
                let names: Vec<&str> = flags.names().collect();
                known(text(name)?, names.into_iter())
            });
            Val::Flags(named.collect::<Result<_, _>>()?)
        }
        _ => return Err(Mismatch::new("no value of this type can be kept")),
    })
}

fn expected(what: &str) -> Mismatch {
    Mismatch::new(format!("must be {what}"))
}

fn text(value: &Value) -> Result<&str, Mismatch> {
    value.as_str().ok_or_else(|| expected("a text"))
}

fn array(value: &Value) -> Result<&Vec<Value>, Mismatch> {
    value.as_array().ok_or_else(|| expected("an array"))
}

fn character(value: &Value) -> Result<char, Mismatch> {
    let mut characters = text(value)?.chars();
    match (characters.next(), characters.next()) {
        (Some(only), None) => Ok(only),
        _ => Err(expected("one character")),
    }
}

fn integer<T: TryFrom<i128>>(value: &Value) -> Result<T, Mismatch> {
    let wide = value
        .as_i64()
        .map(i128::from)
        .or(value.as_u64().map(i128::from));
    wide.and_then(|wide| T::try_from(wide).ok())
        .ok_or_else(|| expected("an integer in the range of its type"))
}

fn number(value: &Value) -> Result<f64, Mismatch> {
    match value {
        Value::String(name) => match name.as_str() {
            "NaN" => Some(f64::NAN),
            "Infinity" => Some(f64::INFINITY),
            "-Infinity" => Some(f64::NEG_INFINITY),
            _ => None,
        },
        value => value.as_f64(),
    }
    .ok_or_else(|| expected("a number"))
}

fn elements(value: &Value, of: &ValType) -> Result<Vec<Val>, Mismatch> {
    let elements = array(value)?.iter().enumerate();
    let element = |(index, value): (usize, &Value)| {
        read(value, of).map_err(|mismatch| mismatch.inside(&index.to_string()))
    };
    elements.map(element).collect()
}

fn fields(
    value: &Value,
    record: &Record,
    absent: &dyn Fn(&str) -> Option<Val>,
) -> Result<Vec<(String, Val)>, Mismatch> {
    let object = value.as_object().ok_or_else(|| expected("an object"))?;
    let field = |field: wasmtime::component::types::Field<'_>| {
        let value = match (object.get(field.name), &field.ty) {
            (Some(value), of) => read(value, of),
            (None, Type::Option(_)) => Ok(Val::Option(None)),
            (None, _) => absent(field.name).ok_or_else(|| Mismatch::new("is missing")),
        };
        let value = value.map_err(|mismatch| mismatch.inside(field.name))?;
        Ok((field.name.to_owned(), value))
    };
    record.fields().map(field).collect()
}

fn known<'a>(name: &str, mut names: impl Iterator<Item = &'a str>) -> Result<String, Mismatch> {
    match names.any(|known| known == name) {
        true => Ok(name.to_owned()),
        false => Err(Mismatch::new(format!("'{name}' is none of its cases"))),
    }
}

/// The only member of an object.
fn single(value: &Value) -> Result<(&str, &Value), Mismatch> {
    let object = value.as_object().filter(|object| object.len() == 1);
    let member = object.and_then(|object| object.iter().next());
    member
        .map(|(name, value)| (name.as_str(), value))
        .ok_or_else(|| expected("an object with one member"))
}

fn inner(value: &Value, of: Option<ValType>) -> Result<Option<Box<Val>>, Mismatch> {
    of.map(|of| read(value, &of).map(Box::new)).transpose()
}

fn case(value: &Value, variant: &Variant) -> Result<Val, Mismatch> {
    let (name, value) = match value {
        Value::String(name) => (name.as_str(), &Value::Null),
        value => single(value)?,
    };
    let Some(case) = variant.cases().find(|case| case.name == name) else {
        return Err(Mismatch::new(format!("'{name}' is none of its cases")));
    };
    let value = inner(value, case.ty).map_err(|mismatch| mismatch.inside(name))?;
    Ok(Val::Variant(name.to_owned(), value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use wasmtime::Engine;
    use wasmtime::component::Component;
    use wasmtime::component::types::ComponentItem;

    /// The type of a component's imported function's only parameter, `wit` in the text format of components.
    fn of(wit: &str) -> ValType {
        let engine = Engine::default();
        let wat = format!(r#"(component (import "f" (func (param "x" {wit}))))"#);
        let component = Component::new(&engine, wat::parse_str(&wat).expect("wat")).expect("sound");
        let ty = component.component_type();
        let (_, item) = ty.imports(&engine).next().expect("an import");
        let ComponentItem::ComponentFunc(function) = item.ty else {
            panic!("not a function")
        };
        let (_, of) = function.params().next().expect("a parameter");
        of
    }

    fn check(wit: &str, json: &Value) {
        let of = of(wit);
        let value = read(json, &of).expect("a value");
        assert_eq!(to_json(&value), *json, "{wit}");
    }

    #[test]
    fn what_is_written_is_read_again() {
        check("bool", &json!(true));
        check("u64", &json!(u64::MAX));
        check("s64", &json!(i64::MIN));
        check("u8", &json!(255));
        check("float64", &json!(0.1));
        check("float64", &json!("NaN"));
        check("float64", &json!("-Infinity"));
        check("float32", &json!(1.5));
        check("char", &json!("é"));
        check("string", &json!("a\u{0}b"));
        check("(list u32)", &json!([1, 2]));
        check("(tuple string u8)", &json!(["a", 1]));
        check("(option u8)", &json!(null));
        check("(option u8)", &json!(7));
        check("(result u8 (error string))", &json!({"err": "no"}));
        check("(result)", &json!({"ok": null}));
    }

    #[test]
    fn what_does_not_fit_is_named() {
        for (wit, value, told) in [
            ("u8", json!(256), "range"),
            ("u8", json!(1.5), "integer"),
            ("u32", json!(-1), "range"),
            ("string", json!(1), "text"),
            ("char", json!("ab"), "one character"),
            ("(list u8)", json!([1, "x"]), "1: must be an integer"),
            ("(tuple u8)", json!([1, 2]), "as many"),
            ("(result u8)", json!({"x": 1}), "`ok` or `err`"),
        ] {
            let told_of = read(&value, &of(wit)).expect_err(wit).to_string();
            assert!(told_of.contains(told), "{wit}: {told_of}");
        }
    }
}
