//! Tables for eyes: headings in capitals, three spaces between columns, one line a row where the width allows it. Text in a cell
//! does nothing to the screen.

use aion_abi::seen::in_a_line;
use comfy_table::{
    Attribute, Cell, Color, ColumnConstraint, ContentArrangement, Table, presets::NOTHING,
};

use super::screen::{Screen, Tone};

/// Spaces between two columns where there is room.
const WIDEST_GAP: u16 = 3;
/// Spaces where lines are wider than the terminal anyway.
const OVERFLOW_GAP: u16 = 2;

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

/// Draws a table. Where it is wider than the terminal, columns stand closer and the last one, which is the one with
/// the sentences, is wrapped. Where the others alone are too wide nothing is wrapped: a name cut in two is worse
/// than a long line.
pub(crate) fn table(screen: &Screen, headings: &[&str], rows: &[Vec<Field>]) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING);
    if screen.colour {
        table.enforce_styling();
    } else {
        table.force_no_tty();
    }
    table.set_header(
        headings
            .iter()
            .map(|heading| Cell::new(heading.to_uppercase()).add_attribute(Attribute::Dim)),
    );
    for row in rows {
        table.add_row(row.iter().map(cell));
    }
    let widths = table.column_max_content_widths();
    let gap = gap(screen, &widths);
    match (screen.width, gap) {
        (Some(width), Some(_)) => {
            table.set_content_arrangement(ContentArrangement::Dynamic);
            table.set_width(u16::try_from(width).unwrap_or(u16::MAX));
        }
        _ => {
            table.set_content_arrangement(ContentArrangement::Disabled);
        }
    }
    for (at, column) in table.column_iter_mut().enumerate() {
        if at + 1 == widths.len() {
            column.set_padding((0, 0));
        } else {
            column.set_padding((0, gap.unwrap_or(OVERFLOW_GAP)));
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
    let mut drawn = String::new();
    for line in table.lines() {
        drawn.push_str(line.trim_end());
        drawn.push('\n');
    }
    drawn
}

/// Spaces between two columns, so that all but the last have the width they want and the last has room for some
/// words; `None` where that cannot be.
fn gap(screen: &Screen, widths: &[u16]) -> Option<u16> {
    const LEAST: usize = 16;
    let Some(width) = screen.width else {
        return Some(WIDEST_GAP);
    };
    let (last, others) = widths.split_last()?;
    let others: usize = others.iter().map(|width| usize::from(*width)).sum();
    let last = LEAST.min(usize::from(*last));
    (1..=WIDEST_GAP)
        .rev()
        .find(|gap| others + last + usize::from(*gap) * (widths.len() - 1) <= width)
}

fn cell(field: &Field) -> Cell {
    let cell = Cell::new(in_a_line(&field.text));
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
    fn a_name_is_never_cut_in_two() {
        let row = |name: &str| vec![Field::plain(name), Field::plain(name), Field::plain("x y")];
        let name = "a-name-of-thirty-characters-or-so";
        let drawn = table(
            &Screen::test(Some(60), false, true),
            &["a", "b", "c"],
            &[row(name)],
        );
        assert!(drawn.contains(&format!("{name}  {name}  x y")), "{drawn}");
    }

    #[test]
    fn no_text_makes_a_row_of_its_own() {
        let wild = "a\nlock   True \u{9b}2J\u{202e}";
        let drawn = table(
            &Screen::test(None, false, true),
            &["name"],
            &[vec![Field::plain(wild)]],
        );
        let row = r"a\nlock   True \u{9b}2J\u{202e}";
        assert_eq!(drawn, format!("NAME\n{row}\n"));
    }

    #[test]
    fn colour_is_there_only_where_it_is_wanted() {
        let headings = ["name", "ready", "message"];
        assert!(!table(&Screen::test(Some(80), false, true), &headings, &rows()).contains('\x1b'));
        assert!(table(&Screen::test(Some(80), true, true), &headings, &rows()).contains("\x1b["));
    }
}
