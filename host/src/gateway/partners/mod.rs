//! What partners ask of a running host, and what its operator asks about them: `/partners/…` and
//! `/admin/partners/…`. JSON in, JSON out; deciding is left to `crate::partners`. The routes are described in
//! `gateway/openapi.json`, and a test compares the two.
//!
//! **Invariant.** A handler learns whose data it deals with from [`super::principal::Named`] or
//! [`super::principal::NamedPlugin`], never from the path itself.

mod routes;

pub(super) use routes::Routes;

/// All of them; one file each for what belongs together.
pub(super) fn routes() -> Routes {
    Routes::default()
}
