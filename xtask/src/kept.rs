//! Rows of an earlier run that a run of something else keeps. A full run of everything takes hours, so what
//! is run by name replaces its own rows of the file and leaves the others, each with its date.

/// The rows of a Markdown table in `text` with as many cells as asked for; heads and rules are left out.
pub(crate) fn rows<const N: usize>(text: &str) -> Vec<[String; N]> {
    let lines = text.lines().filter(|line| line.starts_with('|'));
    let rows = lines.skip(2).filter_map(|line| cells(line).try_into().ok());
    rows.collect()
}

/// The cells of a line, which bars part unless a backslash comes before them.
fn cells(line: &str) -> Vec<String> {
    let inside = line.trim().trim_start_matches('|');
    let inside = inside.strip_suffix('|').unwrap_or(inside);
    let parted = inside.replace("\\|", "\0");
    let cells = parted.split('|');
    cells.map(|cell| cell.trim().replace('\0', "\\|")).collect()
}

/// The new rows in the place of the earlier ones of their groups, and the other earlier ones. The group is what
/// stands before a colon in the first cell, or all of it.
pub(crate) fn merged<const N: usize>(
    earlier: Vec<[String; N]>,
    mut new: Vec<[String; N]>,
) -> Vec<[String; N]> {
    let replaced: Vec<String> = new.iter().map(|row| group(row).to_owned()).collect();
    let mut merged = Vec::with_capacity(earlier.len() + new.len());
    for row in earlier {
        let group = group(&row);
        if !replaced.iter().any(|new| new == group) {
            merged.push(row);
            continue;
        }
        let (own, rest) = new.into_iter().partition(|new| self::group(new) == group);
        merged.extend::<Vec<_>>(own);
        new = rest;
    }
    merged.extend(new);
    merged
}

fn group<const N: usize>(row: &[String; N]) -> &str {
    let first = row.first().map_or("", String::as_str);
    first.split_once(':').map_or(first, |(group, _)| group)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, figure: &str) -> [String; 2] {
        [name.to_owned(), figure.to_owned()]
    }

    #[test]
    fn rows_are_read_as_they_were_written() {
        let text = "# Title\n\n| name | figure |\n|---|--:|\n| a: b | 1 |\n| c \\| d |   2 |\n| e |\n\nEnd.\n";
        assert_eq!(rows::<2>(text), [row("a: b", "1"), row("c \\| d", "2")]);
        assert!(rows::<2>("").is_empty());
    }

    #[test]
    fn a_run_replaces_its_own_rows_and_keeps_the_others() {
        let earlier = vec![
            row("a: one", "1"),
            row("a: gone", "1"),
            row("b", "1"),
            row("c: x", "1"),
        ];
        let new = vec![row("a: one", "2"), row("b", "2"), row("d", "2")];
        let expected = [
            row("a: one", "2"),
            row("b", "2"),
            row("c: x", "1"),
            row("d", "2"),
        ];
        assert_eq!(merged(earlier, new), expected);
    }
}
