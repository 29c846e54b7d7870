//! What a file says, safe inside a report.

use unicode_general_category::{GeneralCategory, get_general_category};

use super::numbers::{count, plural};
use crate::profile::{Kind, Odd};

/// Characters of a name that are shown.
const MOST: usize = 60;

/// Makes a name from the file safe inside a line of Markdown.
pub(super) fn word(name: &str) -> String {
    let mut name = name.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((cut, _)) = name.char_indices().nth(MOST - 1)
        && name.chars().nth(MOST).is_some()
    {
        name.truncate(cut);
        name.push('…');
    }
    let mut out = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            '\\' | '|' | '*' | '`' | '[' => out.extend(['\\', c]),
            '<' => out.push_str("&lt;"),
            _ => out.push(c),
        }
    }
    out
}

/// Tells of cells with their number and the first of them.
pub(super) fn odd(odd: &Odd, one: &str, many: &str) -> String {
    format!(
        "{} (line {}: {})",
        plural(odd.count(), one, many),
        count(odd.place.line),
        quoted(&word(&odd.text))
    )
}

/// What a cell is not that is not of its column's kind.
pub(super) fn wanting(kind: Kind) -> &'static str {
    match kind {
        Kind::Date => "no date",
        Kind::Number => "no number",
        Kind::Mixed => "text or written otherwise",
        Kind::Time => "no time",
        Kind::Truth => "neither yes nor no",
        Kind::Empty | Kind::Text => "",
    }
}

/// A text in quotation marks, in which what cannot be seen is written as its number.
fn quoted(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            _ if visible(c) => out.push(c),
            '\x07' => out.push_str("\\a"),
            '\x08' => out.push_str("\\b"),
            '\x0c' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\x0b' => out.push_str("\\v"),
            '\0'..='\x7f' => out.push_str(&format!("\\x{:02x}", c as u32)),
            '\u{80}'..='\u{ffff}' => out.push_str(&format!("\\u{:04x}", c as u32)),
            _ => out.push_str(&format!("\\U{:08x}", c as u32)),
        }
    }
    out.push('"');
    out
}

fn visible(c: char) -> bool {
    use GeneralCategory as Of;
    c == ' '
        || !matches!(
            get_general_category(c),
            Of::Control
                | Of::Format
                | Of::Surrogate
                | Of::PrivateUse
                | Of::Unassigned
                | Of::SpaceSeparator
                | Of::LineSeparator
                | Of::ParagraphSeparator
        )
}
