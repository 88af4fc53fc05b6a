//! JSON numbers as people write them: a whole number has no fraction.

use serde::{Serialize, Serializer};

/// Whole numbers up to here are exact in an `f64`.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

/// A finite number that prints as `13100`, not `13100.0`. A value that is not finite prints as
/// `null`, as JSON has no other way.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Number(pub f64);

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize(&self.0, serializer)
    }
}

/// The same for a member: `#[serde(serialize_with = "leyden_sdk::number::serialize")]`.
pub fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    if value.fract() == 0.0 && value.abs() <= EXACT_MAX {
        serializer.serialize_i64(*value as i64)
    } else {
        serializer.serialize_f64(*value)
    }
}

#[cfg(test)]
mod tests {
    use super::Number;

    fn printed(value: f64) -> String {
        serde_json::to_string(&Number(value)).expect("a number prints")
    }

    #[test]
    fn whole_numbers_have_no_fraction() {
        assert_eq!(printed(13_100.0), "13100");
        assert_eq!(printed(-1500.0), "-1500");
        assert_eq!(printed(-0.0), "0");
        assert_eq!(printed(0.5), "0.5");
        assert_eq!(printed(1e300), "1e+300");
    }
}
