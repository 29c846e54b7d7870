//! Rows as most are, taken apart where they lie.

use super::index::Index;
use super::{Dialect, rows::MAX_CELLS};

/// Where the cells of a row are in the buffer.
#[derive(Default)]
pub(super) struct Found {
    pub(super) spans: Vec<(u32, u32)>,
    pub(super) width: usize,
}

/// Takes apart a row whole in the buffer, every cell without a quotation mark or with one at each of its ends, no zero
/// byte. It copies nothing, and says where the row ends. None is no verdict: the row is the parser's then.
#[inline]
pub(super) fn quick(
    buffer: &[u8],
    at: usize,
    index: &Index,
    d: &Dialect,
    found: &mut Found,
) -> Option<usize> {
    if d.separator == b' ' || d.escape != 0 {
        return None;
    }
    found.spans.clear();
    let mut width = 0;
    let mut begin = at;
    let mut walk = index.from(at);
    loop {
        let i = walk.next()?;
        let c = *buffer.get(i)?;
        let mut end = i;
        let mut kind = c;
        if c == d.quote && c != 0 {
            // Within marks only the closing one may stand, and right behind it a cell ends.
            if i != begin {
                return None;
            }
            begin = i + 1;
            end = loop {
                let i = walk.next()?;
                match *buffer.get(i)? {
                    c if c == d.quote => break i,
                    c if c == d.separator && c != 0 => {}
                    _ => return None,
                }
            };
            let i = walk.next()?;
            kind = *buffer.get(i)?;
            if i != end + 1 || kind == d.quote {
                return None;
            }
        }
        let last = kind != d.separator || kind == 0;
        let mut after = if end == i { i + 1 } else { end + 2 };
        if last {
            if kind == 0 {
                return None;
            }
            if kind == b'\r' && !d.cr {
                if buffer.get(after) != Some(&b'\n') {
                    // A carriage return in the middle of a line.
                    if end != i || after == buffer.len() {
                        return None;
                    }
                    continue;
                }
                after += 1;
            }
        }
        width += 1;
        if width <= MAX_CELLS {
            found.spans.push(trimmed(buffer, begin, end));
        }
        if last {
            if !index.ascii && std::str::from_utf8(buffer.get(at..after)?).is_err() {
                return None;
            }
            found.width = width;
            return Some(after);
        }
        begin = after;
    }
}

/// A cell without the white space around it.
#[inline]
fn trimmed(buffer: &[u8], begin: usize, end: usize) -> (u32, u32) {
    match buffer.get(begin..end) {
        Some([]) => (begin as u32, end as u32),
        Some([only]) if only.is_ascii_graphic() => (begin as u32, end as u32),
        Some([first, .., last]) if first.is_ascii_graphic() && last.is_ascii_graphic() => {
            (begin as u32, end as u32)
        }
        Some(raw) => trim(raw, begin),
        None => (0, 0),
    }
}

#[cold]
fn trim(raw: &[u8], begin: usize) -> (u32, u32) {
    // What is no text is the parser's, so this is only ever of what will be thrown away.
    let Ok(text) = std::str::from_utf8(raw) else {
        return (begin as u32, (begin + raw.len()) as u32);
    };
    let start = text.len() - text.trim_start().len();
    let from = begin + start;
    (from as u32, (from + text.trim().len()) as u32)
}
