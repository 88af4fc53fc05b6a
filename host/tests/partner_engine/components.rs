//! Components written by hand, down to each instruction: what no compiler makes.

/// What the core module of a well-behaved component is made of, besides what a test puts in.
pub(crate) const MEMORY: &str = r#"(memory (export "memory") 1)"#;

/// Gives out the same 16 KiB over and over: parameters are looked at by nobody.
pub(crate) const REALLOC: &str = r#"
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 16384))"#;

/// A report: `ok` of the media type `text/plain`.
pub(crate) const REPORT: &str = r#"
    (data (i32.const 8) "text/plain")
    (data (i32.const 24) "ok")
    (func (export "report") (param i32 i64 i32 i32 i64 i64 i32 i32) (result i32)
      (i32.store8 (i32.const 64) (i32.const 0))
      (i32.store (i32.const 68) (i32.const 8))
      (i32.store (i32.const 72) (i32.const 10))
      (i32.store (i32.const 76) (i32.const 24))
      (i32.store (i32.const 80) (i32.const 2))
      (i32.const 64))"#;

/// Types of `leyden:data/reports`, in the component's own terms.
const TYPES: [(&str, &str); 5] = [
    (
        "batch",
        r#"(record (field "stream" string) (field "records" u32) (field "from-ms" u64) (field "to-ms" u64))"#,
    ),
    (
        "trigger",
        r#"(variant (case "request") (case "schedule" u64) (case "batch" $batch))"#,
    ),
    (
        "params",
        r#"(record (field "trigger" $trigger) (field "json" string))"#,
    ),
    (
        "document",
        r#"(record (field "media-type" string) (field "body" (list u8)))"#,
    ),
    (
        "error",
        r#"(variant (case "invalid-params" string) (case "failed" string))"#,
    ),
];

const REPORT_TYPE: &str = r#"(param "params" $params) (result (result $document (error $error)))"#;

/// A component whose core module has these parts. `imports` come before it, and `with` is what its instance
/// is given.
pub(crate) fn component(imports: &str, with: &str, core: &[&str]) -> Vec<u8> {
    assemble(&text(imports, with, &core.join("\n")))
}

/// A component whose core module has these parts and imports nothing.
pub(crate) fn plain(core: &[&str]) -> Vec<u8> {
    component("", "", core)
}

/// A component whose report runs this instead of reporting.
pub(crate) fn instead(body: &str) -> Vec<u8> {
    let report = format!(
        r#"(func (export "report") (param i32 i64 i32 i32 i64 i64 i32 i32) (result i32)
             {body} (unreachable))"#
    );
    plain(&[MEMORY, REALLOC, &report])
}

/// A component that reports; `extra` is put beside its export.
pub(crate) fn sound_with(extra: &str) -> Vec<u8> {
    component(extra, "", &[MEMORY, REALLOC, REPORT])
}

/// A component that calls one function of WASI and reports so many bytes of `text`, an `i64`. The function is told by its
/// interface, what that has, how `$f` is lowered of it, and its signature in core terms.
pub(crate) fn calling(
    [interface, items, lower, signature]: [&str; 4],
    text: &str,
    bytes: usize,
) -> Vec<u8> {
    let imports = format!(
        r#"(import "{interface}" (instance $wasi {items}))
           (core module $libc (memory (export "memory") 1)
             (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 32768)))
           (core instance $libc (instantiate $libc))
           (alias core export $libc "memory" (core memory $memory))
           (alias core export $libc "realloc" (core func $realloc))
           {lower}
           (core instance $lowered (export "f" (func $f)))"#
    );
    let import = format!(r#"(import "wasi" "f" (func $f {signature}))"#);
    let report = format!(
        r#"(data (i32.const 8) "text/plain")
           (func (export "report") (param i32 i64 i32 i32 i64 i64 i32 i32) (result i32)
             (i64.store (i32.const 24) {text})
             (i32.store8 (i32.const 64) (i32.const 0))
             (i32.store (i32.const 68) (i32.const 8))
             (i32.store (i32.const 72) (i32.const 10))
             (i32.store (i32.const 76) (i32.const 24))
             (i32.store (i32.const 80) (i32.const {bytes}))
             (i32.const 64))"#
    );
    let with = r#"(with "wasi" (instance $lowered))"#;
    component(&imports, with, &[&import, MEMORY, REALLOC, &report])
}

/// Text to binary.
pub(crate) fn assemble(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap_or_else(|error| panic!("{error}"))
}

fn text(imports: &str, with: &str, core: &str) -> String {
    let own: String = each(|name, ty| format!("(type ${name} {ty})\n"));
    let imported: String = each(|name, ty| {
        format!("(type ${name}-t {ty}) (import \"import-{name}\" (type ${name} (eq ${name}-t)))\n")
    });
    let given: String = each(|name, _| format!("(with \"import-{name}\" (type ${name}))\n"));
    let exported: String = each(|name, ty| {
        let ty = exported_names(ty);
        format!("(type ${name}-y {ty}) (export ${name}-x \"{name}\" (type ${name}-y))\n")
    });
    let exported_type = exported_names(REPORT_TYPE);
    format!(
        r#"(component
             {imports}
             (core module $m {core})
             (core instance $i (instantiate $m {with}))
             (alias core export $i "memory" (core memory $i-memory))
             (alias core export $i "realloc" (core func $i-realloc))
             {own}
             (func $report {REPORT_TYPE}
               (canon lift (core func $i "report") (memory $i-memory) (realloc $i-realloc)))
             (component $shim
               {imported}
               (import "report" (func $report {REPORT_TYPE}))
               {exported}
               (export "report" (func $report) (func {exported_type})))
             (instance $reports (instantiate $shim {given} (with "report" (func $report))))
             (export "leyden:data/reports@0.1.0" (instance $reports)))"#
    )
}

fn each(line: impl Fn(&str, &str) -> String) -> String {
    TYPES.iter().map(|(name, ty)| line(name, ty)).collect()
}

/// The same type over the names that the shim exports.
fn exported_names(ty: &str) -> String {
    TYPES.iter().fold(ty.to_owned(), |ty, (name, _)| {
        ty.replace(&format!("${name}"), &format!("${name}-x"))
    })
}

/// Functions with so many locals and so many loops each: a compiler keeps every local's value at every loop.
pub(crate) fn bomb(functions: usize, locals: usize, loops: usize) -> Vec<u8> {
    let bomb = loops_over(locals, loops);
    let bombs: String = (0..functions)
        .map(|number| format!("(func $bomb{number} {bomb})"))
        .collect();
    plain(&[MEMORY, REALLOC, REPORT, &bombs])
}

fn loops_over(locals: usize, loops: usize) -> String {
    let declared = "i32 ".repeat(locals);
    let mut body = String::new();
    for round in 0..loops {
        let local = round % locals;
        body.push_str(&format!(
            "(loop (local.set {local} (i32.add (local.get {}) (i32.const 1))) (br_if 0 (local.get {local})))",
            (local * 7 + 3) % locals
        ));
    }
    format!("(local {declared}) {body}")
}
