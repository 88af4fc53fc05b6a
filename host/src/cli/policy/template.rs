//! The files of a new policy. They lie in `plugins/templates/policy/`.

use super::Kind;
use super::project::{CARGO_CONFIG, CARGO_TOML, File, fill, wit};
use crate::ids::ComponentName;

/// Where the component of a project lies when it is built.
pub(super) const COMPONENT: &str = "target/wasm32-unknown-unknown/release/policy.wasm";

macro_rules! template {
    ($($path:literal),+) => {
        include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../plugins/templates/policy/",
            $($path),+
        ))
    };
}

/// What every project has.
const COMMON: [File; 6] = [
    CARGO_TOML,
    CARGO_CONFIG,
    (".gitignore", "/target\n"),
    ("README.md", template!("README.md")),
    ("wit/world.wit", template!("world.wit")),
    wit!("policy@0.2.0/policy.wit"),
];

/// What is a kind's own.
struct Own {
    lib: &'static str,
    logic: &'static str,
    contract: &'static str,
    /// What it decides, in words.
    decides: &'static str,
}

macro_rules! own {
    ($kind:literal, $decides:literal) => {
        Own {
            lib: template!($kind, "/lib.rs"),
            logic: template!($kind, "/logic.rs"),
            contract: template!($kind, "/contract.md"),
            decides: $decides,
        }
    };
}

const fn own(kind: Kind) -> Own {
    match kind {
        Kind::Access => own!(
            "access",
            "what a partner's read of a dataset needs and costs"
        ),
        Kind::Assignment => own!("assignment", "which community a new house joins"),
        Kind::PeakLimit => own!("peak-limit", "from which consumption on a community peaks"),
        Kind::Schedule => own!("schedule", "when a flexible load draws its power"),
        Kind::Shed => own!("shed", "which flexible loads stop when a community peaks"),
    }
}

/// The files of a project.
pub(super) fn files(kind: Kind, name: &ComponentName) -> Vec<(&'static str, String)> {
    let own = own(kind);
    let values = [
        ("contract", own.contract),
        ("decides", own.decides),
        ("component", COMPONENT),
        ("crate", "policy"),
        ("dependencies", ""),
        ("kind", kind.name()),
    ];
    let rule = [("src/lib.rs", own.lib), ("src/logic.rs", own.logic)];
    fill(COMMON.into_iter().chain(rule), name, &values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::project::check_files;

    #[test]
    fn nothing_is_left_to_fill_in_and_nothing_escapes_the_folder() {
        let name = ComponentName::parse("my-policy").expect("a name");
        for kind in Kind::ALL {
            let files = files(kind, &name);
            let told = [COMPONENT, &format!("leyden policy promote {kind} ")];
            check_files(&files, "my-policy", &told);
            let text_of = |wanted: &str| {
                let file = files.iter().find(|(path, _)| *path == wanted);
                file.map_or("", |(_, text)| text.as_str())
            };
            let manifest: toml::Table = text_of("Cargo.toml").parse().expect("TOML");
            assert_eq!(manifest["package"]["name"].as_str(), Some("my-policy"));
            assert!(text_of("wit/world.wit").contains(&format!("leyden:policy/{kind}@0.2.0")));
        }
    }
}
