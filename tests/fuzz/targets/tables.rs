//! The reader of tables: any bytes have the same rows wherever the reading of the file is cut, and come to figures or to
//! a refusal.
#![no_main]

use std::io::{self, Read};

use analyst::csvfile::{Dialect, Place, Rows};
use analyst::profile::{Options, analyse};
use analyst::sniff;
use libfuzzer_sys::fuzz_target;

/// A file that gives so many bytes at a time.
struct Pieces<'a>(&'a [u8], usize);

impl Read for Pieces<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let n = self.1.min(into.len());
        self.0.read(&mut into[..n])
    }
}

/// Rows with their lines and widths, and the places of what was odd.
type Taken = (Vec<(Vec<String>, u64, usize)>, [Place; 5]);

fn rows(bytes: &[u8], size: usize, dialect: &Dialect) -> Result<Taken, String> {
    let told = |error: io::Error| error.to_string();
    let mut rows = Rows::new(Box::new(Pieces(bytes, size)), dialect).map_err(told)?;
    let mut taken = Vec::new();
    while let Some(row) = rows.next().map_err(told)? {
        let cells = row.cells().map(str::to_owned).collect();
        taken.push((cells, row.line, row.width));
    }
    let places = [
        rows.open,
        rows.lines,
        rows.zeros,
        rows.recoded,
        rows.comments,
    ];
    Ok((taken, places))
}

fuzz_target!(|data: &[u8]| {
    let Some((at, bytes)) = data.split_first() else {
        return;
    };
    if let Ok(layout) = sniff::detect(bytes, true) {
        let size = usize::from(*at).max(1);
        let whole = rows(bytes, usize::MAX, &layout.dialect);
        assert_eq!(
            rows(bytes, size, &layout.dialect),
            whole,
            "in pieces of {size}"
        );
    }
    // Figures cost ten times what rows do.
    if !at.is_multiple_of(8) {
        return;
    }
    let open = || -> io::Result<Box<dyn Read>> { Ok(Box::new(io::Cursor::new(bytes.to_vec()))) };
    let _ = analyse(&open, bytes, true, &Options::default());
});
