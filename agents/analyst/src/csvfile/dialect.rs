//! How a file is written, and what no text is.

use std::borrow::Cow;
use std::io::{self, Read as _};

use memchr::{memchr, memrchr};

use super::Encoding;
use super::decode::decode;
use super::encoding::detect;

/// How a file is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dialect {
    /// How characters became bytes.
    pub encoding: Encoding,
    /// How many bytes of byte-order mark come before the first character.
    pub mark: usize,
    /// What stands between cells; 0 where a line is one cell. A space stands for any run of spaces.
    pub separator: u8,
    /// What encloses cells; 0 where nothing does. Within it a quote is doubled, or has `escape` before it.
    pub quote: u8,
    /// What comes before a quote within a cell; 0 where a quote is doubled.
    pub escape: u8,
    /// A carriage return alone ends a line.
    pub cr: bool,
    /// A line `sep=X` named the separator.
    pub hint: bool,
    /// What begins lines that are no rows; empty where nothing does.
    pub comment: &'static str,
    /// The line of the first row, counted from 1: what comes before is a title.
    pub start: u64,
    /// How many cells most rows have; 0 where that is not known yet.
    pub width: usize,
}

/// What is said of a file with nothing in it.
pub const EMPTY: &str = "the file is empty: give one with a row of names and rows of values";

/// The beginnings of files that are no text.
const NOT_TEXT: [(&[u8], &str); 7] = [
    (b"PK\x03\x04", "a ZIP archive"),
    (
        b"\xd0\xcf\x11\xe0",
        "an old Office file, as XLS files are, or an encrypted workbook",
    ),
    (b"PAR1", "a Parquet file"),
    (b"%PDF", "a PDF"),
    (b"\x1f\x8b", "compressed with gzip"),
    (b"SQLite format 3", "an SQLite database"),
    (b"\x89PNG", "a picture"),
];

impl Dialect {
    /// The separator in words.
    pub fn separator_name(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self.separator {
            0 => "nothing (one column)",
            b'\t' => "tabs",
            b';' => "semicolons",
            b'|' => "bars",
            b':' => "colons",
            b' ' => "spaces",
            b',' => "commas",
            c if c.is_ascii_control() => return Cow::Owned(control(c)),
            c => return Cow::Owned(format!("{:?}", char::from(c))),
        })
    }

    pub(super) fn line_end(&self) -> u8 {
        if self.cr { b'\r' } else { b'\n' }
    }
}

/// A control character as programs spell it.
fn control(c: u8) -> String {
    match c {
        7 => r"'\a'".into(),
        8 => r"'\b'".into(),
        11 => r"'\v'".into(),
        12 => r"'\f'".into(),
        _ => format!(r"'\x{c:02x}'"),
    }
}

/// Finds the encoding of a file from its head, and gives the head in UTF-8. It refuses what is no text.
pub fn text(head: &[u8], whole: bool) -> io::Result<(Dialect, Vec<u8>)> {
    if let Some((_, name)) = NOT_TEXT.iter().find(|(magic, _)| head.starts_with(magic)) {
        return Err(io::Error::other(format!(
            "the file is {name}: it does not look like a table in text form: save it as CSV and try again"
        )));
    }
    let (encoding, mark) = detect(head);
    let mut d = Dialect {
        encoding,
        mark,
        ..Dialect::default()
    };
    let mut text = Vec::new();
    decode(Box::new(head.get(mark..).unwrap_or_default()), encoding).read_to_end(&mut text)?;
    if blank(&text) {
        return Err(io::Error::other(EMPTY));
    }
    if controls(&text) {
        return Err(io::Error::other(
            "the file holds bytes that no text has: it does not look like a table in text form: save it as CSV and try again",
        ));
    }
    d.cr = memchr(b'\n', &text).is_none() && memchr(b'\r', &text).is_some();
    if !whole {
        // The last line is cut off somewhere: it says nothing.
        if let Some(end) = memrchr(d.line_end(), &text) {
            text.truncate(end + 1);
        }
    }
    Ok((d, text))
}

/// Whether there is nothing but white space, zeros and byte-order marks.
fn blank(mut text: &[u8]) -> bool {
    loop {
        text = match text {
            [] => return true,
            [b' ' | b'\t' | b'\r' | b'\n' | 0, rest @ ..] | [0xef, 0xbb, 0xbf, rest @ ..] => rest,
            _ => return false,
        };
    }
}

/// Whether more than one byte in ten is one that text does not have. Zeros at the end are not looked at.
fn controls(text: &[u8]) -> bool {
    let length = text
        .iter()
        .rposition(|&byte| byte != 0)
        .map_or(0, |last| last + 1);
    let odd = text
        .iter()
        .take(length)
        .filter(|&&byte| {
            byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r' | 0x0c | 0x1f | 0x1e | 0x01)
        })
        .count();
    10 * odd > length
}
