//! What is not a function that can be served is refused when it is deployed, in words, and nothing is kept.

use reqwest::Method;

use super::{Web, guest, host, run, send};
use crate::web::Answer;

async fn upload(web: &Web, bytes: Vec<u8>) -> Answer {
    let request = web.request(Method::POST, "/admin/components/new");
    send(
        request
            .header("content-type", "application/wasm")
            .body(bytes),
    )
    .await
}

/// A component that imports these interfaces and exports a handler.
fn component(imports: &[&str], export: &str) -> Vec<u8> {
    let imports: String = imports
        .iter()
        .map(|name| format!("(import \"{name}\" (instance (export \"f\" (func))))\n"))
        .collect();
    let text = format!("(component {imports} {})", handler(export));
    wat::parse_str(text).expect("a component")
}

/// An export that has the one function `handle`, and what it is made of.
fn handler(export: &str) -> String {
    format!(
        "(core module $m (func (export \"handle\")))
         (core instance $i (instantiate $m))
         (func $f (canon lift (core func $i \"handle\")))
         (instance $h (export \"handle\" (func $f)))
         (export \"{export}\" (instance $h))"
    )
}

#[test]
fn what_cannot_be_served_is_refused_in_words() {
    run(async {
        let web = host().await;
        let handler = "wasi:http/incoming-handler@0.2.0";
        let mut cut = guest("alternatives/web");
        cut.truncate(cut.len() / 2);
        for (bytes, words) in [
            (b"not wasm".to_vec(), vec!["not a WebAssembly component"]),
            (
                b"\0asm\x01\0\0\0".to_vec(),
                vec!["core module", "wasm-tools component new"],
            ),
            (cut, vec![]),
            (
                component(&["wasi:http/types@0.3.0", "wasi:nn/graph@0.2.0"], handler),
                vec![
                    "wasi:http/types@0.3.0",
                    "wasi:http/types@0.2)",
                    "wasi:nn/graph@0.2.0",
                ],
            ),
            (
                component(&["leyden:state/store@0.1.0"], handler),
                vec!["leyden:http/handler"],
            ),
            (
                component(&[], "wasi:cli/run@0.2.0"),
                vec!["wasi:cli/run@0.2.0", "wasi:http/incoming-handler@0.2"],
            ),
            (
                component(&[], "wasi:http/handler@0.3.0"),
                vec!["wasi:http/incoming-handler@0.2"],
            ),
            // The right name with another type.
            (component(&[], handler), vec!["handle"]),
        ] {
            let answer = upload(&web, bytes).await;
            assert!((400..500).contains(&answer.status), "{answer:?}");
            for word in words {
                assert!(answer.body.contains(word), "{word}: {answer:?}");
            }
            let versions = web.get("/admin/components/new/versions").await;
            assert_eq!(versions.problem(404), "not-found", "nothing is kept");
        }
        assert_eq!(web.get("/fn/new/").await.problem(404), "no-route");
    });
}

/// One function with many locals and loops, in which each local is needed at each loop, takes a compiler minutes and gigabytes. A
/// component that is no function is compiled inside the host.
#[test]
fn a_compile_bomb_is_refused_whatever_it_is_deployed_as() {
    const LOCALS: usize = 2_000;
    let loops: String = (0..LOCALS)
        .map(|local| {
            let other = (local * 7 + 3) % LOCALS;
            format!("(loop (local.set {local} (local.get {other})) (br_if 0 (local.get {local})))")
        })
        .collect();
    let locals = "i32 ".repeat(LOCALS);
    let bomb = format!("(core module (func $bomb (local {locals}) {loops}))");
    run(async {
        let web = host().await;
        for export in ["wasi:http/incoming-handler@0.2.0", "a:b/c@0.1.0"] {
            let text = format!("(component {bomb} {})", handler(export));
            let refused = upload(&web, wat::parse_str(text).expect("a component")).await;
            assert!((400..500).contains(&refused.status), "{refused:?}");
            let words = "locals times blocks in function 0 `bomb`";
            assert!(refused.body.contains(words), "{export}: {refused:?}");
            let versions = web.get("/admin/components/new/versions").await;
            assert_eq!(versions.problem(404), "not-found", "nothing is kept");
        }
    });
}
