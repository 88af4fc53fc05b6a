//! The bytes of a plugin file: a component followed by one custom section that holds its manifest.
//! The host reads both from the one file, so a plugin cannot be deployed with another's manifest.

use anyhow::{Result, bail};

/// The name of the custom section that holds the bytes of `plugin.toml`.
pub(crate) const MANIFEST_SECTION: &str = "leyden:manifest";

/// How a component begins: magic, version 13, layer 1 (component model, binary format).
const COMPONENT_PREAMBLE: [u8; 8] = [0x00, b'a', b's', b'm', 0x0d, 0x00, 0x01, 0x00];

/// The section id of a custom section (core and component binary format).
const CUSTOM_SECTION_ID: u8 = 0;

/// `component` with `manifest` appended; an error when it is not a component.
pub(crate) fn with_manifest(component: &[u8], manifest: &[u8]) -> Result<Vec<u8>> {
    if !component.starts_with(&COMPONENT_PREAMBLE) {
        bail!("the linker's output is not a component: was wasm-component-ld replaced?");
    }
    let mut name = leb128(MANIFEST_SECTION.len());
    name.extend_from_slice(MANIFEST_SECTION.as_bytes());

    let mut packed = component.to_vec();
    packed.push(CUSTOM_SECTION_ID);
    packed.extend(leb128(name.len() + manifest.len()));
    packed.extend(name);
    packed.extend_from_slice(manifest);
    Ok(packed)
}

/// `value` in unsigned LEB128, the integer encoding of WebAssembly.
fn leb128(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leb128_follows_the_specification() {
        assert_eq!(leb128(0), [0x00]);
        assert_eq!(leb128(127), [0x7f]);
        assert_eq!(leb128(128), [0x80, 0x01]);
        assert_eq!(leb128(624_485), [0xe5, 0x8e, 0x26]);
    }

    #[test]
    fn the_manifest_is_the_last_section() {
        let manifest = [b'x'; 200];
        let packed = with_manifest(&COMPONENT_PREAMBLE, &manifest).unwrap();
        let mut expected = COMPONENT_PREAMBLE.to_vec();
        // 1 byte for the name's length, 15 of name, 200 of manifest: 216 = 0xd8 0x01.
        expected.extend([0x00, 0xd8, 0x01, 15]);
        expected.extend(b"leyden:manifest");
        expected.extend(manifest);
        assert_eq!(packed, expected);
    }

    #[test]
    fn a_core_module_is_refused() {
        assert!(with_manifest(b"\0asm\x01\0\0\0", b"").is_err());
    }
}
