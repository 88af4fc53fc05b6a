//! Answers any request with "Hello, world!" (13 bytes), in a memory that never grows: what a service costs that is built as
//! the SDK advises for instances that serve one request. Its manifest gives each request a fresh one.

use leyden_sdk::Result;
use leyden_sdk::http::{self, Request, Response};

leyden_sdk::bump_allocator!();

struct Greeting;

impl http::Handler for Greeting {
    fn handle(_: Request) -> Result<Response> {
        let kind = "text/plain; charset=utf-8".to_owned();
        Ok(Response {
            status: 200,
            headers: vec![("content-type".to_owned(), kind)],
            body: b"Hello, world!".to_vec(),
        })
    }
}

leyden_sdk::export_http!(Greeting);
