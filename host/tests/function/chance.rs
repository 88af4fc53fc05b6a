//! Components that are deployed as they come, good ones and ones with something wrong, always the same. `host/fuzz` does
//! more of it for longer.

use leyden::dispatch::Culprit;
use leyden::ids::Digest;
use leyden::registry::Kind;
use leyden::registry::manifest::Manifest;
use leyden::runtime::{LoadError, Loaded, Options, Runtime};

use crate::support::name;

/// Longest refusal, bytes.
const REFUSAL_BYTES_MAX: usize = 32 << 10;

/// Every so manieth byte is changed, and the binary cut there: all of them would take minutes.
const STEP: usize = 3;

/// As the registry loads what is deployed, with what is compiled apart from the host compiled here.
fn load(runtime: &Runtime, bytes: &[u8]) -> Result<Loaded, String> {
    let manifest = Manifest::from_component(bytes).map_err(|error| error.to_string())?;
    let culprit = Culprit {
        component: name("chance"),
        version: Digest::of(bytes),
    };
    let loaded = runtime.admit(culprit, bytes, manifest);
    loaded.map_err(|error| match error {
        LoadError::Refused(why) => why,
        other => panic!("no component is at fault of that: {other}"),
    })
}

fn runtime() -> Runtime {
    let options = Options {
        compiles_here: true,
        counts_fuel: true,
        ..Options::default()
    };
    Runtime::start(&options).expect("an engine")
}

fn seed(text: &str) -> Vec<u8> {
    wat::parse_str(text).expect("a component")
}

fn seeds() -> [Vec<u8>; 4] {
    [
        seed(include_str!("../../fuzz/seeds/deploy/function.wat")),
        seed(include_str!("../../fuzz/seeds/deploy/granted.wat")),
        seed(include_str!("../../fuzz/seeds/deploy/service.wat")),
        seed(include_str!("../../fuzz/seeds/deploy/elsewhere.wat")),
    ]
}

#[test]
fn what_fuzzing_begins_with_is_what_it_says() {
    let runtime = runtime();
    let [function, granted, service, elsewhere] = seeds();
    let kind = |bytes: &[u8]| load(&runtime, bytes).map(|loaded| loaded.kind());
    assert_eq!(kind(&function), Ok(Kind::Function));
    assert_eq!(kind(&granted), Ok(Kind::Function));
    assert_eq!(kind(&service), Ok(Kind::Service));
    let refused = load(&runtime, &elsewhere).err().expect("refused");
    for words in [
        "wasi:http/types@0.3.0, which is not served (the nearest that is: wasi:http/types@0.2)",
        "(the nearest that is: wasi:config/store@0.2.0-rc.1)",
        "(the nearest that is: wasi:keyvalue/store@0.2.0-draft2)",
        "(the nearest that is: wasi:cli/std",
        "fermyon:spin/variables@2.0.0",
        "leyden:state/store@0.1.0",
        "it imports plain",
    ] {
        assert!(refused.contains(words), "{words}: {refused}");
    }
    assert!(!refused.contains("wasi:cli/stdout@0.2.9"), "{refused}");
}

#[test]
fn whatever_is_deployed_is_loaded_or_refused_in_words() {
    let runtime = runtime();
    let (mut taken, mut refused) = (0, 0);
    let mut attempt = |bytes: &[u8]| match load(&runtime, bytes) {
        Ok(_) => taken += 1,
        Err(why) => {
            assert!((1..=REFUSAL_BYTES_MAX).contains(&why.len()), "{why}");
            refused += 1;
        }
    };
    for seed in seeds() {
        for at in (0..seed.len()).step_by(STEP) {
            attempt(&seed[..at]);
            for bit in [0, 7] {
                let mut changed = seed.clone();
                changed[at] ^= 1 << bit;
                attempt(&changed);
            }
        }
    }
    assert!(taken > 10 && refused > 1_000, "{taken}, {refused}");
}

/// Names in a component are as long, and as many, as whoever makes it likes.
#[test]
fn a_refusal_is_no_longer_than_an_answer_carries() {
    let runtime = runtime();
    let export = |imports: &str, export: &str| {
        seed(&format!(
            "(component {imports} (instance $none) (export \"{export}\" (instance $none)))"
        ))
    };
    let long = |bytes: usize| "a".repeat(bytes);
    let one = format!(
        "(import \"wasi:{}/c\" (instance (export \"f\" (func))))",
        long(90_000)
    );
    let many = (0..256).map(|at| format!("(import \"{}:b{at}/c\" (instance))", long(100)));
    let many: String = many.collect();
    for (bytes, words) in [
        (export(&one, "a:b/c"), "which is not served"),
        (
            export(&many, "wasi:http/incoming-handler@0.2.0"),
            "which is not served",
        ),
        (
            export("", &format!("wasi:{}/c", long(90_000))),
            "which nothing calls",
        ),
    ] {
        let why = load(&runtime, &bytes).err().expect("refused");
        assert!(why.len() <= REFUSAL_BYTES_MAX, "{} bytes", why.len());
        assert!(why.contains(words) || why.ends_with("and more"), "{why}");
    }
}
