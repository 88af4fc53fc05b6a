//! Assignment policies written by hand, each misbehaving in its own way.

use std::path::Path;
use std::sync::LazyLock;

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::{PackageId, Resolve};

/// Worlds that export one policy each and nothing else.
static WORLDS: LazyLock<(Resolve, PackageId)> = LazyLock::new(|| {
    let mut resolve = Resolve::default();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit");
    resolve.push_dir(folder).expect("the WIT is sound");
    let worlds = "package test:policies;
        world assignment { export leyden:policy/assignment@0.1.0; }
        world peak-limit { export leyden:policy/peak-limit@0.1.0; }
        world access { export leyden:policy/access@0.1.0; }";
    let package = resolve.push_str("worlds.wit", worlds).expect("worlds");
    (resolve, package)
});

/// An assignment policy: `body` is WebAssembly that leaves the community's id (i64) on the stack, and may use `$name`,
/// `$length` (the client's name in memory), `$free` (the lowest free id) and the global `$count`.
pub fn assignment(body: &str) -> Vec<u8> {
    let text = format!(
        "(module (memory (export \"memory\") 4) (global $heap (mut i32) (i32.const 1024))
         (global $count (mut i64) (i64.const 0))
         (func (export \"cabi_realloc\") (param i32 i32 i32 i32) (result i32) (local $at i32)
           (local.set $at (i32.and (i32.add (global.get $heap) (i32.const 7)) (i32.const -8)))
           (global.set $heap (i32.add (local.get $at) (local.get 3)))
           (if (i32.gt_u (global.get $heap) (i32.const 262144)) (then unreachable))
           (local.get $at))
         (func (export \"leyden:policy/assignment@0.1.0#assign\")
           (param $name i32) (param $length i32) (param i32 i32) (param $free i64) (result i64)
           {body}))"
    );
    component(&text, "assignment")
}

/// An access policy whose decisions trap.
pub fn access_that_traps() -> Vec<u8> {
    let text = "(module (memory (export \"memory\") 1)
         (func (export \"cabi_realloc\") (param i32 i32 i32 i32) (result i32) (unreachable))
         (func (export \"leyden:policy/access@0.1.0#decide\") (param i32 i32 i64) (result i32) (unreachable))
         (func (export \"leyden:policy/access@0.1.0#compute-price\") (param i32 i64) (result i64) (unreachable)))";
    component(text, "access")
}

/// A peak limit that is the same everywhere and always, W.
pub fn limit(watts: f64) -> Vec<u8> {
    let text = format!(
        "(module (memory (export \"memory\") 1)
         (func (export \"cabi_realloc\") (param i32 i32 i32 i32) (result i32) (unreachable))
         (func (export \"leyden:policy/peak-limit@0.1.0#limit\") (param i64 i64 i32) (result i32)
           (f64.store (i32.const 8) (f64.const {watts}))
           (f64.store (i32.const 16) (f64.const {watts}))
           (i32.const 8)))"
    );
    component(&text, "peak-limit")
}

/// A component of one of the worlds out of a core module in the text format.
fn component(text: &str, world: &str) -> Vec<u8> {
    let mut module = wat::parse_str(text).unwrap_or_else(|e| panic!("{e}\n{text}"));
    let (resolve, package) = &*WORLDS;
    let world = resolve
        .select_world(&[*package], Some(world))
        .expect("a world");
    embed_component_metadata(&mut module, resolve, world, StringEncoding::UTF8)
        .expect("the world fits into a section");
    ComponentEncoder::default()
        .module(&module)
        .and_then(|mut encoder| encoder.encode())
        .expect("the module fits the world")
}

/// Puts each house into a community of its own.
pub fn alone() -> Vec<u8> {
    assignment("(local.get $free)")
}

/// Puts every house into this community.
pub fn always(community: u64) -> Vec<u8> {
    assignment(&format!("(i64.const {community})"))
}

/// Traps on every house.
pub fn traps() -> Vec<u8> {
    assignment("(unreachable)")
}

/// Traps where the client's name ends with `!`, puts the others where they would be alone.
pub fn traps_rarely() -> Vec<u8> {
    assignment(
        "(if (i32.eq (i32.const 33) (i32.load8_u (i32.sub (i32.add (local.get $name) (local.get $length)) (i32.const 1))))
           (then unreachable))
         (local.get $free)",
    )
}

/// Never ends.
pub fn loops() -> Vec<u8> {
    assignment("(loop $on (br $on)) (unreachable)")
}

/// Answers what is no community.
pub fn garbage() -> Vec<u8> {
    assignment("(i64.const 0)")
}

/// Counts its calls: no function of its input.
pub fn counts() -> Vec<u8> {
    assignment(
        "(global.set $count (i64.add (global.get $count) (i64.const 1))) (global.get $count)",
    )
}
