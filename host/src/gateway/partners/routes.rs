//! A router that knows what is in it, so that the description of the interface can be compared with it.

use std::sync::Arc;

use axum::Router;
use axum::handler::Handler;
use axum::routing::{MethodFilter, on};

use super::super::Gateway;

/// Routes, each with one handler per method.
#[derive(Default)]
pub(in super::super) struct Routes {
    router: Router<Arc<Gateway>>,
    /// Method and path of each.
    listed: Vec<(&'static str, &'static str)>,
}

impl Routes {
    /// With a route that reads.
    pub(super) fn get<H: Handler<T, Arc<Gateway>>, T: 'static>(
        self,
        path: &'static str,
        handler: H,
    ) -> Self {
        self.with("get", MethodFilter::GET, path, handler)
    }

    /// With a route that does something.
    pub(super) fn post<H: Handler<T, Arc<Gateway>>, T: 'static>(
        self,
        path: &'static str,
        handler: H,
    ) -> Self {
        self.with("post", MethodFilter::POST, path, handler)
    }

    /// With a route that makes or replaces.
    pub(super) fn put<H: Handler<T, Arc<Gateway>>, T: 'static>(
        self,
        path: &'static str,
        handler: H,
    ) -> Self {
        self.with("put", MethodFilter::PUT, path, handler)
    }

    /// With a route that removes.
    pub(super) fn delete<H: Handler<T, Arc<Gateway>>, T: 'static>(
        self,
        path: &'static str,
        handler: H,
    ) -> Self {
        self.with("delete", MethodFilter::DELETE, path, handler)
    }

    fn with<H: Handler<T, Arc<Gateway>>, T: 'static>(
        mut self,
        method: &'static str,
        filter: MethodFilter,
        path: &'static str,
        handler: H,
    ) -> Self {
        self.router = self.router.route(path, on(filter, handler));
        self.listed.push((method, path));
        self
    }

    /// With those of another file.
    pub(super) fn and(mut self, others: Self) -> Self {
        self.router = self.router.merge(others.router);
        self.listed.extend(others.listed);
        self
    }

    /// The router. Its answers are not kept by caches on their way, since they tell of one partner.
    pub(in super::super) fn into_router(self) -> Router<Arc<Gateway>> {
        self.router
            .layer(axum::middleware::map_response(super::unstored))
    }

    /// Method, in small letters, and path of each.
    #[cfg(test)]
    pub(in super::super) fn listed(&self) -> &[(&'static str, &'static str)] {
        &self.listed
    }
}
