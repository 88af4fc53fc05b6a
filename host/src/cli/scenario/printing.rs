//! A run as text for people, in the form of the transcript:
//! `[service]:…; [route]:…; [params]:… => [return]:…`.

use super::report::{Check, Entry, Report};
use super::text::Language;
use crate::cli::screen::Screen;

/// A line of this many signs at each side of a step's number.
const RULE: &str = "=================";

/// The heading of a run.
pub(crate) fn title(screen: &Screen, title: &str, about: Option<&str>) -> String {
    let title = screen.bold(title);
    about.map_or_else(|| title.clone(), |about| format!("{title}\n{about}"))
}

/// The heading of a step.
pub(crate) fn step(screen: &Screen, language: Language, number: usize, title: &str) -> String {
    let banner = screen.bold(&format!("{RULE} {} {number} {RULE}", language.step()));
    format!("\n\n{banner}\n{title}")
}

/// One thing that was said, done or found.
pub(crate) fn entry(screen: &Screen, language: Language, entry: &Entry) -> String {
    let colon = language.colon();
    match entry {
        Entry::Said { text } => format!("\n{text}"),
        Entry::Called {
            service,
            route,
            params,
            returned,
            note,
            ..
        } => {
            let line = format!(
                "[service]:{service}; [route]:{route}; [params]:{params} => [return]:{returned}"
            );
            match note {
                Some(note) => format!("{line}\n{}{colon}{note}", language.refused()),
                None => line,
            }
        }
        Entry::Ticked { ticks, now } => {
            format!("\n{}", screen.dim(&language.clock_shows(*ticks, now)))
        }
        Entry::Watching { stream } => {
            screen.dim(&format!("{}{colon}{stream}", language.watching()))
        }
        Entry::Event { stream, payload } => format!("[stream]:{stream} => [event]:{payload}"),
        Entry::Deployed { name, component } => screen.dim(&format!(
            "{}{colon}{name} = {component}",
            language.deployed()
        )),
        Entry::RolledBack { name } => {
            screen.dim(&format!("{}{colon}{name}", language.rolled_back()))
        }
        Entry::Checked(check) => checked(screen, language, check),
    }
}

fn checked(screen: &Screen, language: Language, check: &Check) -> String {
    let Check {
        of,
        expected,
        got,
        met: _,
    } = check;
    let colon = language.colon();
    match got {
        None => format!("  {} {of}{colon}{expected}", screen.green("✓")),
        Some(got) => {
            let (wanted, came) = (language.expected(), language.got());
            format!(
                "  {} {of}{colon}{wanted} {expected}, {came} {got}",
                screen.red("✗")
            )
        }
    }
}

/// The last line.
pub(crate) fn summary(screen: &Screen, language: Language, report: &Report) -> String {
    let text = language.summary(report.met, report.not_met);
    let (mark, text) = match report.not_met {
        0 => (screen.green("✓"), text),
        _ => (screen.red("✗"), screen.red(&text)),
    };
    format!("\n{mark} {text}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(shown: &Entry, expected: &str) {
        assert_eq!(entry(&Screen::plain(), Language::En, shown), expected);
    }

    #[test]
    fn a_call_has_the_transcript_s_form() {
        let mut call = Entry::Called {
            method: "POST",
            path: "/house/house-editor/add-house".to_owned(),
            service: "house".to_owned(),
            route: "house-editor/add-house".to_owned(),
            params: r#"{"client_name":"Ada"}"#.to_owned(),
            status: 200,
            returned: "f3b8".to_owned(),
            note: None,
        };
        let line = "[service]:house; [route]:house-editor/add-house; \
            [params]:{\"client_name\":\"Ada\"} => [return]:f3b8";
        check(&call, line);
        if let Entry::Called { note, .. } = &mut call {
            *note = Some("403: not trusted".to_owned());
        }
        check(&call, &format!("{line}\nrefused: 403: not trusted"));
    }

    #[test]
    fn expectations_are_marked() {
        let met = Check::met("answer", "18900".to_owned());
        check(&Entry::Checked(met), "  ✓ answer: 18900");
        let not_met = Check::not_met("answer", "18900".to_owned(), "null".to_owned());
        check(
            &Entry::Checked(not_met),
            "  ✗ answer: expected 18900, got null",
        );
    }

    #[test]
    fn the_summary_counts() {
        let report = Report {
            met: 3,
            not_met: 1,
            ..Report::default()
        };
        let told = summary(&Screen::plain(), Language::Fr, &report);
        assert_eq!(told, "\n✗ 3 attentes remplies, 1 non remplies");
    }
}
