//! The curve as an SVG picture. Its colours come from the page's style sheet (`page.css`).

use std::fmt::Write as _;

use crate::axis;
use crate::curve::{Curve, Figures, Step};
use crate::words;

/// Size of the picture and of the margins around the plot, pixels.
const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 400.0;
const LEFT: f64 = 60.0;
const RIGHT: f64 = 26.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 56.0;

/// Steps drawn at most, about: a month of half-hours; more could not be told apart.
const STEPS_MAX: usize = 1_500;

/// From so many steps on the line is thin, or it would fill the area.
const STEPS_DENSE: usize = 400;

/// Room between the peak's mark and its label, pixels.
const LABEL_GAP: f64 = 10.0;

/// From values to places in the picture.
struct Plot<'a> {
    curve: &'a Curve,
    power_ticks: Vec<f64>,
}

/// The curve with axes, the mean, the peak, and gaps where there is no value.
pub(crate) fn svg(curve: &Curve, figures: &Figures) -> String {
    let drawn = curve.coarser(STEPS_MAX);
    let plot = Plot {
        curve: &drawn,
        power_ticks: axis::power(figures.peak.power_w),
    };
    let parts = [
        plot.gaps(),
        plot.power_axis(),
        plot.time_axis(),
        plot.runs(),
        plot.partial(),
        plot.mean(figures.mean_w),
        plot.peak(&figures.peak),
    ];
    format!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-labelledby=\"curve-title\">\n\
         <title id=\"curve-title\">{}</title>\n\
         <defs><pattern id=\"hatch\" width=\"7\" height=\"7\" patternUnits=\"userSpaceOnUse\" \
         patternTransform=\"rotate(45)\"><rect class=\"gap\" width=\"7\" height=\"7\"/>\
         <line class=\"hatch\" x1=\"0\" y1=\"0\" x2=\"0\" y2=\"7\"/></pattern></defs>\n{}</svg>\n",
        spoken(figures),
        parts.concat()
    )
}

/// The picture in words, for those who cannot see it.
fn spoken(figures: &Figures) -> String {
    format!(
        "Mean power over time: {} on average, at most {} on {} UTC",
        words::quantity(figures.mean_w, "W"),
        words::quantity(figures.peak.power_w, "W"),
        words::instant(figures.peak.starts_at_ms)
    )
}

impl Plot<'_> {
    fn x(&self, at_ms: u64) -> f64 {
        let period_ms = (self.curve.to_ms - self.curve.from_ms) as f64;
        let part = at_ms.saturating_sub(self.curve.from_ms) as f64 / period_ms;
        LEFT + part * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, power_w: f64) -> f64 {
        let end = self.power_ticks.last().copied().unwrap_or(1.0);
        HEIGHT - BOTTOM - power_w / end * (HEIGHT - TOP - BOTTOM)
    }

    /// The hatched parts.
    fn gaps(&self) -> String {
        let height = HEIGHT - TOP - BOTTOM;
        self.curve.gaps().iter().fold(String::new(), |mut svg, gap| {
            let (x, width) = (self.x(gap.0), self.x(gap.1) - self.x(gap.0));
            let _ = writeln!(
                svg,
                "<rect fill=\"url(#hatch)\" x=\"{x:.1}\" y=\"{TOP}\" width=\"{width:.1}\" height=\"{height}\"/>"
            );
            svg
        })
    }

    fn power_axis(&self) -> String {
        let end = self.power_ticks.last().copied().unwrap_or(1.0);
        let (divisor, unit) = words::scaled(end, "W");
        let mut svg = format!(
            "<text class=\"axis\" x=\"{LEFT}\" y=\"14\" text-anchor=\"end\">{unit}</text>\n"
        );
        for power_w in &self.power_ticks {
            let (y, value) = (self.y(*power_w), power_w / divisor);
            // Steps of 1, 2 and 5 need no more than this; what `f64` adds at its end is cut off.
            let value = (value * 1_000.0).round() / 1_000.0;
            let _ = writeln!(
                svg,
                "<line class=\"grid\" x1=\"{LEFT}\" y1=\"{y:.1}\" x2=\"{}\" y2=\"{y:.1}\"/>\
                 <text class=\"tick\" x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{value}</text>",
                WIDTH - RIGHT,
                LEFT - 8.0,
                y + 4.0
            );
        }
        svg
    }

    fn time_axis(&self) -> String {
        let (ticks, days) = axis::time(self.curve.from_ms, self.curve.to_ms);
        let bottom = HEIGHT - BOTTOM;
        let mut svg = format!(
            "<text class=\"axis\" x=\"{}\" y=\"{}\" text-anchor=\"end\">time, UTC</text>\n",
            WIDTH - RIGHT,
            HEIGHT - 4.0
        );
        let mut shown_day = String::new();
        for at_ms in ticks {
            let (x, day) = (self.x(at_ms), words::day(at_ms));
            let _ = write!(
                svg,
                "<line class=\"mark\" x1=\"{x:.1}\" y1=\"{bottom}\" x2=\"{x:.1}\" y2=\"{}\"/>",
                bottom + 5.0
            );
            let lines = match days {
                true => [day.clone(), String::new()],
                // The day stands below the first of its hours only.
                false if day == shown_day => [words::clock(at_ms), String::new()],
                false => [words::clock(at_ms), day.clone()],
            };
            for (line, y) in lines.iter().zip([bottom + 19.0, bottom + 34.0]) {
                let _ = write!(
                    svg,
                    "<text class=\"tick\" x=\"{x:.1}\" y=\"{y}\" text-anchor=\"middle\">{line}</text>"
                );
            }
            svg.push('\n');
            shown_day = day;
        }
        svg
    }

    /// Area and line of each run of steps.
    fn runs(&self) -> String {
        let zero = self.y(0.0);
        let dense = self.curve.steps.len() >= STEPS_DENSE;
        let class = if dense { "line thin" } else { "line" };
        self.curve.runs().fold(String::new(), |mut svg, run| {
            let line = self.line(run);
            let start = run.first().map_or(0.0, |step| self.x(step.starts_at_ms));
            let end = run.last().map_or(0.0, |step| self.x(step.ends_at_ms));
            let _ = writeln!(
                svg,
                "<path class=\"area\" d=\"M{start:.1} {zero:.1}L{line}L{end:.1} {zero:.1}Z\"/>\
                 <path class=\"{class}\" d=\"M{line}\"/>"
            );
            svg
        })
    }

    /// Points of a run: each step is level.
    fn line(&self, run: &[Step]) -> String {
        let level = |step: &Step| {
            let (start, end) = (self.x(step.starts_at_ms), self.x(step.ends_at_ms));
            let y = self.y(step.power_w);
            format!("{start:.1} {y:.1}L{end:.1} {y:.1}")
        };
        run.iter().map(level).collect::<Vec<_>>().join("L")
    }

    /// Steps that may still grow, over the line.
    fn partial(&self) -> String {
        let steps = self.curve.steps.iter().filter(|step| !step.complete);
        let marks = steps.map(|step| self.line(std::slice::from_ref(step)));
        let marks = marks.map(|line| format!("<path class=\"partial\" d=\"M{line}\"/>\n"));
        marks.collect()
    }

    fn mean(&self, mean_w: f64) -> String {
        let (y, x) = (self.y(mean_w), WIDTH - RIGHT);
        format!(
            "<line class=\"mean\" x1=\"{LEFT}\" y1=\"{y:.1}\" x2=\"{x}\" y2=\"{y:.1}\"/>\
             <text class=\"mean-label\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">mean {}</text>\n",
            x - 6.0,
            y - 6.0,
            words::quantity(mean_w, "W")
        )
    }

    /// A dot at the peak, and its label on the side where there is room.
    fn peak(&self, peak: &Step) -> String {
        let x = (self.x(peak.starts_at_ms) + self.x(peak.ends_at_ms)) / 2.0;
        let y = self.y(peak.power_w);
        let (anchor, label_x) = if x < WIDTH / 2.0 {
            ("start", x - LABEL_GAP / 2.0)
        } else {
            ("end", x + LABEL_GAP / 2.0)
        };
        format!(
            "<circle class=\"peak\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4.5\"/>\
             <text class=\"peak-label\" x=\"{label_x:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">peak {}, {}</text>\n",
            y - LABEL_GAP,
            words::quantity(peak.power_w, "W"),
            words::instant(peak.starts_at_ms)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::curve::tests::half_hours;

    fn drawn(powers_w: &[Option<f64>]) -> String {
        let curve = half_hours(1_636_300_800_000, powers_w);
        svg(&curve, &curve.figures().expect("values"))
    }

    #[test]
    fn units_axes_and_the_peak_are_written() {
        let svg = drawn(&[Some(100.0), Some(13_100.0), Some(900.0)]);
        for part in [
            ">kW</text>",
            ">time, UTC</text>",
            "peak 13.1 kW, 7 Nov 2021, 16:30<",
            "mean 4.70 kW<",
            ">16:30</text>",
            ">7 Nov</text>",
        ] {
            assert!(svg.contains(part), "{part} in {svg}");
        }
    }

    #[test]
    fn what_has_no_value_is_a_hatched_gap_in_the_line() {
        let whole = drawn(&[Some(1.0), Some(2.0), Some(3.0)]);
        assert_eq!(whole.matches("url(#hatch)").count(), 0);
        assert_eq!(whole.matches("class=\"line\"").count(), 1);
        let torn = drawn(&[Some(1.0), None, Some(3.0)]);
        assert_eq!(torn.matches("url(#hatch)").count(), 1);
        assert_eq!(torn.matches("class=\"line\"").count(), 2);
    }

    #[test]
    fn a_level_curve_is_level() {
        let curve = half_hours(0, &[Some(50.0), Some(50.0)]);
        let plot = Plot {
            curve: &curve,
            power_ticks: vec![0.0, 50.0, 100.0],
        };
        assert_eq!(
            plot.line(&curve.steps),
            "60.0 189.0L497.0 189.0L497.0 189.0L934.0 189.0"
        );
    }

    #[test]
    fn a_month_of_minutes_stays_a_small_picture() {
        let svg = drawn(&vec![Some(1_234.5); 44_640]);
        assert!(svg.len() < 150_000, "{} bytes", svg.len());
    }
}
