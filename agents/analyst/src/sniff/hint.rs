//! The line by which spreadsheets are told the separator.

use memchr::memchr2;

/// Reads the line `sep=X` and gives X and what comes after the line; none where the first line is another.
pub(super) fn hint(text: &[u8]) -> Option<(u8, &[u8])> {
    let (line, rest) = text.split_at(memchr2(b'\r', b'\n', text)?);
    let line = line.strip_prefix(b"\"").unwrap_or(line);
    let (word, after) = line.split_first_chunk::<4>()?;
    let (&c, behind) = after.split_first()?;
    let alone = behind
        .iter()
        .all(|byte| matches!(byte, b'"' | b' ' | b',' | b';' | b'\t'));
    let separates = c.is_ascii() && c != b'"' && c != 0 && !c.is_ascii_alphanumeric();
    (word.eq_ignore_ascii_case(b"sep=") && alone && separates).then_some((c, rest))
}
