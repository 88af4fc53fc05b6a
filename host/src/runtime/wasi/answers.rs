//! What the few functions answer that programs call whether they want to or not.

use wasmtime::StoreContextMut;
use wasmtime::component::{
    ComponentNamedList, ComponentType, Lift, LinkerInstance, Lower, Resource,
};

use super::Nothing;
use crate::runtime::analyst::Analyst;

/// Most bytes that one write takes, as streams announce it.
const WRITE_BYTES_MAX: u64 = 4 << 10;

/// Most random bytes of one call.
const RANDOM_BYTES_MAX: u64 = 64 << 10;

/// Resolution of clocks, ns: they tell milliseconds.
const RESOLUTION_NS: u64 = 1_000_000;

type Handle = Resource<Nothing>;

/// `stream-error` of `wasi:io/streams`.
#[derive(ComponentType, Lift, Lower)]
#[component(variant)]
enum StreamError {
    #[component(name = "last-operation-failed")]
    Failed(Handle),
    #[component(name = "closed")]
    Closed,
}

/// `datetime` of `wasi:clocks/wall-clock`.
#[derive(ComponentType, Lift, Lower)]
#[component(record)]
struct Datetime {
    seconds: u64,
    nanoseconds: u32,
}

/// Links a function that has an answer; whether there is one.
pub(super) fn add_to_linker(
    linker: &mut LinkerInstance<'_, Analyst>,
    interface: &str,
    name: &str,
) -> wasmtime::Result<bool> {
    let linked = match interface {
        "cli/environment" | "filesystem/preopens" => environment(linker, name),
        "cli/stdin" | "cli/stdout" | "cli/stderr" => answer(linker, name, |_, ()| Ok((stream(),))),
        "cli/terminal-stdin" | "cli/terminal-stdout" | "cli/terminal-stderr" => {
            answer(linker, name, |_, ()| Ok((None::<Handle>,)))
        }
        "io/streams" => streams(linker, name),
        "io/poll" => poll(linker, name),
        "clocks/monotonic-clock" => monotonic(linker, name),
        "clocks/wall-clock" => wall(linker, name),
        "random/random" | "random/insecure" | "random/insecure-seed" => random(linker, name),
        _ => return Ok(false),
    };
    match linked {
        Some(result) => result.map(|()| true),
        None => Ok(false),
    }
}

type Linked = Option<wasmtime::Result<()>>;

/// Links a function that counts as a call into the host and answers at once.
fn answer<P, R>(
    linker: &mut LinkerInstance<'_, Analyst>,
    name: &str,
    reply: impl Fn(&mut Analyst, P) -> wasmtime::Result<R> + Send + Sync + 'static,
) -> Linked
where
    P: ComponentNamedList + Lift + 'static,
    R: ComponentNamedList + Lower + 'static,
{
    Some(linker.func_wrap(
        name,
        move |mut caller: StoreContextMut<'_, Analyst>, params: P| {
            let analyst = caller.data_mut();
            analyst.count_call()?;
            reply(analyst, params)
        },
    ))
}

/// Every resource is the same nothing.
fn stream() -> Handle {
    Handle::new_own(0)
}

fn environment(linker: &mut LinkerInstance<'_, Analyst>, name: &str) -> Linked {
    match name {
        "get-environment" => answer(linker, name, |_, ()| Ok((Vec::<(String, String)>::new(),))),
        "get-arguments" => answer(linker, name, |_, ()| Ok((Vec::<String>::new(),))),
        "initial-cwd" => answer(linker, name, |_, ()| Ok((None::<String>,))),
        "get-directories" => answer(linker, name, |_, ()| Ok((Vec::<(Handle, String)>::new(),))),
        _ => None,
    }
}

fn streams(linker: &mut LinkerInstance<'_, Analyst>, name: &str) -> Linked {
    type Written = (Result<(), StreamError>,);
    match name {
        "[method]output-stream.check-write" => answer(linker, name, |_, (_,): (Handle,)| {
            Ok((Ok::<u64, StreamError>(WRITE_BYTES_MAX),))
        }),
        "[method]output-stream.write" | "[method]output-stream.blocking-write-and-flush" => answer(
            linker,
            name,
            |_, (_, _): (Handle, Vec<u8>)| -> wasmtime::Result<Written> { Ok((Ok(()),)) },
        ),
        "[method]output-stream.flush" | "[method]output-stream.blocking-flush" => answer(
            linker,
            name,
            |_, (_,): (Handle,)| -> wasmtime::Result<Written> { Ok((Ok(()),)) },
        ),
        "[method]input-stream.read" | "[method]input-stream.blocking-read" => {
            answer(linker, name, |_, (_, _): (Handle, u64)| {
                Ok((Err::<Vec<u8>, _>(StreamError::Closed),))
            })
        }
        "[method]output-stream.subscribe" | "[method]input-stream.subscribe" => {
            answer(linker, name, |_, (_,): (Handle,)| Ok((stream(),)))
        }
        _ => None,
    }
}

/// Everything is ready at once: nothing can be waited for.
fn poll(linker: &mut LinkerInstance<'_, Analyst>, name: &str) -> Linked {
    match name {
        "[method]pollable.ready" => answer(linker, name, |_, (_,): (Handle,)| Ok((true,))),
        "[method]pollable.block" => answer(linker, name, |_, (_,): (Handle,)| Ok(())),
        "poll" => answer(linker, name, |_, (all,): (Vec<Handle>,)| {
            let ready: Vec<u32> = (0..).take(all.len()).collect();
            Ok((ready,))
        }),
        _ => None,
    }
}

fn monotonic(linker: &mut LinkerInstance<'_, Analyst>, name: &str) -> Linked {
    match name {
        "now" => answer(linker, name, |analyst, ()| {
            Ok((analyst.now().0.saturating_mul(RESOLUTION_NS),))
        }),
        "resolution" => answer(linker, name, |_, ()| Ok((RESOLUTION_NS,))),
        "subscribe-instant" | "subscribe-duration" => {
            answer(linker, name, |_, (_,): (u64,)| Ok((stream(),)))
        }
        _ => None,
    }
}

fn wall(linker: &mut LinkerInstance<'_, Analyst>, name: &str) -> Linked {
    let datetime = |ms: u64| Datetime {
        seconds: ms / 1_000,
        nanoseconds: u32::try_from(ms % 1_000).unwrap_or(0) * 1_000_000,
    };
    match name {
        "now" => answer(linker, name, move |analyst, ()| {
            Ok((datetime(analyst.now().0),))
        }),
        "resolution" => answer(linker, name, move |_, ()| Ok((datetime(1),))),
        _ => None,
    }
}

fn random(linker: &mut LinkerInstance<'_, Analyst>, name: &str) -> Linked {
    match name {
        "get-random-u64" | "get-insecure-random-u64" => {
            answer(linker, name, |analyst, ()| Ok((analyst.random(),)))
        }
        "insecure-seed" => answer(linker, name, |analyst, ()| {
            Ok(((analyst.random(), analyst.random()),))
        }),
        "get-random-bytes" | "get-insecure-random-bytes" => {
            answer(linker, name, |analyst, (len,): (u64,)| {
                Ok((bytes(analyst, len)?,))
            })
        }
        _ => None,
    }
}

fn bytes(analyst: &mut Analyst, len: u64) -> wasmtime::Result<Vec<u8>> {
    if len > RANDOM_BYTES_MAX {
        let rule = format!("it asked for more than {RANDOM_BYTES_MAX} random bytes at once");
        return Err(wasmtime::Error::msg(rule));
    }
    let draws = std::iter::repeat_with(|| analyst.random().to_be_bytes());
    let len = usize::try_from(len)?;
    Ok(draws.take(len.div_ceil(8)).flatten().take(len).collect())
}
