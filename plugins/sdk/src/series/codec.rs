//! Compact bytes of what is stored: little-endian base-128 numbers, one after the other. Not
//! self-describing; the writer and the reader of a value agree on its members.

use super::{Error, Result};

/// Bytes of a number of at most 63 bits.
const SHORT_BYTES_MAX: usize = 9;

/// Appends a number, seven bits a byte, lowest first.
pub fn put(bytes: &mut Vec<u8>, number: u128) {
    let mut rest = number;
    while rest >= 0x80 {
        bytes.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
}

/// Reads what [`put`] wrote.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
    what: &'static str,
}

impl<'a> Reader<'a> {
    /// Reads `bytes`, which hold a `what`.
    #[must_use]
    pub fn new(bytes: &'a [u8], what: &'static str) -> Self {
        Self { rest: bytes, what }
    }

    /// What has not been read yet.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Whether all has been read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next number.
    ///
    /// # Errors
    /// The bytes end within it, or it has more than 128 bits.
    pub fn number(&mut self) -> Result<u128> {
        if let Some(number) = self.short() {
            return Ok(number.into());
        }
        let mut number = 0_u128;
        for shift in (0..128).step_by(7) {
            let (byte, rest) = self.rest.split_first().ok_or(self.corrupt())?;
            self.rest = rest;
            let bits = u128::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                break;
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(self.corrupt())
    }

    /// The next number, if it has at most 63 bits, as nearly all have: 64 bits at once are what a machine
    /// reckons with, 128 take many steps.
    fn short(&mut self) -> Option<u64> {
        let mut number = 0;
        for (at, byte) in self.rest.iter().take(SHORT_BYTES_MAX).enumerate() {
            number |= u64::from(byte & 0x7f) << (7 * at);
            if byte & 0x80 == 0 {
                self.rest = &self.rest[at + 1..];
                return Some(number);
            }
        }
        None
    }

    /// The next number, which fits `u64`.
    ///
    /// # Errors
    /// As [`Reader::number`], or it does not fit.
    pub fn u64(&mut self) -> Result<u64> {
        match self.short() {
            Some(number) => Ok(number),
            None => u64::try_from(self.number()?).map_err(|_| self.corrupt()),
        }
    }

    /// The next number, which fits `u32`.
    ///
    /// # Errors
    /// As [`Reader::number`], or it does not fit.
    pub fn u32(&mut self) -> Result<u32> {
        u32::try_from(self.number()?).map_err(|_| self.corrupt())
    }

    /// The next bytes, which their length precedes.
    ///
    /// # Errors
    /// There are not as many.
    pub fn bytes(&mut self) -> Result<&'a [u8]> {
        let length = usize::try_from(self.number()?).map_err(|_| self.corrupt())?;
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or(self.corrupt())?;
        self.rest = rest;
        Ok(bytes)
    }

    /// The next text, which its length in bytes precedes.
    ///
    /// # Errors
    /// There are not as many bytes, or they are not UTF-8.
    pub fn text(&mut self) -> Result<&'a str> {
        std::str::from_utf8(self.bytes()?).map_err(|_| self.corrupt())
    }

    /// The error of a value that is not what it should be.
    #[must_use]
    pub fn corrupt(&self) -> Error {
        Error::Corrupt(self.what)
    }
}
