//! What can be named in a record, and told apart in a recording: a component of the operator's, or a plugin of a
//! partner's. Pure.

use std::fmt;

use crate::ids::{ComponentName, Invalid, PartnerId};

/// A component as it is deployed (`house`), or a plugin after its partner (`acme/daily-peaks`). Neither part has a `/`.
#[derive(
    Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(try_from = "String", into = "String")]
pub enum Name {
    /// A component.
    Component(ComponentName),
    /// A partner's plugin.
    Plugin(PartnerId, ComponentName),
}

impl Name {
    /// Checks and takes a name.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        match text.split_once('/') {
            None => ComponentName::parse(text).map(Self::Component),
            Some((partner, plugin)) => Ok(Self::Plugin(
                PartnerId::parse(partner)?,
                ComponentName::parse(plugin)?,
            )),
        }
    }
}

impl From<ComponentName> for Name {
    fn from(name: ComponentName) -> Self {
        Self::Component(name)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Component(name) => name.fmt(f),
            Self::Plugin(partner, plugin) => write!(f, "{partner}/{plugin}"),
        }
    }
}

impl TryFrom<String> for Name {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        Self::parse(&text)
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_a_slash_is_a_plugins() {
        for text in ["house", "acme/daily-peaks", "Énergie & Co/x"] {
            let name = Name::parse(text).expect("a name");
            assert_eq!(name.to_string(), text);
            assert_eq!(matches!(name, Name::Plugin(..)), text.contains('/'));
        }
        for wrong in ["", "/", "acme/", "/x", "a/b/c", "House", "acme/X"] {
            assert!(Name::parse(wrong).is_err(), "{wrong}");
        }
    }
}
