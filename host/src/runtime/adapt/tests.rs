//! Values carried over between types that the text format of components describes.

use super::*;
use wasmtime::Engine;
use wasmtime::component::Component;
use wasmtime::component::types::ComponentItem;

const OLD: &str = "leyden:policy/schedule@0.1.0";
const NEW: &str = "leyden:policy/schedule@0.2.0";

/// The type of a function of an interface: its named types, `(name, definition)` each, and its signature.
fn func(types: &[(&str, &str)], signature: &str) -> ComponentFunc {
    let name = |(name, of): &(&str, &str)| {
        format!("(type ${name}-of {of}) (export \"{name}\" (type ${name} (eq ${name}-of)))")
    };
    let types: String = types.iter().map(name).collect();
    let text =
        format!("(component (import \"i\" (instance {types} (export \"f\" (func {signature})))))");
    let engine = Engine::default();
    let bytes = wat::parse_str(&text).expect(&text);
    let component = Component::new(&engine, bytes).expect(&text);
    let ty = component.component_type();
    let ComponentItem::ComponentInstance(interface) = ty.get_import(&engine, "i").expect("i").ty
    else {
        panic!("{text}")
    };
    match interface.get_export(&engine, "f").expect("f").ty {
        ComponentItem::ComponentFunc(func) => func,
        _ => panic!("{text}"),
    }
}

/// A function `decide` of one parameter `input`, a record with these fields.
fn takes(types: &[(&str, &str)], fields: &str) -> ComponentFunc {
    let record = format!("(record {fields})");
    let types = [types, &[("input", &record)]].concat();
    func(&types, "(param \"input\" $input)")
}

fn seam<'a>(called: &'a str, exported: &'a str) -> Seam<'a> {
    let function = "decide";
    Seam {
        called,
        exported,
        function,
    }
}

fn record(fields: &[(&str, Val)]) -> Val {
    let fields = fields.iter();
    Val::Record(
        fields
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect(),
    )
}

/// What `value` becomes between two types of `input`.
fn carried(called: &str, exported: &str, to: &ComponentFunc, value: Val) -> Result<Val, String> {
    let params = [value];
    let carried = seam(called, exported).params(|| to.clone(), &params);
    carried
        .map(|params| params[0].clone())
        .map_err(|misfit| misfit.to_string())
}

#[test]
fn fields_go_by_their_names_and_what_the_target_lacks_is_left_out() {
    let to = takes(&[], "(field \"b\" u64) (field \"a\" string)");
    let value = [
        ("a", Val::String("x".into())),
        ("c", Val::Bool(true)),
        ("b", Val::U64(7)),
    ];
    let expected = record(&[("b", Val::U64(7)), ("a", Val::String("x".into()))]);
    assert_eq!(carried(NEW, OLD, &to, record(&value)), Ok(expected));
}

#[test]
fn an_option_that_the_source_lacks_is_none_deep_inside_too() {
    let load = (
        "load",
        "(record (field \"house\" string) (field \"last\" (option u64)))",
    );
    let to = takes(&[load], "(field \"loads\" (list $load))");
    let house = ("house", Val::String("h".into()));
    let old = record(std::slice::from_ref(&house));
    let new = record(&[house, ("last", Val::Option(None))]);
    let loads = |load: Val| record(&[("loads", Val::List(vec![load.clone(), load]))]);
    assert_eq!(carried(OLD, NEW, &to, loads(old)), Ok(loads(new.clone())));
    let some = Val::Option(Some(Box::new(Val::U64(5))));
    let known = record(&[("house", Val::String("h".into())), ("last", some)]);
    assert_eq!(
        carried(OLD, NEW, &to, loads(known.clone())),
        Ok(loads(known)),
        "what is there is kept"
    );
}

#[test]
fn what_is_no_option_gets_the_declared_default_there_and_nowhere_else() {
    let to = takes(&[], "(field \"now-ms\" u64) (field \"community\" u64)");
    let old = record(&[("now-ms", Val::U64(5))]);
    let new = record(&[("now-ms", Val::U64(5)), ("community", Val::U64(0))]);
    assert_eq!(carried(OLD, NEW, &to, old.clone()), Ok(new));
    let elsewhere = carried(OLD, "leyden:policy/schedule@0.3.0", &to, old.clone());
    assert_eq!(
        elsewhere.expect_err("nothing is declared for it"),
        "between leyden:policy/schedule@0.1.0 and leyden:policy/schedule@0.3.0, decide: \
         input.community: the one does not have it, the other needs it"
    );
    let other = takes(&[], "(field \"now-ms\" u64) (field \"county\" u64)");
    let told = carried(OLD, NEW, &other, old).expect_err("another field");
    assert!(told.contains("decide: input.county"), "{told}");
}

#[test]
fn a_case_that_the_target_does_not_have_is_named() {
    let reason = ("reason", "(enum \"requested\" \"shed\")");
    let to = takes(&[reason], "(field \"reason\" $reason)");
    let why = |case: &str| record(&[("reason", Val::Enum(case.into()))]);
    assert_eq!(carried(NEW, OLD, &to, why("shed")), Ok(why("shed")));
    let told = carried(NEW, OLD, &to, why("forecast")).expect_err("unknown");
    assert!(
        told.ends_with("decide: input.reason: `forecast` is none of requested, shed"),
        "{told}"
    );
}

#[test]
fn variants_and_flags_go_by_name_with_what_they_carry() {
    let parts = (
        "part",
        "(record (field \"a\" u8) (field \"b\" (option u8)))",
    );
    let choice = ("choice", "(variant (case \"none\") (case \"part\" $part))");
    let set = ("set", "(flags \"x\" \"y\")");
    let fields = "(field \"choice\" $choice) (field \"set\" $set)";
    let to = takes(&[parts, choice, set], fields);
    let value = |case: &str, part: Option<Val>, flag: &str| {
        let choice = Val::Variant(case.into(), part.map(Box::new));
        let set = Val::Flags(vec![flag.into()]);
        record(&[("choice", choice), ("set", set)])
    };
    let old = record(&[("a", Val::U8(1))]);
    let new = record(&[("a", Val::U8(1)), ("b", Val::Option(None))]);
    let carry = |value| carried(OLD, NEW, &to, value);
    assert_eq!(
        carry(value("part", Some(old), "y")),
        Ok(value("part", Some(new), "y"))
    );
    assert_eq!(
        carry(value("none", None, "x")),
        Ok(value("none", None, "x"))
    );
    for (value, told) in [
        (
            value("all", None, "x"),
            "input.choice: `all` is none of none, part",
        ),
        (value("none", None, "z"), "input.set: `z` is none of x, y"),
        (value("part", None, "x"), "input.choice.part: only one"),
        (
            value("none", Some(Val::U8(1)), "x"),
            "input.choice.none: only one",
        ),
    ] {
        let misfit = carry(value).expect_err(told);
        assert!(misfit.contains(told), "{misfit}");
    }
}

#[test]
fn a_type_that_differs_is_never_converted() {
    let to = takes(&[], "(field \"power\" (list float64))");
    let value = |power: Val| record(&[("power", Val::List(vec![power]))]);
    let whole = value(Val::Float64(1.5));
    assert_eq!(carried(OLD, NEW, &to, whole.clone()), Ok(whole));
    for other in [
        Val::Float32(1.5),
        Val::U64(1),
        Val::Option(None),
        Val::String("1".into()),
    ] {
        let told = carried(OLD, NEW, &to, value(other)).expect_err("another type");
        assert!(told.ends_with("input.power[]: the types differ"), "{told}");
    }
}

#[test]
fn parameters_go_by_place_and_answers_come_back_the_other_way() {
    let ends = "(result (error $why))";
    let plan = ("plan", "(record (field \"power\" u32))");
    let longer = (
        "plan",
        "(record (field \"power\" u32) (field \"note\" string))",
    );
    let why = ("why", "(enum \"full\")");
    let caller = func(
        &[plan, why],
        &format!("(param \"a\" bool) (result (tuple $plan {ends}))"),
    );
    let callee = func(
        &[longer, why],
        &format!("(param \"b\" bool) (param \"c\" (option u8)) (result (tuple $plan {ends}))"),
    );
    let given = [Val::Bool(true), Val::U8(1)];
    let params = seam(OLD, NEW).params(|| callee.clone(), &given[..1]);
    let params = params.expect("they fit");
    assert_eq!(*params, [Val::Bool(true), Val::Option(None)]);
    let told = seam(NEW, OLD).params(|| caller.clone(), &given);
    let told = told.expect_err("one too many").to_string();
    assert!(told.ends_with("the callee takes fewer"), "{told}");
    let full = Val::Result(Err(Some(Box::new(Val::Enum("full".into())))));
    let note = ("note", Val::String("weak".into()));
    let answer = record(&[("power", Val::U32(9)), note]);
    let mut answers = [Val::Tuple(vec![answer, full.clone()])];
    seam(OLD, NEW)
        .results(&caller, &mut answers)
        .expect("it fits");
    let result = Val::Tuple(vec![record(&[("power", Val::U32(9))]), full]);
    assert_eq!(answers, [result]);
    let mut answers = [Val::Bool(true)];
    let told = seam(OLD, NEW).results(&caller, &mut answers);
    let told = told.expect_err("another type").to_string();
    assert!(
        told.starts_with(&format!("between {NEW} and {OLD}, decide: answer")),
        "{told}"
    );
}

#[test]
fn within_one_version_nothing_is_looked_at() {
    let seam = seam(NEW, NEW);
    let values = [Val::Bool(true)];
    let params = seam.params(|| panic!("the type is not needed"), &values);
    assert!(matches!(params, Ok(Cow::Borrowed(_))));
    let mut answers = values.clone();
    let caller = takes(&[], "(field \"any\" u8)");
    assert_eq!(seam.results(&caller, &mut answers), Ok(()));
    assert_eq!(answers, values);
}
