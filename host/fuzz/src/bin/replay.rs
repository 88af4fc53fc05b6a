//! `replay [deploy|manifest|router] SECONDS FILE…`: what the fuzz targets do, without a fuzzer; that of uploads where none is named. It
//! tries the files as the fuzzer keeps them (see README.md here), then mutations of them and chance, for so long. It ends
//! with an error where the host would do wrong; the input lies in `crash-input` then.

#![expect(
    clippy::disallowed_methods,
    reason = "it measures, and nothing is simulated here"
)]

use std::path::Path;
use std::time::{Duration, Instant};
use std::{env, fs, io, panic};

use leyden_fuzz::{deploy, manifest, router, upload};
use leyden_smith::Random;

/// Where the input that failed is kept.
const CRASH: &str = "crash-input";

/// Longest that one input may take: the pass over an upload is some 20 ms for each MiB.
const INPUT_MAX: Duration = Duration::from_secs(10);

/// Most changes to one input.
const CHANGES_MAX: usize = 8;

/// Most bytes of chance.
const CHANCE_BYTES_MAX: usize = 8_192;

fn main() -> io::Result<()> {
    let mut arguments = env::args().skip(1).peekable();
    let target = match arguments.peek().map(String::as_str) {
        Some("deploy") => deploy,
        Some("manifest") => manifest,
        Some("router") => router,
        _ => upload,
    };
    arguments.next_if(|word| ["deploy", "manifest", "router"].contains(&word.as_str()));
    let seconds = arguments.next().and_then(|text| text.parse().ok());
    let Some(seconds) = seconds else {
        eprintln!("usage: replay [deploy|manifest|router] SECONDS FILE…");
        std::process::exit(2);
    };
    let corpus: Vec<Vec<u8>> = arguments.map(fs::read).collect::<Result<_, _>>()?;
    for input in &corpus {
        attempt(target, input)?;
    }
    let (since, mut random) = (Instant::now(), Random::new(1));
    let (mut tried, mut kept) = (corpus.len(), 0_usize);
    while since.elapsed() < Duration::from_secs(seconds) {
        let input = next(&corpus, &mut random);
        kept += usize::from(attempt(target, &input)?);
        tried += 1;
    }
    println!("{tried} inputs tried, {kept} of chance came to something; none did wrong");
    Ok(())
}

/// Tries one; whether anything came of it.
fn attempt(target: fn(&[u8]) -> bool, input: &[u8]) -> io::Result<bool> {
    let since = Instant::now();
    let tried = panic::catch_unwind(|| target(input));
    match tried {
        Ok(came) if since.elapsed() < INPUT_MAX => Ok(came),
        Ok(_) => Err(failed(input, "took too long")),
        Err(_) => Err(failed(input, "panicked")),
    }
}

fn failed(input: &[u8], how: &str) -> io::Error {
    match fs::write(CRASH, input) {
        Ok(()) => io::Error::other(format!("it {how}: {}", Path::new(CRASH).display())),
        Err(error) => error,
    }
}

/// One of the corpus with some changes, or chance alone.
fn next(corpus: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    if corpus.is_empty() || random.below(4) == 0 {
        let length = 1 + random.below(CHANCE_BYTES_MAX);
        return random.bytes(length);
    }
    let mut input = corpus[random.below(corpus.len())].clone();
    for _ in 0..=random.below(CHANGES_MAX) {
        change(&mut input, corpus, random);
    }
    input
}

/// Turns a bit, cuts, takes bytes out, puts bytes in, or splices with another.
fn change(input: &mut Vec<u8>, corpus: &[Vec<u8>], random: &mut Random) {
    if input.is_empty() {
        return;
    }
    let at = random.below(input.len());
    match random.below(8) {
        0 => input.truncate(at),
        1 => {
            let end = input.len().min(at + 1 + random.below(64));
            input.drain(at..end);
        }
        2 => {
            let length = 1 + random.below(64);
            input.splice(at..at, random.bytes(length));
        }
        3 => {
            let other = &corpus[random.below(corpus.len())];
            let from = random.below(other.len().max(1)).min(other.len());
            input.truncate(at);
            input.extend_from_slice(&other[from..]);
        }
        _ => input[at] ^= 1 << random.below(8),
    }
}
