//! What encloses cells.

use memchr::memchr;
use memchr::memmem::find_iter;

/// The usual mark, unless apostrophes enclose cells and it does not; and a backslash where it comes before a mark within
/// a cell, else 0.
pub(super) fn quotes(text: &[u8], separator: u8) -> (u8, u8) {
    let single = enclosed(text, b'\'', separator) > 1 && enclosed(text, b'"', separator) == 0;
    let quote = if single { b'\'' } else { b'"' };
    let escapes = find_iter(text, &[b'\\', quote]).any(|at| match text.get(at + 2) {
        None | Some(b'\n' | b'\r') => false,
        Some(&after) => after != separator && after != quote,
    });
    (quote, if escapes { b'\\' } else { 0 })
}

/// Counts the cells that a mark begins and ends; none where more begin with it than that.
fn enclosed(text: &[u8], mark: u8, separator: u8) -> usize {
    if memchr(mark, text).is_none() {
        return 0;
    }
    let (mut open, mut ends) = (0, 0);
    let lines = text
        .split(|&byte| byte == b'\n' || byte == b'\r')
        .filter(|line| !line.is_empty());
    for part in lines
        .flat_map(|line| line.split(|&byte| byte == separator))
        .map(trim)
    {
        open += usize::from(part.first() == Some(&mark));
        ends += usize::from(part.last() == Some(&mark));
    }
    let both = open.min(ends);
    if mark == b'\'' && 2 * both < open {
        0
    } else {
        both
    }
}

fn trim(part: &[u8]) -> &[u8] {
    match std::str::from_utf8(part) {
        Ok(text) => text.trim().as_bytes(),
        Err(_) => part.trim_ascii(),
    }
}
