//! The journal of a run: tells every entry as it comes, keeps it for the report, and counts
//! expectations.

use super::printing;
use super::report::{Check, Entry, Report, StepReport};
use super::text::Language;
use crate::cli::error::Error;
use crate::cli::screen::Screen;

/// How a run is told.
pub(crate) struct Telling {
    pub(crate) screen: Screen,
    pub(crate) language: Language,
    /// Nothing is printed while it runs.
    pub(crate) silent: bool,
}

/// What has been told so far.
pub(crate) struct Journal {
    telling: Telling,
    report: Report,
    last_said: String,
}

impl Journal {
    pub(crate) fn new(telling: Telling) -> Self {
        Self {
            telling,
            report: Report::default(),
            last_said: String::new(),
        }
    }

    /// The language it is told in.
    pub(crate) fn language(&self) -> Language {
        self.telling.language
    }

    /// Begins with the scenario's title.
    ///
    /// # Errors
    /// Standard output is closed, here as below.
    pub(crate) fn begin(&mut self, title: &str, about: Option<&str>) -> Result<(), Error> {
        title.clone_into(&mut self.report.title);
        self.print(&printing::title(&self.telling.screen, title, about))
    }

    /// A step begins.
    pub(crate) fn step(&mut self, number: usize, title: &str) -> Result<(), Error> {
        let Telling {
            screen, language, ..
        } = &self.telling;
        self.print(&printing::step(screen, *language, number, title))?;
        self.report.steps.push(StepReport {
            number,
            title: title.to_owned(),
            entries: Vec::new(),
        });
        Ok(())
    }

    /// Something is said, but not twice in a row: in a loop the same words stand for all rounds.
    pub(crate) fn say(&mut self, text: String) -> Result<(), Error> {
        if text == self.last_said {
            return Ok(());
        }
        self.last_said.clone_from(&text);
        self.entry(Entry::Said { text })
    }

    /// An expectation was met or not.
    pub(crate) fn check(&mut self, check: Check) -> Result<(), Error> {
        let count = if check.met {
            &mut self.report.met
        } else {
            &mut self.report.not_met
        };
        *count += 1;
        self.entry(Entry::Checked(check))
    }

    /// Something was done.
    pub(crate) fn entry(&mut self, entry: Entry) -> Result<(), Error> {
        let Telling {
            screen, language, ..
        } = &self.telling;
        self.print(&printing::entry(screen, *language, &entry))?;
        if let Some(step) = self.report.steps.last_mut() {
            step.entries.push(entry);
        }
        Ok(())
    }

    /// Ends with the summary.
    pub(crate) fn end(self) -> Result<Report, Error> {
        let Telling {
            screen, language, ..
        } = &self.telling;
        self.print(&printing::summary(screen, *language, &self.report))?;
        Ok(self.report)
    }

    fn print(&self, text: &str) -> Result<(), Error> {
        if self.telling.silent {
            return Ok(());
        }
        Ok(self.telling.screen.line(text)?)
    }
}
