//! A Markdown table with columns of even width, readable on a terminal too. What its cells mean is the
//! caller's business.

/// Where the cells of a column end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    /// On the left, for words.
    Left,
    /// On the right, for figures that are compared down the column.
    Right,
}

/// The table: `columns` are its heads, each row has a cell for each.
pub(crate) fn render<const N: usize>(columns: &[(&str, Align); N], rows: &[[String; N]]) -> String {
    let head = columns.map(|(head, _)| head.to_owned());
    let widths: [usize; N] = std::array::from_fn(|column| {
        let cells = std::iter::once(&head).chain(rows);
        cells
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or(0)
    });
    let aligned = columns.map(|(_, align)| align);
    let mut text = line(&head, &aligned, &widths) + &rule(&aligned, &widths);
    for row in rows {
        text += &line(row, &aligned, &widths);
    }
    text
}

fn line<const N: usize>(row: &[String; N], aligned: &[Align; N], widths: &[usize; N]) -> String {
    let cells = row.iter().zip(aligned).zip(widths);
    let cells = cells.map(|((cell, align), &width)| match align {
        Align::Left => format!(" {cell:<width$} "),
        Align::Right => format!(" {cell:>width$} "),
    });
    format!("|{}|\n", cells.collect::<Vec<_>>().join("|"))
}

fn rule<const N: usize>(aligned: &[Align; N], widths: &[usize; N]) -> String {
    let cells = aligned
        .iter()
        .zip(widths)
        .map(|(align, &width)| match align {
            Align::Left => "-".repeat(width + 2),
            Align::Right => format!("{}:", "-".repeat(width + 1)),
        });
    format!("|{}|\n", cells.collect::<Vec<_>>().join("|"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_by_characters() {
        let rows = [
            ["é".to_owned(), "7".to_owned()],
            ["abc".to_owned(), "12,000".to_owned()],
        ];
        let expected = "\
| name | figure |
|------|-------:|
| é    |      7 |
| abc  | 12,000 |
";
        let columns = [("name", Align::Left), ("figure", Align::Right)];
        assert_eq!(render(&columns, &rows), expected);
    }
}
