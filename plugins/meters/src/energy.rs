//! Energies as decimal text, converted without floats: 1 Wh is 3,600,000,000 µJ, so every decimal of up
//! to eight places is a whole number of µJ. What is finer is rounded half up.

/// The most energy of one interval, Wh: 10 MW for 24 h, far above any household's connection.
const WH_MAX: u128 = 240_000_000;
/// The longest text taken; a number has no use for more.
const TEXT_BYTES_MAX: usize = 64;
/// The most digits that count. With them, no product below overflows 128 bits.
const DIGITS_MAX: usize = 25;
/// The largest power of ten that is multiplied or divided by.
const SCALE_MAX: u32 = 38;
/// 1 Wh is this many µJ times [`UJ_PER_WH_TENS`] powers of ten.
const UJ_PER_WH_FACTOR: u128 = 36;
const UJ_PER_WH_TENS: i32 = 8;

const NOT_A_NUMBER: &str = "must be a finite decimal number, such as 392 or 0.125";
const NEGATIVE: &str = "must not be negative";
const TOO_LARGE: &str = "must be at most 240000000 (10 MW for 24 h)";
const TOO_LONG: &str = "must have at most 25 digits";

/// Reads an energy in Wh, such as `392`, `0.125` or `1.5e3`; returns µJ.
///
/// # Errors
/// The rule it breaks.
pub(crate) fn parse_wh(text: &str) -> Result<u64, &'static str> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(NOT_A_NUMBER);
    }
    let (is_negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (mantissa, tens) = decimal(unsigned)?;
    if is_negative && mantissa > 0 {
        return Err(NEGATIVE);
    }
    let energy_uj = scaled(mantissa * UJ_PER_WH_FACTOR, tens + UJ_PER_WH_TENS).ok_or(TOO_LARGE)?;
    let max_uj = WH_MAX * UJ_PER_WH_FACTOR * 10_u128.pow(UJ_PER_WH_TENS as u32);
    if energy_uj > max_uj {
        return Err(TOO_LARGE);
    }
    u64::try_from(energy_uj).map_err(|_| TOO_LARGE)
}

/// The digits as a whole number, and the power of ten that it is multiplied by.
fn decimal(text: &str) -> Result<(u128, i32), &'static str> {
    let (digits, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all = || whole.bytes().chain(fraction.bytes());
    if all().next().is_none() || !all().all(|byte| byte.is_ascii_digit()) {
        return Err(NOT_A_NUMBER);
    }
    let counting = all().skip_while(|byte| *byte == b'0');
    if counting.clone().count() > DIGITS_MAX {
        return Err(TOO_LONG);
    }
    let mantissa = counting.fold(0, |number, byte| number * 10 + u128::from(byte - b'0'));
    let exponent: i16 = exponent.parse().map_err(|_| NOT_A_NUMBER)?;
    Ok((mantissa, i32::from(exponent) - fraction.len() as i32))
}

/// `number` times ten to the `tens`, rounded half up; none where it is too large to matter.
fn scaled(number: u128, tens: i32) -> Option<u128> {
    let scale = tens.unsigned_abs();
    match (tens >= 0, scale <= SCALE_MAX) {
        _ if number == 0 => Some(0),
        (true, true) => number.checked_mul(10_u128.pow(scale)),
        (true, false) => None,
        (false, true) => {
            let divisor = 10_u128.pow(scale);
            Some(number / divisor + u128::from(number % divisor >= divisor.div_ceil(2)))
        }
        (false, false) => Some(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WH: u64 = 3_600_000_000;

    #[test]
    fn decimals_are_exact() {
        for (text, energy_uj) in [
            ("392", 392 * WH),
            ("0", 0),
            ("-0.0", 0),
            ("+5", 5 * WH),
            ("0.1", WH / 10),
            ("0.00000001", 36),
            ("00012.500", 12 * WH + WH / 2),
            ("1.5e3", 1500 * WH),
            ("25E-2", WH / 4),
            (".5", WH / 2),
            ("240000000", 240_000_000 * WH),
            ("0e9999", 0),
            ("1e-9999", 0),
        ] {
            assert_eq!(parse_wh(text), Ok(energy_uj), "{text}");
        }
    }

    #[test]
    fn what_is_finer_than_a_microjoule_is_rounded_half_up() {
        assert_eq!(parse_wh("0.123456789"), Ok(444_444_440));
        assert_eq!(parse_wh("0.000000000125"), Ok(0));
        assert_eq!(parse_wh("0.00000000013888888888889"), Ok(1));
        assert_eq!(parse_wh("0.00000000012500000000000"), Ok(0));
    }

    #[test]
    fn what_breaks_a_rule_is_told() {
        for (text, rule) in [
            ("", NOT_A_NUMBER),
            (".", NOT_A_NUMBER),
            ("-", NOT_A_NUMBER),
            ("1,5", NOT_A_NUMBER),
            ("NaN", NOT_A_NUMBER),
            ("inf", NOT_A_NUMBER),
            ("1e", NOT_A_NUMBER),
            ("1.2.3", NOT_A_NUMBER),
            (" 1", NOT_A_NUMBER),
            ("0x10", NOT_A_NUMBER),
            ("-1", NEGATIVE),
            ("-0.0001", NEGATIVE),
            ("240000000.00000001", TOO_LARGE),
            ("1e30", TOO_LARGE),
            ("1e9999", TOO_LARGE),
            ("9999999999999999999999999", TOO_LARGE),
            ("1.23456789012345678901234567", TOO_LONG),
        ] {
            assert_eq!(parse_wh(text), Err(rule), "{text}");
        }
        assert_eq!(parse_wh(&"1".repeat(65)), Err(NOT_A_NUMBER));
    }
}
