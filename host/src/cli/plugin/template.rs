//! The files of a new plugin. They lie in `plugins/partners/templates/`.

use clap::ValueEnum;

use super::project::{
    CARGO_CONFIG, CARGO_TOML, File, JS_PREPARE, PYTHON_PREPARE, RUST_BUILD, RUST_PREPARE, fill, wit,
};
use crate::ids::ComponentName;

/// Languages that there is a template for; any other that makes components will do as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Language {
    /// wit-bindgen and the linker that comes with Rust: some 100 KB.
    Rust,
    /// componentize-py: some 18 MB, the interpreter included.
    Python,
    /// componentize-js: some 12 MB, the engine included.
    Js,
}

macro_rules! template {
    ($path:literal) => {
        include_str!(concat!("../../../../plugins/partners/templates/", $path))
    };
}

/// What every project has.
const COMMON: [File; 4] = [
    ("wit/world.wit", template!("world.wit")),
    wit!("data@0.1.0/data.wit"),
    wit!("clock@0.1.0/clock.wit"),
    wit!("log@0.1.0/log.wit"),
];

const RUST: [File; 6] = [
    CARGO_TOML,
    CARGO_CONFIG,
    (".gitignore", "/target\n"),
    ("src/lib.rs", template!("rust/src/lib.rs")),
    ("src/summary.rs", template!("rust/src/summary.rs")),
    ("README.md", template!("rust/README.md")),
];

const PYTHON: [File; 6] = [
    ("requirements.txt", template!("python/requirements.txt")),
    (".gitignore", "/.venv\n__pycache__\n/plugin.wasm\n"),
    ("app.py", template!("python/app.py")),
    ("summary.py", template!("python/summary.py")),
    ("test_summary.py", template!("python/test_summary.py")),
    ("README.md", template!("python/README.md")),
];

const JS: [File; 7] = [
    ("package.json", template!("js/package.json")),
    (".gitignore", "/node_modules\n/plugin.wasm\n"),
    ("build.mjs", template!("js/build.mjs")),
    ("plugin.js", template!("js/plugin.js")),
    ("summary.js", template!("js/summary.js")),
    ("summary.test.js", template!("js/summary.test.js")),
    ("README.md", template!("js/README.md")),
];

impl Language {
    /// The files of a project.
    pub(super) fn files(self, name: &ComponentName) -> Vec<(&'static str, String)> {
        let own: &[File] = match self {
            Self::Rust => &RUST,
            Self::Python => &PYTHON,
            Self::Js => &JS,
        };
        let values = [
            ("common", template!("common.md").trim_end()),
            ("component", self.component()),
            ("crate", "plugin"),
            ("dependencies", "serde_json = \"1\"\n"),
        ];
        let files = COMMON.iter().chain(own).copied();
        fill(files, name, &values)
    }

    /// The commands that make a component of it, in order.
    pub(super) fn build(self) -> [&'static str; 2] {
        match self {
            Self::Rust => [RUST_PREPARE, RUST_BUILD],
            Self::Python => [
                PYTHON_PREPARE,
                ".venv/bin/componentize-py -d wit -w plugin componentize --stub-wasi app -o plugin.wasm",
            ],
            Self::Js => [JS_PREPARE, "npm run build"],
        }
    }

    /// Where the component lies then.
    pub(super) fn component(self) -> &'static str {
        match self {
            Self::Rust => "target/wasm32-unknown-unknown/release/plugin.wasm",
            Self::Python | Self::Js => "plugin.wasm",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::project::{COMPONENTIZE_PY, check_files};

    fn text_of(language: Language, wanted: &str) -> String {
        let name = ComponentName::parse("my-report").expect("a name");
        let files = language.files(&name);
        let file = files.into_iter().find(|(path, _)| *path == wanted);
        file.map(|(_, text)| text).unwrap_or_default()
    }

    #[test]
    fn nothing_is_left_to_fill_in_and_nothing_escapes_the_folder() {
        let name = ComponentName::parse("my-report").expect("a name");
        for language in [Language::Rust, Language::Python, Language::Js] {
            let told = [language.component(), language.build()[1]];
            check_files(&language.files(&name), "my-report", &told);
        }
    }

    #[test]
    fn projects_have_the_names_and_versions_they_were_asked_for() {
        let manifest: toml::Table = text_of(Language::Rust, "Cargo.toml").parse().expect("TOML");
        assert_eq!(manifest["package"]["name"].as_str(), Some("my-report"));
        let package: serde_json::Value =
            serde_json::from_str(&text_of(Language::Js, "package.json")).expect("JSON");
        assert_eq!(package["name"], "my-report");
        let needs = text_of(Language::Python, "requirements.txt");
        assert_eq!(needs, format!("componentize-py=={COMPONENTIZE_PY}\n"));
    }
}
