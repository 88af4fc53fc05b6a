//! A measured figure and its target.

use std::fmt;

/// One line of the table.
#[derive(Debug, serde::Serialize)]
pub(crate) struct Figure {
    /// What was measured.
    pub(crate) name: String,
    /// How much.
    pub(crate) figure: f64,
    /// Of what.
    pub(crate) unit: String,
    /// What it should be, in words; none where it is only printed.
    pub(crate) target: Option<String>,
    /// Whether it is; none without a target.
    pub(crate) met: Option<bool>,
}

impl Figure {
    /// A figure that is only printed.
    pub(crate) fn plain(name: impl Into<String>, figure: f64, unit: &str) -> Self {
        Self {
            name: name.into(),
            figure,
            unit: unit.into(),
            target: None,
            met: None,
        }
    }

    /// A figure that should be at least `least`.
    pub(crate) fn at_least(name: impl Into<String>, figure: f64, unit: &str, least: f64) -> Self {
        let target = Some(format!("≥ {least}"));
        Self {
            target,
            met: Some(figure >= least),
            ..Self::plain(name, figure, unit)
        }
    }

    /// A figure that should be at most `most`.
    pub(crate) fn at_most(name: impl Into<String>, figure: f64, unit: &str, most: f64) -> Self {
        let target = Some(format!("≤ {most}"));
        Self {
            target,
            met: Some(figure <= most),
            ..Self::plain(name, figure, unit)
        }
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            figure,
            unit,
            target,
            met,
        } = self;
        write!(f, "{name:<60} {figure:>14.3} {unit:<12}")?;
        match (target, met) {
            (Some(target), Some(true)) => write!(f, " {target} met"),
            (Some(target), _) => write!(f, " {target} NOT MET"),
            (None, _) => Ok(()),
        }
    }
}

/// The middle value.
pub(crate) fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The smallest value that `percent` of all are not above.
pub(crate) fn percentile(values: &mut [f64], percent: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    let rank = (values.len() * percent).div_ceil(100);
    values
        .get(rank.saturating_sub(1))
        .copied()
        .unwrap_or(f64::NAN)
}
