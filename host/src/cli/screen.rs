//! Where text goes and whether it is coloured: on a terminal only, and never with `NO_COLOR`.

use std::io::{self, IsTerminal as _, Write as _};

const BOLD: &str = "1";
const DIM: &str = "2";
const RED: &str = "31";
const GREEN: &str = "32";

/// Standard output and error.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Screen {
    output_colours: bool,
    error_colours: bool,
}

impl Screen {
    /// `no_color` is the value of `NO_COLOR`; not empty switches colours off.
    pub(crate) fn new(no_color: Option<&str>) -> Self {
        let wanted = no_color.is_none_or(str::is_empty);
        Self {
            output_colours: wanted && io::stdout().is_terminal(),
            error_colours: wanted && io::stderr().is_terminal(),
        }
    }

    /// A screen without colours.
    #[cfg(test)]
    pub(crate) fn plain() -> Self {
        Self {
            output_colours: false,
            error_colours: false,
        }
    }

    /// Whether standard error shows colours.
    pub(crate) fn error_colours(&self) -> bool {
        self.error_colours
    }

    /// Prints a line to standard output.
    ///
    /// # Errors
    /// Standard output is closed.
    pub(crate) fn line(&self, text: &str) -> io::Result<()> {
        writeln!(io::stdout().lock(), "{text}")
    }

    /// Prints a line to standard error; nobody is left to tell when that fails.
    pub(crate) fn error_line(&self, text: &str) {
        let _closed = writeln!(io::stderr().lock(), "{text}");
    }

    pub(crate) fn bold(&self, text: &str) -> String {
        paint(self.output_colours, BOLD, text)
    }

    pub(crate) fn dim(&self, text: &str) -> String {
        paint(self.output_colours, DIM, text)
    }

    pub(crate) fn green(&self, text: &str) -> String {
        paint(self.output_colours, GREEN, text)
    }

    pub(crate) fn red(&self, text: &str) -> String {
        paint(self.output_colours, RED, text)
    }

    pub(crate) fn error_dim(&self, text: &str) -> String {
        paint(self.error_colours, DIM, text)
    }

    pub(crate) fn error_red(&self, text: &str) -> String {
        paint(self.error_colours, RED, text)
    }
}

/// Text from elsewhere as a terminal may have it: a control character, which can have it do or show anything, is written out.
pub(crate) fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c.is_control() && !matches!(c, '\n' | '\t') {
            true => shown.extend(c.escape_default()),
            false => shown.push(c),
        }
    }
    shown
}

fn paint(colours: bool, code: &str, text: &str) -> String {
    if colours {
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_only_added_where_they_are_wanted() {
        assert_eq!(paint(false, RED, "x"), "x");
        assert_eq!(paint(true, RED, "x"), "\u{1b}[31mx\u{1b}[0m");
    }

    #[test]
    fn nothing_from_elsewhere_commands_a_terminal() {
        let text = "\u{1b}[2Ja\rb\u{9b}c\n\té\\";
        assert_eq!(printable(text), "\\u{1b}[2Ja\\rb\\u{9b}c\n\té\\");
    }
}
