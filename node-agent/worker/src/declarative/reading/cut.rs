//! A part of a file's text as a model is given it, with what is said behind it. Pure.

use std::ops::Range;

use aion_abi::code::Code;
use aion_abi::problem::Problem;

use super::super::document::{self, Piece, Text};
use super::super::knowledge::MAX_FILE;
use super::super::knowledge::read::Part;
use super::super::told::MAX_RESULT;

/// The most text of one part; what is said beside it fits into the result with it.
pub(super) const PART: usize = MAX_RESULT - 1024;

pub(super) fn no_text(place: &str) -> Problem {
    Problem::new(Code::BadRequest, format!("{place} is not a text file")).remedy(
        "use a tool that takes such files, or tell the person that only text can be read here",
    )
}

/// The text of a piece of a long file.
pub(super) fn judged(bytes: &[u8], at: u64, place: &str) -> Result<Text, Problem> {
    match document::piece(bytes) {
        Piece::Text(text) => Ok(text),
        Piece::None => Err(no_text(place)),
        Piece::Other => {
            let long = MAX_FILE / 1024 / 1024;
            let text = format!("{place} is longer than {long} MiB and not in UTF-8 at offset {at}");
            Err(Problem::new(Code::TooLarge, text)
                .remedy("have it converted to UTF-8, or cut into shorter files"))
        }
    }
}

/// Where the part at `offset` lies in a text; empty at its end.
pub(super) fn place_in(text: &str, offset: u64) -> Range<usize> {
    let start = text.floor_char_boundary(usize::try_from(offset).unwrap_or(usize::MAX));
    start..text.floor_char_boundary(start + PART)
}

/// A part of a text that is here as a whole.
pub(super) fn cut(Text { text, unread }: &Text, offset: u64, note: Option<&str>) -> String {
    let place = place_in(text, offset);
    let whole = text.len();
    if place.is_empty() {
        return match whole {
            0 => "[the file is empty]".to_owned(),
            _ => format!("[the file ends at {whole}]"),
        };
    }
    let mut part = text[place.clone()].to_owned();
    let places = (place.start as u64, place.end as u64, whole as u64);
    end_with(&mut part, places, (*unread, "of the file"), note);
    part
}

/// A part of a long text in UTF-8, whose letters may be cut in two at both ends.
pub(super) fn cut_long(
    part: &Part,
    offset: u64,
    note: Option<&str>,
    place: &str,
) -> Result<String, Problem> {
    let (bytes, size) = (&part.bytes, part.size);
    if bytes.is_empty() {
        return Ok(format!("[the file ends at {size}]"));
    }
    let skipped = bytes
        .iter()
        .take(3)
        .take_while(|it| is_inside(**it))
        .count();
    // Not the last part: a letter that is begun is left to the next.
    let is_last = offset.saturating_add(bytes.len() as u64) >= size;
    let end = if is_last {
        bytes.len()
    } else {
        whole_letters(bytes)
    };
    let piece = bytes.get(skipped..end).unwrap_or_default();
    let Text { mut text, unread } = judged(piece, offset, place)?;
    let places = (offset + skipped as u64, offset + end as u64, size);
    end_with(&mut text, places, (unread, "here"), note);
    Ok(text)
}

/// What is said behind a part.
fn end_with(
    text: &mut String,
    (from, to, size): (u64, u64, u64),
    (unread, of): (usize, &str),
    note: Option<&str>,
) {
    if unread > 0 {
        text.push_str(&format!(
            "\n[{unread} places {of} are not of its encoding and shown as \u{fffd}]"
        ));
    }
    if let Some(note) = note {
        text.push_str(&format!("\n[{note}]"));
    }
    if to < size {
        text.push_str(&format!(
            "\n[{from} to {to} of {size} bytes; go on at offset {to}]"
        ));
    }
}

fn is_inside(byte: u8) -> bool {
    byte & 0xC0 == 0x80
}

/// How many bytes there are before a letter that is begun at the end.
pub(super) fn whole_letters(bytes: &[u8]) -> usize {
    let begun = bytes
        .iter()
        .rev()
        .take(3)
        .take_while(|it| is_inside(**it))
        .count();
    match bytes.len().checked_sub(begun + 1) {
        Some(first) if bytes[first] >= 0xC0 && std::str::from_utf8(&bytes[first..]).is_err() => {
            first
        }
        _ => bytes.len(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// The offset to go on at.
    fn next(part: &str) -> Option<u64> {
        let (_, at) = part.rsplit_once("go on at offset ")?;
        at.trim_end_matches(']').parse().ok()
    }

    fn text_of(part: &str) -> &str {
        part.split_once("\n[").map_or(part, |(text, _)| text)
    }

    fn text(text: &str) -> Text {
        document::text(text.as_bytes()).unwrap()
    }

    fn part_of(bytes: &[u8], size: usize) -> Part {
        Part {
            bytes: bytes.to_vec(),
            size: size as u64,
            version: String::new(),
            fresh: false,
        }
    }

    #[test]
    fn parts_make_the_whole_whatever_letters_they_are_cut_in() {
        for written in ["ä", "کتاب", "水", "𝄞x"].map(|it| it.repeat(PART / 5)) {
            let (mut whole, mut long) = (String::new(), String::new());
            let mut at = Some(0);
            while let Some(offset) = at {
                let part = cut(&text(&written), offset, None);
                whole.push_str(text_of(&part));
                at = next(&part);
            }
            at = Some(0);
            while let Some(offset) = at {
                let from = offset as usize;
                let bytes = &written.as_bytes()[from..(from + PART).min(written.len())];
                let part = cut_long(&part_of(bytes, written.len()), offset, Some("x"), "f");
                let part = part.unwrap();
                long.push_str(text_of(&part));
                at = next(&part);
            }
            assert!(whole == written && long == written);
        }
    }

    #[test]
    fn the_end_and_nothing_are_said() {
        assert_eq!(cut(&text(""), 0, None), "[the file is empty]");
        assert_eq!(cut(&text("abc"), 3, None), "[the file ends at 3]");
        assert_eq!(cut(&text("abc"), u64::MAX, None), "[the file ends at 3]");
        assert_eq!(cut(&text("abc"), 1, None), "bc");
        let end = cut_long(&part_of(b"", 9), 9, None, "f").unwrap();
        assert_eq!(end, "[the file ends at 9]");
    }
}
