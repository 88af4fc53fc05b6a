//! HTTP for guests: a handler's trait, parameters from wherever they came, answers in the shapes
//! the platform promises. Statuses other than an answer's own are the host's affair.

mod params;
mod response;

pub use crate::bindings::leyden::http::types::{
    FieldError, Problem, ProblemKind, Request, RequestHead, Response,
};
pub use params::{NAME_CHARS_MAX, Params, check_name};
pub use response::{json, json_number, no_content, null, text};

use crate::bindings::leyden::http::types;

/// Answers requests; exported with [`export_http!`](crate::export_http).
pub trait Handler {
    /// Answers one request. The host has matched route and method; `request.head.route` is the
    /// template of the manifest.
    ///
    /// # Errors
    /// A refusal or a wish to be run again; nothing of the invocation is kept then.
    fn handle(request: Request) -> crate::Result<Response>;
}

impl<T: Handler> crate::exports::http_handler::Guest for T {
    fn handle(request: Request) -> Result<Response, types::Error> {
        crate::init();
        T::handle(request).map_err(Into::into)
    }
}

/// The value of a header field, by its lower-case name.
#[must_use]
pub fn header<'a>(head: &'a RequestHead, name: &str) -> Option<&'a str> {
    head.headers
        .iter()
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.as_str())
}

/// The value of a parameter of the route's template, such as `id` of `/house/{id}`.
///
/// # Errors
/// 404 where the template has no such parameter.
pub fn path_param<'a>(head: &'a RequestHead, name: &str) -> crate::Result<&'a str> {
    head.params
        .iter()
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.as_str())
        .ok_or_else(|| crate::Error::not_found(name, format!("The path names no `{name}`.")))
}

/// 404 for a route that the manifest declares and the component does not know.
#[must_use]
pub fn unknown_route(request: &Request) -> crate::Error {
    let head = &request.head;
    crate::Error::reject(
        ProblemKind::NotFound,
        format!("{} {} is not served.", head.method, head.route),
    )
}
