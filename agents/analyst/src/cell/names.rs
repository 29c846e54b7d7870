//! The names of months and of days of the week.

use crate::word;

/// Whole names of months whose first three letters do not tell, or are not the whole name's first: in English, German,
/// French, Spanish, Italian, Portuguese and Dutch.
const MONTHS: [&str; 75] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
    "januar",
    "jänner",
    "februar",
    "märz",
    "mai",
    "juni",
    "juli",
    "oktober",
    "dezember",
    "janvier",
    "février",
    "mars",
    "avril",
    "juin",
    "juillet",
    "août",
    "septembre",
    "octobre",
    "novembre",
    "décembre",
    "enero",
    "febrero",
    "marzo",
    "abril",
    "mayo",
    "junio",
    "julio",
    "agosto",
    "septiembre",
    "octubre",
    "noviembre",
    "diciembre",
    "gennaio",
    "febbraio",
    "aprile",
    "maggio",
    "giugno",
    "luglio",
    "settembre",
    "ottobre",
    "dicembre",
    "janeiro",
    "fevereiro",
    "março",
    "maio",
    "junho",
    "julho",
    "setembro",
    "outubro",
    "novembro",
    "dezembro",
    "januari",
    "februari",
    "maart",
    "mei",
    "augustus",
    "sept",
    "juil",
    "janv",
    "févr",
    "avr",
    "jan",
    "feb",
];

/// The names of the days of the week, in English, German and French.
const DAYS: [&str; 21] = [
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
    "montag",
    "dienstag",
    "mittwoch",
    "donnerstag",
    "freitag",
    "samstag",
    "sonntag",
    "lundi",
    "mardi",
    "mercredi",
    "jeudi",
    "vendredi",
    "samedi",
    "dimanche",
];

/// The month that a text begins with the name of, and how long that is.
pub(super) fn month_name(text: &str) -> Option<(i64, usize)> {
    let width = text
        .bytes()
        .take_while(|byte| !byte.is_ascii() || byte.is_ascii_alphabetic())
        .count();
    if !(3..=12).contains(&width) {
        return None;
    }
    let word = word::lower(text.get(..width)?);
    let mut places = word.char_indices().map(|(place, c)| place + c.len_utf8());
    let third = places.nth(2)?;
    let longer = places.next().is_some();
    let month = if word.starts_with("juin") {
        6
    } else if word.starts_with("juil") {
        7
    } else {
        by_letters(word.get(..third)?)?
    };
    if longer && !MONTHS.contains(&word.as_str()) {
        return None;
    }
    Some((month, width))
}

/// A month by its first three letters.
fn by_letters(letters: &str) -> Option<i64> {
    Some(match letters {
        "jan" | "jän" | "gen" | "ene" => 1,
        "feb" | "fév" | "fev" => 2,
        "mar" | "mär" | "mrz" | "mrt" | "maa" => 3,
        "apr" | "avr" | "abr" => 4,
        "may" | "mai" | "mei" | "mag" => 5,
        "jun" | "giu" => 6,
        "jul" | "lug" => 7,
        "aug" | "aoû" | "ago" => 8,
        "sep" | "set" => 9,
        "oct" | "okt" | "ott" | "out" => 10,
        "nov" => 11,
        "dec" | "dez" | "déc" | "dic" => 12,
        _ => return None,
    })
}

/// Takes the name of a day of the week off the beginning.
pub(super) fn without_weekday(text: &str) -> &str {
    if text
        .bytes()
        .next()
        .is_some_and(|byte| byte.is_ascii_digit())
    {
        return text;
    }
    let Some((word, rest)) = text.split_once(' ') else {
        return text;
    };
    let word = word::lower(word.trim_end_matches([',', '.']));
    if month_name(&word).is_none()
        && word.len() >= 2
        && DAYS.iter().any(|day| day.starts_with(word.as_str()))
    {
        return rest.trim();
    }
    text
}
