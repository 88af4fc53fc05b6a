//! Random identifiers (RFC 9562, version 4) from the host's replayable randomness.

#[cfg(target_arch = "wasm32")]
use crate::bindings::leyden::random::random;
#[cfg(not(target_arch = "wasm32"))]
use crate::testing as random;

/// A new identifier such as `f3b8a521-70a9-48a0-b2d3-f7c87bc52a94`.
#[must_use]
pub fn new_v4() -> String {
    from_bits(random::get_u64(), random::get_u64())
}

/// The identifier made of these 122 random bits; version and variant replace the other six.
#[must_use]
pub fn from_bits(high: u64, low: u64) -> String {
    let high = (high & 0xffff_ffff_ffff_0fff) | 0x4000;
    let low = (low & 0x3fff_ffff_ffff_ffff) | 0x8000_0000_0000_0000;
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xffff,
        high & 0xffff,
        low >> 48,
        low & 0xffff_ffff_ffff
    )
}

#[cfg(test)]
mod tests {
    use super::from_bits;

    #[test]
    fn version_and_variant_are_set() {
        assert_eq!(from_bits(0, 0), "00000000-0000-4000-8000-000000000000");
        assert_eq!(
            from_bits(u64::MAX, u64::MAX),
            "ffffffff-ffff-4fff-bfff-ffffffffffff"
        );
    }
}
