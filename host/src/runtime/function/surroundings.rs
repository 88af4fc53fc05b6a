//! What a function finds around it: variables of its manifest and secrets of the operator, both as its environment and
//! as `wasi:config`.
//!
//! **Invariant.** No value of a secret is shown or logged by the host: this type prints none, and lines of a function's
//! log have them replaced.

use std::fmt;

use wasmtime_wasi_config::WasiConfigVariables;

use crate::registry::manifest::Manifest;

/// Shortest secret that is looked for in log lines, bytes: a shorter one is found in every other word.
const MASKED_BYTES_MIN: usize = 6;

/// What stands in a log line instead of a secret.
const MASK: &str = "[secret]";

/// A function's variables and secrets.
#[derive(Default)]
pub(super) struct Surroundings {
    variables: Vec<(String, String)>,
    config: WasiConfigVariables,
    /// Values of secrets, the longest first: of two one of which is part of the other, the longer must not be cut in two.
    secrets: Vec<String>,
}

impl fmt::Debug for Surroundings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.variables.iter().map(|(name, _)| name);
        f.debug_list().entries(names).finish()
    }
}

impl Surroundings {
    /// The variables of a manifest, and secrets.
    pub(super) fn of(manifest: &Manifest, secrets: Vec<(String, String)>) -> Self {
        let variables = manifest.env.iter();
        let variables = variables.map(|(name, value)| (name.to_string(), value.clone()));
        Self::new(variables.collect(), secrets)
    }

    /// Variables that anybody may know, and secrets, which win over variables of the same name.
    fn new(variables: Vec<(String, String)>, secrets: Vec<(String, String)>) -> Self {
        let mut hidden_values: Vec<String> =
            secrets.iter().map(|(_, value)| value.clone()).collect();
        hidden_values.sort_by_key(|value| std::cmp::Reverse(value.len()));
        let hidden = |name: &str| secrets.iter().any(|(secret, _)| secret == name);
        let mut all: Vec<_> = variables
            .into_iter()
            .filter(|(name, _)| !hidden(name))
            .collect();
        all.extend(secrets);
        // A function that lists them is told the same order in a replay, where all of them are variables.
        all.sort();
        Self {
            config: all.iter().cloned().collect(),
            variables: all,
            secrets: hidden_values,
        }
    }

    pub(super) fn variables(&self) -> &[(String, String)] {
        &self.variables
    }

    pub(super) fn config(&self) -> &WasiConfigVariables {
        &self.config
    }

    /// Values of secrets, the longest first.
    pub(super) fn secrets(&self) -> &[String] {
        &self.secrets
    }

    /// A line without the values of secrets.
    pub(super) fn mask(&self, line: &str) -> String {
        let mut line = line.to_owned();
        let masked = self.secrets.iter();
        for value in masked.filter(|value| value.len() >= MASKED_BYTES_MIN) {
            if line.contains(value.as_str()) {
                line = line.replace(value.as_str(), MASK);
            }
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn secrets_win_and_are_neither_shown_nor_logged() {
        let variables = vec![pair("A", "open"), pair("KEY", "placeholder")];
        let secrets = vec![
            pair("KEY", "hunter2-long"),
            pair("PART", "hunter2"),
            pair("PIN", "1"),
        ];
        let all = Surroundings::new(variables, secrets);
        let value = |name: &str| {
            let mut found = all.variables().iter().filter(|(known, _)| known == name);
            let (_, value) = found.next().expect("a variable");
            assert!(found.next().is_none(), "{name} comes once");
            value.as_str()
        };
        assert_eq!(value("A"), "open");
        assert_eq!(value("KEY"), "hunter2-long");
        assert_eq!(
            all.mask("key hunter2-long, part hunter2, 1"),
            "key [secret], part [secret], 1"
        );
        assert!(!format!("{all:?}").contains("hunter2"));
    }
}
