//! What a component says that it imports and exports, read from its bytes: for people, before or without loading it. What
//! is served and granted is decided when it is loaded.

use wasmparser::{BinaryReaderError, Parser, Payload};

use super::Kind;

/// Most names of each sort that are read: components have some dozens, and all are told in one answer.
const NAMES_MAX: usize = 1_000;

/// What makes a function of a component: it answers requests as `wasi:http` has it.
const FUNCTION_EXPORTS: [&str; 2] = ["wasi:http/incoming-handler@0.2.", "wasi:http/handler@0.3."];

/// What makes a policy of a component.
const POLICY_EXPORTS: &str = "leyden:policy/";

/// Names of what a component imports and exports, in its own order.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Interfaces {
    /// What it imports.
    pub imports: Vec<String>,
    /// What it exports.
    pub exports: Vec<String>,
}

impl Interfaces {
    /// Reads those of a component. Its insides are passed over.
    ///
    /// # Errors
    /// Why it cannot be read as a component, in words.
    pub fn read(component: &[u8]) -> Result<Self, String> {
        let mut interfaces = Self::default();
        let mut depth = 0_u32;
        for payload in Parser::new(0).parse_all(component) {
            let payload = payload.map_err(words)?;
            match &payload {
                Payload::Version { .. } => depth += 1,
                Payload::End(_) => depth = depth.saturating_sub(1),
                _ if depth == 1 => interfaces.note(&payload).map_err(words)?,
                _ => {}
            }
        }
        Ok(interfaces)
    }

    fn note(&mut self, payload: &Payload<'_>) -> Result<(), BinaryReaderError> {
        match payload {
            Payload::ComponentImportSection(imports) => {
                for import in imports.clone() {
                    add(&mut self.imports, import?.name.name);
                }
            }
            Payload::ComponentExportSection(exports) => {
                for export in exports.clone() {
                    add(&mut self.exports, export?.name.name);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// The kind that its exports make it.
    #[must_use]
    pub fn kind(&self) -> Kind {
        let exports = |prefix: &str| self.exports.iter().any(|name| name.starts_with(prefix));
        if FUNCTION_EXPORTS.into_iter().any(exports) {
            Kind::Function
        } else if exports(POLICY_EXPORTS) {
            Kind::Policy
        } else {
            Kind::Service
        }
    }
}

fn add(names: &mut Vec<String>, name: &str) {
    if names.len() < NAMES_MAX {
        names.push(name.to_owned());
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn words(error: BinaryReaderError) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(wat: &str) -> Interfaces {
        let bytes = wat::parse_str(wat).expect("a component");
        Interfaces::read(&bytes).expect("readable")
    }

    #[test]
    fn names_of_the_outermost_component_are_read() {
        let read = read(
            r#"(component
                (import "wasi:cli/stdout@0.2.6" (instance))
                (import "leyden:log/log@0.1.0" (instance $log))
                (component (import "inner" (instance)) (export "inner-too" (instance 0)))
                (core module)
                (export "wasi:http/incoming-handler@0.2.3" (instance $log)))"#,
        );
        assert_eq!(
            read.imports,
            ["wasi:cli/stdout@0.2.6", "leyden:log/log@0.1.0"]
        );
        assert_eq!(read.exports, ["wasi:http/incoming-handler@0.2.3"]);
        assert_eq!(read.kind(), Kind::Function);
    }

    #[test]
    fn the_kind_is_what_it_exports() {
        let exporting = |name: &str| {
            read(&format!(
                r#"(component (import "a:b/c" (instance $i)) (export "{name}" (instance $i)))"#
            ))
            .kind()
        };
        assert_eq!(exporting("wasi:http/handler@0.3.0"), Kind::Function);
        assert_eq!(exporting("leyden:policy/shed@0.1.0"), Kind::Policy);
        assert_eq!(exporting("leyden:http/handler@0.1.0"), Kind::Service);
    }

    #[test]
    fn what_is_cut_is_refused_and_never_panics() {
        let bytes = wat::parse_str(
            r#"(component (import "a:b/c" (instance $i)) (export "a:b/d" (instance $i)))"#,
        );
        let bytes = bytes.expect("a component");
        for end in 0..bytes.len() {
            let _any = Interfaces::read(&bytes[..end]);
        }
        assert!(Interfaces::read(b"\0asm\x01\0\0").is_err());
    }
}
