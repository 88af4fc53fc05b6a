//! `smith SEED COUNT`: prints so many modules and components that `wasm-smith` makes of chance, each
//! headed by its length (4 bytes, little-endian). The same seed gives the same.

use std::io::{self, BufWriter, Write as _};

use leyden_smith::{Random, component, module};

/// Bytes of chance that each is made of, at most.
const CHANCE_BYTES_MAX: usize = 8_192;

fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1).map(|text| text.parse::<u64>());
    let (Some(Ok(seed)), Some(Ok(count)), None) =
        (arguments.next(), arguments.next(), arguments.next())
    else {
        eprintln!("usage: smith SEED COUNT");
        std::process::exit(2);
    };
    let (mut random, mut out) = (Random::new(seed), BufWriter::new(io::stdout().lock()));
    let mut made = 0;
    while made < count {
        let make = if random.below(2) == 0 {
            module
        } else {
            component
        };
        let length = 64 + random.below(CHANCE_BYTES_MAX);
        if let Some(bytes) = make(&random.bytes(length)) {
            let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
            out.write_all(&length.to_le_bytes())?;
            out.write_all(&bytes)?;
            made += 1;
        }
    }
    out.flush()
}
