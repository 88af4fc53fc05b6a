//! The load curve as numbers: what was measured, where nothing was, and the figures of the whole.
//! Power is the mean over an interval, so the curve is made of steps and never drawn between them.

use crate::params::DAY_MS;

/// One hour, ms.
const HOUR_MS: f64 = 3_600_000.0;

/// Mean power of the community over one interval `[starts_at_ms, ends_at_ms)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Step {
    /// Start, ms since 1970, included.
    pub(crate) starts_at_ms: u64,
    /// End, ms since 1970, excluded.
    pub(crate) ends_at_ms: u64,
    /// Mean power drawn, W.
    pub(crate) power_w: f64,
    /// Households in it.
    pub(crate) households: u32,
    /// Whether every household had reported.
    pub(crate) complete: bool,
}

impl Step {
    fn hours(&self) -> f64 {
        self.ends_at_ms.saturating_sub(self.starts_at_ms) as f64 / HOUR_MS
    }

    fn energy_wh(&self) -> f64 {
        self.power_w * self.hours()
    }

    /// The part inside `[from_ms, to_ms)`, if there is one.
    fn within(mut self, from_ms: u64, to_ms: u64) -> Option<Self> {
        self.starts_at_ms = self.starts_at_ms.max(from_ms);
        self.ends_at_ms = self.ends_at_ms.min(to_ms);
        (self.starts_at_ms < self.ends_at_ms).then_some(self)
    }
}

/// A span of time without a value, ms since 1970.
pub(crate) type Gap = (u64, u64);

/// Steps of a period, by their start.
#[derive(Debug)]
pub(crate) struct Curve {
    /// Start of the period, ms since 1970.
    pub(crate) from_ms: u64,
    /// Its end.
    pub(crate) to_ms: u64,
    /// What has a value, cut to the period.
    pub(crate) steps: Vec<Step>,
}

/// What is said of a curve in figures.
#[derive(Debug, PartialEq)]
pub(crate) struct Figures {
    /// Energy drawn, Wh.
    pub(crate) energy_wh: f64,
    /// Mean power over the time with values, W.
    pub(crate) mean_w: f64,
    /// The step with the highest power, the first of several.
    pub(crate) peak: Step,
    /// The lowest power, W.
    pub(crate) base_w: f64,
    /// Part of the period that has values, 0 to 1.
    pub(crate) coverage: f64,
    /// Fewest and most households in a step.
    pub(crate) households: (u32, u32),
    /// Steps in which a household had not reported.
    pub(crate) partial: usize,
}

impl Figures {
    /// Mean over peak: 1 where the load is flat.
    pub(crate) fn load_factor(&self) -> f64 {
        if self.peak.power_w > 0.0 {
            self.mean_w / self.peak.power_w
        } else {
            1.0
        }
    }
}

impl Curve {
    /// The steps that reach into a period.
    pub(crate) fn new(from_ms: u64, to_ms: u64, steps: impl IntoIterator<Item = Step>) -> Self {
        let inside = |step: Step| step.within(from_ms, to_ms);
        let mut steps: Vec<Step> = steps.into_iter().filter_map(inside).collect();
        steps.sort_by_key(|step| step.starts_at_ms);
        Self {
            from_ms,
            to_ms,
            steps,
        }
    }

    /// Where there is no value.
    pub(crate) fn gaps(&self) -> Vec<Gap> {
        let mut gaps = Vec::new();
        let mut known_to_ms = self.from_ms;
        for step in &self.steps {
            if step.starts_at_ms > known_to_ms {
                gaps.push((known_to_ms, step.starts_at_ms));
            }
            known_to_ms = known_to_ms.max(step.ends_at_ms);
        }
        if known_to_ms < self.to_ms {
            gaps.push((known_to_ms, self.to_ms));
        }
        gaps
    }

    /// The figures of the whole; none where nothing has a value.
    pub(crate) fn figures(&self) -> Option<Figures> {
        let higher = |one: Step, other: &Step| {
            if other.power_w > one.power_w {
                *other
            } else {
                one
            }
        };
        let peak = self.steps.iter().fold(*self.steps.first()?, higher);
        let energy_wh: f64 = self.steps.iter().map(Step::energy_wh).sum();
        let hours: f64 = self.steps.iter().map(Step::hours).sum();
        let households = self.steps.iter().map(|step| step.households);
        let gaps_ms: u64 = self.gaps().iter().map(|(from, to)| to - from).sum();
        Some(Figures {
            energy_wh,
            mean_w: energy_wh / hours,
            peak,
            base_w: self
                .steps
                .iter()
                .fold(peak.power_w, |low, step| low.min(step.power_w)),
            coverage: 1.0 - gaps_ms as f64 / (self.to_ms - self.from_ms) as f64,
            households: (households.clone().min()?, households.max()?),
            partial: self.steps.iter().filter(|step| !step.complete).count(),
        })
    }

    /// The curve of each UTC day that the period touches.
    pub(crate) fn days(&self) -> Vec<Self> {
        let first = self.from_ms / DAY_MS;
        let last = (self.to_ms - 1) / DAY_MS;
        let day = |day: u64| {
            let from_ms = (day * DAY_MS).max(self.from_ms);
            let to_ms = ((day + 1) * DAY_MS).min(self.to_ms);
            Self::new(from_ms, to_ms, self.steps.iter().copied())
        };
        (first..=last).map(day).collect()
    }

    /// The same curve in about so many steps, for the eye: neighbours are joined to their mean, never across
    /// a gap.
    pub(crate) fn coarser(&self, steps: usize) -> Self {
        let at_once = self.steps.len().div_ceil(steps.max(1)).max(1);
        let runs = self.runs();
        let joined = runs.flat_map(|run| run.chunks(at_once).filter_map(join));
        Self::new(self.from_ms, self.to_ms, joined)
    }

    /// Steps that follow on each other without a gap.
    pub(crate) fn runs(&self) -> impl Iterator<Item = &[Step]> {
        self.steps
            .chunk_by(|one, next| next.starts_at_ms <= one.ends_at_ms)
    }
}

fn join(steps: &[Step]) -> Option<Step> {
    let (first, last) = (steps.first()?, steps.last()?);
    let hours: f64 = steps.iter().map(Step::hours).sum();
    let energy_wh: f64 = steps.iter().map(Step::energy_wh).sum();
    Some(Step {
        ends_at_ms: last.ends_at_ms,
        power_w: energy_wh / hours,
        complete: steps.iter().all(|step| step.complete),
        ..*first
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Half-hours from `from_ms` on with these powers; none is a gap.
    pub(crate) fn half_hours(from_ms: u64, powers_w: &[Option<f64>]) -> Curve {
        let half_hour_ms = 1_800_000;
        let at = |n: usize| from_ms + n as u64 * half_hour_ms;
        let steps = powers_w.iter().enumerate().filter_map(|(n, power_w)| {
            Some(Step {
                starts_at_ms: at(n),
                ends_at_ms: at(n + 1),
                power_w: (*power_w)?,
                households: 20,
                complete: true,
            })
        });
        Curve::new(from_ms, at(powers_w.len()), steps.collect::<Vec<_>>())
    }

    #[test]
    fn figures_are_those_of_the_time_with_values() {
        let powers_w = [Some(100.0), None, Some(500.0), Some(500.0)];
        let figures = half_hours(0, &powers_w).figures().expect("values");
        assert!((figures.energy_wh - 550.0).abs() < 1e-9);
        assert!((figures.mean_w - 1_100.0 / 3.0).abs() < 1e-9);
        assert_eq!(figures.peak.starts_at_ms, 3_600_000, "the first of two");
        assert!((figures.base_w - 100.0).abs() < 1e-9);
        assert!((figures.coverage - 0.75).abs() < 1e-9);
        assert!((figures.load_factor() - 11.0 / 15.0).abs() < 1e-9);
        assert_eq!(half_hours(0, &[None]).figures(), None);
    }

    #[test]
    fn gaps_are_found_at_both_ends_and_between() {
        let curve = half_hours(0, &[None, Some(1.0), None, None, Some(1.0), None]);
        let half_hours: Vec<_> = curve
            .gaps()
            .iter()
            .map(|(from, to)| (from / 1_800_000, to / 1_800_000))
            .collect();
        assert_eq!(half_hours, [(0, 1), (2, 4), (5, 6)]);
        assert_eq!(curve.runs().count(), 2);
    }

    #[test]
    fn steps_are_cut_to_the_period() {
        let all = half_hours(0, &[Some(100.0); 4]);
        let cut = Curve::new(900_000, 4_500_000, all.steps);
        let figures = cut.figures().expect("values");
        assert!((figures.energy_wh - 100.0).abs() < 1e-9);
        assert!((figures.coverage - 1.0).abs() < 1e-9);
    }

    #[test]
    fn days_share_out_the_energy() {
        let from_ms = DAY_MS - 3_600_000;
        let days = half_hours(from_ms, &[Some(100.0), Some(200.0), Some(300.0)]).days();
        let energies: Vec<_> = days
            .iter()
            .filter_map(Curve::figures)
            .map(|figures| figures.energy_wh)
            .collect();
        assert_eq!(energies, [150.0, 150.0]);
    }

    #[test]
    fn a_coarser_curve_keeps_energy_and_gaps() {
        let powers_w = [Some(100.0), Some(300.0), Some(50.0), None, Some(7.0)];
        let fine = half_hours(0, &powers_w);
        let coarse = fine.coarser(2);
        assert_eq!(coarse.steps.len(), 3);
        assert_eq!(coarse.gaps(), fine.gaps());
        let energy = |curve: &Curve| curve.figures().map(|figures| figures.energy_wh);
        assert_eq!(energy(&coarse), energy(&fine));
    }
}
