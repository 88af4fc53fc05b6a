//! Bodies that are streamed: 1 MB sent back, over native axum; and how far the host's own memory grows while 100 MB go through it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::figure::{Figure, median};
use crate::memory;
use crate::servers::{PATH, Server};

/// What sends bodies back.
const ECHO: &str = "/fn/web/echo";

/// What counts the bytes of bodies.
const COUNT: &str = "/fn/web/count";

/// An echo's body, bytes.
const ECHO_BYTES: usize = 1_000_000;

/// An upload's body, bytes.
const UPLOAD_BYTES: usize = 100_000_000;

/// Connections that send at once: enough to keep a core busy.
const CONNECTIONS: usize = 8;

/// What the echo's rate should be over the native one's.
const ECHO_MIN: f64 = 0.5;

/// Most growth of private memory during an upload, MiB.
const GROWTH_MAX_MIB: f64 = 16.0;

/// Between two looks at the memory.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// The echo, in turns.
pub(super) fn echo(native: &Server, leyden: &Server, rounds: usize, seconds: f64) -> Vec<Figure> {
    let rate = |server: &Server, path: &str| {
        let load = server.load(path, seconds).connections(CONNECTIONS);
        load.body(ECHO_BYTES).answered().rate
    };
    let _warm = (rate(native, PATH), rate(leyden, ECHO));
    let (mut natives, mut ratios) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let base = rate(native, PATH);
        natives.push(base);
        ratios.push(rate(leyden, ECHO) / base);
    }
    vec![
        Figure::plain(
            "functions: native axum, 1 MB streamed back",
            median(&mut natives),
            "requests/s",
        ),
        Figure::at_least(
            "functions: Leyden, wasi:http, 1 MB streamed back, over native axum",
            median(&mut ratios),
            "ratio",
            ECHO_MIN,
        ),
    ]
}

/// The growth of memory while one upload goes through, after a smaller one has.
pub(super) fn upload(leyden: &Server) -> Vec<Figure> {
    let send = |bytes: usize| {
        // One large request: the next would begin after its end.
        let load = leyden.load(COUNT, 0.05).connections(1);
        load.body(bytes).answered()
    };
    send(ECHO_BYTES);
    let before = memory::private_mib(leyden.id());
    let over = AtomicBool::new(false);
    let most = std::thread::scope(|scope| {
        let watching = scope.spawn(|| {
            let mut most = before;
            while !over.load(Ordering::Relaxed) {
                most = f64::max(most, memory::private_mib(leyden.id()));
                std::thread::sleep(LOOK_EVERY);
            }
            most
        });
        send(UPLOAD_BYTES);
        over.store(true, Ordering::Relaxed);
        watching.join().expect("no panic")
    });
    let name = "functions: growth of private memory during an upload of 100 MB";
    vec![Figure::at_most(name, most - before, "MiB", GROWTH_MAX_MIB)]
}
