//! What is tried with uploads, deployments, manifests and routes of chance. Not part of the host.

mod deploy;
mod routes;

use leyden::registry::Kind;
use leyden::registry::manifest::{self, Error, Manifest, Place, Project};
use leyden_smith::{component, module};

pub use deploy::deploy;
pub use routes::router;

/// A component with nothing inside.
const EMPTY_COMPONENT: [u8; 8] = *b"\0asm\x0d\0\x01\0";

/// Looks through an upload as the host does: whatever the bytes are, there is an inspection or there are reasons,
/// and time and memory are in proportion. The first byte chooses how the rest is read: as it is, or as the chance
/// that a module or component is made of. Whether anything came of it.
///
/// # Panics
/// The host would do wrong.
#[must_use]
pub fn upload(input: &[u8]) -> bool {
    let Some(bytes) = bytes(input) else {
        return false;
    };
    match leyden::runtime::inspect(&bytes) {
        Ok(inspection) => assert_eq!(inspection.bytes, bytes.len()),
        Err(refused) => assert!(!refused.reasons.is_empty() && !refused.to_string().is_empty()),
    }
    true
}

fn bytes(input: &[u8]) -> Option<Vec<u8>> {
    let (kind, rest) = input.split_first()?;
    match kind % 4 {
        0 => module(rest),
        1 => component(rest),
        _ => Some(rest.to_vec()),
    }
}

/// Reads a manifest as the host and `leyden build` do: whatever the text is, there is a manifest that a component carries
/// as it is, or a place in the text that breaks a rule. Bytes that are a component are looked through for one. Whether
/// there was a manifest.
///
/// # Panics
/// The host would do wrong.
#[must_use]
pub fn manifest(input: &[u8]) -> bool {
    let _any = manifest::from_component(input);
    let Ok(text) = std::str::from_utf8(input) else {
        return false;
    };
    match Project::parse(text) {
        Ok(project) => {
            let kinds = [Kind::Function, Kind::Service, Kind::Policy];
            kinds
                .into_iter()
                .for_each(|kind| check(text, project.manifest.check_kind(kind)));
            let carried = manifest::attach(&EMPTY_COMPONENT, text).expect("it was taken");
            let read = Manifest::from_component(&carried);
            assert_eq!(read, Ok(Some(project.manifest)));
            true
        }
        Err(error) => {
            check(text, Err(error));
            false
        }
    }
}

/// What is pointed at lies in the text, or right behind its end.
fn check(text: &str, checked: Result<(), Error>) {
    if let Err(Error::Rule { place, key, rule }) = checked {
        let Place {
            line,
            column,
            width,
        } = place;
        let source = text.split('\n').nth(line - 1).expect("a line of the text");
        assert!(
            (1..=source.chars().count() + 1).contains(&column),
            "{place:?}"
        );
        assert!(
            width >= 1 && column - 1 + width <= source.chars().count() + 1,
            "{place:?}"
        );
        assert!(!key.is_empty() && !rule.is_empty());
    }
}
