//! Rows of CSV as RFC 4180 has it: comma, double quote, line feed or carriage return and line feed;
//! a line's end inside quotes is part of the field. Pure.

use super::Cut;

/// A quote where RFC 4180 has none.
const STRAY_QUOTE: &str = "a quote stands inside a field that does not begin with one";
/// A closing quote with something after it.
const AFTER_QUOTE: &str = "after a closing quote only a comma or the line's end may come";
/// The upload ends inside quotes.
const OPEN_QUOTE: &str = "a quoted field is not closed";

/// What the next byte is part of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum State {
    /// A field's first byte. A quote leads to `Quoted`, anything else to `Plain`.
    #[default]
    FieldStart,
    /// A field without quotes; ends with a comma or the line.
    Plain,
    /// A field within quotes. A quote leads to `QuoteSeen`.
    Quoted,
    /// After a quote in a quoted field: a second one is a quote of its content, else the field ends.
    QuoteSeen,
    /// After a carriage return that follows a closing quote: the line must end.
    ReturnSeen,
}

/// Finds the ends of rows.
#[derive(Default)]
pub(super) struct Cutter {
    state: State,
}

impl Cutter {
    /// Cuts after the next row, or keeps everything.
    pub(super) fn cut(&mut self, input: &[u8]) -> Result<Cut, &'static str> {
        for (at, byte) in input.iter().enumerate() {
            match step(self.state, *byte)? {
                Some(state) => self.state = state,
                None => {
                    self.state = State::FieldStart;
                    return Ok(Cut {
                        keep: at,
                        skip: 1,
                        end: true,
                    });
                }
            }
        }
        Ok(Cut {
            keep: input.len(),
            skip: 0,
            end: false,
        })
    }

    /// Whether the upload may end here.
    pub(super) fn end(&self) -> Result<(), &'static str> {
        if self.state == State::Quoted {
            Err(OPEN_QUOTE)
        } else {
            Ok(())
        }
    }
}

/// The state after a byte; `None` where the row ends.
fn step(state: State, byte: u8) -> Result<Option<State>, &'static str> {
    let next = match (state, byte) {
        (State::Quoted, b'"') => State::QuoteSeen,
        (State::Quoted, _) => State::Quoted,
        (_, b'\n') => return Ok(None),
        (State::FieldStart | State::QuoteSeen, b'"') => State::Quoted,
        (State::FieldStart | State::Plain | State::QuoteSeen, b',') => State::FieldStart,
        (State::Plain, b'"') => return Err(STRAY_QUOTE),
        (State::FieldStart | State::Plain, _) => State::Plain,
        (State::QuoteSeen, b'\r') => State::ReturnSeen,
        (State::QuoteSeen | State::ReturnSeen, _) => return Err(AFTER_QUOTE),
    };
    Ok(Some(next))
}
