//! A file as a text that can be read again and again.

use std::io::{self, Read};
use std::rc::Rc;

use memchr::memrchr;

use crate::host::{At, File, Heard, Source};
use crate::sheet::{Book, MAGIC};

/// How much of the text of a sheet is looked at before it is read.
const HEAD: u64 = 256 << 10;

/// What was found out of a file before it is read.
pub(super) struct Opened {
    pub(super) size: u64,
    pub(super) head: Vec<u8>,
    /// `head` is all of the text.
    pub(super) whole: bool,
    /// What the text was made of, where it is not the file itself.
    pub(super) source: String,
    /// Which other tables the file has.
    pub(super) others: String,
    text: Text,
}

/// Where the text comes from.
enum Text {
    File(Source),
    Sheet { book: Book, index: usize },
}

/// Finds out whether the file is a workbook, and chooses its sheet by the question. `heard` is told how far it was
/// read.
pub(super) fn open(file: &Source, question: &str, heard: Heard) -> io::Result<Opened> {
    let mut first = File::new(file.clone());
    let (head, whole) = first.head()?;
    let size = first.size();
    let file = file.with(heard);
    if head.starts_with(MAGIC) {
        return open_sheet(size, At::new(file), question);
    }
    Ok(Opened {
        size,
        head,
        whole,
        source: String::new(),
        others: String::new(),
        text: Text::File(file),
    })
}

fn open_sheet(size: u64, at: At, question: &str) -> io::Result<Opened> {
    let book = Book::open(Rc::new(at), size)?;
    let index = book.choose(question)?;
    let mut head = Vec::new();
    book.rows(index)?.take(HEAD).read_to_end(&mut head)?;
    let whole = (head.len() as u64) < HEAD;
    if !whole {
        head.truncate(memrchr(b'\n', &head).map_or(0, |end| end + 1));
    }
    let name = book
        .sheets
        .get(index)
        .map_or("", |sheet| sheet.name.as_str());
    Ok(Opened {
        size,
        head,
        whole,
        source: format!("the sheet {name} of an {} workbook", book.kind),
        others: book.others(index),
        text: Text::Sheet { book, index },
    })
}

impl Opened {
    /// Reads the text from its first byte.
    pub(super) fn text(&self) -> io::Result<Box<dyn Read + '_>> {
        match &self.text {
            Text::File(file) => Ok(Box::new(File::new(file.clone()))),
            Text::Sheet { book, index } => book.rows(*index),
        }
    }
}
