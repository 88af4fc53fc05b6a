//! Calls between components: one bridge for every interface. An imported function takes its values
//! from the caller, finds the active component that exports the interface in the generation the
//! invocation holds, and calls it inside the caller's transaction. Where the two have different versions
//! of the interface, `adapt.rs` carries the values over.
//!
//! Only the operator's own components are linked to it: untyped values cost more memory than typed
//! ones, so foreign code gets typed bindings.

use std::fmt;
use std::sync::Arc;

use wasmtime::component::types::ComponentFunc;
use wasmtime::component::{Func, Linker, Val};
use wasmtime::{Store, StoreContextMut};

use super::adapt::Seam;
use super::guest::{Call, DEPTH_MAX, Guest};
use super::loaded::Loaded;
use super::policy::{self, Question};
use crate::dispatch::Error;
use crate::policies::Kind;
use crate::telemetry::span;

/// Links every function of an interface to the bridge. An interface of types only is linked empty.
pub(super) fn add_to_linker(
    linker: &mut Linker<Guest>,
    interface: &str,
    functions: &[String],
) -> wasmtime::Result<()> {
    let mut instance = linker.instance(interface)?;
    for function in functions {
        let interface: Arc<str> = interface.into();
        let name: Arc<str> = function.as_str().into();
        instance.func_new_async(function, move |caller, called, params, results| {
            let (interface, name) = (interface.clone(), name.clone());
            Box::new(async move {
                let called = Called {
                    interface: &interface,
                    function: &name,
                    of: &called,
                };
                call_active(caller, called, params, results).await
            })
        })?;
    }
    Ok(())
}

/// What a component calls.
#[derive(Clone, Copy)]
struct Called<'a> {
    /// The interface, in the version that the caller has.
    interface: &'a str,
    function: &'a str,
    /// Its type as the caller has it.
    of: &'a ComponentFunc,
}

impl fmt::Display for Called<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.interface, self.function)
    }
}

impl Called<'_> {
    /// The component that exports the interface has no such function.
    fn missing(&self) -> wasmtime::Error {
        wasmtime::Error::msg(format!("has no {self}"))
    }
}

/// Hands the invocation to the callee and takes it back. When the callee fails, the invocation is
/// over: its effects are dropped and the caller traps.
async fn call_active(
    mut caller: StoreContextMut<'_, Guest>,
    called: Called<'_>,
    params: &[Val],
    results: &mut [Val],
) -> wasmtime::Result<()> {
    let identity = caller.data().identity.clone();
    if let Some(kind) = Kind::of_interface(called.interface) {
        let question = Question {
            interface: called.interface,
            function: called.function,
            of: Some(called.of),
            params,
            burns_for: None,
        };
        return ask_policy(&mut caller, kind, question, results).await;
    }
    let Some(mut call) = caller.data_mut().call.take() else {
        return Err(wasmtime::Error::msg(
            "called another component outside an invocation",
        ));
    };
    let misbehaved =
        |why: String| wasmtime::Error::new(Error::Misbehaved(identity.culprit.clone(), why));
    if call.depth >= DEPTH_MAX {
        return Err(misbehaved(format!(
            "calls more than {DEPTH_MAX} components deep"
        )));
    }
    let Some(callee) = call.generation.interface(called.interface).cloned() else {
        let interface = called.interface;
        return Err(misbehaved(format!(
            "calls {interface}, which no active component exports"
        )));
    };
    call.depth += 1;
    call.work.used.note(&callee);
    let mut span = span("call");
    span.tell("leyden.component", || callee.name.to_string());
    span.tell("leyden.function", || called.to_string());
    let served = callee.loaded.serve(called, params, results, call).await;
    span.ended(&served);
    drop(span);
    let mut call = served?;
    call.depth -= 1;
    caller.data_mut().call = Some(call);
    Ok(())
}

/// Asks a policy. The invocation stays with the caller.
async fn ask_policy(
    caller: &mut StoreContextMut<'_, Guest>,
    kind: Kind,
    question: Question<'_>,
    results: &mut [Val],
) -> wasmtime::Result<()> {
    let identity = caller.data().identity.clone();
    let Some(call) = caller.data_mut().call.as_mut() else {
        return Err(wasmtime::Error::msg("asked a policy outside an invocation"));
    };
    let generation = call.generation.clone();
    let mut span = span("policy");
    span.tell("leyden.policy", || kind.name());
    let Some(policy) = generation.policy(kind) else {
        let interface = question.interface;
        let why = format!("calls {interface}, which no active component exports");
        let error = Error::Misbehaved(identity.culprit.clone(), why);
        return Err(wasmtime::Error::new(error));
    };
    let asked = policy::ask(call, policy, question, results).await;
    span.ended(&asked);
    asked.map(|_| ())
}

impl Loaded {
    /// Runs an exported function inside an invocation.
    async fn serve(
        self: &Arc<Self>,
        called: Called<'_>,
        params: &[Val],
        results: &mut [Val],
        call: Box<Call>,
    ) -> wasmtime::Result<Box<Call>> {
        let deadline_ms = call.deadline_ms;
        let failed =
            |error: wasmtime::Error| wasmtime::Error::new(self.explained(error, deadline_ms));
        let found = self.function(called.interface, called.function);
        let (exported, index) = found.ok_or_else(|| failed(called.missing()))?;
        let mut instance = self.enter(call).await.map_err(failed)?;
        let func = instance.instance.get_func(&mut instance.store, index);
        let func = func.ok_or_else(|| failed(called.missing()))?;
        call_across(called, exported, func, &mut instance.store, params, results)
            .await
            .map_err(failed)?;
        self.leave(instance)
            .ok_or_else(|| failed(wasmtime::Error::msg("lost its invocation")))
    }
}

/// Calls a function of an interface that is exported in another version maybe, with the values of the caller's.
async fn call_across(
    called: Called<'_>,
    exported: &str,
    func: Func,
    store: &mut Store<Guest>,
    params: &[Val],
    results: &mut [Val],
) -> wasmtime::Result<()> {
    let seam = Seam {
        called: called.interface,
        exported,
        function: called.function,
    };
    let params = seam.params(|| func.ty(&*store), params)?;
    func.call_async(store, &params, results).await?;
    Ok(seam.results(called.of, results)?)
}
