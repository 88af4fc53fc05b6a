//! Rows of JSON: the elements of one array, or one object. Only what it takes to find an element's
//! end is read here: strings, escapes and brackets. Pure.

use super::Cut;

/// Deepest nesting inside a row; deeper documents are refused by most parsers.
const DEPTH_MAX: u32 = 127;

/// The upload begins with neither.
const NEITHER: &str = "a JSON upload is one array or one object";
/// A comma without a value.
const NO_VALUE: &str = "a value is missing";
/// Two values without a comma.
const NO_COMMA: &str = "a comma or the array's end is missing";
/// Bytes after the document.
const AFTER_END: &str = "nothing may follow the document";
/// Brackets that do not fit.
const MISMATCH: &str = "a bracket is closed that was not opened";
/// Too many brackets.
const TOO_DEEP: &str = "a row is nested deeper than 127 brackets";
/// The upload ends too early.
const UNFINISHED: &str = "the document ends too early";

/// What the next byte is part of.
enum State {
    /// Nothing yet. `[` leads to `Before`, `{` to `Inside`.
    Start,
    /// Before an element. Its first byte leads to `Inside`; `]` to `Done`, where it may stand.
    Before { first: bool },
    /// An element. Its last byte leads to `After`.
    Inside(Element),
    /// After an element. A comma leads to `Before`, `]` to `Done`.
    After,
    /// Nothing but blanks may come.
    Done,
}

/// How far an element is.
#[derive(Default)]
struct Element {
    /// Open brackets, the innermost in the lowest bit: 1 is `{`.
    brackets: u128,
    depth: u32,
    in_string: bool,
    escaped: bool,
    /// Whether it is a number or a literal, which ends where something else begins.
    bare: bool,
}

/// Finds the ends of elements.
pub(super) struct Cutter {
    state: State,
    /// Whether the document is one object instead of an array.
    single: bool,
}

impl Default for Cutter {
    fn default() -> Self {
        Self {
            state: State::Start,
            single: false,
        }
    }
}

impl Cutter {
    /// Cuts after the next element, or keeps everything that belongs to one.
    pub(super) fn cut(&mut self, input: &[u8]) -> Result<Cut, &'static str> {
        if let State::Inside(element) = &mut self.state {
            let Some(length) = element.length(input)? else {
                return Ok(Cut {
                    keep: input.len(),
                    skip: 0,
                    end: false,
                });
            };
            self.state = if self.single {
                State::Done
            } else {
                State::After
            };
            return Ok(Cut {
                keep: length,
                skip: 0,
                end: true,
            });
        }
        let mut skip = 0;
        for byte in input {
            if !is_blank(*byte) && self.between(*byte)? {
                break;
            }
            skip += 1;
        }
        Ok(Cut {
            keep: 0,
            skip,
            end: false,
        })
    }

    /// Takes a byte outside of elements; true if an element begins with it.
    fn between(&mut self, byte: u8) -> Result<bool, &'static str> {
        self.state = match (&self.state, byte) {
            (State::Start, b'[') => State::Before { first: true },
            (State::Start, b'{') => {
                self.single = true;
                State::Inside(Element::default())
            }
            // The three bytes of a byte order mark.
            (State::Start, 0xef | 0xbb | 0xbf) => State::Start,
            (State::Start, _) => return Err(NEITHER),
            (State::Before { first: true } | State::After, b']') => State::Done,
            (State::Before { .. }, b',' | b']') => return Err(NO_VALUE),
            (State::Before { .. }, _) => State::Inside(Element::default()),
            (State::After, b',') => State::Before { first: false },
            (State::After, _) => return Err(NO_COMMA),
            (State::Done | State::Inside(_), _) => return Err(AFTER_END),
        };
        Ok(matches!(self.state, State::Inside(_)))
    }

    /// Whether the upload may end here.
    pub(super) fn end(&self) -> Result<(), &'static str> {
        match self.state {
            State::Done => Ok(()),
            State::Start => Err(NEITHER),
            State::Before { .. } | State::Inside(_) | State::After => Err(UNFINISHED),
        }
    }
}

impl Element {
    /// How many of these bytes belong to the element; `None` if all do and it goes on.
    fn length(&mut self, input: &[u8]) -> Result<Option<usize>, &'static str> {
        for (at, byte) in input.iter().enumerate() {
            if self.in_string {
                if self.string(*byte) {
                    return Ok(Some(at + 1));
                }
            } else if self.bare && (is_blank(*byte) || matches!(byte, b',' | b']' | b'}')) {
                return Ok(Some(at));
            } else if self.structure(*byte)? {
                return Ok(Some(at + 1));
            }
        }
        Ok(None)
    }

    /// Takes a byte of a string; true if the element ends with it.
    fn string(&mut self, byte: u8) -> bool {
        match (self.escaped, byte) {
            (true, _) => self.escaped = false,
            (false, b'\\') => self.escaped = true,
            (false, b'"') => self.in_string = false,
            (false, _) => {}
        }
        !self.in_string && self.depth == 0
    }

    /// Takes a byte outside of strings; true if the element ends with it.
    fn structure(&mut self, byte: u8) -> Result<bool, &'static str> {
        match byte {
            b'"' => self.in_string = true,
            b'{' => self.open(1)?,
            b'[' => self.open(0)?,
            b'}' => return self.close(1),
            b']' => return self.close(0),
            _ => self.bare = self.depth == 0,
        }
        Ok(false)
    }

    fn open(&mut self, kind: u128) -> Result<(), &'static str> {
        if self.depth == DEPTH_MAX {
            return Err(TOO_DEEP);
        }
        self.brackets = self.brackets << 1 | kind;
        self.depth += 1;
        Ok(())
    }

    fn close(&mut self, kind: u128) -> Result<bool, &'static str> {
        if self.depth == 0 || self.brackets & 1 != kind {
            return Err(MISMATCH);
        }
        self.brackets >>= 1;
        self.depth -= 1;
        Ok(self.depth == 0)
    }
}

/// Whether JSON ignores this byte between values.
fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}
