//! What stands in the payload of a message: all of it as a text, or scalars at JSON pointers, all of them in one pass.
//!
//! Payloads are hostile. Nothing is built of what nobody asked for, and the depth is that of the pointers: ten thousand
//! brackets beside them are skipped without a call for each. What may not enter: properties, models, resources.

mod scalar;
mod wanted;

pub use scalar::{Found, Unread};
pub(crate) use scalar::{told as scalar_told, whole};
pub use wanted::Wanted;

/// The longest payload that is read, in bytes.
pub const MAX_PAYLOAD: usize = 1024 * 1024;

/// The text of a payload, without the mark and the zero bytes, spaces and line ends that programs leave around it.
///
/// # Errors
/// It is too long, or not UTF-8.
pub fn text(payload: &[u8]) -> Result<&str, Unread> {
    if payload.len() > MAX_PAYLOAD {
        return Err(Unread::of("the message is longer than 1 MiB"));
    }
    let text = std::str::from_utf8(payload).map_err(|_| Unread::of("the message is not UTF-8"))?;
    Ok(bare(text))
}

/// A text without what programs leave around it.
#[must_use]
pub fn bare(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || matches!(c, '\0' | '\u{feff}'))
}

/// What stands at the pointers; `None` where nothing does.
///
/// # Errors
/// The text is not JSON.
pub fn scalars<'a>(text: &'a str, wanted: &Wanted) -> Result<Vec<Option<Found<'a>>>, Unread> {
    if text.is_empty() {
        return Err(Unread::of("the message is empty"));
    }
    let first = wanted.find(text);
    let Err(error) = first else {
        return first.map_err(not_json);
    };
    // Firmware prints a reading that it does not have as `nan`, and the rest of the message is good.
    match with_nulls(text) {
        Some(mended) => {
            let found = wanted.find(&mended).map_err(not_json)?;
            Ok(found
                .into_iter()
                .map(|it| it.map(Found::into_owned))
                .collect())
        }
        None => Err(not_json(error)),
    }
}

fn not_json(error: serde_json::Error) -> Unread {
    Unread::from(format!("the message is not JSON: {error}"))
}

/// The text with `null` for each `nan`, `inf` and `infinity` that stands where a value of JSON may; `None` where there is none.
fn with_nulls(text: &str) -> Option<String> {
    let (mut mended, mut from) = (String::new(), 0);
    let (mut quoted, mut escaped, mut before) = (false, false, b'[');
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let byte = bytes[at];
        if quoted {
            quoted = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
        } else if byte == b'"' {
            quoted = true;
        } else if matches!(before, b':' | b',' | b'[')
            && (byte.is_ascii_alphabetic() || matches!(byte, b'-' | b'+'))
        {
            let length = bytes[at + 1..]
                .iter()
                .take_while(|b| b.is_ascii_alphabetic())
                .count()
                + 1;
            let word = &text[at..at + length];
            if not_a_number(word.trim_start_matches(['-', '+'])) {
                mended.push_str(&text[from..at]);
                mended.push_str("null");
                from = at + length;
            }
            at += length - 1;
        }
        if !byte.is_ascii_whitespace() {
            before = byte;
        }
        at += 1;
    }
    if from == 0 {
        return None;
    }
    mended.push_str(&text[from..]);
    Some(mended)
}

/// Whether a word is what programs print for a number that is none.
fn not_a_number(word: &str) -> bool {
    ["nan", "inf", "infinity"]
        .iter()
        .any(|it| word.eq_ignore_ascii_case(it))
}

#[cfg(test)]
mod tests;
