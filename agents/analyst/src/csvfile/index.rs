//! Where in a buffer the bytes are by which cells are separated: a bit for each byte, so that what lies between them is
//! passed over sixty-four bytes at a time.

use super::Dialect;

/// How many bytes one word of bits is of.
const BLOCK: usize = 64;

/// The special bytes of a dialect, and where they are.
pub(super) struct Index {
    special: [u8; 4],
    marks: Vec<u64>,
    /// No byte of the buffer is beyond ASCII.
    pub(super) ascii: bool,
}

/// Goes from one special byte to the next.
pub(super) struct Walk<'i> {
    marks: &'i [u64],
    word: usize,
    bits: u64,
}

impl Index {
    pub(super) fn new(d: &Dialect) -> Self {
        // Zero is special always: what is not there is looked for as a carriage return again.
        let or = |byte: u8| if byte == 0 { b'\r' } else { byte };
        let special = [
            b'\r',
            if d.cr { b'\r' } else { b'\n' },
            or(d.separator),
            or(d.quote),
        ];
        Self {
            special,
            marks: Vec::new(),
            ascii: true,
        }
    }

    /// Notes what is in the buffer; its first bytes, so many, are those that it had the last time.
    pub(super) fn note(&mut self, buffer: &[u8], same: usize) {
        let whole = same / BLOCK;
        if whole == 0 {
            self.ascii = true;
        }
        self.marks.truncate(whole);
        let (blocks, rest) = buffer
            .get(whole * BLOCK..)
            .unwrap_or_default()
            .as_chunks::<BLOCK>();
        let mut high = false;
        self.marks.extend(blocks.iter().map(|block| {
            let (marks, beyond) = marks(block, self.special);
            high |= beyond;
            marks
        }));
        if !rest.is_empty() {
            // Behind the end there is nothing: a letter is nothing special.
            let mut block = [b'a'; BLOCK];
            for (place, &byte) in block.iter_mut().zip(rest) {
                *place = byte;
            }
            let (marks, beyond) = marks(&block, self.special);
            high |= beyond;
            self.marks.push(marks);
        }
        self.ascii &= !high;
    }

    /// From a place in the buffer on.
    #[inline]
    pub(super) fn from(&self, at: usize) -> Walk<'_> {
        let word = at / BLOCK;
        let bits = self
            .marks
            .get(word)
            .map_or(0, |bits| bits & (u64::MAX << (at % BLOCK)));
        Walk {
            marks: &self.marks,
            word,
            bits,
        }
    }
}

impl Walk<'_> {
    /// The next special byte's place.
    #[inline]
    pub(super) fn next(&mut self) -> Option<usize> {
        while self.bits == 0 {
            self.word += 1;
            self.bits = *self.marks.get(self.word)?;
        }
        let at = self.word * BLOCK + self.bits.trailing_zeros() as usize;
        self.bits &= self.bits - 1;
        Some(at)
    }
}

/// Marks the special bytes of a block, and says whether some are beyond ASCII.
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
#[inline]
fn marks(block: &[u8; BLOCK], special: [u8; 4]) -> (u64, bool) {
    use core::arch::wasm32::{u8x16_bitmask, u8x16_eq, u8x16_splat, u64x2, v128, v128_or};
    let [a, b, c, d] = special.map(|byte| u8x16_splat(byte));
    let zero = u8x16_splat(0);
    let mut all = 0;
    let mut any = zero;
    let (parts, _) = block.as_chunks::<16>();
    for (i, part) in parts.iter().enumerate() {
        let (words, _) = part.as_chunks::<8>();
        let lanes: v128 = match words {
            [low, high] => u64x2(u64::from_le_bytes(*low), u64::from_le_bytes(*high)),
            _ => zero,
        };
        let one = v128_or(
            v128_or(u8x16_eq(lanes, a), u8x16_eq(lanes, b)),
            v128_or(u8x16_eq(lanes, c), u8x16_eq(lanes, d)),
        );
        all |= u64::from(u8x16_bitmask(v128_or(one, u8x16_eq(lanes, zero)))) << (16 * i);
        any = v128_or(any, lanes);
    }
    (all, u8x16_bitmask(any) != 0)
}

/// Marks the special bytes of a block, and says whether some are beyond ASCII.
#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
#[inline]
fn marks(block: &[u8; BLOCK], special: [u8; 4]) -> (u64, bool) {
    let [a, b, c, d] = special;
    let mut all = 0;
    let mut any = 0;
    for (i, &byte) in block.iter().enumerate() {
        let is = (byte == a) | (byte == b) | (byte == c) | (byte == d) | (byte == 0);
        all |= u64::from(is) << i;
        any |= byte;
    }
    (all, any >= 0x80)
}
