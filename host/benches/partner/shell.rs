//! Components whose every part can be written by hand: what the usual tools would not make. The shell
//! exports `leyden:data/reports` as the world `analytics` has it and leaves the rest to the caller.

/// The types of `leyden:data/reports`; `{x}` stands for what makes their names different.
const TYPES: [(&str, &str); 5] = [
    (
        "batch",
        "(record (field \"stream\" string) (field \"records\" u32) (field \"from-ms\" u64) (field \"to-ms\" u64))",
    ),
    (
        "trigger",
        "(variant (case \"request\") (case \"schedule\" u64) (case \"batch\" ${x}batch))",
    ),
    (
        "params",
        "(record (field \"trigger\" ${x}trigger) (field \"json\" string))",
    ),
    (
        "document",
        "(record (field \"media-type\" string) (field \"body\" (list u8)))",
    ),
    (
        "error",
        "(variant (case \"invalid-params\" string) (case \"failed\" string))",
    ),
];

/// The core module that the shell runs, unless another is given: it says nothing, in few bytes. `report`
/// returns what lies at 1,024.
pub const MODULE: &str = "(core module $main
    (memory (export \"memory\") 1)
    (func (export \"cabi_realloc\") (param i32 i32 i32 i32) (result i32) (i32.const 4096))
    (func (export \"report\") (param i32 i64 i32 i32 i64 i64 i32 i32) (result i32) (i32.const 1024))
    (data (i32.const 1024) \"\\00\\00\\00\\00\\00\\08\\00\\00\\0a\\00\\00\\00\\00\\08\\00\\00\\0a\\00\\00\\00\")
    (data (i32.const 2048) \"text/plain\"))";

/// A component to be put together.
#[derive(Debug, Clone)]
pub struct Shell {
    /// Definitions before the main module is instantiated, the module `$main` among them.
    pub before: String,
    /// What the main module is instantiated with, such as `(with "x" (instance $x))`.
    pub with: String,
    /// More options of the lifted export, such as `string-encoding=utf16`.
    pub options: String,
    /// Definitions after everything else.
    pub after: String,
}

impl Default for Shell {
    fn default() -> Self {
        Self {
            before: MODULE.into(),
            with: String::new(),
            options: String::new(),
            after: String::new(),
        }
    }
}

impl Shell {
    /// Its bytes.
    pub fn build(&self) -> Vec<u8> {
        let text = self.text();
        wat::parse_str(&text).unwrap_or_else(|e| panic!("{e}\n{text}"))
    }

    /// It in the text format.
    pub fn text(&self) -> String {
        let Self {
            before,
            with,
            options,
            after,
        } = self;
        let types = definitions("", |name, definition| {
            format!("(type ${name} {definition})")
        });
        let shim = shim();
        let arguments = definitions("", |name, _| format!("(with \"{name}-in\" (type ${name}))"));
        format!(
            "(component\n{before}\n\
             (core instance $run (instantiate $main {with}))\n\
             (alias core export $run \"memory\" (core memory $memory))\n\
             (alias core export $run \"cabi_realloc\" (core func $realloc))\n\
             (alias core export $run \"report\" (core func $run-report))\n\
             {types}\
             (func $lifted (param \"params\" $params) (result (result $document (error $error)))\n\
             (canon lift (core func $run-report) (memory $memory) (realloc $realloc) {options}))\n\
             {shim}\
             (instance $reports (instantiate $shim {arguments} (with \"run\" (func $lifted))))\n\
             (export \"leyden:data/reports@0.1.0\" (instance $reports))\n\
             {after})"
        )
    }
}

fn definitions(prefix: &str, line: impl Fn(&str, &str) -> String) -> String {
    let lines = TYPES.iter().map(|(name, definition)| {
        let definition = definition.replace("{x}", prefix);
        line(name, &definition) + "\n"
    });
    lines.collect()
}

/// A component that gives the lifted function's types their names, as exported functions must have.
fn shim() -> String {
    let imports = definitions("in-", |name, definition| {
        format!(
            "(type $in-{name}-is {definition}) (import \"{name}-in\" (type $in-{name} (eq $in-{name}-is)))"
        )
    });
    let exports = definitions("out-", |name, definition| {
        format!(
            "(type $out-{name}-is {definition}) (export $out-{name} \"{name}\" (type $in-{name}) (type (eq $out-{name}-is)))"
        )
    });
    format!(
        "(component $shim\n{imports}\
         (import \"run\" (func $run (param \"params\" $in-params) (result (result $in-document (error $in-error)))))\n\
         {exports}\
         (export \"report\" (func $run) (func (param \"params\" $out-params) (result (result $out-document (error $out-error))))))\n"
    )
}
