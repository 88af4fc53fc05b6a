//! The fuzz target: what [`leyden_fuzz::deploy`] tries, with inputs that libFuzzer makes.
#![no_main]
#![allow(unsafe_code, reason = "the macro defines what libFuzzer calls")]

use libfuzzer_sys::{Corpus, fuzz_target};

fuzz_target!(|input: &[u8]| -> Corpus {
    match leyden_fuzz::deploy(input) {
        true => Corpus::Keep,
        false => Corpus::Reject,
    }
});
