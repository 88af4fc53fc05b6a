//! The custom section that carries a manifest inside a component. Only the top level is looked at:
//! what a nested module carries says nothing about the component.

use std::ops::Range;

use wasmparser::{BinaryReader, BinaryReaderError};

use super::{Error, MANIFEST_BYTES_MAX};

/// The section's name.
pub const SECTION_NAME: &str = "leyden:manifest";

/// `\0asm`, then version 13 of layer 1: a component.
const COMPONENT_HEADER: [u8; 8] = [0x00, 0x61, 0x73, 0x6d, 0x0d, 0x00, 0x01, 0x00];

/// Identifies a custom section.
const CUSTOM: u8 = 0;

/// Where a manifest lies in a component.
struct Found<'a> {
    /// The whole section, its head included.
    section: Range<usize>,
    /// What it holds.
    content: &'a [u8],
}

/// The manifest's text inside a component, if there is one.
///
/// # Errors
/// The bytes are not a component, or what is found cannot be a manifest.
pub fn from_component(bytes: &[u8]) -> Result<Option<&str>, Error> {
    let mut found = find(bytes)?.into_iter();
    let Some(first) = found.next() else {
        return Ok(None);
    };
    if found.next().is_some() {
        return Err(Error::Repeated);
    }
    if first.content.len() > MANIFEST_BYTES_MAX {
        return Err(Error::TooLong(first.content.len()));
    }
    std::str::from_utf8(first.content)
        .map(Some)
        .map_err(|_| Error::NotText)
}

/// The component with this manifest, in place of any that it carries.
///
/// # Errors
/// The bytes are not a component, or the text is not a manifest.
pub fn attach(component: &[u8], manifest: &str) -> Result<Vec<u8>, Error> {
    super::Manifest::parse(manifest)?;
    let mut bytes = Vec::with_capacity(component.len() + manifest.len() + 32);
    let mut kept_to = 0;
    for found in find(component)? {
        bytes.extend_from_slice(&component[kept_to..found.section.start]);
        kept_to = found.section.end;
    }
    bytes.extend_from_slice(&component[kept_to..]);
    append(&mut bytes, manifest);
    Ok(bytes)
}

/// Appends the section.
fn append(bytes: &mut Vec<u8>, manifest: &str) {
    let mut content = Vec::with_capacity(manifest.len() + SECTION_NAME.len() + 1);
    leb128(&mut content, SECTION_NAME.len());
    content.extend_from_slice(SECTION_NAME.as_bytes());
    content.extend_from_slice(manifest.as_bytes());
    bytes.push(CUSTOM);
    leb128(bytes, content.len());
    bytes.extend_from_slice(&content);
}

/// Writes an unsigned number as WebAssembly does: seven bits a byte, the lowest first.
fn leb128(bytes: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// All manifest sections of the top level. Sections follow each other, each with its size, so that
/// nothing inside the others is read.
fn find(bytes: &[u8]) -> Result<Vec<Found<'_>>, Error> {
    if !bytes.starts_with(&COMPONENT_HEADER) {
        return Err(Error::NotAComponent(wrong_header(bytes).to_owned()));
    }
    let mut reader = BinaryReader::new(&bytes[COMPONENT_HEADER.len()..], COMPONENT_HEADER.len());
    let mut found = Vec::new();
    while !reader.eof() {
        found
            .extend(section(&mut reader).map_err(|error| Error::NotAComponent(error.to_string()))?);
    }
    Ok(found)
}

/// What the bytes are instead of a component.
fn wrong_header(bytes: &[u8]) -> &'static str {
    match bytes.starts_with(&COMPONENT_HEADER[..4]) {
        true => "it is a core module; `wasm-tools component new` makes a component of it",
        false => "the file does not begin as a component does",
    }
}

/// Reads one section; gives it back if it carries a manifest.
fn section<'a>(reader: &mut BinaryReader<'a>) -> Result<Option<Found<'a>>, BinaryReaderError> {
    let start = reader.original_position();
    let id = reader.read_u8()?;
    let size = reader.read_var_u32()? as usize;
    let content_start = reader.original_position();
    let content = reader.read_bytes(size)?;
    if id != CUSTOM {
        return Ok(None);
    }
    let mut inner = BinaryReader::new(content, content_start);
    if inner.read_string()? != SECTION_NAME {
        return Ok(None);
    }
    let rest = inner.read_bytes(inner.bytes_remaining())?;
    Ok(Some(Found {
        section: start..reader.original_position(),
        content: rest,
    }))
}
