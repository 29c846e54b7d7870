//! Rows of every kind, taken apart byte by byte.

use std::borrow::Cow;

use memchr::memmem::find;
use memchr::{memchr, memchr_iter, memchr3_iter};

use super::{Dialect, rows::MAX_CELLS};

/// How far a quotation mark is looked for that closes a cell. What was looked through in vain is taken from what may
/// be looked through, and each row that was read adds to that by its bytes: a file full of marks that nobody closes is
/// still read in one go, and a few of them take nothing from the cells after them.
const MAX_QUOTED: usize = 1 << 20;
const AT_FIRST: u64 = 16 << 20;
const FOR_A_BYTE: u64 = 4;

/// What was made of a row: its cells lie in `flat`, one behind the other.
#[derive(Default)]
pub(super) struct Parser {
    pub(super) flat: Vec<u8>,
    ends: Vec<usize>,
    pub(super) width: usize,
    /// A cell has several lines.
    pub(super) multi: bool,
    /// Quotation marks of this row that close nothing, from its beginning, in their order, and how far it was looked
    /// for their ends.
    open: Vec<(usize, usize)>,
    /// How much was looked through in vain, in the rows before and in this one so far.
    before: u64,
    pub(super) spent: u64,
}

/// What became of a cell in quotation marks.
enum Verdict {
    Closed(usize),
    NeedMore,
    /// So far it was looked for the end.
    NeverClosed(usize),
}

/// Where a line ends, of whatever kind.
fn ends_line(data: &[u8], at: usize, d: &Dialect) -> bool {
    match data.get(at) {
        Some(b'\r') if d.cr => true,
        Some(b'\n') => !d.cr,
        Some(b'\r') => data.get(at + 1) == Some(&b'\n'),
        _ => false,
    }
}

fn separates(data: &[u8], at: usize, d: &Dialect) -> bool {
    d.separator != 0 && data.get(at) == Some(&d.separator)
}

/// The first place from one on where there is no space.
fn behind_spaces(data: &[u8], at: usize) -> usize {
    let spaces = data
        .get(at..)
        .unwrap_or_default()
        .iter()
        .take_while(|&&byte| byte == b' ')
        .count();
    at + spaces
}

/// Where a cell without quotation marks ends.
fn cell_end(data: &[u8], at: usize, d: &Dialect) -> usize {
    let separator = if d.separator == 0 { b'\r' } else { d.separator };
    memchr3_iter(separator, b'\n', b'\r', data.get(at..).unwrap_or_default())
        .map(|i| at + i)
        .find(|&i| separates(data, i, d) || ends_line(data, i, d))
        .unwrap_or(data.len())
}

impl Parser {
    /// Takes one row apart from the beginning of data, which is a place of the file. It says how many bytes the row has
    /// with its line end; none where more of the file is needed to know, of which there is no more where it ended. A row
    /// that is taken apart again with more of it is judged alike as far as it was.
    pub(super) fn parse(
        &mut self,
        data: &[u8],
        place: u64,
        d: &Dialect,
        ended: bool,
    ) -> Option<usize> {
        self.spent = self.before;
        self.flat.clear();
        self.ends.clear();
        self.width = 0;
        self.multi = false;
        let mut at = 0;
        loop {
            if d.separator == b' ' {
                at = behind_spaces(data, at);
            }
            at = self.cell(data, at, place, d, ended)?;
            self.width += 1;
            match self.ends.get(MAX_CELLS - 1) {
                None => self.ends.push(self.flat.len()),
                Some(&end) => self.flat.truncate(end),
            }
            if at == data.len() {
                return Some(at);
            }
            if separates(data, at, d) {
                at += 1;
                if d.separator != b' ' {
                    continue;
                }
                at = behind_spaces(data, at);
                if at + 1 >= data.len() && !ended {
                    return None;
                }
                if at == data.len() {
                    return Some(at);
                }
                if !ends_line(data, at, d) {
                    continue;
                }
            }
            // A line end: one byte, or a carriage return before a line feed.
            return Some(if data.get(at) == Some(&b'\r') && !d.cr {
                at + 2
            } else {
                at + 1
            });
        }
    }

    /// Takes one cell and says where it ends.
    fn cell(
        &mut self,
        data: &[u8],
        at: usize,
        place: u64,
        d: &Dialect,
        ended: bool,
    ) -> Option<usize> {
        let start = behind_spaces(data, at);
        if start == data.len() && !ended {
            return None;
        }
        if d.quote != 0 && data.get(start) == Some(&d.quote) {
            match self.open.binary_search_by_key(&start, |&(at, _)| at) {
                Ok(known) => self.spend(self.open.get(known).map_or(0, |&(_, far)| far)),
                Err(_) => match self.in_quotes(data, start, place, d, ended) {
                    Verdict::Closed(end) => return Some(end),
                    Verdict::NeedMore => return None,
                    Verdict::NeverClosed(far) => {
                        self.open.push((start, far));
                        self.spend(far);
                    }
                },
            }
        }
        let end = cell_end(data, at, d);
        if end == data.len() && !ended {
            return None;
        }
        self.flat.extend_from_slice(data.get(at..end)?);
        Some(end)
    }

    /// Reads a cell in quotation marks and gives where it ends. A mark closes a cell where a separator or a line end
    /// follows; elsewhere it is part of the cell. A mark is never closed where the end of the file comes first, or, once
    /// the cell goes over more than its line, where a mark stands that neither closes nor is doubled, or where whole
    /// rows of the table lie within the cell.
    fn in_quotes(
        &mut self,
        data: &[u8],
        start: usize,
        place: u64,
        d: &Dialect,
        ended: bool,
    ) -> Verdict {
        let begin = self.flat.len();
        let quoted = self.patience(place);
        let verdict = self.enclosed(data, start, (begin, quoted), d, ended);
        if matches!(verdict, Verdict::NeverClosed(_)) {
            self.flat.truncate(begin);
        }
        verdict
    }

    fn enclosed(
        &mut self,
        data: &[u8],
        start: usize,
        (begin, quoted): (usize, usize),
        d: &Dialect,
        ended: bool,
    ) -> Verdict {
        let part = |from: usize, to: usize| data.get(from..to).unwrap_or_default();
        let far = data.len().min(start + quoted + 1);
        let mut from = start + 1;
        let mut at = from;
        // Up to where no line end was found.
        let mut seen = start;
        loop {
            let mark = match memchr(d.quote, part(at, far)) {
                Some(next) => at + next,
                _ if ended || data.len() - start > quoted => {
                    return Verdict::NeverClosed(quoted.min(data.len() - start));
                }
                _ => return Verdict::NeedMore,
            };
            if d.escape != 0 && escaped(part(from, mark), d.escape) {
                self.flat.extend_from_slice(part(from, mark - 1));
                self.flat.push(d.quote);
                (from, at) = (mark + 1, mark + 1);
                continue;
            }
            let mut after = mark + 1;
            if after == data.len() && !ended {
                return Verdict::NeedMore;
            }
            if data.get(after) == Some(&d.quote) {
                self.flat.extend_from_slice(part(from, after));
                (from, at) = (after + 1, after + 1);
                continue;
            }
            if d.separator != b' ' {
                after = behind_spaces(data, after);
            }
            if after + 1 >= data.len() && !ended {
                return Verdict::NeedMore;
            }
            let lines = memchr(d.line_end(), part(seen, mark)).is_some();
            if after == data.len() || separates(data, after, d) || ends_line(data, after, d) {
                self.flat.extend_from_slice(part(from, mark));
                if lines {
                    if holds_rows(part(start, mark), d) {
                        return Verdict::NeverClosed(mark - start);
                    }
                    self.multi = true;
                    self.without_carriages(begin);
                }
                return Verdict::Closed(after);
            }
            if lines {
                return Verdict::NeverClosed(mark - start);
            }
            seen = mark;
            at = mark + 1;
        }
    }

    /// How far an end is looked for in a row that begins at a place of the file.
    fn patience(&self, place: u64) -> usize {
        let may = AT_FIRST.saturating_add(place.saturating_mul(FOR_A_BYTE));
        let left = may.saturating_sub(self.spent);
        usize::try_from(left).map_or(MAX_QUOTED, |left| left.min(MAX_QUOTED))
    }

    fn spend(&mut self, far: usize) {
        self.spent = self.spent.saturating_add(far as u64);
    }

    /// Ends the row: how many of its quotation marks close nothing.
    pub(super) fn end_row(&mut self) -> usize {
        self.before = self.spent;
        let count = self.open.len();
        self.open.clear();
        count
    }

    /// A cell's lines end with a line feed each.
    fn without_carriages(&mut self, begin: usize) {
        let cell = self.flat.get(begin..).unwrap_or_default();
        if find(cell, b"\r\n").is_some() {
            let mut plain = Vec::with_capacity(cell.len());
            for (i, &byte) in cell.iter().enumerate() {
                if byte != b'\r' || cell.get(i + 1) != Some(&b'\n') {
                    plain.push(byte);
                }
            }
            self.flat.truncate(begin);
            self.flat.extend_from_slice(&plain);
        }
    }

    /// Rewrites each cell.
    pub(super) fn mend(&mut self, mend: impl Fn(&[u8], &mut Vec<u8>)) {
        let mut flat = Vec::with_capacity(self.flat.len());
        let mut from = 0;
        for end in &mut self.ends {
            mend(self.flat.get(from..*end).unwrap_or_default(), &mut flat);
            from = std::mem::replace(end, flat.len());
        }
        self.flat = flat;
    }

    /// Where the trimmed cells lie in `flat`.
    pub(super) fn spans(&self, into: &mut Vec<(u32, u32)>) {
        into.clear();
        let mut from = 0;
        for &end in &self.ends {
            let text = self
                .flat
                .get(from..end)
                .map_or(Cow::Borrowed(""), String::from_utf8_lossy);
            let begin = from + text.len() - text.trim_start().len();
            into.push((begin as u32, (begin + text.trim().len()) as u32));
            from = end;
        }
    }
}

fn escaped(before: &[u8], escape: u8) -> bool {
    before
        .iter()
        .rev()
        .take_while(|&&byte| byte == escape)
        .count()
        % 2
        == 1
}

/// Whether the lines inside a cell are as wide as the table, each of them: then they are its rows.
fn holds_rows(cell: &[u8], d: &Dialect) -> bool {
    if d.width < 3 || d.separator == 0 {
        return false;
    }
    let mut lines = cell.split(|&byte| byte == d.line_end());
    // The first and the last line are parts of others.
    if lines.next().is_none() || lines.next_back().is_none() {
        return false;
    }
    let mut some = false;
    for line in lines {
        some = true;
        if memchr_iter(d.separator, line).count() + 1 != d.width {
            return false;
        }
    }
    some
}
