//! Many functions on one host, each a component of its own: deployed over the admin route, called once each after a
//! restart. Their compiled code lies in a folder below the target folder, so that a second run need not compile it again.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use serde_json::Value;

use crate::figure::{Figure, percentile};
use crate::servers::guest;
use crate::{load, memory};

/// Slowest first call but one in a hundred, µs.
const FIRST_MAX_US: f64 = 1_000.0;

/// Longest start, s.
const READY_MAX_S: f64 = 5.0;

/// Most private memory of a function that is not called, kB.
const IDLE_MAX_KB: f64 = 25.0;

/// Between two words on how far deploying is.
const SAY_EVERY: usize = 500;

/// Deploys so many, restarts, and calls each.
pub(super) fn measure(functions: usize) -> Vec<Figure> {
    let (data, empty) = (folder(), folder());
    let base = Host::start(empty.path()).private_mib();
    let host = Host::start(data.path());
    let deploying = Instant::now();
    host.deploy(functions);
    let deployed_s = deploying.elapsed().as_secs_f64();
    drop(host);

    let starting = Instant::now();
    let host = Host::start(data.path());
    let ready_s = starting.elapsed().as_secs_f64();
    let each_kb = |host: &Host| (host.private_mib() - base) * 1024.0 * 1.024 / functions as f64;
    let idle_kb = each_kb(&host);
    let mut first_us = load::each(
        host.address,
        (0..functions).map(|n| format!("/fn/{}/", name(n))),
    );
    let called_kb = each_kb(&host);
    let mappings = memory::mappings(host.child.id());
    let named = |what: &str| format!("functions: {functions} functions, {what}");
    vec![
        Figure::plain(
            named("deploying one"),
            deployed_s * 1e3 / functions as f64,
            "ms",
        ),
        Figure::at_most(named("restart to ready"), ready_s, "s", READY_MAX_S),
        Figure::plain(
            named("first call, p50"),
            percentile(&mut first_us, 50),
            "µs",
        ),
        Figure::at_most(
            named("first call, p99"),
            percentile(&mut first_us, 99),
            "µs",
            FIRST_MAX_US,
        ),
        Figure::at_most(
            named("private memory of each, idle"),
            idle_kb,
            "kB",
            IDLE_MAX_KB,
        ),
        Figure::plain(
            named("private memory of each, called once"),
            called_kb,
            "kB",
        ),
        Figure::plain(named("mappings of the host"), mappings as f64, "mappings"),
    ]
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in(concat!(env!("CARGO_MANIFEST_DIR"), "/../target")).expect("a folder")
}

fn name(number: usize) -> String {
    format!("function-{number}")
}

/// The hello function with a number in a section of its own, which makes it another component.
fn numbered(hello: &[u8], number: usize) -> Vec<u8> {
    let mut section = vec![b"number".len() as u8];
    section.extend_from_slice(b"number");
    section.extend_from_slice(&(number as u64).to_le_bytes());
    let mut bytes = hello.to_vec();
    // A custom section, shorter than 128 bytes.
    bytes.extend([0, section.len() as u8]);
    bytes.extend(section);
    bytes
}

/// A host with functions alone; killed when dropped.
struct Host {
    child: Child,
    url: String,
    address: SocketAddr,
}

impl Host {
    fn start(data: &Path) -> Self {
        let compiled = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/compiled-numbered");
        let mut command = Command::new(env!("CARGO_BIN_EXE_leyden"));
        command.args([
            "up", "--bare", "--json", "--port", "0", "--log", "error", "--data",
        ]);
        command.arg(data).args(["--compiled", compiled]);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("leyden starts");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("piped");
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        let greeting: Value = serde_json::from_str(&line).expect("the greeting is JSON");
        let url = greeting["url"].as_str().expect("a url").to_owned();
        let address = url.strip_prefix("http://").expect("HTTP").parse();
        Self {
            child,
            address: address.expect("an address"),
            url,
        }
    }

    fn private_mib(&self) -> f64 {
        memory::private_mib(self.child.id())
    }

    fn deploy(&self, functions: usize) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.expect("a runtime").block_on(async {
            let (client, hello) = (reqwest::Client::new(), guest("alternatives/hello"));
            for number in 0..functions {
                let request = client
                    .post(format!("{}/admin/components/{}", self.url, name(number)))
                    .header("content-type", "application/wasm")
                    .body(numbered(&hello, number));
                let answer = request.send().await.expect("an answer");
                let status = answer.status();
                let text = answer.text().await.unwrap_or_default();
                assert!(status.is_success(), "{text}");
                if (number + 1).is_multiple_of(SAY_EVERY) {
                    eprintln!("functions: {} of {functions} deployed", number + 1);
                }
            }
        });
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
