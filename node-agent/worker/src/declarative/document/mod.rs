//! From a file's bytes to passages that can be found and quoted. Pure.
//!
//! The bytes become text ([`decode`]), the text's headings and what should stay together are found
//! ([`outline`]), and it is cut ([`passage`]). What may not enter: a file's place, a syscall, a guess at
//! what a document means.

mod decode;
mod outline;
mod passage;

pub(super) use decode::{Piece, Text, piece, text};
pub(super) use passage::Passage;

/// The version of what [`passages`] answers. Files that were cut by another one are read again.
pub(super) const FORM: &str = "3";

/// A document in passages.
#[derive(Debug)]
pub(super) struct Cut {
    pub(super) passages: Vec<Passage>,
    /// How many letters in them stand for bytes that could not be read.
    pub(super) unread: usize,
}

/// The passages of the file `name`, or why it has none.
pub(super) fn passages(name: &str, bytes: &[u8]) -> Result<Cut, &'static str> {
    let text = decode::text(bytes)?;
    Ok(Cut {
        passages: passage::split(&text.text, &outline::Outline::of(name, &text.text)),
        unread: text.unread,
    })
}
