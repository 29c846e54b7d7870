//! One letter in the form by which it is found.
//!
//! Sources: case and decompositions are Unicode's; accents of Latin, Greek, Cyrillic, Hebrew and Arabic
//! script go, as in Lucene's `ICUFoldingFilter`; letters without a decomposition are CLDR's `Latin-ASCII`;
//! letters of Arabic script are those of Lucene's `ArabicNormalizer` and `PersianNormalizer`, with the forms
//! of Urdu and Kurdish; digits are those of general category Nd, which come in tens.

use icu_properties::{CodePointMapData, props::GeneralCategory};

/// The general category of a character.
pub(crate) fn category(letter: char) -> GeneralCategory {
    CodePointMapData::<GeneralCategory>::new().get(letter)
}

/// Puts a decomposed letter out, folded; nothing where it is a mark that is written or left out at will.
pub(crate) fn push(out: &mut String, letter: char) {
    if letter.is_ascii() {
        return out.push(letter.to_ascii_lowercase());
    }
    if is_dropped(letter) {
        return;
    }
    if let Some(digit) = digit(letter) {
        return out.push(digit);
    }
    for lower in letter.to_lowercase().filter(|lower| !is_dropped(*lower)) {
        match same(lower) {
            Some(same) => out.push_str(same),
            None => out.push(lower),
        }
    }
}

/// The ASCII digit of the same value.
fn digit(letter: char) -> Option<char> {
    let is_digit = |code: u32| {
        char::from_u32(code).is_some_and(|it| category(it) == GeneralCategory::DecimalNumber)
    };
    let code = u32::from(letter);
    if !is_digit(code) {
        return None;
    }
    // Sets of ten may follow each other without a gap: the value is the distance from the first, by ten.
    let first = (0..code).rev().take_while(|code| is_digit(*code)).count();
    char::from_digit(u32::try_from(first % 10).ok()?, 10)
}

/// Marks that are written or left out at will, and what is only for display. Marks of other scripts stay:
/// there they make another letter.
fn is_dropped(letter: char) -> bool {
    matches!(letter,
        '\u{00AD}' | '\u{0300}'..='\u{036F}' | '\u{0483}'..='\u{0489}'
        | '\u{0591}'..='\u{05BD}' | '\u{05BF}' | '\u{05C1}'..='\u{05C2}' | '\u{05C4}'..='\u{05C5}' | '\u{05C7}'
        | '\u{0610}'..='\u{061A}' | '\u{061C}' | '\u{0640}' | '\u{064B}'..='\u{065F}' | '\u{0670}'
        | '\u{06D6}'..='\u{06DC}' | '\u{06DF}'..='\u{06E8}' | '\u{06EA}'..='\u{06ED}'
        | '\u{08CA}'..='\u{08FF}' | '\u{1AB0}'..='\u{1AFF}' | '\u{1DC0}'..='\u{1DFF}'
        | '\u{200C}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{20D0}'..='\u{20FF}'
        | '\u{FE00}'..='\u{FE0F}' | '\u{FE20}'..='\u{FE2F}' | '\u{FEFF}' | '\u{E0000}'..='\u{E0FFF}')
}

/// What stands for a lower-case letter that a reader takes for the same.
fn same(letter: char) -> Option<&'static str> {
    Some(match letter {
        'ß' => "ss",
        'æ' => "ae",
        'œ' => "oe",
        'ø' => "o",
        'đ' | 'ð' => "d",
        'þ' => "th",
        'ł' => "l",
        'ħ' => "h",
        'ŧ' => "t",
        'ŋ' => "n",
        // Turkish and Azeri: one dot more or less, and the ə of keyboards that have none.
        'ı' => "i",
        'ə' => "e",
        'ς' => "σ",
        // Alef wasla; those with hamza and madda are taken apart before.
        '\u{0671}' => "\u{0627}",
        // Teh marbuta, heh goal and its teh, heh with two eyes, ae.
        '\u{0629}' | '\u{06C1}' | '\u{06C3}' | '\u{06BE}' | '\u{06D5}' => "\u{0647}",
        // Kaf of an Arabic keyboard, swash kaf.
        '\u{0643}' | '\u{06AA}' => "\u{06A9}",
        // Alef maksura, yeh of an Arabic keyboard, yeh barree.
        '\u{0649}' | '\u{064A}' | '\u{06D2}' => "\u{06CC}",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folded(text: &str) -> String {
        let mut out = String::new();
        text.chars().for_each(|letter| push(&mut out, letter));
        out
    }

    #[test]
    fn digits_of_every_script_have_their_value() {
        assert_eq!(folded("۳۴۵ ٣٤٥ ३४५ ๓๔๕ ៣៤៥ 345"), "345 345 345 345 345 345");
        // Two sets of ten without a gap between them.
        assert_eq!(folded("\u{116D0}\u{116D9}\u{116DA}\u{116E3}"), "0909");
        assert_eq!(
            folded("½²"),
            "½²",
            "no decimal digits: they are taken apart before"
        );
    }

    #[test]
    fn letters_without_a_decomposition_have_their_plain_form() {
        assert_eq!(folded("Straße Łódź Ærø Iı"), "strasse lódź aero ii");
    }

    #[test]
    fn letters_of_arabic_script_are_those_of_any_keyboard() {
        assert_eq!(folded("كتاب مركزي"), folded("کتاب مرکزی"));
        assert_eq!(folded("گنجیـــنه"), folded("گنجینه"));
        assert_eq!(folded("مُدِيرَة"), folded("مديره"));
    }
}
