//! What functions are linked to, made once and not for each: a function holds what it imports as long as it is active, and
//! making it takes longer than everything else that loading compiled code does.

use wasmtime::component::Linker;
use wasmtime::{Engine, Result};

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
    pub(super) fn of(&self, keyvalue: bool) -> &Linker<State> {
        match keyvalue {
            true => &self.with_keyvalue,
            false => &self.plain,
        }
    }
}
