//! Requests that functions answer. A function's run is no transaction: it has nothing that it could write to but its
//! answer, so it streams at once, is never run again, and needs no snapshot. It has a place among all that runs, until
//! its run is over.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;

use super::{Dispatcher, Error};
use crate::registry::Active;
use crate::runtime::function::{Answer, Fault};

impl Dispatcher {
    /// Answers a request with a function. Where the function goes on after it has begun to answer, the
    /// answer's body drives it; dropping that ends it.
    ///
    /// # Errors
    /// See [`Error`]; nothing of an answer was told.
    pub async fn function<B>(
        &self,
        active: &Arc<Active>,
        request: Request<B>,
    ) -> Result<Response<Answer>, Error>
    where
        B: Body<Data = Bytes> + Unpin + Send + 'static,
        B::Error: Into<Fault>,
    {
        let place = self.shared.admission.enter(active).await?;
        active.loaded.answer(request, place).await
    }
}
