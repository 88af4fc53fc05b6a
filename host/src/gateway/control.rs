//! The paths that the host serves itself: `/health`, `/ready`, `/metrics`, `/openapi.json`, `/admin/…`,
//! `/partners/…` and `/streams/…`.
//! Everything else below a reserved first segment is nobody's.

use std::sync::Arc;

use axum::Router;
use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::routing::{delete, get, post, put};

use super::problem::{Kind, Problem};
use super::{
    Gateway, admin, functions, installation, ledger, metrics, openapi, operators, partners,
    policies, recordings, secrets, sse,
};
use crate::registry::manifest::RESERVED;
use crate::registry::router::RouteError;

/// A parameter of the path, or that it is not UTF-8.
pub(super) type Parameter = Result<Path<String>, PathRejection>;

/// The parameter's text.
pub(super) fn text(parameter: Parameter) -> Result<String, Problem> {
    let Path(text) =
        parameter.map_err(|_| Problem::from(RouteError::Encoding("name".to_owned())))?;
    Ok(text)
}

/// The reserved segment below which functions answer, not the host.
const FUNCTIONS: &str = "fn";

/// Whether the host serves this path itself.
pub(super) fn owns(path: &str) -> bool {
    let first = path
        .strip_prefix('/')
        .and_then(|rest| rest.split('/').next());
    first.is_some_and(|first| RESERVED.contains(&first) && first != FUNCTIONS)
}

/// Whether a path is answered without a token: what asks there has none and is told next to nothing, or
/// what everybody may know.
pub(super) fn is_open(path: &str) -> bool {
    matches!(
        path,
        "/health" | "/ready" | "/openapi.json" | "/partners/receipt-key"
    )
}

/// All of the host's own routes.
pub(super) fn router(gateway: Arc<Gateway>) -> Router {
    Router::new()
        .route("/health", get(admin::health))
        .route("/ready", get(installation::ready))
        .route("/metrics", get(metrics::show))
        .route("/admin/status", get(admin::status))
        .route("/admin/components", get(admin::components))
        .route(
            "/admin/components/{name}",
            get(functions::inspect)
                .post(admin::deploy)
                .delete(functions::delete),
        )
        .route("/admin/components/{name}/logs", get(functions::logs))
        .route("/admin/components/{name}/secrets", get(secrets::list))
        .route(
            "/admin/components/{name}/secrets/{secret}",
            put(secrets::set).delete(secrets::remove),
        )
        .route("/admin/components/{name}/versions", get(admin::versions))
        .route("/admin/components/{name}/rollback", post(admin::rollback))
        .route("/admin/clock", get(admin::clock).put(admin::set_clock))
        .route("/admin/clock/tick", post(admin::tick))
        .route("/admin/settle", post(admin::settle))
        .route("/admin/streams", get(admin::streams))
        .route("/admin/hosts", get(installation::hosts))
        .route("/admin/dead-letters", get(installation::dead_letters))
        .route(
            "/admin/dead-letters/{id}",
            get(installation::dead_letter).delete(installation::drop_dead),
        )
        .route(
            "/admin/dead-letters/{id}/retry",
            post(installation::retry_dead),
        )
        .route("/admin/dead-letters/{id}/export", post(recordings::export))
        .route("/admin/record/start", post(recordings::start))
        .route("/admin/record/stop", post(recordings::stop))
        .route("/admin/record/status", get(recordings::status))
        .route("/admin/ledger", get(ledger::verify))
        .route("/admin/ledger/accounts", get(ledger::accounts))
        .route("/admin/policies", get(policies::list))
        .route("/admin/policies/{kind}", get(policies::show))
        .route("/admin/policies/{kind}/decisions", get(policies::decisions))
        .route("/admin/policies/{kind}/promote", post(policies::promote))
        .route("/admin/policies/{kind}/rollback", post(policies::rollback))
        .route(
            "/admin/policies/{kind}/shadow",
            put(policies::shadow).delete(policies::end_shadow),
        )
        .route("/admin/policies/{kind}/log", put(policies::log_decisions))
        .route(
            "/admin/operators",
            get(operators::list).post(operators::add),
        )
        .route("/admin/operators/{name}", delete(operators::revoke))
        .route("/streams/{name}", get(sse::watch))
        .route("/openapi.json", get(openapi::show))
        .merge(partners::routes().into_router())
        .method_not_allowed_fallback(async || {
            Problem::new(
                Kind::MethodNotAllowed,
                "this path answers other methods; see the header Allow",
            )
        })
        .fallback(async || Problem::from(RouteError::NotFound))
        .with_state(gateway)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_owns_whole_segments() {
        for own in ["/admin", "/admin/x", "/health", "/health/", "/streams/a"] {
            assert!(owns(own), "{own}");
        }
        for other in [
            "/",
            "",
            "*",
            "/administration",
            "/house/admin",
            "//admin",
            "/healthy",
            "/fn",
            "/fn/x/y",
        ] {
            assert!(!owns(other), "{other}");
        }
    }
}
