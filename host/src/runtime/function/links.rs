//! What functions are linked to, made once and not for each: a function holds what it imports as long as its code is loaded, and
//! making it takes longer than everything else that loading compiled code does.

use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, InstancePre, Linker, Type};
use wasmtime::{Engine, Result};
use wasmtime_wasi_http::p2::bindings::ProxyIndices;

use super::imports;
use super::state::State;
use crate::capabilities::keyvalue;

/// The two sets of interfaces that a function may be linked to.
pub(in crate::runtime) struct Links {
    plain: Linker<State>,
    with_keyvalue: Linker<State>,
}

impl Links {
    pub(in crate::runtime) fn new(engine: &Engine) -> Result<Self> {
        let mut plain = Linker::new(engine);
        // All of WASI, and nothing behind it but what `State` has: standard libraries import files and sockets
        // whether a program uses them or not.
        wasmtime_wasi::p2::add_to_linker_async(&mut plain)?;
        wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut plain)?;
        wasmtime_wasi_config::add_to_linker(&mut plain, State::config)?;
        let mut with_keyvalue = plain.clone();
        keyvalue::add_to_linker(&mut with_keyvalue, State::keyvalue)?;
        Ok(Self {
            plain,
            with_keyvalue,
        })
    }

    /// For a function that was granted a bucket, or was not.
    fn of(&self, keyvalue: bool) -> &Linker<State> {
        match keyvalue {
            true => &self.with_keyvalue,
            false => &self.plain,
        }
    }
}

/// A function's compiled code, linked with what it imports.
pub(in crate::runtime) struct Linked {
    pub(super) pre: InstancePre<State>,
    pub(super) indices: ProxyIndices,
}

impl Linked {
    /// Links a component whose imports were found to be served; `keyvalue`: whether it was granted a bucket.
    pub(in crate::runtime) fn new(
        links: &Links,
        component: &Component,
        keyvalue: bool,
    ) -> Result<Self> {
        if !takes_requests(component) {
            let rule = "its `handle` does not take an incoming-request and a response-outparam";
            return Err(wasmtime::Error::msg(rule));
        }
        let pre = links.of(keyvalue).instantiate_pre(component)?;
        Ok(Self {
            indices: ProxyIndices::new(&pre)?,
            pre,
        })
    }
}

/// Whether the exported handler has the type that `wasi:http` gives it. wasmtime looks only when it is called.
fn takes_requests(component: &Component) -> bool {
    let (engine, ty) = (component.engine(), component.component_type());
    let is_owned = |ty: Type| matches!(ty, Type::Own(_));
    ty.exports(engine).any(|(name, item)| {
        let ComponentItem::ComponentInstance(handler) = item.ty else {
            return false;
        };
        let handle = handler.get_export(engine, "handle").map(|item| item.ty);
        imports::exports_handler(name)
            && matches!(handle, Some(ComponentItem::ComponentFunc(handle))
                if handle.params().len() == 2
                    && handle.params().all(|(_, ty)| is_owned(ty))
                    && handle.results().len() == 0)
    })
}
