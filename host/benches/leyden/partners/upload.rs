//! A component of a megabyte on its way from upload to active: signature, the pass over it, compilation in a
//! process of its own, one transaction.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use super::super::figure::{Figure, median};
use super::super::partner::people::Operator;
use super::super::partner::plugin::{self, Plugin};
use super::super::process::Process;

/// Size of the component, bytes, at least: a megabyte.
const BYTES: usize = 1_000_000;

/// Bytes of one of its functions, about.
const FUNCTION_BYTES: usize = 190;

/// Different components: few enough that their numbers add little to their size, and with one a second more than a
/// day's.
const NUMBERS: usize = 100_000;

pub(super) async fn measure(quick: bool) -> Figure {
    let folder = tempfile::tempdir().expect("a folder");
    let host = Process::start(folder.path()).await;
    let partner = Operator::of(&host.url).add("acme", 1, 0).await;
    let mut times = Vec::new();
    // What was compiled is kept between hosts, so the bytes are new each time.
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let first = since.expect("after 1970").as_secs() as usize % NUMBERS;
    for number in 0..if quick { 3 } else { 11 } {
        eprintln!("partners: upload {}", number + 1);
        let bytes = component(first + number);
        let since = Instant::now();
        let uploaded = partner.upload("large", bytes).await;
        times.push(since.elapsed().as_secs_f64() * 1e3);
        let uploaded = uploaded.expect("an answer").expected("an upload");
        assert_eq!(uploaded["active"], true);
    }
    Figure::plain(
        "partners: upload of 1 MB to active, median",
        median(&mut times),
        "ms",
    )
}

/// Plain code, as compilers make it of arithmetic and loops.
fn component(number: usize) -> Vec<u8> {
    let function = |at: usize| {
        let salt = number * 10_000 + at;
        let step = format!(
            "(local.set 2 (i64.add (i64.mul (local.get 0) (i64.const {salt})) (i64.xor (local.get 1) (local.get 2))))
             (local.set 0 (i64.rotl (local.get 2) (local.get 1)))"
        );
        format!(
            "(func (param i64 i64) (result i64) (local i64) (loop $l {} \
             (br_if $l (i64.lt_u (local.get 0) (local.get 1)))) (local.get 2))\n",
            step.repeat(8)
        )
    };
    let functions: String = (0..BYTES / FUNCTION_BYTES).map(function).collect();
    let bytes = plugin::say(Plugin::new("")).field(functions).build();
    assert!(
        (BYTES..2 * BYTES).contains(&bytes.len()),
        "{} bytes",
        bytes.len()
    );
    bytes
}
