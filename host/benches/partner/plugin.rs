//! Analytics components for proofs and benchmarks, written as core modules in the text format and made into
//! components of the world `analytics` by the tools that partners' compilers use. Nothing here is a
//! plugin that a partner would write; see the guests and examples for those.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::LazyLock;

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::{Resolve, WorldId};

/// Where a plugin's heap begins, bytes; below it lie its data and what it hands to the host.
pub const HEAP: u32 = 65_536;

/// Where a plugin builds what [`say`] returns, bytes.
pub const ANSWER: u32 = 1_024;

/// Where what a read returns is put, bytes.
pub const PAGE: u32 = 2_048;

/// Where a plugin's text lies, bytes.
pub const TEXT: u32 = 4_096;

/// The flattened parameters of `report`: a trigger's case and payload, and the JSON text.
const REPORT_PARAMS: &str = "(param i32 i64 i32 i32 i64 i64 i32 i32)";

/// The flattened parameters of every dataset's `read`: the query, and where the answer goes.
const READ_PARAMS: &str = "(param i64 i64 i32 i64 i32 i32 i32 i32 i32)";

/// A function that the world offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Import {
    Global,
    Production,
    Detailed,
    Left,
    Spent,
    Now,
    Log,
    ProductionColumns,
    DetailedColumns,
}

impl Import {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Global,
        Self::Production,
        Self::Detailed,
        Self::Left,
        Self::Spent,
        Self::Now,
        Self::Log,
        Self::ProductionColumns,
        Self::DetailedColumns,
    ];

    /// The interface that it belongs to.
    pub fn interface(self) -> &'static str {
        match self {
            Self::Global => "leyden:data/global-consumption@0.1.0",
            Self::Production => "leyden:data/production@0.1.0",
            Self::Detailed => "leyden:data/detailed-consumption@0.1.0",
            Self::Left | Self::Spent => "leyden:data/budget@0.1.0",
            Self::Now => "leyden:clock/clock@0.1.0",
            Self::Log => "leyden:log/log@0.1.0",
            Self::ProductionColumns => "leyden:data/production-columns@0.1.0",
            Self::DetailedColumns => "leyden:data/detailed-consumption-columns@0.1.0",
        }
    }

    /// Its name in WIT, its name in the text format, and its flattened type.
    fn function(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Global => ("read", "$global", READ_PARAMS),
            Self::Production => ("read", "$production", READ_PARAMS),
            Self::Detailed => ("read", "$detailed", READ_PARAMS),
            Self::Left => ("left", "$left", "(result i64)"),
            Self::Spent => ("spent", "$spent", "(result i64)"),
            Self::Now => ("now", "$now", "(result i64)"),
            Self::Log => ("write", "$log", "(param i32 i32 i32)"),
            Self::ProductionColumns => ("read", "$production_columns", READ_PARAMS),
            Self::DetailedColumns => ("read", "$detailed_columns", READ_PARAMS),
        }
    }

    fn text(self) -> String {
        let (name, label, of) = self.function();
        let interface = self.interface();
        format!("(import \"{interface}\" \"{name}\" (func {label} {of}))\n")
    }
}

/// A plugin to be built.
#[derive(Debug, Clone)]
pub struct Plugin {
    imports: Vec<Import>,
    memory: String,
    body: String,
    realloc: String,
    rest: String,
}

impl Plugin {
    /// One whose `report` runs `body`, in the text format. It leaves on the stack where its result lies.
    pub fn new(body: impl Into<String>) -> Self {
        Self {
            imports: Vec::new(),
            memory: "2".into(),
            body: body.into(),
            realloc: bump().into(),
            rest: String::new(),
        }
    }

    /// It imports these.
    pub fn with(mut self, imports: &[Import]) -> Self {
        self.imports.extend_from_slice(imports);
        self
    }

    /// Its memory's bounds in pages, as the text format has them; it must cover [`HEAP`].
    pub fn memory(mut self, bounds: impl Into<String>) -> Self {
        self.memory = bounds.into();
        self
    }

    /// How it finds room for what the host hands over.
    pub fn realloc(mut self, body: impl Into<String>) -> Self {
        self.realloc = body.into();
        self
    }

    /// More fields of its module.
    pub fn field(mut self, field: impl AsRef<str>) -> Self {
        self.rest.push_str(field.as_ref());
        self.rest.push('\n');
        self
    }

    /// Text that lies at [`TEXT`].
    pub fn text(self, text: &str) -> Self {
        let bytes = text.bytes().fold(String::new(), |mut escaped, byte| {
            // Writing to a text does not fail.
            let _ = write!(escaped, "\\{byte:02x}");
            escaped
        });
        self.field(format!("(data (i32.const {TEXT}) \"{bytes}\")"))
    }

    /// Its core module in the text format.
    pub fn module(&self) -> String {
        let Self {
            imports,
            memory,
            body,
            realloc,
            rest,
        } = self;
        let imports: String = imports.iter().map(|import| import.text()).collect();
        format!(
            "(module\n{imports}\
             (memory (export \"memory\") {memory})\n\
             (global $heap (mut i32) (i32.const {HEAP}))\n\
             (func $realloc (export \"cabi_realloc\") (param i32 i32 i32 i32) (result i32)\n{realloc})\n\
             (func $report (export \"leyden:data/reports@0.1.0#report\") {REPORT_PARAMS} (result i32)\n\
             (local $i i32) (local $n i64)\n{body})\n\
             {rest})"
        )
    }

    /// Its bytes as a partner uploads them.
    pub fn build(&self) -> Vec<u8> {
        let text = self.module();
        let module = wat::parse_str(&text).unwrap_or_else(|e| panic!("{e}\n{text}"));
        component(module)
    }
}

/// The WIT of this repository, read once.
static WORLD: LazyLock<(Resolve, WorldId)> = LazyLock::new(|| {
    let mut resolve = Resolve::default();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit");
    let (package, _) = resolve.push_dir(folder).expect("the WIT is sound");
    let world = resolve.select_world(&[package], Some("analytics"));
    (resolve, world.expect("the world is there"))
});

/// A component of the world `analytics` out of a core module.
pub fn component(mut module: Vec<u8>) -> Vec<u8> {
    let (resolve, world) = &*WORLD;
    embed_component_metadata(&mut module, resolve, *world, StringEncoding::UTF8)
        .expect("the world fits into a section");
    ComponentEncoder::default()
        .module(&module)
        .and_then(|mut encoder| encoder.encode())
        .expect("the module fits the world")
}

/// A `realloc` that gives out memory once and never takes it back, growing where there is too little.
pub fn bump() -> &'static str {
    "(local $at i32)
    (local.set $at (i32.and (i32.add (global.get $heap) (i32.const 7)) (i32.const -8)))
    (global.set $heap (i32.add (local.get $at) (local.get 3)))
    (block $fits
      (br_if $fits (i32.le_u (global.get $heap) (i32.mul (memory.size) (i32.const 65536))))
      (br_if $fits (i32.ne (i32.const -1) (memory.grow (i32.add (i32.const 1)
        (i32.div_u (i32.sub (global.get $heap) (i32.mul (memory.size) (i32.const 65536))) (i32.const 65536))))))
      (unreachable))
    (local.get $at)"
}

/// Returns a report whose media type and body lie at these places with these lengths.
pub fn answer(media_type: (u32, u32), body: (u32, u32)) -> String {
    let mut text = format!("(i32.store8 (i32.const {ANSWER}) (i32.const 0))\n");
    for (place, value) in [media_type.0, media_type.1, body.0, body.1]
        .iter()
        .enumerate()
    {
        let at = ANSWER as usize + 4 * (place + 1);
        // Writing to a text does not fail.
        let _ = writeln!(
            text,
            "(i32.store (i32.const {at}) (i32.const {}))",
            *value as i32
        );
    }
    let _ = writeln!(text, "(i32.const {ANSWER})");
    text
}

/// Returns a report of type `text/plain`, both parts being what [`Plugin::text`] put there.
pub fn say(plugin: Plugin) -> Plugin {
    let media_type = "text/plain";
    let length = media_type.len() as u32;
    let end = answer((TEXT, length), (TEXT, length));
    let body = format!("{}\n{end}", plugin.body);
    Plugin { body, ..plugin }.text(media_type)
}

/// A plugin that does something and then says that no report can be made.
pub fn give_up(before: &str) -> Plugin {
    let (kind, text, length) = (ANSWER + 4, ANSWER + 8, ANSWER + 12);
    let body = format!(
        "{before}
        (i32.store8 (i32.const {ANSWER}) (i32.const 1)) (i32.store8 (i32.const {kind}) (i32.const 1))
        (i32.store (i32.const {text}) (i32.const {TEXT})) (i32.store (i32.const {length}) (i32.const 4))
        (i32.const {ANSWER})"
    );
    Plugin::new(body).text("gone")
}

/// A plugin whose report is what it read of the sums of a community, or of all, as the readings lie in memory: 32
/// bytes each, none where nothing was told.
pub fn raw_sums(community: Option<u64>, (from_ms, to_ms): (u64, u64)) -> Plugin {
    let (is_some, community) = (u32::from(community.is_some()), community.unwrap_or(0));
    let (list, body) = (PAGE + 8, ANSWER + 12);
    let media_type = "application/octet-stream";
    let end = answer((TEXT, media_type.len() as u32), (TEXT, 0));
    let body = format!(
        "(call $global (i64.const {from_ms}) (i64.const {to_ms}) (i32.const {is_some}) (i64.const {community})
          (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 1000) (i32.const {PAGE}))
        (drop {end})
        (if (i32.eqz (i32.load8_u (i32.const {PAGE}))) (then
          (i32.store (i32.const {body}) (i32.load (i32.const {list})))
          (i32.store (i32.const {}) (i32.mul (i32.const 32) (i32.load (i32.const {}))))))
        (i32.const {ANSWER})",
        body + 4,
        list + 4,
    );
    Plugin::new(body).with(&[Import::Global]).text(media_type)
}

/// A plugin whose report is this text.
pub fn report(text: &str) -> Plugin {
    let media_type = "text/plain";
    let (length, start) = (media_type.len() as u32, TEXT + media_type.len() as u32);
    let end = answer((TEXT, length), (start, text.len() as u32));
    Plugin::new(end).text(&format!("{media_type}{text}"))
}

/// Reads a page of a dataset to [`PAGE`]: of a period (ms since 1970), of all communities.
pub fn read(dataset: Import, (from_ms, to_ms): (u64, u64), limit: u32) -> String {
    let (_, label, _) = dataset.function();
    format!(
        "(call {label} (i64.const {from_ms}) (i64.const {to_ms}) (i32.const 0) (i64.const 0) \
         (i32.const 0) (i32.const 0) (i32.const 0) (i32.const {limit}) (i32.const {PAGE}))\n"
    )
}
