//! Modules and components by chance.

use arbitrary::Unstructured;
use wasm_smith::{Component, Config, Module};

/// A module of chance, if that suffices for one.
#[must_use]
pub fn module(chance: &[u8]) -> Option<Vec<u8>> {
    let module = Module::new(Config::default(), &mut Unstructured::new(chance)).ok()?;
    Some(module.to_bytes())
}

/// A component of chance, if that suffices for one.
#[must_use]
pub fn component(chance: &[u8]) -> Option<Vec<u8>> {
    let component = Component::new(Config::default(), &mut Unstructured::new(chance)).ok()?;
    Some(component.to_bytes())
}

/// Marsaglia's xorshift64: the same seed gives the same.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// Starts from a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below a bound of 1 or more.
    pub fn below(&mut self, bound: usize) -> usize {
        // The remainder is less than the bound, which is a `usize`.
        (self.bits() >> 16) as usize % bound
    }

    /// So many bytes.
    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| (self.bits() >> 32) as u8).collect()
    }
}
