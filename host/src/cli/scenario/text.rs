//! Words: texts of scenario files in every language, and what the runner itself says.

use clap::ValueEnum;
use serde::Deserialize;

/// Longest text of a scenario file, bytes: a paragraph.
const TEXT_BYTES_MAX: usize = 4_000;

/// A language of the narration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Language {
    /// French.
    Fr,
    /// English.
    En,
}

/// A text in every language.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "TextTable")]
pub(crate) struct Text {
    fr: String,
    en: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TextTable {
    fr: String,
    en: String,
}

impl TryFrom<TextTable> for Text {
    type Error = String;

    fn try_from(TextTable { fr, en }: TextTable) -> Result<Self, String> {
        for text in [&fr, &en] {
            if text.trim().is_empty() || text.len() > TEXT_BYTES_MAX {
                return Err(format!(
                    "a text must have 1 to {TEXT_BYTES_MAX} bytes in each language"
                ));
            }
        }
        Ok(Self { fr, en })
    }
}

impl Text {
    /// The text in one language.
    pub(crate) fn in_language(&self, language: Language) -> &str {
        match language {
            Language::Fr => &self.fr,
            Language::En => &self.en,
        }
    }
}

/// What the runner itself says.
impl Language {
    fn pick(self, fr: &'static str, en: &'static str) -> &'static str {
        match self {
            Self::Fr => fr,
            Self::En => en,
        }
    }

    pub(crate) fn step(self) -> &'static str {
        self.pick("ÉTAPE", "STEP")
    }

    /// What stands between a name and its value; French puts a space before the colon.
    pub(crate) fn colon(self) -> &'static str {
        self.pick(" : ", ": ")
    }

    pub(crate) fn expected(self) -> &'static str {
        self.pick("attendu", "expected")
    }

    pub(crate) fn got(self) -> &'static str {
        self.pick("obtenu", "got")
    }

    pub(crate) fn status(self) -> &'static str {
        self.pick("statut", "status")
    }

    pub(crate) fn body(self) -> &'static str {
        self.pick("réponse", "answer")
    }

    pub(crate) fn empty(self) -> &'static str {
        self.pick("vide", "empty")
    }

    pub(crate) fn event(self) -> &'static str {
        self.pick("événement", "event")
    }

    pub(crate) fn no_event(self) -> &'static str {
        self.pick("aucun événement", "no event")
    }

    pub(crate) fn refused(self) -> &'static str {
        self.pick("refusé", "refused")
    }

    pub(crate) fn clock_shows(self, ticks: u64, now: &str) -> String {
        let (fr, en) = if ticks == 1 {
            ("tic", "tick")
        } else {
            ("tics", "ticks")
        };
        match self {
            Self::Fr => format!("{ticks} {fr} d'horloge, il est {now}"),
            Self::En => format!("{ticks} {en} of the clock, it is {now}"),
        }
    }

    pub(crate) fn action(self) -> &'static str {
        self.pick("action", "action")
    }

    pub(crate) fn done(self) -> &'static str {
        self.pick("accomplie", "done")
    }

    pub(crate) fn watching(self) -> &'static str {
        self.pick("flux écouté", "watching stream")
    }

    pub(crate) fn deployed(self) -> &'static str {
        self.pick("composant activé", "component activated")
    }

    pub(crate) fn rolled_back(self) -> &'static str {
        self.pick("version précédente rétablie", "former version restored")
    }

    pub(crate) fn summary(self, met: usize, not_met: usize) -> String {
        match self {
            Self::Fr => format!("{met} attentes remplies, {not_met} non remplies"),
            Self::En => format!("{met} expectations met, {not_met} not met"),
        }
    }
}
