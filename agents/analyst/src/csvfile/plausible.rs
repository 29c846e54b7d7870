//! How much a text looks like words in a code page.

use unicode_general_category::{GeneralCategory as Category, get_general_category as category};

use super::Encoding;
use super::codepages::page;
use crate::word::is_letter;

/// How many bytes beyond ASCII are looked at.
const ENOUGH: usize = 20_000;

/// The accented letters that the languages of the Latin code pages write often.
const COMMON: &str =
    "äöüßÄÖÜéèêëàâçîïôûùœÉÀÇñáíóúÑÁÍÓÚãõåæøÅÆØìòışğİŞĞąćęłńśźżĄĆĘŁŃŚŹŻčďěňřšťůžČĎĚŇŘŠŤŮŽőűŐŰăâîșț";

/// Letters inside words of their own script and case speak for a page; holes, control characters, signs between
/// letters, and capitals after small letters against it.
pub(super) fn plausible(head: &[u8], encoding: Encoding) -> i64 {
    let Some(page) = page(encoding) else {
        return i64::MIN;
    };
    let at = |i: Option<usize>| match i.and_then(|i| head.get(i)) {
        None => ' ',
        Some(&byte) => page
            .get(usize::from(byte).wrapping_sub(0x80))
            .copied()
            .unwrap_or(char::from(byte)),
    };
    let high = head
        .iter()
        .enumerate()
        .filter(|(_, byte)| !byte.is_ascii())
        .take(ENOUGH);
    high.map(|(i, _)| score(at(Some(i)), at(i.checked_sub(1)), at(Some(i + 1))))
        .sum()
}

fn score(c: char, before: char, after: char) -> i64 {
    if c == char::REPLACEMENT_CHARACTER || c.is_control() {
        -20
    } else if is_letter(c) {
        letter(c, before, after)
    } else if is_letter(before) && is_letter(after) && c != '’' {
        -6
    } else if matches!(c, '\u{a0}' | '€' | '£' | '°' | '–' | '’' | '“' | '”' | '§') {
        1
    } else {
        -1
    }
}

fn letter(c: char, before: char, after: char) -> i64 {
    let mut score = 1;
    let own = script(c);
    for other in [before, after] {
        if !is_letter(other) {
            continue;
        }
        score += if script(other) != own {
            -6
        } else if own == Script::Latin && !other.is_ascii() {
            -2 // two letters with accents beside each other are seldom
        } else {
            1
        };
    }
    if is_upper(c) && is_lower(before) {
        score -= 5;
    }
    if is_upper(c) && is_lower(after) && is_letter(before) {
        score -= 2;
    }
    if COMMON.contains(c) {
        score += 2;
    } else if matches!(c, 'ý' | 'Ý' | 'ţ' | 'đ') {
        score += 1;
    } else if own == Script::Latin {
        score -= 1;
    }
    score
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Script {
    Latin,
    Cyrillic,
    Greek,
    None,
}

/// The script of a letter that some code page has.
fn script(c: char) -> Script {
    match c {
        'A'..='Z' | 'a'..='z' | 'ª' | 'º' | 'À'..='\u{24f}' | 'ﬁ' | 'ﬂ' => Script::Latin,
        '\u{400}'..='\u{52f}' => Script::Cyrillic,
        '\u{370}'..='\u{3ff}' | '\u{2126}' => Script::Greek,
        _ => Script::None,
    }
}

fn is_upper(c: char) -> bool {
    category(c) == Category::UppercaseLetter
}

fn is_lower(c: char) -> bool {
    category(c) == Category::LowercaseLetter
}
