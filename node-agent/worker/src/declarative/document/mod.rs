//! From a file's bytes to passages that can be found and quoted. Pure.
//!
//! The bytes become text ([`decode`]), the text's headings and what should stay together are found
//! ([`outline`]), and it is cut ([`passage`]). What may not enter: a file's place, a syscall, a guess at
//! what a document means.

mod decode;
mod outline;
mod passage;

pub(super) use decode::text;
pub(super) use passage::Passage;

/// The version of what [`passages`] answers. Files that were cut by another one are read again.
pub(super) const FORM: &str = "2";

/// The passages of the file `name`, or why it has none.
pub(super) fn passages(name: &str, bytes: &[u8]) -> Result<Vec<Passage>, &'static str> {
    let text = decode::text(bytes)?;
    Ok(passage::split(&text, &outline::Outline::of(name, &text)))
}
