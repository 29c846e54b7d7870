//! Tables for eyes: headings in capitals, three spaces between columns, one line a row where the width allows it.

use comfy_table::{
    Attribute, Cell, Color, ColumnConstraint, ContentArrangement, Table, Width, presets::NOTHING,
};

use super::screen::{Screen, Tone, tame};

/// Spaces between two columns.
const GAP: u16 = 3;

/// A cell: its text and how it is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Field {
    pub(crate) text: String,
    pub(crate) tone: Option<Tone>,
}

impl Field {
    pub(crate) fn plain(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            tone: None,
        }
    }

    pub(crate) fn toned(text: impl Into<String>, tone: Tone) -> Self {
        Self {
            text: text.into(),
            tone: Some(tone),
        }
    }
}

/// Draws a table. Where it is wider than the terminal, cells of the widest columns are wrapped.
pub(crate) fn table(screen: &Screen, headings: &[&str], rows: &[Vec<Field>]) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING);
    match screen.width {
        Some(width) => {
            table.set_content_arrangement(ContentArrangement::Dynamic);
            table.set_width(u16::try_from(width).unwrap_or(u16::MAX));
        }
        None => {
            table.set_content_arrangement(ContentArrangement::Disabled);
        }
    }
    if screen.colour {
        table.enforce_styling();
    } else {
        table.force_no_tty();
    }
    if headings.iter().any(|heading| !heading.is_empty()) {
        table.set_header(
            headings
                .iter()
                .map(|heading| Cell::new(heading.to_uppercase()).add_attribute(Attribute::Dim)),
        );
    }
    for row in rows {
        table.add_row(row.iter().map(cell));
    }
    let widths = table.column_max_content_widths();
    let rigid = rigid(screen, &widths);
    for (at, column) in table.column_iter_mut().enumerate() {
        let last = at + 1 == widths.len();
        column.set_padding((0, if last { 0 } else { GAP }));
        if !last && rigid {
            column.set_constraint(ColumnConstraint::ContentWidth);
            continue;
        }
        let least = headings
            .get(at)
            .map_or(0, |heading| heading.chars().count())
            + 3;
        column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(
            u16::try_from(least).unwrap_or(u16::MAX),
        )));
    }
    let mut drawn = String::new();
    for line in table.lines() {
        drawn.push_str(line.trim_end());
        drawn.push('\n');
    }
    drawn
}

/// Whether all columns but the last can have the width they want: only the last one is wrapped then, which is the
/// one with the sentences.
fn rigid(screen: &Screen, widths: &[u16]) -> bool {
    const LEAST: usize = 20;
    let Some((last, others)) = widths.split_last() else {
        return false;
    };
    let others: usize = others.iter().map(|width| usize::from(width + GAP)).sum();
    screen
        .width
        .is_some_and(|width| others + LEAST.min(usize::from(*last)) <= width)
}

fn cell(field: &Field) -> Cell {
    let cell = Cell::new(tame(&field.text));
    match field.tone {
        None => cell,
        Some(Tone::Good) => cell.fg(Color::DarkGreen),
        Some(Tone::Warn) => cell.fg(Color::DarkYellow),
        Some(Tone::Bad) => cell.fg(Color::DarkRed),
        Some(Tone::Faint) => cell.add_attribute(Attribute::Dim),
        Some(Tone::Strong) => cell.add_attribute(Attribute::Bold),
    }
}

#[cfg(test)]
mod tests {
    use unicode_width::UnicodeWidthStr;

    use super::*;

    fn rows() -> Vec<Vec<Field>> {
        let long = "the mount docs is not mapped to a folder: aionctl mount add docs PATH";
        vec![
            vec![
                Field::plain("librarian"),
                Field::toned("True", Tone::Good),
                Field::plain("all is well"),
            ],
            vec![
                Field::plain("a"),
                Field::toned("False", Tone::Bad),
                Field::plain(long),
            ],
        ]
    }

    #[test]
    fn columns_stand_below_their_headings() {
        let drawn = table(
            &Screen::test(None, false, true),
            &["name", "ready", "message"],
            &rows(),
        );
        let mut lines = drawn.lines();
        assert_eq!(lines.next(), Some("NAME        READY   MESSAGE"));
        assert_eq!(lines.next(), Some("librarian   True    all is well"));
        assert!(
            lines
                .next()
                .is_some_and(|line| line.starts_with("a           False   the mount docs"))
        );
        assert_eq!(lines.next(), None);
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        for width in [40, 60, 80, 160] {
            let drawn = table(
                &Screen::test(Some(width), false, true),
                &["name", "ready", "message"],
                &rows(),
            );
            for line in drawn.lines() {
                assert!(line.width() <= width, "{width}: {line:?}");
            }
        }
    }

    #[test]
    fn only_the_last_column_is_wrapped_while_the_others_fit() {
        let drawn = table(
            &Screen::test(Some(50), false, true),
            &["name", "ready", "message"],
            &rows(),
        );
        assert!(
            drawn.contains("\na           False   the mount docs is not mapped\n"),
            "{drawn}"
        );
        assert!(
            drawn.contains("\n                    to a folder:"),
            "{drawn}"
        );
    }

    #[test]
    fn colour_is_there_only_where_it_is_wanted() {
        let headings = ["name", "ready", "message"];
        assert!(!table(&Screen::test(Some(80), false, true), &headings, &rows()).contains('\x1b'));
        assert!(table(&Screen::test(Some(80), true, true), &headings, &rows()).contains("\x1b["));
    }
}
