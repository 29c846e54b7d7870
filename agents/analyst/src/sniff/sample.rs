//! The first rows of a text, and how much they look like rows.

use std::collections::BTreeMap;

use unicode_general_category::{GeneralCategory as Category, get_general_category};

use crate::cell;
use crate::csvfile::{Dialect, Encoding, Rows};

/// How many rows are looked at.
const SAMPLE_ROWS: usize = 1000;
/// What a row of one cell is worth: a little, so that a table of one column is one.
pub(super) const ONE_COLUMN: f64 = 1e-3;

/// One row of the sample.
#[derive(Clone)]
pub(super) struct Sampled {
    pub(super) line: u64,
    pub(super) cells: Vec<String>,
}

impl Sampled {
    pub(super) fn first(&self) -> &str {
        self.cells.first().map_or("", String::as_str)
    }
}

/// Reads the first rows. A head that breaks off inside a row gives the rows before it.
pub(super) fn sample(text: &[u8], d: &Dialect) -> Vec<Sampled> {
    let d = Dialect {
        mark: 0,
        encoding: Encoding::Utf8,
        ..d.clone()
    };
    let mut out = Vec::new();
    let Ok(mut rows) = Rows::new(Box::new(text), &d) else {
        return out;
    };
    while out.len() < SAMPLE_ROWS
        && let Ok(Some(row)) = rows.next()
    {
        out.push(Sampled {
            line: row.line,
            cells: row.cells().map(str::to_owned).collect(),
        });
    }
    out
}

/// How many rows there are of each width.
pub(super) fn widths(rows: &[Sampled]) -> BTreeMap<usize, usize> {
    let mut counts = BTreeMap::new();
    for row in rows {
        *counts.entry(row.cells.len()).or_default() += 1;
    }
    counts
}

/// What so many rows of one width are worth as a pattern.
pub(super) fn pattern(width: usize, count: usize) -> f64 {
    count as f64 * ONE_COLUMN.max(width as f64 - 1.0) / width as f64
}

/// The product of pattern score and type score.
pub(super) fn consistency(rows: &[Sampled]) -> f64 {
    if rows.is_empty() {
        return 0.0;
    }
    let (mut known, mut cells) = (0.0, 0);
    for text in rows.iter().flat_map(|row| &row.cells) {
        known += knows(text);
        cells += 1;
    }
    let (mut score, mut entropy) = (0.0, 0.0);
    for (width, count) in widths(rows) {
        score += pattern(width, count);
        let share = count as f64 / rows.len() as f64;
        entropy -= share * share.ln();
    }
    score / entropy.exp() * (known / f64::from(cells)).max(1e-10)
}

/// How sure it is that a text is one cell: a number, a date, a truth value, a word or words.
fn knows(text: &str) -> f64 {
    if is_value(text) || cell::missing(text) {
        return 1.0;
    }
    let mut letters = false;
    for (i, c) in text.char_indices() {
        match c {
            ':' if i > 0 => {}
            ',' | ';' if text.get(i + 1..).is_some_and(|rest| rest.starts_with(' ')) => {}
            _ => match kind(c) {
                Kind::Letter => letters = true,
                Kind::Inner => {}
                Kind::Odd => return 0.0,
            },
        }
    }
    if letters { 1.0 } else { 0.1 }
}

enum Kind {
    Letter,
    /// It may stand in a cell.
    Inner,
    Odd,
}

fn kind(c: char) -> Kind {
    use Category as C;
    if c.is_ascii_alphabetic() {
        return Kind::Letter;
    }
    if c.is_ascii() {
        let inner = c.is_ascii_digit()
            || matches!(c, ' ' | '\n' | '\r' | '\x0b' | '\x0c')
            || "-_.'/()&+!?%#*@$=<>[]{}\\\"".contains(c);
        return if inner { Kind::Inner } else { Kind::Odd };
    }
    match get_general_category(c) {
        C::UppercaseLetter
        | C::LowercaseLetter
        | C::TitlecaseLetter
        | C::ModifierLetter
        | C::OtherLetter => Kind::Letter,
        C::Control if c.is_whitespace() => Kind::Inner,
        C::LineSeparator | C::ParagraphSeparator => Kind::Inner,
        C::Control | C::Format | C::Surrogate | C::PrivateUse | C::Unassigned => Kind::Odd,
        _ => Kind::Inner,
    }
}

/// Whether a cell is a number, a date or a time: something that a name is not.
pub(super) fn is_value(text: &str) -> bool {
    if !cell::read_number(text).styles.is_empty() {
        return true;
    }
    cell::may_be_date(text)
        && (!cell::read_date(text).orders.is_empty() || cell::time_of_day(text).is_some())
}
