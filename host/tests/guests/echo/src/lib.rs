//! Answers any request with its body, and one without a body with "Hello, world!" (13 bytes). It
//! touches no state: what is measured with it is the host.

use leyden_sdk::Result;
use leyden_sdk::http::{self, Request, Response};

/// What a request without a body gets.
const GREETING: &[u8] = b"Hello, world!";

struct Echo;

impl http::Handler for Echo {
    fn handle(request: Request) -> Result<Response> {
        let headers = vec![("content-type".to_owned(), content_type(&request).to_owned())];
        let body = answer(request.body);
        Ok(Response {
            status: 200,
            headers,
            body,
        })
    }
}

leyden_sdk::export_http!(Echo);

fn content_type(request: &Request) -> &str {
    http::header(&request.head, "content-type").unwrap_or("text/plain; charset=utf-8")
}

fn answer(body: Vec<u8>) -> Vec<u8> {
    if body.is_empty() {
        GREETING.to_vec()
    } else {
        body
    }
}

#[cfg(test)]
mod tests {
    use super::answer;

    #[test]
    fn a_body_comes_back_and_none_is_greeted() {
        assert_eq!(answer(b"x".to_vec()), b"x");
        assert_eq!(answer(Vec::new()).len(), 13);
    }
}
