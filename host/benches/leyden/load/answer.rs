//! Reads the answers of one connection: whole ones only, told apart by their length or their chunks. It keeps no bodies.

/// How a usual answer ends is compared up to so many bytes: the greeting.
const TAIL_BYTES: usize = 13;

/// Longest head of an answer, bytes: far more than any server here sends.
const HEAD_BYTES_MAX: usize = 16 << 10;

/// Where in an answer the next byte belongs.
enum State {
    /// Into its head, of which this much is there.
    Head(Vec<u8>),
    /// Into a body of so many bytes more.
    Sized(usize),
    /// Into the line with a chunk's length, of which this much is there.
    Size(Vec<u8>),
    /// Into a chunk of so many bytes more, line break included.
    Chunk(usize),
    /// Into what follows the last chunk: the last three bytes.
    Trailers([u8; 3]),
}

/// The answers of one connection, one after the other.
pub(super) struct Answers {
    state: State,
    /// Length and last bytes of an answer that came at once: most are all the same.
    usual: Option<(usize, Vec<u8>)>,
}

impl Answers {
    pub(super) fn new() -> Self {
        Self {
            state: State::Head(Vec::new()),
            usual: None,
        }
    }

    /// Takes in what came next. Whether an answer is whole with it.
    ///
    /// # Panics
    /// It is not the answer 200, or more came than was asked for.
    pub(super) fn take(&mut self, bytes: &[u8]) -> bool {
        let begins = matches!(&self.state, State::Head(head) if head.is_empty());
        if begins && self.is_usual(bytes) {
            return true;
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            let (whole, taken) = self.step(rest);
            rest = &rest[taken..];
            if whole {
                assert!(rest.is_empty(), "more came than one answer");
                if begins {
                    let tail = &bytes[bytes.len().saturating_sub(TAIL_BYTES)..];
                    self.usual = Some((bytes.len(), tail.to_vec()));
                }
                self.state = State::Head(Vec::new());
                return true;
            }
        }
        false
    }

    fn is_usual(&self, bytes: &[u8]) -> bool {
        let usual = self.usual.as_ref();
        usual.is_some_and(|(length, tail)| {
            bytes.len() == *length && bytes.starts_with(b"HTTP/1.1 200") && bytes.ends_with(tail)
        })
    }

    /// Takes in some of the bytes: whether the answer is whole, and how many were taken.
    fn step(&mut self, bytes: &[u8]) -> (bool, usize) {
        match &mut self.state {
            State::Head(head) => {
                let (ended, taken) = until(head, bytes, b"\r\n\r\n");
                assert!(head.len() <= HEAD_BYTES_MAX, "an endless head");
                if ended {
                    self.state = body(head);
                }
                (matches!(self.state, State::Sized(0)), taken)
            }
            State::Sized(left) => {
                let taken = bytes.len().min(*left);
                *left -= taken;
                (*left == 0, taken)
            }
            State::Size(line) => {
                let (ended, taken) = until(line, bytes, b"\r\n");
                if ended {
                    self.state = chunk(line);
                }
                (false, taken)
            }
            State::Chunk(left) => {
                let taken = bytes.len().min(*left);
                *left -= taken;
                if *left == 0 {
                    self.state = State::Size(Vec::new());
                }
                (false, taken)
            }
            State::Trailers(last) => {
                let ended = *last == *b"\r\n\r" && bytes[0] == b'\n';
                *last = [last[1], last[2], bytes[0]];
                (ended, 1)
            }
        }
    }
}

/// Adds bytes up to the end mark: whether it was found, and how many were taken.
fn until(kept: &mut Vec<u8>, bytes: &[u8], mark: &[u8]) -> (bool, usize) {
    for (index, byte) in bytes.iter().enumerate() {
        kept.push(*byte);
        if kept.ends_with(mark) {
            return (true, index + 1);
        }
    }
    (false, bytes.len())
}

/// What follows a head.
fn body(head: &[u8]) -> State {
    let text = String::from_utf8_lossy(head).to_ascii_lowercase();
    assert!(text.starts_with("http/1.1 200"), "{text}");
    match text.split_once("content-length:") {
        Some((_, rest)) => {
            let length = rest.split("\r\n").next().unwrap_or_default();
            State::Sized(length.trim().parse().expect("a length"))
        }
        None => {
            assert!(text.contains("chunked"), "a body without an end: {text}");
            State::Size(Vec::new())
        }
    }
}

/// What follows the line with a chunk's length.
fn chunk(line: &[u8]) -> State {
    let text = String::from_utf8_lossy(line);
    let digits = text.split([';', '\r']).next().unwrap_or_default();
    match usize::from_str_radix(digits.trim(), 16).expect("a chunk's length") {
        // The line break before it counts as the end of the line before the trailers.
        0 => State::Trailers(*b"\0\r\n"),
        length => State::Chunk(length + 2),
    }
}
