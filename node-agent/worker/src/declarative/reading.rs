//! `files_read`: what a model is given of a file. It is read as documents are ([`super::document`]), so that what can
//! be asked about can be read, and what cannot is refused by its name. Offsets are in bytes of the text as it is given,
//! in UTF-8.

use aion_abi::code::Code;
use aion_abi::problem::Problem;

use super::document;
use super::knowledge::MAX_FILE;
use super::knowledge::read::{Once, once, part};
use super::told::MAX_RESULT;
use crate::syscalls::Syscalls;

/// The most text of one part; what is said beside it fits into the result with it.
const PART: usize = MAX_RESULT - 1024;
/// So much of the start of a long file tells what it is.
const HEAD: u32 = 64 * 1024;

/// A part of the file from `offset` on, and how to go on.
pub(super) async fn read(
    syscalls: &impl Syscalls,
    mount: &str,
    path: &str,
    offset: u64,
) -> Result<String, Problem> {
    let place = format!("{mount}/{path}");
    match once(syscalls, mount, path).await? {
        Once::Whole(bytes) => {
            let text = document::text(&bytes).map_err(|_| no_text(&place))?;
            Ok(cut(&text, offset))
        }
        Once::Changed => Err(Problem::new(
            Code::UpstreamFailed,
            format!("{place} changes while it is read"),
        )
        .remedy("read it again when it is whole")),
        Once::TooLarge(size) => {
            let (_, head) = part(syscalls, mount, path, 0, HEAD).await?;
            // A letter may be cut in two at its end.
            let text = document::text(&head).map_err(|_| no_text(&place))?;
            let is_utf8 = match std::str::from_utf8(&head) {
                Ok(_) => true,
                Err(error) => head.len() - error.valid_up_to() < 4,
            };
            if !is_utf8 || text.is_empty() {
                let text = format!(
                    "{place} is longer than {} MiB and not in UTF-8",
                    MAX_FILE / 1024 / 1024
                );
                return Err(Problem::new(Code::TooLarge, text)
                    .remedy("have it converted to UTF-8, or cut into shorter files"));
            }
            let (_, bytes) = part(syscalls, mount, path, offset, PART as u32).await?;
            Ok(cut_long(&bytes, offset, size))
        }
    }
}

fn no_text(place: &str) -> Problem {
    Problem::new(Code::BadRequest, format!("{place} is not a text file")).remedy(
        "use a tool that takes such files, or tell the person that only text can be read here",
    )
}

/// A part of a text that is here as a whole.
fn cut(text: &str, offset: u64) -> String {
    let whole = text.len();
    let start = usize::try_from(offset).unwrap_or(usize::MAX);
    if start >= whole {
        return match whole {
            0 => "[the file is empty]".to_owned(),
            _ => format!("[the file ends at {whole}]"),
        };
    }
    let start = text.floor_char_boundary(start);
    let end = text.floor_char_boundary((start + PART).min(whole));
    let mut part = text[start..end].to_owned();
    if end < whole {
        part.push_str(&format!(
            "\n[{start} to {end} of {whole} bytes; go on at offset {end}]"
        ));
    }
    part
}

/// A part of a long text in UTF-8, whose letters may be cut in two at both ends.
fn cut_long(bytes: &[u8], offset: u64, size: u64) -> String {
    if bytes.is_empty() {
        return format!("[the file ends at {size}]");
    }
    let is_inside = |byte: &&u8| **byte & 0xC0 == 0x80;
    let skipped = bytes.iter().take(3).take_while(is_inside).count();
    let mut end = bytes.len();
    if offset + (end as u64) < size {
        // Not the last part: a letter that is begun is left to the next.
        let begun = bytes.iter().rev().take(3).take_while(is_inside).count();
        if let Some(first) = end.checked_sub(begun + 1).filter(|at| *at > skipped)
            && bytes[first] >= 0xC0
            && std::str::from_utf8(&bytes[first..]).is_err()
        {
            end = first;
        }
    }
    let mut text = String::from_utf8_lossy(&bytes[skipped..end]).into_owned();
    text = text
        .trim_start_matches('\u{feff}')
        .replace('\0', "\u{fffd}");
    let (from, to) = (offset + skipped as u64, offset + end as u64);
    if to < size {
        text.push_str(&format!(
            "\n[{from} to {to} of {size} bytes; go on at offset {to}]"
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The offset to go on at.
    fn next(part: &str) -> Option<u64> {
        let (_, at) = part.rsplit_once("go on at offset ")?;
        at.trim_end_matches(']').parse().ok()
    }

    fn text_of(part: &str) -> &str {
        part.rsplit_once("\n[").map_or(part, |(text, _)| text)
    }

    #[test]
    fn parts_make_the_whole_whatever_letters_they_are_cut_in() {
        for text in ["ä", "کتاب", "水", "𝄞x"].map(|it| it.repeat(PART / 5)) {
            let (mut whole, mut long) = (String::new(), String::new());
            let mut at = Some(0);
            while let Some(offset) = at {
                let part = cut(&text, offset);
                whole.push_str(text_of(&part));
                at = next(&part);
            }
            at = Some(0);
            while let Some(offset) = at {
                let from = offset as usize;
                let bytes = &text.as_bytes()[from..(from + PART).min(text.len())];
                let part = cut_long(bytes, offset, text.len() as u64);
                long.push_str(text_of(&part));
                at = next(&part);
            }
            assert!(whole == text && long == text);
        }
    }

    #[test]
    fn the_end_and_nothing_are_said() {
        assert_eq!(cut("", 0), "[the file is empty]");
        assert_eq!(cut("abc", 3), "[the file ends at 3]");
        assert_eq!(cut("abc", u64::MAX), "[the file ends at 3]");
        assert_eq!(cut("abc", 1), "bc");
        assert_eq!(cut_long(b"", 9, 9), "[the file ends at 9]");
    }
}
