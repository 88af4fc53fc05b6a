//! The least role that an operator needs for a request. Pure.

use http::Method;

use super::control;
use crate::operators::Role;

/// Below these paths a deployer may change what is there.
const DEPLOYERS: [&str; 3] = [
    "/admin/components/",
    "/admin/dead-letters/",
    "/admin/policies/",
];

/// The least role that may send this. Reading is anybody's; deploying, and calling components, is a deployer's, who
/// could do the same by deploying one that does it; everything else that changes something is an admin's.
pub(super) fn needed(method: &Method, path: &str) -> Role {
    if method.is_safe() {
        Role::Viewer
    } else if !control::owns(path) || DEPLOYERS.iter().any(|prefix| path.starts_with(prefix)) {
        Role::Deployer
    } else {
        Role::Admin
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_needed_for_each_kind_of_request() {
        let purge = Method::from_bytes(b"PURGE").expect("a method");
        for (method, path, role) in [
            (&Method::GET, "/admin/partners", Role::Viewer),
            (&Method::HEAD, "/metrics", Role::Viewer),
            (&Method::GET, "/house/x", Role::Viewer),
            (&Method::POST, "/house/x", Role::Deployer),
            (&Method::POST, "/fn/hello/x", Role::Deployer),
            (&Method::POST, "/admin/components/schedule", Role::Deployer),
            (&Method::DELETE, "/admin/dead-letters/1", Role::Deployer),
            (
                &Method::POST,
                "/admin/policies/shed/promote",
                Role::Deployer,
            ),
            (
                &Method::POST,
                "/admin/dead-letters/1/export",
                Role::Deployer,
            ),
            (&Method::POST, "/admin/record/start", Role::Admin),
            (&Method::POST, "/admin/components", Role::Admin),
            (&Method::POST, "/admin/componentsx/y", Role::Admin),
            (&Method::POST, "/admin/partners", Role::Admin),
            (&Method::POST, "/admin/operators", Role::Admin),
            (&Method::PUT, "/admin/clock", Role::Admin),
            (&Method::PUT, "/partners/acme/plugins/x", Role::Admin),
            (&purge, "/admin/x", Role::Admin),
            (&purge, "/house/x", Role::Deployer),
        ] {
            assert_eq!(needed(method, path), role, "{method} {path}");
        }
    }
}
