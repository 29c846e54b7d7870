//! Text of a program as a person is shown it who is to agree to it: nothing in it passes for something else, or out of sight.

/// Text with every character seen that is there: one that moves the cursor, joins letters or turns their direction is named instead.
#[must_use]
pub fn exact(text: &str) -> String {
    let seen = |c: char| match c == '\r' || is_wild(c) || is_unseen(c) {
        true => c.escape_unicode().to_string(),
        false => c.to_string(),
    };
    text.chars().map(seen).collect()
}

/// Text of a stranger, such as a device, in one line: what moves the cursor, ends the line or turns the direction of writing is
/// named. Letters may join.
#[must_use]
pub fn in_a_line(text: &str) -> String {
    let seen = |c: char| match breaks_a_line(c) {
        true => c.escape_default().to_string(),
        false => c.to_string(),
    };
    text.chars().map(seen).collect()
}

/// The text of a JSON value as it is printed: the same value, and nothing in it does what [`in_a_line`] keeps a text from.
#[must_use]
pub fn in_json(text: &str) -> String {
    let seen = |c: char| match breaks_a_line(c) && !matches!(c, '\n' | '\t') {
        // All of them are below U+10000, and stand within strings alone.
        true => format!("\\u{:04x}", u32::from(c)),
        false => c.to_string(),
    };
    text.chars().map(seen).collect()
}

fn breaks_a_line(c: char) -> bool {
    // The separators of lines and paragraphs, and the marks of a direction.
    is_wild(c)
        || matches!(
            c,
            '\n' | '\t' | '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}' | '\u{2029}'
        )
}

/// So many blanks in a row are shown: more would push what follows out of sight.
const BLANKS: usize = 64;

/// The lines of [`exact`], each behind a bar, so that none is taken for one of ours; lines without text, and blanks beyond
/// 64 in a row, are counted.
#[must_use]
pub fn quoted(text: &str) -> Vec<String> {
    let (mut lines, mut blank) = (Vec::new(), 0_usize);
    let fold = |lines: &mut Vec<String>, blank: usize| match blank {
        0 => {}
        1 => lines.push("|".to_owned()),
        many => lines.push(format!("| … ({many} blank lines)")),
    };
    for line in exact(text).lines() {
        if line.trim().is_empty() {
            blank += 1;
            continue;
        }
        fold(&mut lines, std::mem::take(&mut blank));
        lines.push(format!("| {}", narrow(line)));
    }
    fold(&mut lines, blank);
    lines
}

/// A line without long runs of blanks.
fn narrow(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    let mut blanks = String::new();
    for c in line.chars().map(Some).chain([None]) {
        if let Some(c) = c.filter(|c| c.is_whitespace()) {
            blanks.push(c);
            continue;
        }
        match blanks.chars().count() {
            many if many > BLANKS => text.push_str(&format!("…({many} blanks)…")),
            _ => text.push_str(&blanks),
        }
        blanks.clear();
        text.extend(c);
    }
    text
}

/// What moves the cursor, recolours a screen, or turns text around. Newline and tab do not.
#[must_use]
pub fn is_wild(c: char) -> bool {
    c.is_control() && c != '\n' && c != '\t'
        // Overrides of the writing direction can make text read as another.
        || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// What is drawn as nothing, moves what is around it, or breaks a line without being a newline: Unicode's
/// Default_Ignorable_Code_Point, the separators, and the braille pattern without a dot.
fn is_unseen(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{2800}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fff8}'
        | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_of_a_stranger_stays_in_its_line_and_json_is_the_same_value() {
        let wild = "on\n\tlock \u{9b}2J\u{1b}[2J\u{202e}no\u{2028}\u{200f}\u{61c}\u{7f}";
        let seen = in_a_line(wild);
        assert!(seen.chars().all(|c| (' '..='~').contains(&c)), "{seen}");
        assert!(
            seen.starts_with(r"on\n\tlock \u{9b}2J\u{1b}[2J\u{202e}no"),
            "{seen}"
        );
        assert_eq!(
            in_a_line("Grüße 👩\u{200d}🚀 ☀\u{fe0f}"),
            "Grüße 👩\u{200d}🚀 ☀\u{fe0f}"
        );
        let value = serde_json::json!({"is": wild, wild: [1]});
        for text in [value.to_string(), format!("{value:#}")] {
            let printed = in_json(&text);
            assert!(
                !printed.chars().any(|c| c != '\n' && breaks_a_line(c)),
                "{printed}"
            );
            assert_eq!(
                serde_json::from_str::<serde_json::Value>(&printed)
                    .ok()
                    .as_ref(),
                Some(&value)
            );
        }
    }

    #[test]
    fn what_is_agreed_to_has_no_character_that_is_not_seen() {
        assert_eq!(exact("Grüße ✓\n\tc"), "Grüße ✓\n\tc");
        for hidden in [
            '\r',
            '\u{1b}',
            '\u{ad}',
            '\u{61c}',
            '\u{200b}',
            '\u{200d}',
            '\u{200f}',
            '\u{2028}',
            '\u{2029}',
            '\u{202e}',
            '\u{2060}',
            '\u{2066}',
            '\u{206f}',
            '\u{2800}',
            '\u{3164}',
            '\u{feff}',
            '\u{e0001}',
            '\u{e007f}',
        ] {
            let text = exact(&format!("a{hidden}b"));
            assert_eq!(text, format!("a{}b", hidden.escape_unicode()));
            assert_eq!(exact(&text), text);
        }
    }

    #[test]
    fn no_line_of_it_passes_for_one_of_ours_or_pushes_others_out_of_sight() {
        let text = format!("a\u{200b}b\rd\n{}approval  9\n", " \n".repeat(50));
        let lines = [
            "| a\\u{200b}b\\u{d}d",
            "| … (50 blank lines)",
            "| approval  9",
        ];
        assert_eq!(quoted(&text), lines);
    }

    #[test]
    fn blanks_push_nothing_out_of_sight() {
        let text = format!("a{}b\u{a0}c", " \u{3000}".repeat(40));
        assert_eq!(quoted(&text), ["| a…(80 blanks)…b\u{a0}c"]);
        let indented = format!("{}a", " ".repeat(BLANKS));
        assert_eq!(quoted(&indented), [format!("| {indented}")]);
    }
}
