//! Writes MessagePack, as far as scripts read it: one argument of a script costs Redis less than
//! thousands do.

/// The greatest number written: one more than any that means something.
const NUMBER_MAX: u64 = 1 << 53;

/// A value under construction.
#[derive(Debug, Default)]
pub(super) struct Pack(Vec<u8>);

impl Pack {
    pub(super) fn with_capacity(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    /// The next `length` values are an array's.
    pub(super) fn array(&mut self, length: usize) {
        match u32::try_from(length).unwrap_or(u32::MAX) {
            short @ 0..16 => self.0.push(0x90 | short.to_be_bytes()[3]),
            long => {
                self.0.push(0xdd);
                self.0.extend(long.to_be_bytes());
            }
        }
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let [_, _, high, low] = length.to_be_bytes();
        match length {
            0..32 => self.0.push(0xa0 | low),
            32..256 => self.0.extend([0xd9, low]),
            256..65_536 => self.0.extend([0xda, high, low]),
            _ => {
                self.0.push(0xdb);
                self.0.extend(length.to_be_bytes());
            }
        }
        self.0.extend(bytes);
    }

    /// Lua has doubles, which are exact up to 2^53; what is greater is written as that, since a script would
    /// read some of it as less than zero.
    pub(super) fn number(&mut self, number: u64) {
        self.0.push(0xcf);
        self.0.extend(number.min(NUMBER_MAX).to_be_bytes());
    }

    /// `false`: nothing here.
    pub(super) fn nothing(&mut self) {
        self.0.push(0xc2);
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_have_their_forms() {
        for (length, head) in [
            (0, vec![0xa0]),
            (31, vec![0xbf]),
            (32, vec![0xd9, 32]),
            (256, vec![0xda, 1, 0]),
            (65_536, vec![0xdb, 0, 1, 0, 0]),
        ] {
            let mut pack = Pack::default();
            pack.bytes(&vec![b'x'; length]);
            let packed = pack.finish();
            assert_eq!(packed[..head.len()], head);
            assert_eq!(packed.len(), head.len() + length);
        }
        let mut pack = Pack::default();
        pack.array(15);
        pack.array(16);
        assert_eq!(pack.finish(), [0x9f, 0xdd, 0, 0, 0, 16]);
    }

    #[test]
    fn no_number_is_read_as_less_than_zero() {
        let mut pack = Pack::default();
        pack.number(u64::MAX);
        assert_eq!(pack.finish(), [0xcf, 0, 0x20, 0, 0, 0, 0, 0, 0]);
    }
}
