//! Runs one invocation of a component's handler.

use std::collections::BTreeMap;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use super::bindings::{self, Handled, Refusal};
use super::failure::explain_counted;
use super::function;
use super::guest::Call;
use super::instance::Instance;
use super::loaded::Loaded;
use crate::clock;
use crate::dispatch::Error;
use crate::dispatch::heard::Heard;
use crate::dispatch::types::{Input, Output};
use crate::dispatch::work::Work;
use crate::ids::VariableName;
use crate::registry::Generation;
use crate::telemetry::Stats;
use crate::telemetry::stats::Failed;

impl Loaded {
    /// Runs the handler for `input` and returns its output with the effects it collected. Components it
    /// calls are those of `generation`.
    ///
    /// # Errors
    /// See [`Error`]; the effects are dropped.
    pub async fn invoke(
        self: &Arc<Self>,
        generation: &Arc<Generation>,
        input: &Input,
        work: Box<Work>,
    ) -> Result<(Output, Box<Work>), Error> {
        if let (Some(function), Input::Http(request)) = (self.as_function(), input) {
            let (response, work) = Box::pin(function.invoke(request, work)).await?;
            return Ok((Output::Http(response), work));
        }
        let deadline_ms = self.identity.manifest.limits.deadline_ms;
        let failed = |error| self.explained(error, deadline_ms);
        let allowed_ms = deadline_ms.saturating_mul(work.patience());
        let deadline = clock::monotonic() + Duration::from_millis(allowed_ms);
        let generation = generation.clone();
        let call = Box::new(Call {
            work,
            generation,
            deadline,
            deadline_ms,
            depth: 0,
        });
        let mut instance = self.enter(call).await.map_err(failed)?;
        let handled = {
            let work = pin!(handle(&mut instance, input));
            let stats = &self.stats;
            Busy { work, stats }.await.map_err(failed)?
        };
        let call = self.leave(instance);
        let output = handled.map_err(|refusal| self.refused(refusal))?;
        self.check(&output)?;
        match call {
            Some(call) => Ok((output, call.work)),
            None => Err(self.misbehaved("lost its invocation".into())),
        }
    }

    /// Has a function answer a request; see [`function::Answer`] for what of it is there when this returns. `heard`
    /// listens, if it is to be recorded. `held` is dropped when the function's run is over, which ends at the latest with
    /// the answer's body.
    ///
    /// # Errors
    /// See [`Error`]; nothing of the answer was told.
    pub(crate) async fn answer<B, H>(
        &self,
        request: http::Request<B>,
        heard: Option<Arc<Heard>>,
        held: H,
    ) -> Result<http::Response<function::Answer>, Error>
    where
        B: http_body::Body<Data = bytes::Bytes> + Unpin + Send + 'static,
        B::Error: Into<function::Fault>,
        H: Send + 'static,
    {
        match self.as_function() {
            Some(function) => function.answer(request, heard, held).await,
            None => Err(self.misbehaved("is no function".into())),
        }
    }

    /// Whether it is a function that cannot answer until its secrets were told.
    #[must_use]
    pub fn awaits_secrets(&self) -> bool {
        self.as_function()
            .is_some_and(|function| function.awaits_secrets())
    }

    /// Tells a function its secrets, by name; what it was told first holds.
    pub fn tell_secrets(&self, secrets: Vec<(String, String)>) {
        if let Some(function) = self.as_function() {
            function.tell_secrets(secrets);
        }
    }

    /// Of a function: its variables, with letters in the place of secrets. None of what is no function.
    pub(crate) fn variables(&self) -> Option<BTreeMap<VariableName, String>> {
        Some(self.as_function()?.shown_variables())
    }

    /// Of a function: the values of its secrets, the longest first.
    pub(crate) fn secrets(&self) -> Vec<String> {
        let function = self.as_function();
        function.map_or_else(Vec::new, |function| function.secrets())
    }

    fn refused(&self, refusal: Refusal) -> Error {
        match refusal {
            Refusal::Reject(problem) => Error::Rejected(problem),
            Refusal::Retry(reason) => Error::Retry(self.identity.culprit.clone(), reason),
        }
    }

    fn misbehaved(&self, why: String) -> Error {
        self.stats.failed(Failed::Rule);
        Error::Misbehaved(self.identity.culprit.clone(), why)
    }

    /// What an error that ended a call of this component means, counted.
    pub(super) fn explained(&self, error: wasmtime::Error, deadline_ms: u64) -> Error {
        explain_counted(error, &self.identity.culprit, deadline_ms, &self.stats)
    }

    /// An answer that HTTP cannot carry must not commit.
    fn check(&self, output: &Output) -> Result<(), Error> {
        match output {
            Output::Http(response) => response.check().map_err(|rule| self.misbehaved(rule)),
            Output::Rows(_) | Output::Events => Ok(()),
        }
    }
}

/// Work that counts how long it keeps threads busy: the time of its steps, and not of what it waits for between them.
struct Busy<'a, F> {
    work: Pin<&'a mut F>,
    stats: &'a Stats,
}

impl<F: Future> Future for Busy<'_, F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let began = clock::monotonic();
        let polled = self.work.as_mut().poll(context);
        self.stats.was_busy_since(began);
        polled
    }
}

async fn handle(instance: &mut Instance, input: &Input) -> wasmtime::Result<Handled> {
    let store = &mut instance.store;
    match (input, &instance.http, &instance.rows, &instance.events) {
        (Input::Http(request), Some(http), _, _) => {
            bindings::call_http(http.leyden_http_handler(), store, request).await
        }
        (Input::Rows(head, batch), _, Some(rows), _) => {
            bindings::call_rows(rows.leyden_http_row_handler(), store, head, batch).await
        }
        (Input::Events(partition, batch), _, _, Some(events)) => {
            bindings::call_events(events.leyden_streams_handler(), store, partition, batch).await
        }
        _ => Err(wasmtime::Error::msg(
            "does not export a handler for this input",
        )),
    }
}
