//! The files of a new function. They lie in `plugins/templates/function/`.

use clap::ValueEnum;

use super::project::{
    C_PREPARE, CARGO_CONFIG, CARGO_TOML, File, JS_PREPARE, PYTHON_PREPARE, RUST_BUILD,
    RUST_PREPARE, fill,
};
use crate::ids::ComponentName;
use crate::registry::manifest::SCHEMA;

/// Languages that there is a template for; any other that makes `wasi:http` components will do as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Language {
    /// wit-bindgen and the linker that comes with Rust: some 100 KB.
    Rust,
    /// componentize-js: some 13 MB, the engine included.
    Js,
    /// componentize-py: some 18 MB, the interpreter included.
    Python,
    /// wit-bindgen, clang and the linker that comes with Rust: some 30 KB.
    C,
}

macro_rules! template {
    ($path:literal) => {
        include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../plugins/templates/function/",
            $path
        ))
    };
}

/// What every project has.
const COMMON: [File; 9] = [
    ("leyden.toml", template!("leyden.toml.in")),
    ("wit/leyden.schema.json", SCHEMA),
    ("wit/README.md", template!("wit/README.md")),
    ("wit/world.wit", template!("wit/world.wit")),
    ("wit/deps/cli.wit", template!("wit/deps/cli.wit")),
    ("wit/deps/clocks.wit", template!("wit/deps/clocks.wit")),
    ("wit/deps/http.wit", template!("wit/deps/http.wit")),
    ("wit/deps/io.wit", template!("wit/deps/io.wit")),
    ("wit/deps/random.wit", template!("wit/deps/random.wit")),
];

const RUST: [File; 6] = [
    CARGO_TOML,
    CARGO_CONFIG,
    (".gitignore", "/target\n/.leyden\n"),
    ("src/lib.rs", template!("rust/src/lib.rs")),
    ("src/hello.rs", template!("rust/src/hello.rs")),
    ("README.md", template!("rust/README.md")),
];

const JS: [File; 7] = [
    ("package.json", template!("js/package.json")),
    (".gitignore", "/node_modules\n/function.wasm\n/.leyden\n"),
    ("build.mjs", template!("js/build.mjs")),
    ("app.js", template!("js/app.js")),
    ("hello.js", template!("js/hello.js")),
    ("hello.test.js", template!("js/hello.test.js")),
    ("README.md", template!("js/README.md")),
];

const PYTHON: [File; 6] = [
    ("requirements.txt", template!("python/requirements.txt")),
    (
        ".gitignore",
        "/.venv\n__pycache__\n/function.wasm\n/.leyden\n",
    ),
    ("app.py", template!("python/app.py")),
    ("hello.py", template!("python/hello.py")),
    ("test_hello.py", template!("python/test_hello.py")),
    ("README.md", template!("python/README.md")),
];

const C: [File; 10] = [
    ("Makefile", template!("c/Makefile")),
    (".gitignore", "*.o\n/hello_test\n/function.wasm\n/.leyden\n"),
    ("handler.c", template!("c/handler.c")),
    ("hello.c", template!("c/hello.c")),
    ("hello.h", template!("c/hello.h")),
    ("hello_test.c", template!("c/hello_test.c")),
    ("bindings/function.c", template!("c/bindings/function.c")),
    ("bindings/function.h", template!("c/bindings/function.h")),
    (
        "bindings/component_type.c",
        template!("c/bindings/component_type.c"),
    ),
    ("README.md", template!("c/README.md")),
];

impl Language {
    /// The files of a project.
    pub(super) fn files(self, name: &ComponentName) -> Vec<(&'static str, String)> {
        let own: &[File] = match self {
            Self::Rust => &RUST,
            Self::Js => &JS,
            Self::Python => &PYTHON,
            Self::C => &C,
        };
        let (memory, deadline) = self.limits();
        let values = [
            ("common", template!("common.md").trim_end()),
            ("component", self.component()),
            ("command", self.command()),
            ("watch", self.watch()),
            ("memory", memory),
            ("deadline", deadline),
            ("crate", "function"),
            ("dependencies", ""),
        ];
        let files = COMMON.iter().chain(own).copied();
        fill(files, name, &values)
    }

    /// What comes before a component of it can be built.
    pub(super) const fn prepare(self) -> &'static str {
        match self {
            Self::Rust => RUST_PREPARE,
            Self::Js => JS_PREPARE,
            Self::Python => PYTHON_PREPARE,
            Self::C => C_PREPARE,
        }
    }

    /// The command of `leyden build`.
    const fn command(self) -> &'static str {
        match self {
            Self::Rust => RUST_BUILD,
            Self::Js => "npm run --silent build",
            Self::Python => {
                ".venv/bin/componentize-py -d wit -w function componentize app -o function.wasm"
            }
            Self::C => "make --silent",
        }
    }

    /// Where the component lies then.
    pub(super) const fn component(self) -> &'static str {
        match self {
            Self::Rust => "target/wasm32-unknown-unknown/release/function.wasm",
            Self::Js | Self::Python | Self::C => "function.wasm",
        }
    }

    const fn watch(self) -> &'static str {
        match self {
            Self::Rust => r#""src", "wit", "Cargo.toml""#,
            Self::Js => r#""app.js", "hello.js", "build.mjs", "wit""#,
            Self::Python => r#""app.py", "hello.py", "wit""#,
            Self::C => r#""handler.c", "hello.c", "hello.h", "bindings", "wit", "Makefile""#,
        }
    }

    /// Memory (MiB) and deadline (ms): an interpreter takes more of both, and more to begin with.
    const fn limits(self) -> (&'static str, &'static str) {
        match self {
            Self::Rust | Self::C => ("32", "2000"),
            Self::Js | Self::Python => ("256", "10000"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::project::{WIT_BINDGEN, check_files};
    use crate::registry::Kind;
    use crate::registry::manifest::Project;

    const ALL: [Language; 4] = [Language::Rust, Language::Js, Language::Python, Language::C];

    fn files(language: Language) -> Vec<(&'static str, String)> {
        language.files(&ComponentName::parse("my-hello").expect("a name"))
    }

    fn text_of(language: Language, wanted: &str) -> String {
        let file = files(language)
            .into_iter()
            .find(|(path, _)| *path == wanted);
        file.map(|(_, text)| text).unwrap_or_default()
    }

    #[test]
    fn nothing_is_left_to_fill_in_and_nothing_escapes_the_folder() {
        for language in ALL {
            let told = [language.component(), language.prepare()];
            check_files(&files(language), "my-hello", &told);
        }
    }

    #[test]
    fn each_project_has_a_sound_file_for_a_function() {
        for language in ALL {
            let project = Project::parse(&text_of(language, "leyden.toml")).expect("sound");
            assert_eq!(project.component.as_deref(), Some(language.component()));
            let build = project.build.expect("a command");
            assert_eq!(build.command, language.command());
            let there: Vec<&str> = files(language).iter().map(|(path, _)| *path).collect();
            for watched in build.watch {
                assert!(
                    there.iter().any(|path| path.starts_with(&watched)),
                    "{watched}"
                );
            }
            assert_eq!(project.manifest.check_kind(Kind::Function), Ok(()));
            assert_eq!(project.manifest.routes[0].path, "/my-hello");
        }
    }
    #[test]
    fn the_bindings_in_c_are_made_by_the_same_generator_for_the_same_interfaces() {
        let header = text_of(Language::C, "bindings/function.h");
        let made = format!("// Generated by `wit-bindgen` {WIT_BINDGEN}.");
        assert!(header.starts_with(&made), "{}", &header[..60]);
        let code = text_of(Language::C, "bindings/function.c");
        let world = text_of(Language::C, "wit/world.wit");
        let (_, version) = world.split_once("wasi:http/proxy@").expect("its version");
        let (version, _) = version.split_once(';').expect("its end");
        let export = format!("\"wasi:http/incoming-handler@{version}#handle\"");
        assert!(code.contains(&export), "{export}");
    }
}
