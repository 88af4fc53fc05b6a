//! Components of chance that are deployed: what their bytes meet inside the serving process, from the manifest that they
//! carry to the linker. What a process of its own compiles for the host is compiled here, so that none is started.

use std::borrow::Cow;
use std::sync::LazyLock;

use leyden::dispatch::Culprit;
use leyden::ids::{ComponentName, Digest};
use leyden::registry::Interfaces;
use leyden::registry::manifest::Manifest;
use leyden::runtime::{LoadError, Loaded, Options, Runtime};
use leyden_smith::component;

/// How every binary begins, and nothing else does.
const MAGIC: &[u8] = b"\0asm";

/// Longest refusal, bytes: what an answer and a line of a log carry.
const REFUSAL_BYTES_MAX: usize = 32 << 10;

/// What precedes the name of an interface that is served, in a refusal of one that is not.
const HINT: &str = "the nearest that is: ";

/// What follows the name of an interface that is not served.
const REFUSED: &str = "which is not served";

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let options = Options {
        compiles_here: true,
        counts_fuel: true,
        ..Options::default()
    };
    Runtime::start(&options).expect("an engine")
});

/// Deploys a component as far as it can be refused: whatever the bytes are, there is a component of the kind that its exports
/// name, or a refusal in words; and what a refusal says is served, is. Text is read as WebAssembly's, what begins as a binary is
/// taken as it is, and all else as the chance that a component is made of. Whether it was taken.
///
/// # Panics
/// The host would do wrong.
#[must_use]
pub fn deploy(input: &[u8]) -> bool {
    let bytes = deployable(input);
    let named = Interfaces::read(&bytes);
    match load(&bytes) {
        Ok(loaded) => {
            let named = named.expect("what is loaded can be read");
            assert_eq!(loaded.kind(), named.kind(), "{named:?}");
            assert_eq!(loaded.manifest().check_kind(loaded.kind()), Ok(()));
            true
        }
        Err(why) => {
            let length = why.len();
            assert!((1..=REFUSAL_BYTES_MAX).contains(&length), "{length} bytes");
            why.split(HINT).skip(1).for_each(check_hint);
            false
        }
    }
}

fn deployable(input: &[u8]) -> Cow<'_, [u8]> {
    if input.starts_with(MAGIC) {
        return Cow::Borrowed(input);
    }
    let text = std::str::from_utf8(input).ok();
    let text = text.and_then(|text| wat::parse_str(text).ok());
    match text.or_else(|| component(input)) {
        Some(bytes) => Cow::Owned(bytes),
        None => Cow::Borrowed(input),
    }
}

/// As the registry does: the manifest that it carries, what it would cost, then everything else.
fn load(bytes: &[u8]) -> Result<Loaded, String> {
    let manifest = Manifest::from_component(bytes).map_err(|error| error.to_string())?;
    let culprit = Culprit {
        component: ComponentName::parse("chance").expect("a name"),
        version: Digest::of(bytes),
    };
    let loaded = RUNTIME.admit(culprit, bytes, manifest);
    loaded.map_err(|error| match error {
        LoadError::Refused(why) => why,
        other => panic!("no component is at fault of that: {other}"),
    })
}

/// That what is named as the nearest is served, in some patch of the version that is named.
fn check_hint(hint: &str) {
    let (name, _) = hint.split_once(')').expect("it is in brackets");
    let patch = if name.ends_with("@0.2") { ".0" } else { "" };
    let text = format!(
        "(component (import \"{name}{patch}\" (instance))
           (instance $none) (export \"wasi:http/incoming-handler@0.2.0\" (instance $none)))"
    );
    let bytes = wat::parse_str(text).expect("the name of an interface");
    let refused = load(&bytes).err().expect("it has no handle");
    assert!(!refused.contains(REFUSED), "{refused}");
}
