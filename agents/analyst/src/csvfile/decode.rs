//! A source in any encoding as UTF-8, and bytes that are none.

use std::io::{self, Read};

use super::Encoding;
use super::codepages::page;

/// How much is decoded at once.
const PIECE: usize = 16 << 10;

/// Turns a source into UTF-8. UTF-8 passes through as it is, stray bytes and all.
pub(super) fn decode<'a>(source: Box<dyn Read + 'a>, encoding: Encoding) -> Box<dyn Read + 'a> {
    match encoding {
        Encoding::Utf8 => source,
        _ => Box::new(Decoder {
            source,
            encoding,
            page: page(encoding),
            input: vec![0; PIECE],
            have: 0,
            out: String::new(),
            given: 0,
            ended: false,
        }),
    }
}

struct Decoder<'a> {
    source: Box<dyn Read + 'a>,
    encoding: Encoding,
    page: Option<[char; 128]>,
    input: Vec<u8>,
    /// How much of the input is read and not yet decoded: half a character.
    have: usize,
    out: String,
    /// How much of it was given away.
    given: usize,
    ended: bool,
}

impl Read for Decoder<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.given == self.out.len() {
            if self.ended {
                return Ok(0);
            }
            let n = self
                .source
                .read(self.input.get_mut(self.have..).unwrap_or_default())?;
            self.have += n;
            self.ended = n == 0;
            self.given = 0;
            self.out.clear();
            let input = self.input.get(..self.have).unwrap_or_default();
            let used = match &self.page {
                Some(page) => {
                    bytes(input, page, &mut self.out);
                    input.len()
                }
                None => units(
                    input,
                    self.encoding == Encoding::Utf16Le,
                    self.ended,
                    &mut self.out,
                ),
            };
            self.input.copy_within(used..self.have, 0);
            self.have -= used;
        }
        let rest = self.out.as_bytes().get(self.given..).unwrap_or_default();
        let n = rest.len().min(into.len());
        if let (Some(into), Some(rest)) = (into.get_mut(..n), rest.get(..n)) {
            into.copy_from_slice(rest);
        }
        self.given += n;
        Ok(n)
    }
}

fn bytes(input: &[u8], page: &[char; 128], out: &mut String) {
    out.extend(input.iter().map(|&byte| in_page(byte, page)));
}

fn in_page(byte: u8, page: &[char; 128]) -> char {
    page.get(usize::from(byte).wrapping_sub(0x80))
        .copied()
        .unwrap_or(char::from(byte))
}

/// Decodes UTF-16 and says how many bytes of it; a pair of which one half is there waits for the other.
fn units(input: &[u8], little: bool, last: bool, out: &mut String) -> usize {
    let unit = |pair: &[u8]| match *pair {
        [a, b] if little => u16::from_le_bytes([a, b]),
        [a, b] => u16::from_be_bytes([a, b]),
        _ => 0,
    };
    let whole = input.len() & !1;
    let mut used = whole;
    if !last
        && let Some(pair) = input
            .get(..whole)
            .and_then(|input| input.rchunks_exact(2).next())
    {
        // It may be the second half of a pair just as well: then it belongs to what is before it.
        if (0xd800..0xdc00).contains(&unit(pair)) {
            used -= 2;
        }
    }
    let pairs = input
        .get(..used)
        .unwrap_or_default()
        .chunks_exact(2)
        .map(unit);
    out.extend(char::decode_utf16(pairs).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)));
    used
}

/// Reads bytes that are no UTF-8 as Windows-1252.
pub(super) fn repair(mut text: &[u8], out: &mut Vec<u8>) {
    let page = page(Encoding::Windows1252).unwrap_or([char::REPLACEMENT_CHARACTER; 128]);
    while let Err(error) = std::str::from_utf8(text) {
        let (valid, rest) = text.split_at(error.valid_up_to());
        out.extend_from_slice(valid);
        let Some((&stray, after)) = rest.split_first() else {
            return;
        };
        out.extend_from_slice(in_page(stray, &page).encode_utf8(&mut [0; 4]).as_bytes());
        text = after;
    }
    out.extend_from_slice(text);
}
