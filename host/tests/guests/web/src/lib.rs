//! A `wasi:http` function that does what its path says; tests watch what becomes of it.
//!
//! | path | does |
//! |---|---|
//! | `/hello` | answers "Hello, world!" |
//! | `/request` | answers with the request as it sees it: method, path, authority, then header fields |
//! | `/echo` | streams the request's body back |
//! | `/count` | reads the body to its end and answers with its length |
//! | `/trailers` | answers with the request's trailers as trailers, and a checksum |
//! | `/zeros?n` | streams `n` bytes |
//! | `/status?n` | answers with that status |
//! | `/trap-before`, `/trap-after` | traps before it answers; after its first bytes |
//! | `/abort` | drops its body unfinished |
//! | `/silent` | returns without an answer |
//! | `/refuse` | answers with an error code |
//! | `/loop`, `/loop-after`, `/spin?n` | computes for ever; after its first bytes; for `n` ms, then answers |
//! | `/sleep?n` | waits `n` ms, then answers |
//! | `/afterwards?n` | answers, then waits `n` ms and writes to its log |
//! | `/memory` | takes memory until there is none |
//! | `/uses` | answers with the number of requests that this instance has served |
//! | `/env?NAME`, `/config?NAME` | answers with a variable |
//! | `/say?NAME` | writes a variable to its log |
//! | `/log?n` | writes `n` lines to both outputs |
//! | `/draw` | answers with what clocks and randomness tell |
//! | `/fetch?URL` | sends a GET there and streams the answer back |
//! | `/race?URL\|URL` | sends a GET to both and answers with the numbers of those that were answered, in that order |
//! | `/tell?URL` | sends the variable KEY there, in the query and as the body, and answers with it and the status |
#![allow(
    unsafe_code,
    missing_docs,
    unreachable_pub,
    clippy::expect_used,
    reason = "the exports are generated; a test component that cannot go on should stop"
)]

mod answers;
mod bodies;
mod fetch;
mod misdeeds;
mod surroundings;

mod bindings {
    wit_bindgen::generate!({
        path: ["../../../../plugins/templates/function/wit", "wit"],
        // The proxy's world, and what standard libraries and frameworks add to it.
        inline: "package leyden:web@0.1.0; world web {
            include wasi:http/proxy@0.2.10;
            import wasi:cli/environment@0.2.10;
            import wasi:config/store@0.2.0-rc.1;
        }",
        world: "leyden:web/web",
        generate_all,
    });
}

use std::cell::Cell;

use bindings::exports::wasi::http::incoming_handler::Guest;
use bindings::wasi::http::types::{IncomingRequest, ResponseOutparam};

struct Web;

thread_local! {
    static USES: Cell<u32> = const { Cell::new(0) };
}

/// A request, its query, and where its answer goes.
struct Call {
    request: IncomingRequest,
    query: String,
    out: ResponseOutparam,
}

impl Call {
    /// The number in the query.
    fn number(&self) -> u64 {
        self.query.parse().unwrap_or(0)
    }
}

impl Guest for Web {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let uses = USES.with(|uses| {
            uses.set(uses.get() + 1);
            uses.get()
        });
        let target = request.path_with_query().unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let (path, query) = (path.to_owned(), query.to_owned());
        let call = Call {
            request,
            query,
            out,
        };
        match path.as_str() {
            "/uses" => answers::text(call.out, 200, &uses.to_string()),
            _ => serve(&path, call),
        }
    }
}

fn serve(path: &str, call: Call) {
    match path {
        "/hello" => answers::text(call.out, 200, "Hello, world!"),
        "/request" => answers::request(call),
        "/echo" => bodies::echo(call),
        "/count" => bodies::count(call),
        "/trailers" => bodies::trailers(call),
        "/zeros" => bodies::zeros(call),
        "/status" => answers::status(call),
        "/trap-before" => misdeeds::trap(),
        "/trap-after" => misdeeds::after(call, misdeeds::trap),
        "/loop" => misdeeds::endless(),
        "/loop-after" => misdeeds::after(call, misdeeds::endless),
        "/abort" => misdeeds::abort(call),
        "/silent" => drop(call),
        "/refuse" => misdeeds::refuse(call),
        "/spin" => misdeeds::spin(call),
        "/memory" => misdeeds::memory(call),
        "/sleep" => surroundings::sleep(call),
        "/afterwards" => surroundings::afterwards(call),
        "/env" => surroundings::env(call),
        "/config" => surroundings::config(call),
        "/log" => surroundings::log(call),
        "/say" => surroundings::say(call),
        "/draw" => surroundings::draw(call),
        "/fetch" => fetch::fetch(call),
        "/race" => fetch::race(call),
        "/tell" => fetch::tell(call),
        _ => answers::text(call.out, 200, "no such path"),
    }
}

bindings::export!(Web with_types_in bindings);
