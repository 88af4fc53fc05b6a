//! Uploads made of sound ones by breaking them, and of what a generator made by chance.

use std::process::Command;

use crate::proof::Random;

/// Most bytes of noise.
const NOISE_BYTES_MAX: u64 = 4_096;

/// The program that makes modules and components by chance: `host/fuzz/smith`.
const SMITH: &str = "LEYDEN_SMITH";

/// Most bits that are turned in one upload.
const BITS_MAX: u64 = 16;

/// Most bytes that are put in or taken out at once.
const CHUNK_MAX: u64 = 64;

/// How an upload is made.
type Make = fn(&Material, &mut Random) -> Vec<u8>;

/// What may be done.
const WAYS: [(&str, Make); 12] = [
    ("truncated", |of, random| {
        truncated(of.sound(random), random)
    }),
    ("bits flipped", |of, random| {
        flipped(of.sound(random), random)
    }),
    ("sections shuffled", |of, random| {
        shuffled(of.sound(random), random)
    }),
    ("a section twice", |of, random| {
        repeated(of.sound(random), random)
    }),
    ("a section left out", |of, random| {
        left_out(of.sound(random), random)
    }),
    ("bytes put in", |of, random| {
        put_in(of.sound(random), random)
    }),
    ("bytes taken out", |of, random| {
        taken_out(of.sound(random), random)
    }),
    ("two spliced", |of, random| {
        spliced(of.sound(random), of.sound(random), random)
    }),
    ("generated", |of, random| of.generated(random).to_vec()),
    ("generated, bits flipped", |of, random| {
        flipped(of.generated(random), random)
    }),
    ("generated, inside a component", |of, random| {
        wrapped(of.sound(random), of.generated(random))
    }),
    ("noise", |_, random| noise(random)),
];

/// What uploads are made of.
pub struct Material {
    /// Components that are sound, to be broken.
    pub sound: Vec<Vec<u8>>,
    /// Modules and components that were made by chance.
    pub generated: Vec<Vec<u8>>,
}

impl Material {
    /// The next upload, and what it is.
    pub fn next(&self, random: &mut Random) -> (&'static str, Vec<u8>) {
        let (what, make) = WAYS[random.below(WAYS.len() as u64) as usize];
        (what, make(self, random))
    }

    fn sound(&self, random: &mut Random) -> &[u8] {
        one_of(&self.sound, random)
    }

    fn generated(&self, random: &mut Random) -> &[u8] {
        one_of(&self.generated, random)
    }
}

fn one_of<'a>(list: &'a [Vec<u8>], random: &mut Random) -> &'a [u8] {
    &list[random.below(list.len() as u64) as usize]
}

/// So many modules and components, made by chance.
pub fn generate(count: usize, random: &mut Random) -> Vec<Vec<u8>> {
    let program = std::env::var(SMITH);
    let program = program.unwrap_or_else(|_| panic!("{SMITH} names no program: cargo xtask prove"));
    let seed = random.below(u64::MAX).to_string();
    let made = Command::new(program)
        .args([&seed, &count.to_string()])
        .output();
    let made = made.expect("the generator runs");
    assert!(made.status.success(), "the generator failed");
    let (mut rest, mut list) = (made.stdout.as_slice(), Vec::new());
    while let Some((length, after)) = rest.split_first_chunk() {
        let (one, after) = after.split_at(u32::from_le_bytes(*length) as usize);
        list.push(one.to_vec());
        rest = after;
    }
    list
}

fn at(bytes: &[u8], random: &mut Random) -> usize {
    random.below(bytes.len() as u64) as usize
}

fn truncated(of: &[u8], random: &mut Random) -> Vec<u8> {
    of[..at(of, random)].to_vec()
}

fn flipped(of: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = of.to_vec();
    let bits = random.below(BITS_MAX);
    for _ in 0..=random.below(bits + 1) {
        let at = at(of, random);
        bytes[at] ^= 1 << random.below(8);
    }
    bytes
}

fn put_in(of: &[u8], random: &mut Random) -> Vec<u8> {
    let (at, length) = (at(of, random), 1 + random.below(CHUNK_MAX));
    let chunk: Vec<_> = (0..length).map(|_| random.below(256) as u8).collect();
    [&of[..at], &chunk, &of[at..]].concat()
}

fn taken_out(of: &[u8], random: &mut Random) -> Vec<u8> {
    let at = at(of, random);
    let end = of.len().min(at + 1 + random.below(CHUNK_MAX) as usize);
    [&of[..at], &of[end..]].concat()
}

fn spliced(of: &[u8], other: &[u8], random: &mut Random) -> Vec<u8> {
    let (head, tail) = (at(of, random), at(other, random));
    [&of[..head], &other[tail..]].concat()
}

/// The bytes of a component's head and of each of its sections.
fn sections(of: &[u8]) -> (Vec<u8>, Vec<Vec<u8>>) {
    let head = of.len().min(8);
    let (mut at, mut sections) = (head, Vec::new());
    while let Some((length, width)) = of.get(at + 1..).and_then(leb) {
        let end = (at + 1 + width).saturating_add(length).min(of.len());
        sections.push(of[at..end].to_vec());
        at = end;
    }
    (of[..head].to_vec(), sections)
}

/// An unsigned LEB128 number and how many bytes it takes.
fn leb(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut number = 0;
    for (place, byte) in bytes.iter().take(5).enumerate() {
        number |= usize::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Some((number, place + 1));
        }
    }
    None
}

fn rearranged(of: &[u8], change: impl FnOnce(&mut Vec<Vec<u8>>)) -> Vec<u8> {
    let (mut bytes, mut parts) = sections(of);
    change(&mut parts);
    bytes.extend(parts.concat());
    bytes
}

fn shuffled(of: &[u8], random: &mut Random) -> Vec<u8> {
    rearranged(of, |parts| {
        for last in (1..parts.len()).rev() {
            parts.swap(last, random.below(last as u64 + 1) as usize);
        }
    })
}

fn repeated(of: &[u8], random: &mut Random) -> Vec<u8> {
    rearranged(of, |parts| {
        let which = random.below(parts.len() as u64) as usize;
        let to = random.below(parts.len() as u64) as usize;
        parts.insert(to, parts[which].clone());
    })
}

fn left_out(of: &[u8], random: &mut Random) -> Vec<u8> {
    rearranged(of, |parts| {
        parts.remove(random.below(parts.len() as u64) as usize);
    })
}

fn noise(random: &mut Random) -> Vec<u8> {
    let length = random.below(NOISE_BYTES_MAX);
    let mut bytes: Vec<_> = (0..length).map(|_| random.below(256) as u8).collect();
    if random.below(2) == 0 {
        bytes.splice(0..0, *b"\0asm\x0d\0\x01\0");
    }
    bytes
}

/// A component with something generated among its parts, everything around it being sound.
fn wrapped(of: &[u8], generated: &[u8]) -> Vec<u8> {
    let is_component = generated.get(6) == Some(&1);
    let mut section = vec![if is_component { 4 } else { 1 }];
    let mut length = generated.len();
    while length >= 0x80 {
        section.push(length as u8 | 0x80);
        length >>= 7;
    }
    section.push(length as u8);
    section.extend_from_slice(generated);
    rearranged(of, |parts| parts.insert(0, section))
}
