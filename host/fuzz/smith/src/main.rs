//! `smith SEED COUNT`: prints so many modules and components that `wasm-smith` makes of chance, each
//! headed by its length (4 bytes, little-endian). The same seed gives the same.

use std::io::{self, BufWriter, Write as _};

use arbitrary::Unstructured;
use wasm_smith::{Component, Config, Module};

/// Bytes of chance that each is made of, at most.
const CHANCE_BYTES_MAX: u64 = 8_192;

/// Marsaglia's xorshift64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn chance(&mut self) -> Vec<u8> {
        let length = 64 + self.next() % CHANCE_BYTES_MAX;
        (0..length).map(|_| (self.next() >> 32) as u8).collect()
    }
}

fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1).map(|text| text.parse::<u64>());
    let (Some(Ok(seed)), Some(Ok(count)), None) =
        (arguments.next(), arguments.next(), arguments.next())
    else {
        eprintln!("usage: smith SEED COUNT");
        std::process::exit(2);
    };
    let (mut random, mut out) = (Random(seed | 1), BufWriter::new(io::stdout().lock()));
    let mut made = 0;
    while made < count {
        let is_module = random.next() % 2 == 0;
        if let Some(bytes) = make(&random.chance(), is_module) {
            let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
            out.write_all(&length.to_le_bytes())?;
            out.write_all(&bytes)?;
            made += 1;
        }
    }
    out.flush()
}

/// A module or component of chance, if that suffices for one.
fn make(chance: &[u8], is_module: bool) -> Option<Vec<u8>> {
    let chance = &mut Unstructured::new(chance);
    if is_module {
        let module = Module::new(Config::default(), chance).ok()?;
        Some(module.to_bytes())
    } else {
        let component = Component::new(Config::default(), chance).ok()?;
        Some(component.to_bytes())
    }
}
