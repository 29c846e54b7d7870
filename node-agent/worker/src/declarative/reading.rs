//! `files_read`: what a model is given of a file. It is read as documents are ([`super::document`]), so that what can
//! be asked about can be read, and what cannot is refused by its name. Offsets are in bytes of the text as it is given,
//! in UTF-8; of a file that is too long to be held, in bytes of the file.
//!
//! A text is held, so that its parts are of one version and cost one reading. Where the file has another version at
//! the next part, or may have, its content decides: what was given before is there as it was, or the model is told to
//! begin again.

use aion_abi::code::Code;
use aion_abi::problem::Problem;

use super::document::{self, Piece, Text};
use super::knowledge::MAX_FILE;
use super::knowledge::digest;
use super::knowledge::read::{Part, Read, from_start, part};
use super::told::MAX_RESULT;
use crate::syscalls::Syscalls;

/// The most text of one part; what is said beside it fits into the result with it.
const PART: usize = MAX_RESULT - 1024;
/// So many files are held, and so many bytes of text.
const FILES: usize = 8;
const BYTES: usize = 16 * 1024 * 1024;
/// A long file that changes while a part is read is read so often.
const TRIES: usize = 3;
/// What is said where another version holds what was given of the one before.
const GREW: &str = "the file changed since the part before, which reads as it did";

/// The files that the model reads in a turn.
#[derive(Debug, Default)]
pub(super) struct Reader {
    /// The one that was read last comes last.
    held: Vec<Held>,
}

#[derive(Debug)]
struct Held {
    mount: String,
    path: String,
    version: String,
    /// It may have changed since and have this version.
    fresh: bool,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Whole(Text),
    /// Of a long file, the part that was given last, by its place and its digest.
    Last(u64, u64, String),
}

impl Content {
    fn bytes(&self) -> usize {
        match self {
            Self::Whole(text) => text.text.len(),
            Self::Last(..) => 0,
        }
    }
}

impl Reader {
    /// A part of the file from `offset` on, and how to go on.
    pub(super) async fn read(
        &mut self,
        syscalls: &impl Syscalls,
        mount: &str,
        path: &str,
        offset: u64,
    ) -> Result<String, Problem> {
        let at = self
            .held
            .iter()
            .position(|it| it.mount == mount && it.path == path);
        let before = at.map(|at| self.held.remove(at)).filter(|_| offset > 0);
        let (held, told) = go_on(syscalls, (mount, path), offset, before).await?;
        self.held.push(held);
        let sum = |held: &[Held]| held.iter().map(|it| it.content.bytes()).sum::<usize>();
        while self.held.len() > FILES || self.held.len() > 1 && sum(&self.held) > BYTES {
            self.held.remove(0);
        }
        Ok(told)
    }
}

/// The part at `offset` of a file of which something was given `before`.
async fn go_on(
    syscalls: &impl Syscalls,
    (mount, path): (&str, &str),
    offset: u64,
    mut before: Option<Held>,
) -> Result<(Held, String), Problem> {
    let place = format!("{mount}/{path}");
    for _ in 1..TRIES {
        match again(syscalls, (mount, path), offset, &mut before).await {
            Err(problem) if problem.code == Code::Changed => {}
            outcome => return outcome?.ok_or_else(|| changed(&place)),
        }
    }
    let last = again(syscalls, (mount, path), offset, &mut before).await?;
    last.ok_or_else(|| changed(&place))
}

/// One try; nothing where what was given before is not there any more.
async fn again(
    syscalls: &impl Syscalls,
    (mount, path): (&str, &str),
    offset: u64,
    before: &mut Option<Held>,
) -> Result<Option<(Held, String)>, Problem> {
    let place = format!("{mount}/{path}");
    if let Some(held) = before.take_if(|held| !held.fresh) {
        let length = match held.content {
            Content::Whole(_) => 1,
            Content::Last(..) => PART as u32,
        };
        match part(syscalls, mount, path, (offset, length), Some(&held.version)).await {
            Ok(part) => {
                let told = match &held.content {
                    Content::Whole(text) => Ok(cut(text, offset, None)),
                    Content::Last(..) => cut_long(&part, offset, None, &place),
                };
                return told.map(|told| Some((hold(held, &part, offset), told)));
            }
            Err(problem) if problem.code == Code::Changed => {
                *before = Some(Held {
                    fresh: true,
                    ..held
                });
            }
            Err(problem) => return Err(problem),
        }
    }
    let (file, content) = match from_start(syscalls, mount, path).await? {
        Read::Whole(file) => {
            let text = document::text(&file.bytes).map_err(|_| no_text(&place))?;
            (file, Content::Whole(text))
        }
        Read::Long(file) => {
            judged(&file.bytes[..whole_letters(&file.bytes)], 0, &place)?;
            (file, Content::Last(0, 0, String::new()))
        }
    };
    let mut held = Held {
        mount: mount.to_owned(),
        path: path.to_owned(),
        version: file.version,
        fresh: file.fresh,
        content,
    };
    let mut note = None;
    if let Some(before) = before {
        match (&before.content, &held.content) {
            (Content::Whole(old), Content::Whole(new)) => {
                let given = |text: &str| {
                    text.get(..text.floor_char_boundary(offset as usize))
                        .map(str::to_owned)
                };
                if given(&old.text) != given(&new.text) {
                    return Ok(None);
                }
                note = (old != new).then_some(GREW);
            }
            (Content::Last(from, to, digested), Content::Last(..)) => {
                let length = u32::try_from(to - from).unwrap_or(PART as u32);
                if length > 0 {
                    let at = (*from, length);
                    let given = part(syscalls, mount, path, at, Some(&held.version)).await?;
                    if digest(&[&given.bytes]) != *digested {
                        return Ok(None);
                    }
                }
                note = (before.version != held.version).then_some(GREW);
            }
            _ => return Ok(None),
        }
    }
    if let Content::Whole(text) = &held.content {
        let told = cut(text, offset, note);
        return Ok(Some((held, told)));
    }
    let at = (offset, PART as u32);
    let part = part(syscalls, mount, path, at, Some(&held.version)).await?;
    let told = cut_long(&part, offset, note, &place)?;
    held = hold(held, &part, offset);
    Ok(Some((held, told)))
}

/// What is held once `part` was given.
fn hold(mut held: Held, part: &Part, offset: u64) -> Held {
    held.fresh |= part.fresh;
    if let Content::Last(..) = held.content
        && !part.bytes.is_empty()
    {
        let to = offset.saturating_add(part.bytes.len() as u64);
        held.content = Content::Last(offset, to, digest(&[&part.bytes]));
    }
    held
}

fn changed(place: &str) -> Problem {
    let text = format!("{place} changed since its parts before were read");
    Problem::new(Code::Changed, text).remedy("read it again from offset 0")
}

fn no_text(place: &str) -> Problem {
    Problem::new(Code::BadRequest, format!("{place} is not a text file")).remedy(
        "use a tool that takes such files, or tell the person that only text can be read here",
    )
}

/// The text of a piece of a long file.
fn judged(bytes: &[u8], at: u64, place: &str) -> Result<Text, Problem> {
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

/// A part of a text that is here as a whole.
fn cut(Text { text, unread }: &Text, offset: u64, note: Option<&str>) -> String {
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
    let of = "of the file";
    end_with(
        &mut part,
        (start as u64, end as u64, whole as u64),
        (*unread, of),
        note,
    );
    part
}

/// A part of a long text in UTF-8, whose letters may be cut in two at both ends.
fn cut_long(part: &Part, offset: u64, note: Option<&str>, place: &str) -> Result<String, Problem> {
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
fn whole_letters(bytes: &[u8]) -> usize {
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
