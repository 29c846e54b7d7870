//! What most cells are, read at once. A jump costs a guest more than the arithmetic of a word.

use super::Styles;
use super::when::{days_of, days_to};
use crate::word;

/// The powers of ten that an `f64` holds, as far as they are wanted.
const POWERS: [f64; 16] = [
    1.0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
];

/// The digits of a number, how many are behind its sign, with the sign, and what the sign makes of it.
type Digits = (u64, usize, Styles);

/// Reads what most cells of numbers are: up to fifteen digits, with a minus before them and one sign between them that
/// can only be the decimal one. Fifteen digits and a power of ten are held as they are, so that their quotient is the
/// nearest `f64` (Clinger, How to Read Floating Point Numbers Accurately, PLDI 1990). None is no verdict: the cell is
/// `read_number`'s then.
#[inline]
pub fn quick(text: impl AsRef<[u8]>) -> Option<(f64, Styles)> {
    let text = text.as_ref();
    let (minus, text) = match text {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    let (digits, behind, styles) = match text.len() {
        1..=8 => few(text)?,
        9..=16 => many(text)?,
        _ => return None,
    };
    let mut value = digits as f64;
    if behind > 0 {
        value /= POWERS.get(behind - 1)?;
    }
    Some((if minus { -value } else { value }, styles))
}

/// Reads up to eight bytes at once (Lemire, Quickly Parsing Eight Digits, 2018).
#[inline]
fn few(text: &[u8]) -> Option<Digits> {
    const ZEROS: u64 = 0x3030_3030_3030_3030;
    let n = text.len();
    // The bytes lie at the upper end of a packed word, behind zeros.
    let shift = 64 - 8 * n as u32;
    let mut packed = word::load(text).wrapping_shl(shift) | ZEROS & (1_u64.wrapping_shl(shift) - 1);
    let mut behind = 0;
    let mut styles = Styles::BOTH;
    let sign = signs(packed);
    if sign != 0 {
        let at = sign.trailing_zeros() & !7;
        let c = (packed >> at) as u8;
        behind = 8 - at as usize / 8; // with the sign
        styles = if c == b',' {
            Styles::COMMAS
        } else {
            Styles::POINTS
        };
        let odd = c != b'.' && c != b',';
        if odd || sign & (sign - 1) != 0 || behind == 1 || behind == 4 || behind == n {
            return None;
        }
        // What is before the sign moves up by one, with a zero before it.
        let below = packed & ((1 << at) - 1);
        let above = u64::MAX.checked_shl(at + 8).unwrap_or(0);
        packed = packed & above | below << 8 | u64::from(b'0');
    }
    const UPPER: u64 = 0xf0f0_f0f0_f0f0_f0f0;
    if packed & UPPER | (packed.wrapping_add(0x0606_0606_0606_0606) & UPPER) >> 4
        != 0x3333_3333_3333_3333
    {
        return None;
    }
    packed = (packed & 0x0f0f_0f0f_0f0f_0f0f).wrapping_mul(1 + (10 << 8)) >> 8;
    packed = (packed & 0x00ff_00ff_00ff_00ff).wrapping_mul(1 + (100 << 16)) >> 16;
    packed = (packed & 0x0000_ffff_0000_ffff).wrapping_mul(1 + (10000 << 32)) >> 32;
    Some((packed, behind, styles))
}

/// Marks the points and commas of a word of digits with their high bits: digits have 0x10 set, the signs have not; what
/// else has not is refused later.
#[inline]
fn signs(digits: u64) -> u64 {
    (!digits & 0x1010_1010_1010_1010) << 3
}

/// Reads up to sixteen bytes, one by one.
#[inline]
fn many(text: &[u8]) -> Option<Digits> {
    let mut digits = 0_u64;
    let mut sign = None;
    for (i, &c) in text.iter().enumerate() {
        let digit = c.wrapping_sub(b'0');
        if digit <= 9 {
            digits = digits * 10 + u64::from(digit);
        } else if (c == b'.' || c == b',') && sign.is_none() && i > 0 {
            sign = Some((i, c));
        } else {
            return None;
        }
    }
    let Some((at, c)) = sign else {
        return (text.len() <= 15).then_some((digits, 0, Styles::BOTH));
    };
    match text.len() - at {
        1 | 4 => None,
        behind if c == b',' => Some((digits, behind, Styles::COMMAS)),
        behind => Some((digits, behind, Styles::POINTS)),
    }
}

/// Reads the commonest forms of a date: 2024-03-01, and the same with T or a space and 12:30 or 12:30:05 behind it. Only
/// year, month and day in this order read them. It gives seconds since 1970 in UTC. None is no verdict: the cell is
/// `read_date`'s then.
#[inline]
pub fn iso(text: impl AsRef<[u8]>) -> Option<i64> {
    let (date, clock) = text.as_ref().split_first_chunk::<10>()?;
    let &[c0, c1, y0, y1, b'-', m0, m1, b'-', d0, d1] = date else {
        return None;
    };
    let year = 100 * pair(c0, c1)? + pair(y0, y1)?;
    let (month, day) = (pair(m0, m1)?, pair(d0, d1)?);
    if !(1..=12).contains(&month) || day < 1 || day > days_of(year, month) {
        return None;
    }
    let (hour, minute, second) = match *clock {
        [] => (0, 0, 0),
        [b'T' | b' ', h0, h1, b':', m0, m1] => (pair(h0, h1)?, pair(m0, m1)?, 0),
        [b'T' | b' ', h0, h1, b':', m0, m1, b':', s0, s1] => {
            (pair(h0, h1)?, pair(m0, m1)?, pair(s0, s1)?)
        }
        _ => return None,
    };
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    Some(86_400 * days_to(year, month, day) + 3600 * hour + 60 * minute + second)
}

/// A number of two digits.
#[inline]
fn pair(a: u8, b: u8) -> Option<i64> {
    let (a, b) = (a.wrapping_sub(b'0'), b.wrapping_sub(b'0'));
    (a <= 9 && b <= 9).then_some(i64::from(a) * 10 + i64::from(b))
}
