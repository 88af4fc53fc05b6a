//! The report: mean and peak of what the community drew in a period.

use serde_json::{Value, json};

/// One day, ms: the period unless the parameters name another.
const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

/// A half-open period, ms since 1970.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Period {
    pub from_ms: u64,
    pub to_ms: u64,
}

impl Period {
    /// Reads `{"fromMs": …, "toMs": …}`; both may be left out.
    pub fn parse(json: &str, now_ms: u64) -> Result<Self, String> {
        let params: Value = serde_json::from_str(json).map_err(|error| error.to_string())?;
        if !params.is_object() {
            return Err("the parameters must be a JSON object".to_owned());
        }
        let ms = |name: &str, default: u64| match params.get(name) {
            None => Ok(default),
            Some(value) => value
                .as_u64()
                .ok_or(format!("{name}: must be a number of milliseconds since 1970")),
        };
        let to_ms = ms("toMs", now_ms)?;
        let from_ms = ms("fromMs", to_ms.saturating_sub(DAY_MS))?;
        if from_ms >= to_ms {
            return Err("toMs: must be after fromMs".to_owned());
        }
        Ok(Self { from_ms, to_ms })
    }
}

/// Mean power over an interval.
pub struct Power {
    pub starts_at_ms: u64,
    pub ends_at_ms: u64,
    pub power_w: f64,
}

/// The report as JSON.
pub fn report(period: Period, powers: &[Power], suppressed: u32) -> String {
    let peak = powers.iter().max_by(|one, other| one.power_w.total_cmp(&other.power_w));
    let hours = |power: &Power| (power.ends_at_ms - power.starts_at_ms) as f64 / 3_600_000.0;
    let energy_wh: f64 = powers.iter().map(|power| power.power_w * hours(power)).sum();
    let measured_h: f64 = powers.iter().map(hours).sum();
    json!({
        "fromMs": period.from_ms,
        "toMs": period.to_ms,
        "intervals": powers.len(),
        "suppressed": suppressed,
        "energyWh": energy_wh,
        "meanW": if measured_h > 0.0 { Some(energy_wh / measured_h) } else { None },
        "peakW": peak.map(|power| power.power_w),
        "peakStartsAtMs": peak.map(|power| power.starts_at_ms),
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_period_is_the_last_day_unless_the_parameters_say_otherwise() {
        let day = Period { from_ms: DAY_MS, to_ms: 2 * DAY_MS };
        assert_eq!(Period::parse("{}", 2 * DAY_MS), Ok(day));
        let named = Period::parse(r#"{"fromMs": 5, "toMs": 9}"#, 0);
        assert_eq!(named, Ok(Period { from_ms: 5, to_ms: 9 }));
        assert!(Period::parse(r#"{"fromMs": 9, "toMs": 9}"#, 0).is_err());
        assert!(Period::parse(r#"{"toMs": "today"}"#, 0).is_err());
        assert!(Period::parse("[]", 10).is_err());
    }

    #[test]
    fn energy_mean_and_peak_are_those_of_the_intervals() {
        let hour = |n: u64, power_w: f64| Power {
            starts_at_ms: n * 3_600_000,
            ends_at_ms: (n + 1) * 3_600_000,
            power_w,
        };
        let period = Period { from_ms: 0, to_ms: 7_200_000 };
        let report: Value = serde_json::from_str(&report(period, &[hour(0, 100.0), hour(1, 300.0)], 2)).unwrap();
        assert_eq!(report["energyWh"], 400.0);
        assert_eq!(report["meanW"], 200.0);
        assert_eq!((&report["peakW"], &report["peakStartsAtMs"]), (&json!(300.0), &json!(3_600_000)));
        assert_eq!(report["suppressed"], 2);
    }
}
