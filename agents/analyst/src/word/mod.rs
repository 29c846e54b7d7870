//! Short texts a word at a time, and letters whatever their case. No table and no file may enter.

use unicode_general_category::{GeneralCategory as Category, get_general_category};

/// Puts a text of at most eight bytes into a word, the first byte lowest and zeros behind the last.
#[inline]
pub fn load(text: &[u8]) -> u64 {
    match *text {
        [] => 0,
        [a, b, c, d, e, f, g, h] => u64::from_le_bytes([a, b, c, d, e, f, g, h]),
        [a, b, c, d, ref rest @ ..] => {
            let low = u64::from(u32::from_le_bytes([a, b, c, d]));
            match *text {
                [.., w, x, y, z] => {
                    low | u64::from(u32::from_le_bytes([w, x, y, z])) << (8 * rest.len().min(4))
                }
                _ => low,
            }
        }
        [first, ..] => {
            let n = text.len();
            let at = |i: usize| text.get(i).map_or(0, |&byte| u64::from(byte) << (8 * i));
            u64::from(first) | at(n / 2) | at(n - 1)
        }
    }
}

/// Mixes eight bytes at a time by multiplication with an odd constant, and the result by murmur's finalizer (Appleby,
/// MurmurHash3, 2011). It is never zero.
#[inline]
pub fn hash(text: &[u8]) -> u64 {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut hash = (text.len() as u64).wrapping_mul(ODD);
    // The last word may be a whole one: eight bytes are not cut off before it.
    let mut rest = text;
    while rest.len() > 8 {
        let (word, after) = rest.split_at(8);
        hash = (hash ^ load(word)).wrapping_mul(ODD);
        hash ^= hash >> 29;
        rest = after;
    }
    hash = (hash ^ load(rest)).wrapping_mul(ODD);
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^= hash >> 33;
    hash.max(1)
}

/// One letter in lower case: one for one, so that an I with a dot is an i and a sigma is a sigma wherever it stands.
pub fn lower_char(c: char) -> char {
    if c == 'İ' {
        return 'i';
    }
    let mut small = c.to_lowercase();
    match (small.next(), small.next()) {
        (Some(one), None) => one,
        _ => c,
    }
}

/// A text in lower case, letter by letter.
pub fn lower(text: &str) -> String {
    text.chars().map(lower_char).collect()
}

/// Whether two texts are the same but for the case of their letters.
pub fn same(a: &str, b: &str) -> bool {
    if a.is_ascii() && b.is_ascii() {
        return a.eq_ignore_ascii_case(b);
    }
    a.chars().map(folded).eq(b.chars().map(folded))
}

fn folded(c: char) -> char {
    if c == 'ı' || c == 'İ' {
        return c;
    }
    let mut large = c.to_uppercase();
    match (large.next(), large.next()) {
        (Some(one), None) => lower_char(one),
        _ => lower_char(c),
    }
}

/// Whether a character is a letter, of whatever script.
pub fn is_letter(c: char) -> bool {
    use Category::{
        LowercaseLetter, ModifierLetter, OtherLetter, TitlecaseLetter, UppercaseLetter,
    };
    let of = |c| {
        matches!(
            get_general_category(c),
            UppercaseLetter | LowercaseLetter | TitlecaseLetter | ModifierLetter | OtherLetter
        )
    };
    if c.is_ascii() {
        c.is_ascii_alphabetic()
    } else {
        of(c)
    }
}

/// Whether a character is a digit, of whatever script.
pub fn is_digit(c: char) -> bool {
    if c.is_ascii() {
        c.is_ascii_digit()
    } else {
        get_general_category(c) == Category::DecimalNumber
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::{hash, load, lower, same};

    #[test]
    fn every_byte_is_in_the_word_once_at_its_place() {
        let text = [1, 2, 3, 4, 5, 6, 7, 8];
        let mut want = 0;
        for n in 0..=8 {
            assert_eq!(load(&text[..n]), want, "{n} bytes");
            want |= (n as u64 + 1).checked_shl(8 * n as u32).unwrap_or(0);
        }
    }

    #[test]
    fn texts_that_differ_have_other_hashes() {
        let mut seen = HashMap::new();
        for a in 0..=255 {
            for n in 0..20 {
                let mut text = vec![0; n];
                text.push(a);
                assert_ne!(hash(&text), 0);
                assert_eq!(seen.insert(hash(&text), text.clone()), None, "{text:?}");
            }
        }
    }

    #[test]
    fn letters_become_small_one_for_one() {
        assert_eq!(lower("ÀΣİK ẞ"), "àσik ß");
        assert!(same("zŁ", "Zł") && same("EUR", "eur") && !same("ınr", "INR") && !same("a", "b"));
    }
}
