//! Words that are values: none, yes and no, units.

use crate::word;

/// Whether a trimmed cell stands for "no value". What a spreadsheet writes where a formula failed is no value either.
#[inline]
pub fn missing(text: impl AsRef<[u8]>) -> bool {
    let text = text.as_ref();
    match text {
        [] => true,
        [b'n' | b'N', ..] if text.len() <= 4 => is_none(text),
        [
            b'-' | b'?' | b'.' | b'\\' | b'#' | b'1' | b'<' | b'(' | 0xe2,
            ..,
        ] if text.len() <= 8 => is_none(text),
        _ => false,
    }
}

/// The rest of it, for what begins so.
fn is_none(text: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(text) else {
        return false;
    };
    if matches!(
        text,
        "-" | "--" | "---" | "----" | "-----" | "–" | "—" | "?" | "." | ".." | "..." | "…" | "\\N"
    ) {
        return true;
    }
    const WORDS: [&str; 18] = [
        "na", "n/a", "n.a.", "#n/a", "null", "none", "nan", "nil", "-nan", "1.#qnan", "<na>",
        "(null)", "#div/0!", "#value!", "#ref!", "#name?", "#num!", "#null!",
    ];
    if text.is_ascii() {
        return WORDS.iter().any(|word| text.eq_ignore_ascii_case(word));
    }
    WORDS.contains(&word::lower(text).as_str())
}

/// What a number may have before or behind it.
const UNITS: [&str; 65] = [
    "%", "‰", "€", "$", "£", "¥", "₹", "₽", "₩", "₺", "₫", "₪", "₴", "₦", "₱", "฿", "¢", "R$",
    "US$", "A$", "C$", "HK$", "zł", "kr.", "kr", "Kč", "Ft", "lei", "Fr.", "SFr.", "Rs.", "Rs",
    "TL", "€/h", "EUR", "USD", "GBP", "CHF", "JPY", "CNY", "INR", "RUB", "SEK", "NOK", "DKK",
    "PLN", "CZK", "HUF", "RON", "TRY", "BRL", "CAD", "AUD", "NZD", "MXN", "ZAR", "KRW", "SGD",
    "HKD", "ILS", "UAH", "THB", "AED", "SAR", "IRR",
];

/// Takes a unit off either end of a number: the longest that fits, since R$ ends with $ too.
pub(super) fn unit_of(text: &str) -> Option<(&str, &'static str)> {
    let (first, last) = (
        lower(text.as_bytes().first()),
        lower(text.as_bytes().last()),
    );
    let mut best: Option<(&str, &'static str)> = None;
    let longer = |unit: &str, best: &Option<(&str, &str)>| {
        best.is_none_or(|(_, known)| unit.len() > known.len())
    };
    // Most cells are no number, and must not be compared with all of them: their ends are looked at first.
    for unit in UNITS {
        if lower(unit.as_bytes().last()) == last && unit.len() < text.len() && longer(unit, &best) {
            let bare = text.len() - unit.len();
            if let Some((rest, end)) = text.split_at_checked(bare)
                && word::same(end, unit)
            {
                best = Some((rest, unit));
            }
        }
    }
    for unit in UNITS {
        if lower(unit.as_bytes().first()) == first
            && unit.len() < text.len()
            && longer(unit, &best)
            && let Some((begin, rest)) = text.split_at_checked(unit.len())
            && word::same(begin, unit)
        {
            best = Some((rest, unit));
        }
    }
    best
}

fn lower(byte: Option<&u8>) -> Option<u8> {
    byte.map(u8::to_ascii_lowercase)
}

/// Reads a truth value: whether it is yes, and of which pair of words. Two cells of a column that mean it have the same
/// pair; pair 10 takes its no from 2. Digits are no truth values: they are numbers.
pub fn truth(text: &str) -> Option<(bool, u8)> {
    if text.len() > 12 {
        return None;
    }
    Some(match word::lower(text).as_str() {
        "true" => (true, 1),
        "false" => (false, 1),
        "yes" => (true, 2),
        "no" => (false, 2),
        "y" => (true, 3),
        "n" => (false, 3),
        "t" => (true, 4),
        "f" => (false, 4),
        "on" => (true, 5),
        "off" => (false, 5),
        "ja" => (true, 6),
        "nein" | "nee" | "nej" => (false, 6),
        "wahr" => (true, 7),
        "falsch" => (false, 7),
        "oui" => (true, 8),
        "non" => (false, 8),
        "vrai" => (true, 9),
        "faux" => (false, 9),
        "sí" | "sì" => (true, 10),
        "verdadero" | "vero" => (true, 11),
        "falso" => (false, 11),
        "да" => (true, 12),
        "нет" => (false, 12),
        "evet" => (true, 13),
        "hayır" => (false, 13),
        "tak" => (true, 14),
        "nie" => (false, 14),
        "sim" => (true, 15),
        "não" => (false, 15),
        _ => return None,
    })
}
