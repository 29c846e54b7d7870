//! The rows of one sheet of an XLSX.

use std::io;

use super::days::moment;
use super::refused;
use super::row::{Row, append};
use super::styles::Form;
use super::xlsx::{Xlsx, is_true};
use super::xml::{Part, Token};

/// Where the reader is in a sheet.
pub(super) struct XlsxRows<'b> {
    pub(super) xlsx: &'b Xlsx,
    pub(super) part: Part,
    number: u64,
    row: Row,
}

/// The cell that has begun.
#[derive(Default)]
struct Cell {
    kind: Kind,
    style: Option<usize>,
    text: String,
}

#[derive(Clone, Copy, Default)]
enum Kind {
    #[default]
    Number,
    Shared,
    Truth,
    Text,
    Date,
}

impl<'b> XlsxRows<'b> {
    pub(super) fn new(xlsx: &'b Xlsx, part: Part) -> Self {
        Self {
            xlsx,
            part,
            number: 0,
            row: Row::default(),
        }
    }

    /// The next row that is not empty; none behind the last.
    pub(super) fn next(&mut self) -> io::Result<Option<&Row>> {
        let mut cell = Cell::default();
        // The column of the cell that has begun; before the first of a row there is none.
        let mut at = usize::MAX;
        let (mut in_text, mut in_row, mut aside) = (false, false, 0_i32);
        self.row.clear();
        while let Some(token) = self.part.next()? {
            match token {
                Token::Start(start) => match start.local() {
                    b"row" => {
                        self.number += 1;
                        if let Ok(number) = start.attribute("r")?.parse::<i64>() {
                            self.number = match u64::try_from(number) {
                                Ok(number) if number >= self.number => number,
                                _ => {
                                    return refused(
                                        "the sheet's rows are not in their order: save it anew and try again",
                                    );
                                }
                            };
                        }
                        self.row.clear();
                        (at, in_row) = (usize::MAX, true);
                    }
                    b"c" => {
                        cell.kind = Kind::of(&start.attribute("t")?);
                        cell.style = Some(match start.attribute("s")?.parse::<i64>() {
                            Ok(style) => usize::try_from(style).unwrap_or(usize::MAX),
                            Err(_) => 0,
                        });
                        at = column_of(&start.attribute("r")?).unwrap_or(at.wrapping_add(1));
                        cell.text.clear();
                    }
                    b"rPh" => aside = aside.saturating_add(1),
                    b"v" | b"t" => in_text = aside == 0,
                    _ => {}
                },
                Token::End(end) => match end.local_name().as_ref() {
                    b"v" | b"t" => in_text = false,
                    b"rPh" => aside = aside.saturating_sub(1),
                    b"c" => cell.put(self.xlsx, &mut self.row, at)?,
                    b"row" => {
                        in_row = false;
                        if !self.row.cells.is_empty() {
                            self.row.number = self.number;
                            return Ok(Some(&self.row));
                        }
                    }
                    b"sheetData" => return Ok(None),
                    _ => {}
                },
                Token::Text(more) if in_text && in_row => append(&mut cell.text, &more)?,
                Token::Text(_) | Token::Aside => {}
            }
        }
        Ok(None)
    }
}

/// The column of a place such as AB12, from 0; none where there is none.
pub(super) fn column_of(place: &str) -> Option<usize> {
    let letters = place.bytes().take_while(u8::is_ascii_uppercase).take(5);
    letters
        .fold(0, |column, letter| {
            26 * column + usize::from(letter - b'A') + 1
        })
        .checked_sub(1)
}

impl Kind {
    fn of(text: &str) -> Self {
        match text {
            "s" => Self::Shared,
            "b" => Self::Truth,
            "str" | "inlineStr" | "e" => Self::Text,
            "d" => Self::Date,
            _ => Self::Number,
        }
    }
}

impl Cell {
    /// Puts what a cell holds into its row, as a person would write it.
    fn put(&self, xlsx: &Xlsx, row: &mut Row, at: usize) -> io::Result<()> {
        let text = self.text.as_str();
        match self.kind {
            Kind::Shared => {
                let number = text
                    .trim()
                    .parse::<i64>()
                    .ok()
                    .and_then(|number| usize::try_from(number).ok());
                row.put(at, number.map_or("", |number| xlsx.texts.get(number)))
            }
            Kind::Truth if text.trim().is_empty() => Ok(()),
            Kind::Truth => row.put(at, if is_true(text) { "true" } else { "false" }),
            Kind::Text => row.put(at, text),
            Kind::Date => row.put(at, text.strip_suffix('Z').unwrap_or(text)),
            Kind::Number => {
                let form = self
                    .style
                    .and_then(|style| xlsx.styles.get(style))
                    .copied()
                    .unwrap_or_default();
                match text.parse::<f64>() {
                    Ok(days) if form != Form::Plain && days.is_finite() => {
                        row.put(at, &moment(days, form, xlsx.since_1904))
                    }
                    _ => row.put(at, text),
                }
            }
        }
    }
}
