//! Manifests of chance: good ones with some bytes changed, always the same. `host/fuzz` does more of it for longer.

use super::super::*;
use crate::registry::Kind;

/// Texts that are tried: some seconds' worth on a slow machine.
const TEXTS: usize = 20_000;

/// Most changes of one text.
const CHANGES_MAX: usize = 6;

/// Numbers by chance, always the same (xorshift64).
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % (bound as u64).max(1)) as usize
    }

    /// A text with some pieces cut, doubled or replaced, at places where characters begin.
    fn changed(&mut self, text: &str) -> String {
        let mut text = text.to_owned();
        for _ in 0..=self.below(CHANGES_MAX) {
            let at = text.floor_char_boundary(self.below(text.len() + 1));
            let end = text.floor_char_boundary((at + self.below(9)).min(text.len()));
            let end = end.max(at);
            match self.below(4) {
                0 => drop(text.drain(at..end)),
                1 => {
                    let piece = text[at..end].to_owned();
                    text.insert_str(at, &piece);
                }
                2 => {
                    let pieces = [
                        "\"", "\n", "[", "]", "é", "= -1", "{", "\r", "0x", ".", "#", "'''",
                    ];
                    text.insert_str(at, pieces[self.below(pieces.len())]);
                }
                // Rarely: a text that is cut in its middle is seldom taken.
                _ if self.below(8) == 0 => text.truncate(at),
                _ => {}
            }
        }
        text
    }
}

/// What is pointed at lies in the text, or right behind the end of its line.
fn check(text: &str, refused: Result<(), Error>) {
    if let Err(Error::Rule { place, key, rule }) = refused {
        let line = text.split('\n').nth(place.line - 1);
        let length = line
            .unwrap_or_else(|| panic!("{place:?} in {text:?}"))
            .chars()
            .count();
        assert!(place.column >= 1 && place.width >= 1);
        assert!(
            place.column - 1 + place.width <= length + 1,
            "{place:?} in {text:?}"
        );
        assert!(!key.is_empty() && !rule.is_empty());
    }
}

#[test]
fn whatever_the_text_it_is_taken_whole_or_pointed_into() {
    let mut chance = Chance(0x9e37_79b9_7f4a_7c15);
    let good: Vec<&str> = include_str!("../examples/good.toml")
        .split("\n---\n")
        .collect();
    let component = *b"\0asm\x0d\0\x01\0";
    let mut taken = 0;
    for number in 0..TEXTS {
        let text = chance.changed(good[number % good.len()]);
        match Project::parse(&text) {
            Ok(project) => {
                taken += 1;
                for kind in [Kind::Function, Kind::Service, Kind::Policy] {
                    check(&text, project.manifest.check_kind(kind));
                }
                let carried = attach(&component, &text).expect("it was taken");
                let read = Manifest::from_component(&carried);
                assert_eq!(read, Ok(Some(project.manifest)));
            }
            Err(error) => check(&text, Err(error)),
        }
    }
    assert!(
        (TEXTS / 20..TEXTS).contains(&taken),
        "{taken} of {TEXTS} were taken"
    );
}
