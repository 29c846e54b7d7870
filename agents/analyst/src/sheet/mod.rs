//! Rows of a sheet of a workbook, XLSX or ODS, as text with commas: one line for each row of the sheet, so that lines
//! are its rows. It unpacks as it reads, within bounds. What columns are may not enter.
//!
//! calamine reads a whole sheet into memory, and its table of texts; here a row is held at a time.

mod archive;
mod bounded;
mod choose;
mod days;
mod lines;
mod ods;
mod row;
mod styles;
#[cfg(test)]
mod tests;
mod xlsx;
mod xlsxrows;
mod xml;

use std::io::{self, Read};
use std::rc::Rc;

use archive::Archive;
use xlsx::Xlsx;

/// Begins every workbook.
pub const MAGIC: &[u8] = b"PK\x03\x04";

/// How many sheets are looked at.
const MAX_SHEETS: usize = 1000;
/// Bounds of what is unpacked: a small archive may hold much. This is of a sheet,
const MAX_SHEET: u64 = 4 << 30;
/// and this of any other part.
const MAX_PART: u64 = 16 << 20;

/// A file that can be read at any place.
pub trait ReadAt {
    /// Fills `into` from an offset on, less only at the end; how many bytes there were.
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize>;
}

/// A workbook.
pub struct Book {
    /// XLSX or ODS.
    pub kind: &'static str,
    /// Its sheets, in their order, as far as they are looked at.
    pub sheets: Vec<Sheet>,
    /// How many there are behind these.
    pub beyond: usize,
    archive: Archive,
    /// What the sheets of an XLSX share; none of an ODS.
    xlsx: Option<Xlsx>,
}

/// One of its sheets.
#[derive(Clone, Debug, Default)]
pub struct Sheet {
    /// What it is called.
    pub name: String,
    /// Its author hid it.
    pub hidden: bool,
    /// Where it is in an XLSX.
    part: String,
}

/// A refusal in words.
fn refused<T>(text: impl Into<String>) -> io::Result<T> {
    Err(io::Error::other(text.into()))
}

impl Book {
    /// Reads what sheets there are.
    pub fn open(source: Rc<dyn ReadAt>, size: u64) -> io::Result<Self> {
        let archive = Archive::open(source, size)?;
        let mut book = Self {
            kind: "",
            sheets: Vec::new(),
            beyond: 0,
            archive,
            xlsx: None,
        };
        if book.archive.has("xl/workbook.bin") {
            return refused(
                "the file is a binary workbook, XLSB: save it as XLSX or CSV and try again",
            );
        } else if book.archive.has("xl/workbook.xml") {
            book.kind = "XLSX";
            book.open_xlsx()?;
        } else if book.archive.has("content.xml") {
            book.kind = "ODS";
            book.open_ods()?;
        } else {
            return refused(
                "the file is a ZIP archive without a workbook in it: unpack it, and give the table itself",
            );
        }
        if book.sheets.is_empty() {
            return refused("the workbook has no sheet with cells");
        }
        Ok(book)
    }

    /// Gives a sheet as text with commas.
    pub fn rows(&self, index: usize) -> io::Result<Box<dyn Read + '_>> {
        Ok(Box::new(lines::Lines::new(self, index)?))
    }
}
