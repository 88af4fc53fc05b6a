//! Calls between components: one bridge for every interface. An imported function takes its values
//! from the caller, finds the active component that exports the interface in the generation the
//! invocation holds, and calls it inside the caller's transaction.
//!
//! Only the operator's own components are linked to it: untyped values cost more memory than typed
//! ones, so foreign code gets typed bindings.

use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Val};

use super::failure::explain;
use super::guest::{Call, DEPTH_MAX, Guest};
use super::loaded::Loaded;
use crate::dispatch::Error;

/// Links every function of an interface to the bridge. An interface of types only is linked empty.
pub(super) fn add_to_linker(
    linker: &mut Linker<Guest>,
    interface: &str,
    functions: &[String],
) -> wasmtime::Result<()> {
    let mut instance = linker.instance(interface)?;
    for function in functions {
        let interface: std::sync::Arc<str> = interface.into();
        let name: std::sync::Arc<str> = function.as_str().into();
        instance.func_new_async(function, move |caller, _type, params, results| {
            let (interface, name) = (interface.clone(), name.clone());
            Box::new(async move { call_active(caller, &interface, &name, params, results).await })
        })?;
    }
    Ok(())
}

/// Hands the invocation to the callee and takes it back. When the callee fails, the invocation is
/// over: its effects are dropped and the caller traps.
async fn call_active(
    mut caller: StoreContextMut<'_, Guest>,
    interface: &str,
    function: &str,
    params: &[Val],
    results: &mut [Val],
) -> wasmtime::Result<()> {
    let identity = caller.data().identity.clone();
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
    let Some(callee) = call.generation.interface(interface).cloned() else {
        return Err(misbehaved(format!(
            "calls {interface}, which no active component exports"
        )));
    };
    call.depth += 1;
    let mut call = callee
        .loaded
        .serve(interface, function, params, results, call)
        .await?;
    call.depth -= 1;
    caller.data_mut().call = Some(call);
    Ok(())
}

impl Loaded {
    /// Runs an exported function inside an invocation.
    async fn serve(
        &self,
        interface: &str,
        function: &str,
        params: &[Val],
        results: &mut [Val],
        call: Box<Call>,
    ) -> wasmtime::Result<Box<Call>> {
        let deadline_ms = call.deadline_ms;
        let failed = |error: wasmtime::Error| {
            wasmtime::Error::new(explain(error, &self.identity.culprit, deadline_ms))
        };
        let Some(index) = self
            .functions
            .get(interface)
            .and_then(|all| all.get(function))
        else {
            return Err(failed(wasmtime::Error::msg(format!(
                "has no {interface}.{function}"
            ))));
        };
        let mut instance = self.enter(call).await.map_err(failed)?;
        let Some(func) = instance.instance.get_func(&mut instance.store, index) else {
            return Err(failed(wasmtime::Error::msg(format!(
                "has no {interface}.{function}"
            ))));
        };
        func.call_async(&mut instance.store, params, results)
            .await
            .map_err(failed)?;
        self.leave(instance)
            .ok_or_else(|| failed(wasmtime::Error::msg("lost its invocation")))
    }
}
