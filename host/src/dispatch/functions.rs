//! Requests that functions answer. A function's run is no transaction: it has nothing that it could write to but its
//! answer, so it streams at once, is never run again, and needs no snapshot. It has a place among all that runs, until
//! its run is over.

use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response};
use http_body::Body;

use super::heard::Heard;
use super::types::{Input, Output};
use super::work::Work;
use super::{Dispatcher, Error};
use crate::registry::{Active, Generation};
use crate::runtime::function::{Answer, Fault};
use crate::tapped::Tapped;

impl Dispatcher {
    /// Answers a request with a function. Where the function goes on after it has begun to answer, the
    /// answer's body drives it; dropping that ends it.
    ///
    /// # Errors
    /// See [`Error`]; nothing of an answer was told.
    pub async fn function<B>(
        &self,
        generation: &Arc<Generation>,
        active: &Arc<Active>,
        request: Request<B>,
    ) -> Result<Response<Answer>, Error>
    where
        B: Body<Data = Bytes> + Unpin + Send + 'static,
        B::Error: Into<Fault>,
    {
        let place = self.shared.admission.enter(active).await?;
        if !self.shared.recorder.is_recording() {
            return active.loaded.answer(request, None, place).await;
        }
        let (parts, body) = request.into_parts();
        let Some(heard) = self.heard(generation, active, &parts) else {
            let request = Request::from_parts(parts, body);
            return active.loaded.answer(request, None, place).await;
        };
        let listening = heard.clone();
        let body = Tapped::new(body, move |passed| listening.request(&passed));
        let request = Request::from_parts(parts, body);
        // In a box, so that who is not recorded does not carry about what that takes.
        Box::pin(active.loaded.answer(request, Some(heard), place)).await
    }

    /// Listens to an invocation, if it is to be recorded.
    fn heard(
        &self,
        generation: &Arc<Generation>,
        active: &Arc<Active>,
        parts: &Parts,
    ) -> Option<Arc<Heard>> {
        // It has nothing to read or write in there; its id, instant and notes are those of the record.
        let mut work = Work::new(
            self.shared.store.clone(),
            self.shared.clock.now(),
            self.seed(),
        );
        let recorded = self.shared.recorder.begin(&active.name, &mut work)?;
        let notes = work.notes()?.clone();
        let (generation, active) = (generation.clone(), active.clone());
        let keep = move |exchanged| match exchanged {
            None => recorded.missed(),
            Some((request, outcome)) => {
                let ran = Result::map(outcome, |response| (Output::Http(response), work));
                let pending = recorded.ended(&generation, &active, &Input::Http(request), &ran);
                pending.into_iter().for_each(|pending| pending.keep());
            }
        };
        Some(Heard::new(notes, parts, Box::new(keep)))
    }
}
