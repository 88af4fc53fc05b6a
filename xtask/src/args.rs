//! The words after the verb, taken one option at a time. Not a general parser: eight verbs with a
//! handful of options do not pay for one that takes seconds to compile.

use anyhow::{Result, bail};

/// The words that no option has taken yet.
pub(crate) struct Args(Vec<String>);

impl Args {
    /// Takes the words after the verb.
    pub(crate) fn new(words: Vec<String>) -> Self {
        Self(words)
    }

    /// Takes the flag `name` and says whether it was there.
    pub(crate) fn flag(&mut self, name: &str) -> bool {
        let before = self.0.len();
        self.0.retain(|word| word != name);
        self.0.len() < before
    }

    /// Takes `name VALUE` or `name=VALUE`; an error when the value is missing.
    pub(crate) fn value(&mut self, name: &str) -> Result<Option<String>> {
        let prefix = format!("{name}=");
        if let Some(at) = self.0.iter().position(|word| word.starts_with(&prefix)) {
            return Ok(Some(self.0.remove(at)[prefix.len()..].to_owned()));
        }
        let Some(at) = self.0.iter().position(|word| word == name) else {
            return Ok(None);
        };
        if at + 1 >= self.0.len() {
            bail!("{name} needs a value");
        }
        self.0.remove(at);
        Ok(Some(self.0.remove(at)))
    }

    /// Takes the remaining words as names; an error when an unknown option is among them.
    pub(crate) fn names(self) -> Result<Vec<String>> {
        match self.0.iter().find(|word| word.starts_with('-')) {
            Some(option) => bail!("unknown option {option}; --help lists the known ones"),
            None => Ok(self.0),
        }
    }

    /// An error when a word is left.
    pub(crate) fn finish(self) -> Result<()> {
        match self.0.first() {
            Some(word) => bail!("unknown argument {word}; --help lists the known ones"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(words: &[&str]) -> Args {
        Args::new(words.iter().map(|&word| word.to_owned()).collect())
    }

    #[test]
    fn takes_flags_values_and_names_in_any_order() {
        let mut args = args(&["echo", "--lang", "fr", "--json", "stream", "--file=x"]);
        assert!(args.flag("--json"));
        assert!(!args.flag("--json"));
        assert_eq!(args.value("--lang").unwrap().as_deref(), Some("fr"));
        assert_eq!(args.value("--file").unwrap().as_deref(), Some("x"));
        assert_eq!(args.value("--none").unwrap(), None);
        assert_eq!(args.names().unwrap(), ["echo", "stream"]);
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        assert!(args(&["--lang"]).value("--lang").is_err());
        assert!(args(&["--what"]).names().is_err());
        assert!(args(&["what"]).finish().is_err());
    }
}
