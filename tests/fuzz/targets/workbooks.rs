//! The reader of workbooks: an archive of any bytes, or one with any parts, gives texts or is refused, and a text is the
//! same wherever its reading is cut.
#![no_main]

use std::io::{self, Cursor, Read, Write as _};
use std::rc::Rc;

use analyst::sheet::{Book, ReadAt};
use libfuzzer_sys::fuzz_target;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// So many sheets are read, and so much of each.
const SHEETS: usize = 4;
const MOST: u64 = 64 << 10;

const WORKBOOK: &[u8] = br#"<workbook><sheets><sheet name="A" r:id="i"/></sheets></workbook>"#;
const RELATIONS: &[u8] = br#"<r><Relationship Id="i" Target="s.xml"/></r>"#;

struct Memory(Vec<u8>);

impl ReadAt for Memory {
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        self.0.get(from..).unwrap_or_default().read(into)
    }
}

/// An archive of parts.
fn pack(parts: &[(&str, &[u8])]) -> io::Result<Vec<u8>> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in parts {
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
        archive.start_file(*name, options)?;
        archive.write_all(bytes)?;
    }
    Ok(archive.finish()?.into_inner())
}

/// By the first byte: an archive, the parts of an XLSX with zeros between them, or that of an ODS.
fn archive(kind: u8, bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut parts = bytes.split(|byte| *byte == 0);
    let mut part = || parts.next().unwrap_or_default();
    match kind % 3 {
        0 => Ok(bytes.to_vec()),
        1 => pack(&[
            ("xl/s.xml", part()),
            ("xl/sharedStrings.xml", part()),
            ("xl/styles.xml", part()),
            ("xl/workbook.xml", WORKBOOK),
            ("xl/_rels/workbook.xml.rels", RELATIONS),
        ]),
        _ => pack(&[("content.xml", bytes)]),
    }
}

/// The text of a sheet, read so many bytes at a time.
fn text(book: &Book, index: usize, size: usize) -> Result<Vec<u8>, String> {
    let told = |error: io::Error| error.to_string();
    let mut rows = book.rows(index).map_err(told)?.take(MOST);
    let (mut all, mut piece) = (Vec::new(), vec![0; size]);
    loop {
        match rows.read(&mut piece).map_err(told)? {
            0 => return Ok(all),
            n => all.extend_from_slice(&piece[..n]),
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let [kind, size, bytes @ ..] = data else {
        return;
    };
    let Ok(raw) = archive(*kind, bytes) else {
        return;
    };
    let long = raw.len() as u64;
    let Ok(book) = Book::open(Rc::new(Memory(raw)), long) else {
        return;
    };
    for index in 0..book.sheets.len().min(SHEETS) {
        let whole = text(&book, index, 64 << 10);
        let size = usize::from(*size).max(1);
        assert_eq!(text(&book, index, size), whole, "in pieces of {size}");
        if let Ok(whole) = &whole
            && (whole.len() as u64) < MOST
        {
            assert!(std::str::from_utf8(whole).is_ok());
        }
    }
    let _ = (book.choose("sheet B"), book.others(0));
});
