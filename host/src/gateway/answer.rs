//! From a request to its answer: what HTTP itself asks of a server, who may come in, and who answers.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use http::header::{ALLOW, EXPECT, HOST, TRANSFER_ENCODING};
use http::{HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;

use super::body::Lingering;
use super::connection::{Connection, Running};
use super::exchange::Exchange;
use super::principal::{self, Principal};
use super::problem::{Kind, Problem};
use super::{Gateway, component, control, headers};

/// A component's answer, or one of the host's own.
pub(super) type Reply = Either<Full<Bytes>, Body>;

/// The host's own routes, as a service.
pub(super) type Control = TowerToHyperService<axum::Router>;

/// Methods that some route may answer.
const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE";

/// Answers one request, whatever happens.
pub(super) async fn respond(
    connection: Arc<Connection>,
    mut request: Request<Incoming>,
) -> Result<Response<Reply>, Infallible> {
    let mut running = Running::new(&connection);
    let coding = is_plainly_coded(&request);
    let is_last = coding.is_err();
    let may_run = coding
        .and_then(|()| is_for_an_origin(&request))
        .and_then(|()| name_host(&mut request))
        .and_then(|()| running.take_place(&request));
    let mut exchange = Exchange::begin(running, &request, is_last);
    let scope = exchange.scope();
    // In a box: the connection keeps room for what is left, and what one request has used the next one finds in the
    // processor's cache, whatever connection it comes on.
    let answering = Box::pin(answer(&connection, &mut exchange, request, may_run));
    let answered = scope.run(answering).await;
    Ok(exchange.end(answered))
}

/// Sends a request to whoever answers it.
async fn answer(
    connection: &Connection,
    exchange: &mut Exchange,
    mut request: Request<Incoming>,
    may_run: Result<(), Problem>,
) -> Response<Reply> {
    let gateway = connection.gateway();
    let admitted = match may_run {
        Ok(()) => admit(gateway, &request).await,
        Err(problem) => Err(problem),
    };
    let admitted = match admitted {
        Ok(principal) if control::owns(request.uri().path()) => {
            request.extensions_mut().insert(principal);
            let lingers = lingers(&request).then(|| gateway.tasks.clone());
            let request = request.map(|body| Lingering::new(body, lingers));
            return own(connection.control(), request).await;
        }
        Ok(_) if request.method() == Method::OPTIONS && request.uri().path() == "*" => {
            return of_the_whole_host();
        }
        admitted => admitted,
    };
    let lingers = lingers(&request).then(|| gateway.tasks.clone());
    let (parts, body) = request.into_parts();
    let body = Lingering::new(body, lingers);
    let answer = match admitted {
        Err(problem) => Err(problem),
        Ok(principal) => component::answer(gateway, exchange, &principal, parts, body).await,
    };
    answer.unwrap_or_else(|problem| problem.answer().map(Either::Left))
}

/// Whether what is left of a refused body is read, so that the client, still sending, gets to read why. One that asks first
/// (RFC 9110, 10.1.1) sends nothing before it is told to, and reading would tell it to.
fn lingers<B>(request: &Request<B>) -> bool {
    !request.headers().contains_key(EXPECT)
}

/// Whether a body comes in chunks, or as it is. Of any other coding, and of chunks told twice, a proxy before the host may think
/// otherwise than hyper, which looks at the last one only; so nothing that follows on the connection is read. Where there is a
/// `Content-Length` as well, hyper goes by the chunks and closes the connection itself (RFC 9112, 6.1 and 6.3).
fn is_plainly_coded<B>(request: &Request<B>) -> Result<(), Problem> {
    let mut codings = request.headers().get_all(TRANSFER_ENCODING).iter();
    let is_plain = codings.next().is_none_or(|coding| {
        coding.as_bytes().eq_ignore_ascii_case(b"chunked") && codings.next().is_none()
    });
    match is_plain {
        true => Ok(()),
        false => Err(Problem::field(
            Kind::Malformed,
            "Transfer-Encoding",
            "must be chunked, and come once",
        )),
    }
}

/// Whether a target is a path, whole or within a URL, or `*` (RFC 9112, 3.2): only a proxy is asked for anything else.
fn is_for_an_origin<B>(request: &Request<B>) -> Result<(), Problem> {
    if request.method() == Method::CONNECT {
        let problem = Problem::new(Kind::MethodNotAllowed, "this host opens no tunnels");
        return Err(problem.allowing(METHODS.to_owned()));
    }
    match request.uri().path().is_empty() {
        true => Err(Problem::field(
            Kind::Malformed,
            "target",
            "must begin with /",
        )),
        false => Ok(()),
    }
}

/// Sees to it that a request says which host it is for, in `Host`: components and what looks at requests know no other
/// place. The target's own authority, which HTTP/2 sends and HTTP/1.1 may, counts before it (RFC 9112, 3.2.2; RFC 9113, 8.3.1).
fn name_host<B>(request: &mut Request<B>) -> Result<(), Problem> {
    let refused = |rule: &str| Err(Problem::field(Kind::Malformed, "Host", rule));
    let given = request.headers().get_all(HOST).iter().count();
    if given > 1 {
        return refused("must come once");
    }
    let authority = request
        .uri()
        .authority()
        .map(|named| HeaderValue::try_from(named.as_str()));
    match authority {
        Some(Ok(authority)) => drop(request.headers_mut().insert(HOST, authority)),
        Some(Err(_)) => return refused("must be a host with an optional port"),
        None if given == 0 && request.version() != Version::HTTP_10 => {
            return refused("must be there (RFC 9112, 3.2)");
        }
        None => {}
    }
    Ok(())
}

/// Whether a request may come in at all, and from whom it comes.
async fn admit<B>(gateway: &Gateway, request: &Request<B>) -> Result<Principal, Problem> {
    let (uri, headers) = (request.uri(), request.headers());
    let target = uri.path_and_query().map_or("", |target| target.as_str());
    if target.len() > headers::TARGET_BYTES_MAX {
        let detail = format!(
            "path and query have more than {} bytes",
            headers::TARGET_BYTES_MAX
        );
        return Err(Problem::new(Kind::PathTooLong, detail));
    }
    // A page in a browser on this machine connects like any local program, for somebody else.
    if gateway.token.is_none() && headers::from_another_site(headers) {
        let rule = "a host without a token does not serve pages of other sites";
        return Err(Problem::field(Kind::Forbidden, "Origin", rule));
    }
    principal::identify(gateway, request.method(), uri.path(), headers).await
}

/// Answers with one of the host's own routes.
async fn own(control: &Control, request: Request<Lingering<Incoming>>) -> Response<Reply> {
    let Ok(response) = control.call(request).await;
    response.map(Either::Right)
}

/// `OPTIONS *` asks what the host can do at all (RFC 9110, 9.3.7).
fn of_the_whole_host() -> Response<Reply> {
    let mut response = Response::new(Either::Left(Full::default()));
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static(METHODS));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(version: Version, target: &str, hosts: &[&str]) -> Option<String> {
        let mut request = Request::builder().version(version).uri(target);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        let mut request = request.body(()).unwrap();
        name_host(&mut request).ok()?;
        let host = request.headers().get(HOST);
        Some(host.map_or(String::new(), |host| host.to_str().unwrap().to_owned()))
    }

    #[test]
    fn a_body_comes_as_it_is_or_in_chunks() {
        let coded = |codings: &[&str]| {
            let mut request = Request::builder();
            for coding in codings {
                request = request.header(TRANSFER_ENCODING, *coding);
            }
            is_plainly_coded(&request.body(()).unwrap()).is_ok()
        };
        assert!(coded(&[]) && coded(&["chunked"]) && coded(&["Chunked"]));
        for codings in [
            &["gzip, chunked"][..],
            &["chunked, chunked"],
            &[", chunked"],
            &["chunked;q=1"],
            &[""],
            &["identity", "chunked"],
            &["chunked", "chunked"],
            &["chunked", ""],
        ] {
            assert!(!coded(codings), "{codings:?}");
        }
    }

    #[test]
    fn a_request_names_one_host() {
        let (one, two) = (Version::HTTP_11, Version::HTTP_2);
        for (version, target, hosts, host) in [
            (one, "/x", &["a:1"][..], Some("a:1")),
            (one, "/x", &[""], Some("")),
            (one, "http://b/x", &["a"], Some("b")),
            (two, "http://b/x", &[], Some("b")),
            (two, "/x", &["a"], Some("a")),
            (Version::HTTP_10, "/x", &[], Some("")),
            (one, "/x", &[], None),
            (two, "/x", &[], None),
            (one, "/x", &["a", "a"], None),
            (one, "http://b/x", &["a", "b"], None),
        ] {
            assert_eq!(
                named(version, target, hosts).as_deref(),
                host,
                "{version:?} {target} {hosts:?}"
            );
        }
    }
}
