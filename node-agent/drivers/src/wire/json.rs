//! JSON as it is written: half a character, numbers that are none, control characters in text.

use serde_json::Value;

/// What bare words of other languages stand for; JSON has no number for any of them.
const NO_NUMBERS: [&str; 4] = ["NaN", "-Infinity", "Infinity", "undefined"];

/// Reads a document. Where it is none by the norm, it is read once more with what is often wrong put right: half a
/// character, as where a model said it in parts, is U+FFFD, a number that is none is null, and a control
/// character in a text is that character.
///
/// # Errors
/// What the norm says of it.
pub(crate) fn json(bytes: &[u8]) -> Result<Value, String> {
    let strict = match serde_json::from_slice(bytes) {
        Ok(value) => return Ok(value),
        Err(error) => error.to_string(),
    };
    let text = String::from_utf8_lossy(bytes);
    serde_json::from_str(&mended(&text)).map_err(|_| strict)
}

fn mended(text: &str) -> String {
    let mut whole = String::with_capacity(text.len());
    let (mut at, mut quoted) = (0, false);
    while let Some(next) = text[at..].chars().next() {
        let rest = &text[at..];
        let (written, taken) = match next {
            '"' => {
                quoted = !quoted;
                ("\"", 1)
            }
            '\\' if quoted => escape(text, at),
            control if quoted && u32::from(control) < 0x20 => {
                whole.push_str(&format!("\\u{:04x}", u32::from(control)));
                ("", control.len_utf8())
            }
            _ if quoted => (&rest[..next.len_utf8()], next.len_utf8()),
            _ => match NO_NUMBERS.iter().find(|word| rest.starts_with(**word)) {
                Some(word) => ("null", word.len()),
                None => (&rest[..next.len_utf8()], next.len_utf8()),
            },
        };
        whole.push_str(written);
        at += taken;
    }
    whole
}

/// What stands for the escape at `at`, and how long that is: a pair of halves, half a character, or one letter.
fn escape(text: &str, at: usize) -> (&str, usize) {
    let unit = |at: usize| {
        let digits = text.get(at..at + 6)?.strip_prefix("\\u")?;
        u16::from_str_radix(digits, 16).ok()
    };
    let taken = match unit(at) {
        Some(0xd800..=0xdbff) if matches!(unit(at + 6), Some(0xdc00..=0xdfff)) => 12,
        Some(0xd800..=0xdfff) => return ("\\ufffd", 6),
        Some(_) => 6,
        // The character after it belongs to it, a second backslash too.
        None => 1 + text[at + 1..].chars().next().map_or(0, char::len_utf8),
    };
    (&text[at..at + taken], taken)
}

#[cfg(test)]
mod tests {
    use serde_json::json as value;

    use super::*;

    #[test]
    fn what_is_often_wrong_costs_nothing_but_itself() {
        for (written, read) in [
            (r#"{"a": NaN, "b": 1}"#, value!({"a": null, "b": 1})),
            (
                r#"[Infinity, -Infinity, "NaN"]"#,
                value!([null, null, "NaN"]),
            ),
            (r#"{"a": "x\ud83d"}"#, value!({"a": "x\u{fffd}"})),
            (
                r#"["\ud83d\ude00\ud83d", "\\ud83d"]"#,
                value!(["😀\u{fffd}", "\\ud83d"]),
            ),
            (
                "{\"a\": \"one\ttwo\nthree\"}",
                value!({"a": "one\ttwo\nthree"}),
            ),
        ] {
            assert_eq!(json(written.as_bytes()), Ok(read), "{written}");
        }
        assert!(json(b"{\"a\": \"x").is_err());
        assert!(json(b"NaNNaN").is_err());
        assert!(json(b"\\").is_err());
    }
}
