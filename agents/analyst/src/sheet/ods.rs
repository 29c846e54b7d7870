//! The sheets of an ODS (OpenDocument 1.3, part 3): they lie in one part, one behind the other.

use std::io;

use quick_xml::events::BytesEnd;

use super::refused;
use super::row::{MAX_CELLS, Row, append};
use super::xml::{Element, Part, Token};
use super::{Book, MAX_SHEET, MAX_SHEETS, Sheet};

/// How often a row or a cell may come again.
const MAX_REPEATED: usize = 1 << 24;

const PART: &str = "content.xml";

fn begins_table(start: &Element<'_>) -> bool {
    start.local() == b"table" && start.is_of(b"table")
}

fn ends_table(end: &BytesEnd<'_>) -> bool {
    end.local_name().as_ref() == b"table"
        && end
            .name()
            .prefix()
            .is_some_and(|prefix| prefix.as_ref() == b"table")
}

impl Book {
    pub(super) fn open_ods(&mut self) -> io::Result<()> {
        let mut depth = 0_i64;
        let (sheets, beyond) = (&mut self.sheets, &mut self.beyond);
        self.archive.walk(PART, MAX_SHEET, |token| {
            match token {
                Token::Start(start) if begins_table(&start) => {
                    if depth == 0 && sheets.len() == MAX_SHEETS {
                        *beyond += 1;
                    } else if depth == 0 {
                        let name = start.attribute("name")?.into_owned();
                        sheets.push(Sheet {
                            name,
                            ..Sheet::default()
                        });
                    }
                    depth += 1;
                }
                Token::End(end) if ends_table(&end) => depth -= 1,
                _ => {}
            }
            Ok(())
        })
    }

    /// The part that has the sheets of an ODS, for the rows of one of them.
    pub(super) fn ods_rows(&self, index: usize, said: &str) -> io::Result<OdsRows> {
        let part = self.archive.tokens(PART, MAX_SHEET, said)?;
        Ok(OdsRows {
            part,
            before: index,
            inside: false,
            again: 0,
            row: Row::default(),
            text: String::new(),
        })
    }
}

/// Where the reader is in a sheet.
pub(super) struct OdsRows {
    part: Part,
    /// How many sheets come before it.
    before: usize,
    inside: bool,
    /// How often the last row comes again.
    again: usize,
    row: Row,
    text: String,
}

impl OdsRows {
    /// The next row that is not empty; none behind the last.
    pub(super) fn next(&mut self) -> io::Result<Option<&Row>> {
        if self.again > 0 {
            self.again -= 1;
            self.row.number += 1;
            return Ok(Some(&self.row));
        }
        if !self.inside && !self.enter()? {
            return Ok(None);
        }
        loop {
            let times = match self.part.next()? {
                None => return Ok(None),
                Some(Token::Start(start)) if start.local() == b"table-row" => {
                    repeated(&start, "number-rows-repeated")
                }
                Some(Token::End(end)) if ends_table(&end) => return Ok(None),
                _ => continue,
            };
            if !self.cells()? {
                return Ok(None);
            }
            let times = times?;
            if !self.row.cells.is_empty() {
                self.row.number += 1;
                self.again = times - 1;
                return Ok(Some(&self.row));
            }
            self.row.number = self.row.number.saturating_add(times as u64);
        }
    }

    /// Goes to the beginning of the sheet; false where there is none.
    fn enter(&mut self) -> io::Result<bool> {
        while let Some(token) = self.part.next()? {
            if !matches!(token, Token::Start(start) if begins_table(&start)) {
                continue;
            }
            if self.before == 0 {
                self.inside = true;
                return Ok(true);
            }
            self.before -= 1;
            if !self.pass(b"table")? {
                return Ok(false);
            }
        }
        Ok(false)
    }

    /// Reads to the end of the element that has begun; false where the part ends before.
    fn pass(&mut self, name: &[u8]) -> io::Result<bool> {
        let mut depth = 1_u64;
        while let Some(token) = self.part.next()? {
            match token {
                Token::Start(start) if start.local() == name => depth += 1,
                Token::End(end) if end.local_name().as_ref() == name => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Reads the cells of the row that has begun; false where the part ends before.
    fn cells(&mut self) -> io::Result<bool> {
        self.row.clear();
        let mut at = 0_usize;
        loop {
            let (covered, times, value) = match self.part.next()? {
                None => return Ok(false),
                Some(Token::End(end)) if end.local_name().as_ref() == b"table-row" => {
                    return Ok(true);
                }
                Some(Token::Start(start)) => {
                    let covered = start.local() == b"covered-table-cell";
                    if !covered && start.local() != b"table-cell" {
                        continue;
                    }
                    (
                        covered,
                        repeated(&start, "number-columns-repeated")?,
                        value_of(&start)?,
                    )
                }
                _ => continue,
            };
            if !self.text(if covered {
                b"covered-table-cell"
            } else {
                b"table-cell"
            })? {
                return Ok(false);
            }
            let text = value.as_deref().unwrap_or(&self.text);
            if !text.is_empty() {
                for i in at..at.saturating_add(times).min(MAX_CELLS + 1) {
                    self.row.put(i, text)?;
                }
            }
            at = at.saturating_add(times);
        }
    }

    /// Reads the paragraphs of a cell, to its end. A note at the cell is none of it.
    fn text(&mut self, cell: &[u8]) -> io::Result<bool> {
        self.text.clear();
        let mut in_paragraph = 0_i64;
        while let Some(token) = self.part.next()? {
            let note = match token {
                Token::Start(start) => {
                    let space = match start.local() {
                        b"p" => {
                            in_paragraph += 1;
                            !self.text.is_empty()
                        }
                        b"s" | b"tab" | b"line-break" => true,
                        _ => false,
                    };
                    if space {
                        append(&mut self.text, " ")?;
                    }
                    start.local() == b"annotation"
                }
                Token::End(end) => {
                    match end.local_name().as_ref() {
                        b"p" => in_paragraph -= 1,
                        name if name == cell => return Ok(true),
                        _ => {}
                    }
                    false
                }
                Token::Text(more) if in_paragraph > 0 => {
                    append(&mut self.text, &more)?;
                    false
                }
                Token::Text(_) | Token::Aside => false,
            };
            if note && !self.pass(b"annotation")? {
                return Ok(false);
            }
        }
        Ok(false)
    }
}

fn repeated(start: &Element<'_>, name: &str) -> io::Result<usize> {
    let text = start.attribute(name)?;
    if text.is_empty() {
        return Ok(1);
    }
    match text.parse() {
        Ok(times @ 1..=MAX_REPEATED) => Ok(times),
        _ => refused(format!(
            "the sheet repeats a row or a cell {text} times, which no program writes"
        )),
    }
}

/// What a cell means, where that is written; else it is what it shows.
fn value_of(cell: &Element<'_>) -> io::Result<Option<String>> {
    let value = match &*cell.prefixed(Some("office"), "value-type")? {
        "float" | "percentage" | "currency" => cell.attribute("value")?.into_owned(),
        "date" => {
            let value = cell.attribute("date-value")?.replacen('T', " ", 1);
            value
                .strip_suffix(" 00:00:00")
                .map(str::to_owned)
                .unwrap_or(value)
        }
        "time" => clock(&cell.attribute("time-value")?).unwrap_or_default(),
        "boolean" => cell.attribute("boolean-value")?.into_owned(),
        _ => String::new(),
    };
    Ok(Some(value).filter(|value| !value.is_empty()))
}

/// Writes a duration such as PT09H30M00S as 09:30:00; none where it is of another form, or more than a day.
pub(super) fn clock(text: &str) -> Option<String> {
    let mut rest = text.strip_prefix("PT")?;
    let mut parts = [0; 3];
    for (part, unit) in parts.iter_mut().zip(['H', 'M', 'S']) {
        let Some((number, after)) = rest.split_once(unit) else {
            continue;
        };
        *part = number.split('.').next()?.parse::<i64>().ok()?;
        rest = after;
    }
    let [hours, minutes, seconds] = parts;
    let good = rest.is_empty()
        && (0..24).contains(&hours)
        && (0..60).contains(&minutes)
        && (0..60).contains(&seconds);
    good.then(|| format!("{hours:02}:{minutes:02}:{seconds:02}"))
}
