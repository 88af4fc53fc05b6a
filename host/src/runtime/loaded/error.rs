//! Why a component is not loaded, in words for whoever deploys it.

use crate::runtime::partner::PartnerLoadError;

/// Longest refusal, bytes: one that names 256 imports, the most that a function may have, with short names.
const REFUSAL_BYTES_MAX: usize = 32 << 10;

/// Why bytes are not taken as a component.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// They break a rule, or cannot be compiled within the limits; in words for whoever deploys them.
    #[error("{0}")]
    Refused(String),
    /// Too many others wait to be compiled.
    #[error("too many components wait to be compiled: try again later")]
    Busy,
    /// The host cannot compile.
    #[error("it cannot be compiled: {0}")]
    Host(String),
}

impl LoadError {
    pub(super) fn of(error: &wasmtime::Error) -> Self {
        Self::Refused(format!("{error:#}"))
    }

    /// The same in no more words than an answer and a line of a log carry: names in a component may be long and many.
    pub(super) fn cut(mut self) -> Self {
        if let Self::Refused(words) = &mut self
            && words.len() > REFUSAL_BYTES_MAX
        {
            const MORE: &str = " … and more";
            words.truncate(words.floor_char_boundary(REFUSAL_BYTES_MAX - MORE.len()));
            words.push_str(MORE);
        }
        self
    }
}

impl From<PartnerLoadError> for LoadError {
    fn from(error: PartnerLoadError) -> Self {
        match error {
            PartnerLoadError::Refused(refused) => Self::Refused(refused.to_string()),
            PartnerLoadError::Busy => Self::Busy,
            PartnerLoadError::Host(why) => Self::Host(why),
        }
    }
}
