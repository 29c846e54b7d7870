//! In which styles digits with signs between them are a number.

use super::{NumberStyle, Styles};

/// How many signs a number may have between its digits.
const MAX_SIGNS: usize = 24;

fn is_e(c: u8) -> bool {
    c | 0x20 == b'e'
}

/// The styles of a number without minus and unit.
pub(super) fn shape(text: &[u8]) -> Styles {
    // Almost all that is no number says so with its first letter.
    let mut before = None;
    for &c in text {
        let digit = c.is_ascii_digit() || matches!(c, b'.' | b',' | b' ' | b'\'');
        let exponent = before.is_some_and(|before| is_e(c) || is_e(before));
        if !digit && !exponent {
            return Styles::NONE;
        }
        before = Some(c);
    }
    let Some(mantissa) = mantissa(text) else {
        return Styles::NONE;
    };
    let mut signs = [(0, 0); MAX_SIGNS];
    let mut n = 0;
    let mut digits = 0;
    for (i, &c) in mantissa.iter().enumerate() {
        match c {
            b'0'..=b'9' => digits += 1,
            b'.' | b',' | b' ' | b'\'' => {
                let Some(place) = signs.get_mut(n) else {
                    return Styles::NONE;
                };
                *place = (i, c);
                n += 1;
            }
            _ => return Styles::NONE,
        }
    }
    if digits == 0 {
        return Styles::NONE;
    }
    let signs = signs.get(..n).unwrap_or_default();
    let (Some(&(_, group)), Some(&(place, last))) = (signs.first(), signs.last()) else {
        return Styles::BOTH;
    };
    let mut styles = 0;
    // The last sign is the decimal sign, what comes before it are groups.
    if last == b'.' || last == b',' {
        let family = if last == b',' {
            Styles::COMMAS
        } else {
            Styles::POINTS
        };
        if n == 1 {
            styles = family.0;
        } else if group != last {
            styles = family.0 & groups(mantissa.get(..place).unwrap_or_default(), group).0;
        }
    }
    // Or every sign is between groups.
    Styles(styles | groups(mantissa, group).0)
}

/// What is before an exponent; none where what is behind it is none.
fn mantissa(text: &[u8]) -> Option<&[u8]> {
    // The last of each letter's first places, as both may be there.
    let e = text
        .iter()
        .position(|&c| c == b'e')
        .max(text.iter().position(|&c| c == b'E'));
    let Some(e) = e else { return Some(text) };
    let behind = text.get(e + 1..)?;
    let signs = behind
        .iter()
        .take_while(|&&c| c == b'+' || c == b'-')
        .count();
    let exponent = behind.get(signs..)?;
    let good =
        signs <= 1 && (1..=4).contains(&exponent.len()) && exponent.iter().all(u8::is_ascii_digit);
    if good { text.get(..e) } else { None }
}

/// The styles whose groups a whole number has: three digits each, or the lakh's two and a last of three.
fn groups(whole: &[u8], group: u8) -> Styles {
    let count = whole.iter().filter(|&&c| c == group).count() + 1;
    if count < 2 {
        return Styles::NONE;
    }
    let mut threes = true;
    let mut lakh = group == b',';
    for (i, part) in whole.split(|&c| c == group).enumerate() {
        if !part.iter().all(u8::is_ascii_digit) {
            return Styles::NONE;
        }
        let n = part.len();
        if i == 0 {
            let full = part.first().is_some_and(|&c| c != b'0');
            threes &= n <= 3 && full;
            lakh &= n <= 2 && full;
        } else {
            threes &= n == 3;
            lakh &= n == if i == count - 1 { 3 } else { 2 };
        }
    }
    let mut styles = 0;
    if threes {
        styles = match group {
            b',' => Styles::of(NumberStyle::Grouped).0,
            b'.' => Styles::of(NumberStyle::DotGrouped).0,
            b' ' => Styles::SPACED.0,
            _ => Styles::TICKED.0,
        };
    }
    if lakh {
        styles |= Styles::of(NumberStyle::Lakh).0;
    }
    Styles(styles)
}

/// Whether a number has more significant digits than an `f64` holds, and is not whole and small enough for all of them.
pub(super) fn rounded(text: &[u8]) -> bool {
    let mut value = 0_u64;
    let mut significant = 0;
    for &c in text
        .iter()
        .take_while(|&&c| !is_e(c))
        .filter(|c| c.is_ascii_digit())
    {
        if significant > 0 || c != b'0' {
            significant += 1;
        }
        if significant > 17 {
            return true;
        }
        value = value * 10 + u64::from(c - b'0');
    }
    // A whole number is held if what remains without its zero bits at the end fits into 53.
    significant > 15
        && text.iter().all(u8::is_ascii_digit)
        && 64 - value.leading_zeros() - value.trailing_zeros() > 53
}
