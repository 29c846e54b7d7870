//! Rows of a sheet as lines of text with commas.

use std::io::{self, Read};

use super::ods::OdsRows;
use super::row::Row;
use super::xlsxrows::XlsxRows;
use super::{Book, MAX_SHEET, refused};

/// How many rows say how wide a sheet is: a row ends with its last cell that has something in it, and a table's rows are
/// of one width.
const PRESCANNED: usize = 2000;
/// More rows than any program writes.
const MAX_ROWS: u64 = 1 << 24;
/// How much is written at once.
const PIECE: usize = 32 << 10;

/// A sheet's lines.
pub(super) struct Lines<'b> {
    rows: Rows<'b>,
    width: usize,
    /// How many lines were written.
    line: u64,
    out: Vec<u8>,
    given: usize,
    ended: bool,
}

enum Rows<'b> {
    Xlsx(XlsxRows<'b>),
    Ods(OdsRows),
}

impl Rows<'_> {
    fn next(&mut self) -> io::Result<Option<&Row>> {
        match self {
            Self::Xlsx(rows) => rows.next(),
            Self::Ods(rows) => rows.next(),
        }
    }
}

impl Book {
    fn sheet(&self, index: usize) -> io::Result<Rows<'_>> {
        const SAID: &str = "the sheet cannot be read";
        let Some(xlsx) = &self.xlsx else {
            return Ok(Rows::Ods(self.ods_rows(index, SAID)?));
        };
        let part = self.sheets.get(index).map_or("", |sheet| &sheet.part);
        Ok(Rows::Xlsx(XlsxRows::new(
            xlsx,
            self.archive.tokens(part, MAX_SHEET, SAID)?,
        )))
    }
}

impl<'b> Lines<'b> {
    pub(super) fn new(book: &'b Book, index: usize) -> io::Result<Self> {
        let mut width = 1;
        let mut first = book.sheet(index)?;
        let mut seen = 0;
        while seen < PRESCANNED
            && let Some(row) = first.next()?
        {
            width = width.max(row.cells.len());
            seen += 1;
        }
        drop(first);
        let rows = book.sheet(index)?;
        Ok(Self {
            rows,
            width,
            line: 0,
            out: Vec::new(),
            given: 0,
            ended: false,
        })
    }
}

impl Read for Lines<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.given == self.out.len() && !self.ended {
            self.given = 0;
            self.out.clear();
            while self.out.len() < PIECE && !self.ended {
                // Behind the last row another sheet may begin.
                let Some(row) = self.rows.next()? else {
                    self.ended = true;
                    break;
                };
                if row.number > MAX_ROWS {
                    return refused(
                        "the sheet has more rows than any program writes: it is damaged, or made to be",
                    );
                }
                // What comes before it are lines without anything.
                let empty = row.number.saturating_sub(self.line + 1);
                self.out.resize(self.out.len() + empty as usize, b'\n');
                self.line += empty + 1;
                write(row, self.width, &mut self.out);
            }
        }
        let rest = self.out.get(self.given..).unwrap_or_default();
        let n = rest.len().min(into.len());
        if let (Some(into), Some(rest)) = (into.get_mut(..n), rest.get(..n)) {
            into.copy_from_slice(rest);
        }
        self.given += n;
        Ok(n)
    }
}

fn write(row: &Row, width: usize, out: &mut Vec<u8>) {
    for i in 0..width.max(row.cells.len()) {
        if i > 0 {
            out.push(b',');
        }
        if let Some(text) = row.cells.get(i) {
            append(text, out);
        }
    }
    out.push(b'\n');
}

fn append(text: &str, out: &mut Vec<u8>) {
    let breaks = |c: char| matches!(c, '\r' | '\n' | '\0');
    if text.contains(breaks) {
        let words: Vec<&str> = text.split(breaks).filter(|part| !part.is_empty()).collect();
        return append(&words.join(" "), out);
    }
    if !text.contains([',', '"']) {
        return out.extend_from_slice(text.as_bytes());
    }
    out.push(b'"');
    out.extend_from_slice(text.replace('"', "\"\"").as_bytes());
    out.push(b'"');
}
