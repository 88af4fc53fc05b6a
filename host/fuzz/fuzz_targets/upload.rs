//! What a partner uploads, as the pass over it sees it: whatever the bytes are, it answers with an inspection
//! or with reasons, and takes time and memory in proportion. The first byte chooses how the rest is read: as it
//! is, or as the chance that wasm-smith makes a module or component of.
#![no_main]

use arbitrary::Unstructured;
use libfuzzer_sys::{Corpus, fuzz_target};
use wasm_smith::{Component, Config, Module};

fuzz_target!(|input: &[u8]| -> Corpus {
    let Some(bytes) = upload(input) else {
        return Corpus::Reject;
    };
    match leyden::runtime::inspect(&bytes) {
        Ok(inspection) => assert_eq!(inspection.bytes, bytes.len()),
        Err(refused) => assert!(!refused.reasons.is_empty() && !refused.to_string().is_empty()),
    }
    Corpus::Keep
});

fn upload(input: &[u8]) -> Option<Vec<u8>> {
    let (kind, rest) = input.split_first()?;
    let chance = &mut Unstructured::new(rest);
    match kind % 4 {
        0 => Some(Module::new(Config::default(), chance).ok()?.to_bytes()),
        1 => Some(Component::new(Config::default(), chance).ok()?.to_bytes()),
        _ => Some(rest.to_vec()),
    }
}
