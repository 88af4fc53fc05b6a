//! The report as one HTML page: no scripts, nothing loaded from elsewhere, readable when printed.

use crate::chart;
use crate::curve::{Curve, Figures};
use crate::words::{self, escaped, instant, quantity};

/// What the page is made of.
pub(crate) struct Page<'a> {
    /// What stands above it.
    pub(crate) title: &'a str,
    /// The curve.
    pub(crate) curve: &'a Curve,
    /// Intervals that were left out for privacy.
    pub(crate) suppressed: u32,
    /// What the run's reads cost, datapoints.
    pub(crate) datapoints: u64,
}

const STYLE: &str = include_str!("page.css");

const LEGEND: &str = "\
<span><svg width=\"22\" height=\"12\"><line class=\"line\" x1=\"0\" y1=\"6\" x2=\"22\" y2=\"6\"/></svg>mean power of each interval</span>\
<span><svg width=\"22\" height=\"12\"><line class=\"partial\" x1=\"0\" y1=\"6\" x2=\"22\" y2=\"6\"/></svg>not all have reported yet</span>\
<span><svg width=\"22\" height=\"12\"><rect fill=\"url(#hatch)\" width=\"22\" height=\"12\"/></svg>no value: left out for privacy, or not measured</span>";

impl Page<'_> {
    /// The page, or a short one where nothing has a value.
    pub(crate) fn html(&self) -> String {
        let body = match self.curve.figures() {
            Some(figures) => self.report(&figures),
            None => "<p>Every interval of this period is left out: its group is too small, or one household \
                     stands out in it.</p>\n"
                .to_owned(),
        };
        let title = escaped(self.title);
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n\
             <style>\n{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n\
             <p class=\"period\">{} to {} UTC</p>\n{body}{}</body>\n</html>\n",
            instant(self.curve.from_ms),
            instant(self.curve.to_ms),
            self.footer()
        )
    }

    fn report(&self, figures: &Figures) -> String {
        let days = self.curve.days();
        let table = if days.len() > 1 {
            day_table(&days)
        } else {
            String::new()
        };
        format!(
            "{}<figure>\n{}<figcaption>{LEGEND}</figcaption>\n</figure>\n{table}",
            tiles(figures),
            chart::svg(self.curve, figures)
        )
    }

    fn footer(&self) -> String {
        let left_out = match self.suppressed {
            0 => "No interval was left out for privacy.".to_owned(),
            1 => "1 interval was left out for privacy.".to_owned(),
            more => format!("{more} intervals were left out for privacy."),
        };
        format!(
            "<footer>Sums over consenting households. {left_out} The data cost {} datapoints.</footer>\n",
            self.datapoints
        )
    }
}

/// The figures of the whole.
fn tiles(figures: &Figures) -> String {
    let percent = |part: f64| format!("{:.0} %", part * 100.0);
    let (fewest, most) = figures.households;
    let households = if fewest == most {
        most.to_string()
    } else {
        format!("{fewest} to {most}")
    };
    let partial = match figures.partial {
        0 => "all have reported".to_owned(),
        1 => "1 interval still open".to_owned(),
        some => format!("{some} intervals still open"),
    };
    let tile = |name: &str, value: String, note: String| {
        format!("<div><dt>{name}</dt><dd>{value}<small>{note}</small></dd></div>\n")
    };
    let tiles = [
        tile(
            "Energy",
            quantity(figures.energy_wh, "Wh"),
            "drawn".to_owned(),
        ),
        tile(
            "Peak",
            quantity(figures.peak.power_w, "W"),
            format!("{} UTC", instant(figures.peak.starts_at_ms)),
        ),
        tile(
            "Mean",
            quantity(figures.mean_w, "W"),
            "over time with values".to_owned(),
        ),
        tile(
            "Base load",
            quantity(figures.base_w, "W"),
            "lowest interval".to_owned(),
        ),
        tile(
            "Load factor",
            percent(figures.load_factor()),
            "mean / peak".to_owned(),
        ),
        tile("Households", households, "in each interval".to_owned()),
        tile("Covered", percent(figures.coverage), partial),
    ];
    format!("<dl>\n{}</dl>\n", tiles.concat())
}

/// One row per day.
fn day_table(days: &[Curve]) -> String {
    let rows: String = days.iter().map(day_row).collect();
    format!(
        "<h2>By day (UTC)</h2>\n<table>\n<tr><th>day</th><th>energy</th><th>mean</th><th>peak</th><th>at</th>\
         <th>covered</th></tr>\n{rows}</table>\n"
    )
}

fn day_row(day: &Curve) -> String {
    let name = words::day(day.from_ms);
    let Some(figures) = day.figures() else {
        return format!(
            "<tr><td>{name}</td><td>–</td><td>–</td><td>–</td><td>–</td><td>0 %</td></tr>\n"
        );
    };
    format!(
        "<tr><td>{name}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{:.0} %</td></tr>\n",
        quantity(figures.energy_wh, "Wh"),
        quantity(figures.mean_w, "W"),
        quantity(figures.peak.power_w, "W"),
        words::clock(figures.peak.starts_at_ms),
        figures.coverage * 100.0
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::curve::tests::half_hours;

    fn html(title: &str, powers_w: &[Option<f64>], suppressed: u32) -> String {
        let curve = half_hours(1_636_300_800_000, powers_w);
        let page = Page {
            title,
            curve: &curve,
            suppressed,
            datapoints: 50,
        };
        page.html()
    }

    #[test]
    fn a_title_cannot_become_markup() {
        let html = html("<script>alert(1)</script>", &[Some(1.0)], 0);
        assert!(!html.contains("<script"), "{html}");
        assert!(html.contains("<h1>&lt;script&gt;"), "{html}");
    }

    #[test]
    fn the_page_says_what_it_stands_on() {
        let html = html("t", &[Some(1_000.0), None], 1);
        for part in [
            "500 Wh",
            "<small>7 Nov 2021, 16:00 UTC</small>",
            "50 %",
            "1 interval was left out for privacy.",
            "cost 50 datapoints",
        ] {
            assert!(html.contains(part), "{part} in {html}");
        }
        assert!(!html.contains("By day"), "one day needs no table");
    }

    #[test]
    fn each_day_has_a_row_even_without_values() {
        let mut powers_w = vec![Some(100.0); 16];
        powers_w.extend(vec![None; 48]);
        let html = html("t", &powers_w, 48);
        assert!(html.contains("<td>7 Nov</td><td>800 Wh</td>"), "{html}");
        assert!(html.contains("<td>8 Nov</td><td>–</td>"), "{html}");
    }

    #[test]
    fn a_period_without_any_value_is_told_in_words() {
        let html = html("t", &[None], 1);
        assert!(
            html.contains("Every interval of this period is left out"),
            "{html}"
        );
        assert!(!html.contains("<figure>"), "{html}");
    }
}
