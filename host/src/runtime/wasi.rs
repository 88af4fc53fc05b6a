//! WASI with nothing behind it, for components whose standard library imports it whether it is used or not:
//! no arguments, no environment, no files; output is discarded, input is at its end; clocks stand at the
//! run's instant; randomness follows from the run's seed. Whatever else is called traps, with its name.
//!
//! Interfaces of WASI keep their functions within 0.2, so a component is served under the very version that
//! it imports; the pass over its binary has refused functions that WASI does not have.

mod answers;

use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, Linker, LinkerInstance, ResourceType};

use super::analyst::Analyst;

/// All resources: streams, errors, pollables, terminals, descriptors. There is nothing to any of them.
struct Nothing;

/// Links what the component imports of WASI. The pass over its binary has refused what is not served.
pub(super) fn add_to_linker(
    linker: &mut Linker<Analyst>,
    component: &Component,
) -> wasmtime::Result<()> {
    let engine = component.engine();
    let imported = component.component_type();
    for (name, import) in imported.imports(engine) {
        let interface = name
            .strip_prefix("wasi:")
            .and_then(|name| name.split('@').next());
        let (Some(interface), ComponentItem::ComponentInstance(items)) = (interface, import.ty)
        else {
            continue;
        };
        let mut instance = linker.instance(name)?;
        for (item, import) in items.exports(engine) {
            match import.ty {
                ComponentItem::Resource(_) => {
                    instance.resource(item, ResourceType::host::<Nothing>(), |_, _| Ok(()))?;
                }
                ComponentItem::ComponentFunc(_) => function(&mut instance, interface, item)?,
                _ => {}
            }
        }
    }
    Ok(())
}

/// Links a function: with an answer, where programs need one to start and to end, else with a trap.
fn function(
    linker: &mut LinkerInstance<'_, Analyst>,
    interface: &str,
    name: &str,
) -> wasmtime::Result<()> {
    if answers::add_to_linker(linker, interface, name)? {
        return Ok(());
    }
    let called =
        format!("it called wasi:{interface}.{name}, and there is nothing behind WASI here");
    linker.func_new(name, move |mut caller, _, _, _| {
        caller.data_mut().count_call()?;
        Err(wasmtime::Error::msg(called.clone()))
    })
}
